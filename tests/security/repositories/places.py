"""A repository of recipes that is right, as files: each case breaks something of it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

PROJECT = "project: 1\nname: mine\nversion: 1.0.0\n"
PACKAGE = "project: 1\nname: shared-pack\nversion: 1.0.0\n"
BASE = """\
recipe: 1
name: base
task: {kind: classification, input: [text], target: label, description: Mail of a shop.}
models:
  student: {backend: scripted, model: student}
  teacher: {backend: scripted, model: teacher}
  judge: {backend: scripted, model: judge}
  embedder: {backend: scripted, model: embedder}
metrics: [accuracy]
failure: accuracy < 1
augment: {operators: [{name: paraphrase}]}
quality: {judge: advises}
"""
DATA = """\
data:
  train: {path: data/train.jsonl}
  validation: {path: data/validation.jsonl}
  test: {path: data/test.jsonl}
"""
RECIPE = BASE.replace("name: base", "name: mail") + DATA
EXTENDING = f"recipe: 1\nname: mail\nextends: base.yaml\n{DATA}"
TAXONOMY = """\
taxonomy: 1
mode: hybrid
categories:
  - {id: money, name: Money, description: Bills and refunds.}
"""


class Place:
    """A folder with a project that is right, and a package in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = root / "project"
        self.package = self.project / "shared"
        self.write("project/pada.yaml", PROJECT)
        self.write("project/recipe.yaml", RECIPE)
        for split in ("train", "validation", "test"):
            rows = (
                json.dumps({"text": f"{split} mail {n}", "label": "ab"[n % 2]}) for n in range(20)
            )
            self.write(f"project/data/{split}.jsonl", "\n".join(rows) + "\n")
        self.write("project/shared/pada.yaml", PACKAGE)
        self.write("project/shared/recipes/base.yaml", BASE)

    def write(self, name: str, text: str | bytes) -> Path:
        """Write a file, its folders made."""
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    def uses_package(self) -> None:
        """Have the project depend on the package in it."""
        self.write("project/pada.yaml", PROJECT + "packages: [{path: shared}]\n")

    def state(self) -> str:
        """Return a hash over every file, link and mode below the folder."""
        parts = []
        for folder, folders, files in os.walk(self.root):
            for name in sorted((*folders, *files)):
                path = Path(folder, name)
                held = os.readlink(path) if path.is_symlink() else ""
                if path.is_file() and not path.is_symlink() and path.stat().st_size < 10_000_000:
                    held = hashlib.sha256(path.read_bytes()).hexdigest()
                parts.append(f"{path.relative_to(self.root)} {path.lstat().st_mode} {held}")
        return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder as somebody who has set nothing up; return what it prints."""
    who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    return subprocess.run(
        ["git", *who, "-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false", *arguments],
        cwd=folder, check=True, capture_output=True, text=True, env={**os.environ, "HOME": str(folder)},
    ).stdout.strip()  # fmt: skip


def commit(folder: Path, message: str, *tags: str) -> str:
    """Commit everything in a folder, which becomes a repository where it is none, with tags; return the commit."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    for tag in tags:
        git(folder, "tag", tag)
    return git(folder, "rev-parse", "HEAD")
