"""What a package holds, written out from a commit: files and links, each looked at before it is there.

git itself checks nothing out: no filters, no hooks, no attributes of the package have a say in what lands on the disk.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from engine.errors import EngineError
from engine.gate.roots import real
from engine.packages.repositories import Entry, blobs, entries

LARGEST_FILE = 50_000_000
"""Bytes."""
LARGEST = 200_000_000
"""Bytes of all files together."""
MOST_FILES = 20_000
_AT_ONCE = 20_000_000
"""Bytes that are asked of git in one go."""
_LINK, _MODULE = "120000", "160000"
_LFS = b"version https://git-lfs.github.com/spec/v1"
_LEFT_OUT = ".pada"


def write_content(
    address: str, commit: str, subdirectory: str, folder: Path, name: str
) -> list[str]:
    """Write a commit's folder to a new folder here; returns what people should know of it.

    Args:
        address: Of the repository, whose clone has the commit.
        commit: In full.
        subdirectory: Folder in it; empty for all of it.
        folder: A place where nothing is.
        name: Of the package, for messages.

    Raises:
        EngineError: the package holds what is not written here: says which file, and why.
        OSError: it cannot be written.
    """
    listed = entries(address, commit, subdirectory)
    wanted = [(_path(entry, name), entry) for entry in listed if entry.mode != _MODULE]
    wanted = [(path, entry) for path, entry in wanted if path.parts[0] != _LEFT_OUT]
    _check_sizes(wanted, name)
    _check_names([path for path, _ in wanted], name)
    folder.mkdir(mode=0o755)
    notes = [
        f"{name}: the submodule {entry.path.decode('utf-8', 'replace')} is not fetched"
        for entry in listed
        if entry.mode == _MODULE
    ]
    links: list[tuple[PurePosixPath, str]] = []
    for path, entry, content in _contents(address, wanted):
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if entry.mode == _LINK:
            links.append((path, os.fsdecode(content)))
            continue
        if content.startswith(_LFS) and len(content) < 1000:
            notes.append(f"{name}: {path} is a pointer of Git LFS; the file itself is not fetched")
        handle = os.open(
            place,
            os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW,
            0o755 if entry.mode == "100755" else 0o644,
        )
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
    # After the files: none of them is written through a link.
    for path, target in links:
        _link(folder, path, target, name)
    for path, target in links:
        _check_link(folder, path, target, name)
    return notes


def _path(entry: Entry, name: str) -> PurePosixPath:
    """Return the place of a file in its package; raises EngineError for one that leads elsewhere."""
    try:
        text = entry.path.decode()
    except UnicodeDecodeError:
        shown = entry.path.decode("utf-8", "backslashreplace")
        raise _refused(name, shown, "its name is not UTF-8") from None
    parts = text.split("/")
    if any(part in ("", ".", "..") or part.lower() == ".git" for part in parts):
        raise _refused(name, text, "its path leads out of the package, or into git's own folder")
    if not text.isprintable() or "\\" in text:
        raise _refused(name, text, "its name has a control character or a backslash")
    if entry.mode not in ("100644", "100755", "100664", _LINK):
        raise _refused(name, text, f"it is neither a file nor a link (mode {entry.mode})")
    return PurePosixPath(text)


def _check_sizes(wanted: Sequence[tuple[PurePosixPath, Entry]], name: str) -> None:
    hint = "data belongs into files that a recipe names, not into a package"
    for path, entry in wanted:
        if entry.size > LARGEST_FILE:
            message = f"it has {entry.size / 1e6:.0f} MB, and a file of a package at most {LARGEST_FILE / 1e6:.0f}"
            raise _refused(name, str(path), message, hint)
    total = sum(entry.size for _, entry in wanted)
    if total > LARGEST:
        raise EngineError(
            f"the package {name} has {total / 1e6:.0f} MB, and one has at most {LARGEST / 1e6:.0f}",
            f"{hint}; or name a `subdirectory:`",
        )
    if len(wanted) > MOST_FILES:
        raise EngineError(
            f"the package {name} has {len(wanted):,} files, and one has at most {MOST_FILES:,}",
            "name a `subdirectory:`",
        )


def _check_names(paths: Sequence[PurePosixPath], name: str) -> None:
    """Refuse names that are the same on some machines: what a package holds must not depend on the disk."""
    known: dict[str, str] = {}
    for path in paths:
        for part in (path, *path.parents):
            text = str(part)
            same = unicodedata.normalize("NFC", text).casefold()
            if known.setdefault(same, text) != text:
                raise _refused(
                    name,
                    text,
                    f"{known[same]} is the same name on disks that ignore capitals",
                    "rename one",
                )
    places = [str(path) for path in paths]
    if len(set(places)) != len(places) or any(
        str(p) in set(places) for q in paths for p in q.parents
    ):
        raise EngineError(f"the package {name} has two files at one place", "its commit is damaged")


def _contents(
    address: str, wanted: Sequence[tuple[PurePosixPath, Entry]]
) -> Iterator[tuple[PurePosixPath, Entry, bytes]]:
    batch: list[tuple[PurePosixPath, Entry]] = []
    size = 0
    for one in (*wanted, None):
        if batch and (one is None or size + one[1].size > _AT_ONCE):
            read = blobs(address, [entry.blob for _, entry in batch])
            for (path, entry), content in zip(batch, read, strict=True):
                yield path, entry, content
            batch, size = [], 0
        if one is not None:
            batch.append(one)
            size += one[1].size


def _link(folder: Path, path: PurePosixPath, target: str, name: str) -> None:
    if not target or "\0" in target or os.path.isabs(target):
        raise _refused(name, str(path), f"it is a link to {target!r}, outside of the package")
    os.symlink(target, folder / path)


def _check_link(folder: Path, path: PurePosixPath, target: str, name: str) -> None:
    """Refuse a link that leads out of the package, perhaps by way of others."""
    if not real(folder / path).is_relative_to(real(folder)):
        raise _refused(name, str(path), f"it is a link to {target!r}, outside of the package")


def _refused(name: str, path: str, why: str, hint: str = "") -> EngineError:
    return EngineError(
        f"the package {name} is not installed: {path}: {why}",
        hint or "tell those who publish it; nothing was written",
    )
