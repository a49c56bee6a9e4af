"""Files of a commit, read out of git: nothing is checked out, and the working tree stays as it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from engine.errors import EngineError
from engine.gate.roots import PROJECT
from engine.spec.yaml import LARGEST
from engine.system.git import GitError, git_bytes, run_git

_MOST = 5_000
"""Files of a commit that are read; of larger repositories those of the recipe's project alone."""
_MOST_BYTES = 128_000_000
_PATIENCE = 20.0
"""Seconds to look for names that a recipe had."""
_HIDDEN = {".git", ".pada"}
"""Folders whose files are nobody's sources."""


class Entry(NamedTuple):
    """A file of a commit."""

    path: str
    blob: str
    size: int


class Files(NamedTuple):
    """The files of a commit that may belong to a recipe."""

    commit: str
    root: Path
    """The repository's folder."""
    recipe: str
    """The recipe's file, from there."""
    contents: dict[str, bytes]
    left: dict[str, int]
    """Path -> bytes of larger ones, which are not read."""


def repository_of(place: Path) -> Path:
    """Return the folder of the git repository around a file or folder, which need not be there now.

    Raises:
        EngineError: there is none, or git does not take it.
    """
    folder = place.absolute()
    while not folder.is_dir():
        folder = folder.parent
    try:
        top = run_git(["rev-parse", "--show-toplevel"], folder).strip()
    except GitError as error:
        if "not a git repository" in error.said:
            raise EngineError(
                f"{place} is in no git repository", "versions are commits and tags of one"
            ) from None
        raise
    return Path(os.path.realpath(top))


def commit_named(root: Path, revision: str) -> str:
    """Return the full commit behind a tag, branch or commit; raises EngineError where there is none."""
    try:
        return run_git(
            ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"], root
        ).strip()
    except GitError:
        tags = run_git(["for-each-ref", "--format=%(refname:strip=2)", "--sort=-creatordate",
                        "--count=8", "refs/tags"], root).split()  # fmt: skip
        hint = f"tags here: {', '.join(tags)}" if tags else "this repository has no tags"
        raise EngineError(f"there is no version '{revision}' in {root}", hint) from None


def place_at(recipe: Path, revision: str) -> Path:
    """Return where a recipe was in a version: it may have had another name then; raises EngineError without git."""
    root = repository_of(recipe)
    whole = Path(os.path.realpath(recipe.absolute()))
    if not whole.is_relative_to(root):
        return recipe
    name = whole.relative_to(root).as_posix()
    if _has(root, revision, name):
        return recipe
    # Looked for only where it is needed: it walks the whole history.
    older = (one for one in names_of(root, name)[1:] if _has(root, revision, one))
    found = next(older, None)
    return recipe if found is None else root / found


def _has(root: Path, revision: str, name: str) -> bool:
    try:
        run_git(["cat-file", "-e", "--end-of-options", f"{revision}:{name}"], root)
    except GitError:
        return False
    return True


def names_of(root: Path, file: str) -> list[str]:
    """Return what a file is called and was called before, the latest name first."""
    names = [file]
    with suppress(GitError):
        # A move is a commit that has the file under another name, and most of its lines.
        said = run_git(
            ["--literal-pathspecs", "-c", "log.showSignature=false", "log", "--follow", "--find-renames",
             "--diff-filter=R", "--name-status", "--format=", "-z", "--", file],
            root, _PATIENCE,
        ).split("\0")  # fmt: skip
        for how, old in pairwise(said):
            if how.lstrip("\n").startswith("R") and how.lstrip("\nR").isdecimal():
                names.append(old)
    return list(dict.fromkeys(names))


def files_at(place: Path, revision: str) -> Files:
    """Return the files of a commit around a recipe.

    Args:
        place: The recipe's file or its folder, as it is called now.
        revision: Tag, branch or commit.

    Raises:
        EngineError: there is no repository, no such version, or no such recipe in it.
    """
    root = repository_of(place)
    commit = commit_named(root, revision)
    place = place_at(place, commit)
    listed = _listed(root, commit, ())
    by_path = {entry.path: entry for entry in listed}
    absolute = Path(os.path.realpath(place.absolute()))
    name = absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else ""
    recipe = next(
        (each for each in (name, f"{name}/recipe.yaml".lstrip("./")) if each in by_path), None
    )
    if recipe is None:
        raise EngineError(
            f"{revision} has no recipe {name or place}",
            "it was added later, or had another name then: compare the two files",
        )
    if len(listed) > _MOST:
        above = _project(recipe, by_path)
        listed = [entry for entry in listed if entry.path.startswith(above)][:_MOST]
    small, left, total = [], {}, 0
    for entry in listed:
        if entry.size <= LARGEST and total + entry.size <= _MOST_BYTES:
            total += entry.size
            small.append(entry)
        else:
            left[entry.path] = entry.size
    contents = _contents(root, [entry.blob for entry in small])
    return Files(
        commit, root, recipe,
        {entry.path: content for entry, content in zip(small, contents, strict=True)}, left,
    )  # fmt: skip


def _project(recipe: str, known: dict[str, Entry]) -> str:
    """Return the folder, with its slash, of the nearest `pada.yaml` above a recipe, or else its own."""
    above = recipe.rpartition("/")[0]
    folder = above
    while True:
        if f"{folder}/{PROJECT}".lstrip("/") in known:
            return f"{folder}/" if folder else ""
        if not folder:
            return f"{above}/" if above else ""
        folder = folder.rpartition("/")[0]


def _listed(root: Path, commit: str, below: Sequence[str]) -> list[Entry]:
    """Return the files of a commit; no links, and nothing of other repositories in it."""
    arguments = [
        "ls-tree",
        "-r",
        "-z",
        "-l",
        "--full-tree",
        commit,
        *(["--", *below] if below else []),
    ]
    entries = []
    for line in git_bytes(arguments, root).decode("utf-8", "surrogateescape").split("\0"):
        about, tab, path = line.partition("\t")
        if tab:
            mode, kind, blob, size = about.split()
            if kind == "blob" and mode != "120000" and not _HIDDEN & {*path.split("/")}:
                entries.append(Entry(path, blob, int(size)))
    return entries


def _contents(root: Path, blobs: Sequence[str]) -> list[bytes]:
    """Return what files hold, all by one process."""
    given = "".join(f"{blob}\n" for blob in blobs).encode()
    raw = git_bytes(["cat-file", "--batch"], root, given=given) if blobs else b""
    contents, at = [], 0
    for blob in blobs:
        end = raw.index(b"\n", at)
        about = raw[at:end].split()
        if len(about) != 3:
            raise EngineError(
                f"git has lost the object {blob}", "the repository is damaged or shallow: git fsck"
            )
        size = int(about[2])
        contents.append(raw[end + 1 : end + 1 + size])
        at = end + 1 + size + 1
    return contents
