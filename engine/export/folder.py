"""The folder that an export writes: whole or not there, and never over what no export wrote.

A file in it, written last, says who wrote it and which files belong to it. Only a folder with this file, and with no
file besides those, is replaced.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import EngineError
from engine.system.files import replacing
from engine.version import __version__


class Writer(NamedTuple):
    """Who writes folders, and how they tell them from others'."""

    mark: str
    """The file in them."""
    never: str
    """That somebody else did it."""
    what: str
    hint: str
    """What to do where a folder is not theirs."""


MARK = "pada-export.json"
EXPORT = Writer(
    MARK,
    "no export wrote",
    "export",
    "choose another place with --to; --replace replaces exports alone",
)
_BYTES = 1e6


def check_target(to: Path, *, replace: bool, writer: Writer = EXPORT) -> None:
    """Raise EngineError where a folder may not be written; called before any work is done."""
    if not to.exists() and not to.is_symlink():
        return
    if not to.is_dir() or to.is_symlink():
        raise EngineError(f"{to} is not a folder", "choose another place with --to")
    there = {
        path.relative_to(to).as_posix()
        for path in to.rglob("*")
        if (not path.is_dir() or path.is_symlink()) and not _is_compiled(path)
    }
    if not there:
        return
    if writer.mark not in there:
        raise EngineError(
            f"{to} is there already, and {writer.never} it: it has no {writer.mark}", writer.hint
        )
    if strange := sorted(there - {writer.mark, *_files_of(to / writer.mark)}):
        more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
        raise EngineError(
            f"{to} holds what {writer.never}: {strange[0]}{more}",
            "move that elsewhere, or choose another place with --to",
        )
    if not replace:
        raise EngineError(
            f"{to} is an export already", "replace it with --replace, or choose another place"
        )


def _is_compiled(path: Path) -> bool:
    """Return whether Python left a file there when `use.py` was imported."""
    return path.parent.name == "__pycache__" and path.suffix == ".pyc" and not path.is_symlink()


def _files_of(mark: Path) -> list[str]:
    try:
        return [str(name) for name in json.loads(mark.read_text("utf-8"))["files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def check_room(to: Path, needed: int) -> None:
    """Raise EngineError where the disk has less room than `needed` bytes."""
    place = next(path for path in (to, *to.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise EngineError(
            f"no room for the model in {to}: it takes {needed / _BYTES:,.0f} MB, and {free / _BYTES:,.0f} MB are free",
            "free some disk space, or choose a place on another disk with --to",
        )


@contextlib.contextmanager
def writing(to: Path, says: Mapping[str, Any], writer: Writer = EXPORT) -> Iterator[Path]:
    """Yield a folder beside `to` that becomes it when the block ends well; `says` is what the mark tells of it.

    Raises:
        EngineError: it cannot be written, or a file that the block reads cannot be read.
    """
    part = to
    try:
        to.absolute().parent.mkdir(parents=True, exist_ok=True)
        with replacing(to) as part:
            part.mkdir()
            yield part
            files = sorted(path for path in part.rglob("*") if path.is_file())
            names = [path.relative_to(part).as_posix() for path in files]
            told = {"written_by": f"pada-engine {__version__}", **says, "files": names}
            mark = part / writer.mark
            mark.write_text(as_json(told), encoding="utf-8")
            # Some libraries write files that nobody but their owner may read.
            usual = mark.stat().st_mode
            for file in files:
                file.chmod(usual)
    except OSError as problem:
        raise _fault(problem, part, to, writer) from problem


def _fault(problem: OSError, part: Path, to: Path, writer: Writer) -> EngineError:
    """Return what to say of a failure while a folder was written: not all that fails then is a failure to write."""
    reason = problem.strerror or (str(problem).strip().splitlines() or [repr(problem)])[0]
    named = None if problem.filename is None else Path(os.fsdecode(problem.filename))
    inside = named is None or any(
        named.is_relative_to(place) for place in (part, to.absolute().parent)
    )
    if problem.errno is None or not inside:
        what = "what it is made of cannot be read" if named is None else f"{named} cannot be read"
        return EngineError(
            f"nothing is exported: {what}: {reason}", "put that right, and export again"
        )
    return EngineError(
        f"the {writer.what} cannot be written to {to}: {reason}",
        "choose a place that can be written, with --to",
    )


def as_json(value: object) -> str:
    """Return a value as JSON that people can read."""
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"
