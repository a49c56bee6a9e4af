"""Repositories as git knows them: bare clones in the user's cache, asked for refs, folders and files.

They lie in the cache and not in the project: a clone that came with somebody's project could hold settings by which git
runs their programs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from engine.errors import EngineError
from engine.fingerprint import short
from engine.packages.choosing import Refs
from engine.system import locks
from engine.system.files import replacing
from engine.system.git import GitError, git_bytes, run_git
from engine.system.places import cache_root

_BARE = ("--git-dir", ".")
_FETCH_SECONDS = 900.0
_LOOK_SECONDS = 30.0
_WAIT = 900.0
_REASONS: Mapping[str, tuple[str, str]] = {
    "could not read username|terminal prompts disabled|authentication failed|invalid username|http basic|401|403": (
        "git has no credentials for it, or it does not exist",
        "log in with git's credential helper (git help credentials, gh auth login), or use an ssh address; "
        "try it: git ls-remote {address}",
    ),
    "permission denied|publickey|host key verification": (
        "ssh was refused, or does not know the host yet",
        "load your key (ssh-add) and try it: git ls-remote {address}",
    ),
    "not found|does not appear to be a git repository|does not exist|not a git repository": (
        "there is no such repository, or you may not see it",
        "check the address: git ls-remote {address}",
    ),
    "could not resolve|connection|timed out|network|unable to access|unreachable|took more than": (
        "it cannot be reached",
        "check the network; what was fetched before is installed without it: pada deps --offline",
    ),
    "dubious ownership": (
        "git does not trust a repository of somebody else on this machine",
        "git config --global --add safe.directory FOLDER, if you do",
    ),
}
"""What git's own words mean, in the order in which they are looked for."""


class Entry(NamedTuple):
    """A file of a commit."""

    mode: str
    path: bytes
    blob: str
    size: int


def clone_place(address: str) -> Path:
    """Return the folder of a repository's clone, which need not be there."""
    last = re.sub(
        r"[^A-Za-z0-9_-]", "-", address.rstrip("/").removesuffix(".git").rpartition("/")[2]
    )
    return cache_root() / "git" / f"{last[-40:]}-{short(address)}"


def fetch(address: str) -> Path:
    """Bring all tags and branches of a repository into its clone, and return that; raises EngineError."""
    clone = clone_place(address)
    with _held(clone):
        if not clone.is_dir():
            with replacing(clone) as part:
                part.mkdir(mode=0o700)
                run_git(["init", "--quiet", "--bare", "--template=", "."], part)
        wanted = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        command = ["fetch", "--quiet", "--no-tags", "--prune", "--no-write-fetch-head"]
        with _explained(address):
            run_git([*_BARE, *command, "--", address, *wanted], clone, _FETCH_SECONDS)
    return clone


def fetch_commit(address: str, commit: str) -> bool:
    """Bring a commit that no branch and no tag leads to into a clone; returns whether it is there then."""
    clone = clone_place(address)
    with _held(clone):
        try:
            command = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"]
            run_git([*_BARE, *command, "--", address, commit], clone, _FETCH_SECONDS)
        except GitError:
            return False
    return has_commit(address, commit)


def has_commit(address: str, commit: str) -> bool:
    """Return whether a clone has a commit, with all its files."""
    clone = clone_place(address)
    if not clone.is_dir():
        return False
    try:
        run_git([*_BARE, "cat-file", "-e", f"{commit}^{{tree}}"], clone)
    except GitError as error:
        if not error.said:
            # As git itself is not there.
            raise
        return False
    return True


