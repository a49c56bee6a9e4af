"""Git repositories and projects made for a test: a whole repository by one call of git."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from engine.system.git import run_git

PADA = "project: 1\nname: {}\nversion: {}\n"


class Commit(NamedTuple):
    """All files of a commit: text, or mode and content; of a submodule the commit."""

    files: Mapping[str, str | tuple[str, str]]
    tags: Sequence[str] = ()
    branch: str = "main"


def make_repository(folder: Path, *commits: Commit) -> str:
    """Make a repository, or add to it; tags that are there are moved. Returns its address."""
    if not folder.exists():
        folder.mkdir(parents=True)
        run_git(["init", "--quiet", "--bare", "--template=", "."], folder)
    lines: list[bytes] = []
    for number, commit in enumerate(commits, 1):
        lines += [
            f"commit refs/heads/{commit.branch}\nmark :{number}\n".encode(),
            f"committer A <a@b.example> {1700000000 + number} +0000\ndata 1\nx\n".encode(),
        ]
        if (folder / "refs" / "heads" / commit.branch).exists() and number == 1:
            lines.append(f"from refs/heads/{commit.branch}^0\n".encode())
        lines.append(b"deleteall\n")
        for path, content in commit.files.items():
            mode, text = content if isinstance(content, tuple) else ("100644", content)
            if mode == "160000":
                lines.append(f"M 160000 {text} {path}\n".encode())
                continue
            raw = text.encode()
            lines.append(f"M {mode} inline {path}\ndata {len(raw)}\n".encode() + raw + b"\n")
        lines += [f"reset refs/tags/{tag}\nfrom :{number}\n\n".encode() for tag in commit.tags]
    subprocess.run(
        ["git", "fast-import", "--quiet", "--force"],
        cwd=folder,
        input=b"".join(lines),
        check=True,
        capture_output=True,
    )
    return f"file://{folder}"


def package(
    name: str, version: str, more: str = "", **files: str
) -> dict[str, str | tuple[str, str]]:
    """Return the files of a package."""
    return {"pada.yaml": PADA.format(name, version) + more, **files}


def commit_of(address: str, name: str) -> str:
    """Return the commit that a tag or branch of a repository leads to."""
    folder = Path(address.removeprefix("file://"))
    return run_git(["--git-dir", ".", "rev-parse", f"{name}^{{commit}}"], folder).strip()


def make_project(folder: Path, *packages: str, more: str = "") -> Path:
    """Make a project that asks for packages, each in YAML's flow style."""
    folder.mkdir(parents=True, exist_ok=True)
    asked = "".join(f"- {each}\n" for each in packages)
    listed = f"packages:\n{asked}" if packages else ""
    (folder / "pada.yaml").write_text(PADA.format("app", "0.1.0") + more + listed, "utf-8")
    return folder
