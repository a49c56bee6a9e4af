"""Which commit the files of a recipe are of, and which of them differ from it.

Few short questions to git, whatever the size of the repository: of its files only the recipe's own are looked at, and
they are held against the commit by their hashes, so that no filter or monitor of the repository's own is ever started.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from engine.errors import EngineError
from engine.system.git import run_git

PATIENCE = 5.0
"""Seconds for each question."""
_AT_ONCE = 200
"""Files of one question."""
_IN_WORDS = {
    "dubious ownership": "the repository is another user's (git: safe.directory)",
    "must be run in a work tree": "the repository has no work tree",
    "not a git repository": "git takes .git for no repository",
}


class Commit(NamedTuple):
    """Where files are kept; None for what is not known."""

    root: Path | None = None
    """Folder of the repository."""
    repository: str | None = None
    """Its address, without user and password."""
    hash: str | None = None
    """Of the commit that is checked out, in full."""
    branch: str | None = None
    tags: tuple[str, ...] | None = None
    changed: tuple[Path, ...] | None = None
    """Of the files those that are not as in the commit, also new ones; empty where all are."""


NOWHERE = Commit()


def commit_of(
    folder: Path, files: Sequence[Path], say: Callable[[str], None] = lambda _: None
) -> Commit:
    """Return the commit that is checked out around a folder, and which files differ from it.

    Never raises: what git does not say is None, and `say` is told in a line where there is a repository that cannot be
    used.

    Args:
        folder: The project's.
        files: Whole paths, resolved; those outside of the repository do not count.
        say: Is told why nothing is known.
    """
    # Without one git need not be asked, or be there.
    if not any((above / ".git").exists() for above in (folder, *folder.parents)):
        return NOWHERE
    try:
        top, commit = run_git(
            ["rev-parse", "--show-toplevel", "--verify", "HEAD^{commit}"], folder, PATIENCE
        ).splitlines()
    except (EngineError, ValueError, OSError) as error:
        said = getattr(error, "said", "") or str(error)
        # A repository without a commit yet is nothing to speak of.
        if "Needed a single revision" not in said:
            say(f"the run does not note its git commit: {_short(said)}")
        return NOWHERE
    root = Path(os.path.realpath(top))
    found = Commit(root, hash=commit)
    with contextlib.suppress(EngineError):
        found = found._replace(
            repository=_address(_asked(root, "config", "--get", "remote.origin.url"))
        )
    with contextlib.suppress(EngineError):
        found = found._replace(branch=_asked(root, "symbolic-ref", "-q", "--short", "HEAD") or None)
    with contextlib.suppress(EngineError):
        tags = _asked(
            root, "for-each-ref", "--points-at=HEAD", "--format=%(refname:strip=2)", "refs/tags"
        )
        found = found._replace(tags=tuple(tags.split()))
    with contextlib.suppress(EngineError, OSError):
        found = found._replace(changed=tuple(_changed(root, files)))
    return found


def _asked(root: Path, *arguments: str) -> str:
    return run_git(arguments, root, PATIENCE).strip()


def _address(address: str) -> str | None:
    """Return an address without what may be a secret: user, password, and what stands after ? and #."""
    if "://" not in address:
        # As for scp: `git@host:owner/repository`, which has no password; or a folder of this machine.
        return address or None
    try:
        parts = urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path, "", ""))
    except ValueError:
        return None


def _changed(root: Path, files: Sequence[Path]) -> Iterator[Path]:
    inside = [file for file in files if file.is_relative_to(root)]
    committed: dict[str, str] = {}
    for start in range(0, len(inside), _AT_ONCE):
        names = [file.relative_to(root).as_posix() for file in inside[start : start + _AT_ONCE]]
        listed = run_git(["ls-tree", "-z", "--full-tree", "HEAD", "--", *names], root, PATIENCE)
        for entry in listed.split("\0"):
            about, tab, name = entry.partition("\t")
            if tab:
                committed[name] = about.split()[2]
    for file in inside:
        expected = committed.get(file.relative_to(root).as_posix())
        if expected is None or expected not in _hashes(file.read_bytes(), len(expected)):
            yield file


def _hashes(content: bytes, length: int) -> Iterator[str]:
    """Yield the names that git gives a file of this content: as it is, and with the line ends that it may store."""
    make = hashlib.sha256 if length == 64 else hashlib.sha1
    for stored in (content, content.replace(b"\r\n", b"\n")):
        # Not for safety: it is how git names what it keeps.
        made = make(b"blob %d\0" % len(stored), usedforsecurity=False)
        made.update(stored)
        yield made.hexdigest()


def _short(reason: str) -> str:
    for known, words in _IN_WORDS.items():
        if known in reason:
            return words
    return reason.splitlines()[0][:160] if reason else "git said nothing"