def refs_of(address: str) -> Refs:
    """Return the tags and branches in a clone."""
    clone = clone_place(address)
    form = "%(refname)%00%(objectname)%00%(*objectname)%00%(objecttype)%00%(*objecttype)"
    lines = run_git([*_BARE, "for-each-ref", f"--format={form}"], clone).splitlines()
    tags: dict[str, str] = {}
    branches: dict[str, str] = {}
    for line in lines:
        name, own, peeled, sort, inner = line.split("\0")
        commit = peeled if sort == "tag" else own
        if "commit" not in (sort, inner):
            continue
        if name.startswith("refs/tags/"):
            tags[name.removeprefix("refs/tags/")] = commit
        elif name.startswith("refs/heads/"):
            branches[name.removeprefix("refs/heads/")] = commit

    def whole(begin: str) -> str | None:
        try:
            asked = [*_BARE, "rev-parse", "--verify", "--quiet", "--end-of-options"]
            found = run_git([*asked, f"{begin}^{{commit}}"], clone)
        except GitError:
            return None
        return found.strip()

    return Refs(tags, branches, whole)


def tags_there(address: str) -> Mapping[str, str]:
    """Return the tags that a repository has now, without fetching anything; raises EngineError."""
    with _explained(address):
        cache = cache_root()
        cache.mkdir(parents=True, exist_ok=True)
        lines = run_git(["ls-remote", "--tags", "--", address], cache, _LOOK_SECONDS).splitlines()
    found: dict[str, str] = {}
    # Of a tag with a message the commit comes in a second line.
    for line in lines:
        commit, _, name = line.partition("\t")
        found[name.removeprefix("refs/tags/").removesuffix("^{}")] = commit
    return found


def entries(address: str, commit: str, subdirectory: str) -> list[Entry]:
    """Return the files in a folder of a commit; raises EngineError where there is no such folder."""
    clone = clone_place(address)
    tree = f"{commit}:{subdirectory}" if subdirectory else f"{commit}^{{tree}}"
    try:
        listed = git_bytes([*_BARE, "ls-tree", "-r", "-l", "-z", "--end-of-options", tree], clone)
    except GitError as error:
        if not subdirectory or not error.said:
            raise
        raise EngineError(
            f"{address} has no folder {subdirectory} at {commit[:12]}", "check `subdirectory:`"
        ) from None
    found = []
    for line in filter(None, listed.split(b"\0")):
        about, _, path = line.partition(b"\t")
        mode, _, blob, size = about.decode().split()
        found.append(Entry(mode, path, blob, 0 if size == "-" else int(size)))
    return found


def blobs(address: str, wanted: Sequence[str]) -> Iterator[bytes]:
    """Yield the contents of files of a clone, in order."""
    clone = clone_place(address)
    given = "".join(f"{blob}\n" for blob in wanted).encode()
    raw = git_bytes([*_BARE, "cat-file", "--batch"], clone, 300, given)
    at = 0
    for blob in wanted:
        end = raw.index(b"\n", at)
        about = raw[at:end].split()
        if len(about) != 3 or about[0].decode() != blob:
            raise EngineError(
                f"the clone {clone} lacks a file", f"delete it, and run again: rm -rf {clone}"
            )
        at = end + 1 + int(about[2])
        yield raw[end + 1 : at]
        at += 1


@contextmanager
def _held(clone: Path) -> Iterator[None]:
    """Have one process at a time change a clone."""
    try:
        clone.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locks.hold(clone.with_name(f"{clone.name}.lock"), _WAIT):
            yield
    except locks.HeldError as held:
        raise EngineError(
            f"process {held.holder.pid} is at {clone}", "wait until it is done, then try again"
        ) from None
    except OSError as error:
        raise EngineError(
            f"{error.filename or clone} cannot be written: {error.strerror}",
            "set PADA_CACHE to a folder that can be written",
        ) from error


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """Have what git says of a repository be told in other words, with what to do."""
    try:
        yield
    except GitError as error:
        words = f"{error.said} {error.message}".lower()
        if not error.said and "took more than" not in words:
            raise
        for pattern, (reason, hint) in _REASONS.items():
            if re.search(pattern, words):
                said = f" (git: {_last(error.said)})" if error.said else ""
                raise EngineError(
                    f"{address}: {reason}{said}", hint.format(address=address)
                ) from error
        raise EngineError(f"{address} cannot be fetched: {_last(error.said)}") from error


def _last(said: str) -> str:
    """Return the line of what git says that has the reason."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith(("fatal:", "ERROR:"))]
    return (fatal or lines or [""])[0].removeprefix("fatal: ")
