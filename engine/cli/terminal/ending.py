"""How a command ends by what nobody foresaw: in words for what the machine refuses, with a report for a bug of ours."""

from __future__ import annotations

import errno
import linecache
import os
import secrets
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from engine.cli.terminal.help import EXAMPLES
from engine.errors import EngineError, Interrupted, reason_of
from engine.system.files import write_private
from engine.system.log_file import without_keys
from engine.system.places import cache_root
from engine.system.platforms import system_name
from engine.system.signals import was_interrupted
from engine.version import versions

BUG = 1
"""Exit code of a command that ended by a mistake of the engine."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_OPEN = {errno.EMFILE, errno.ENFILE}
_FRAMES = 200
"""Of a traceback that is longer, as of endless recursion, its first and its last half are kept."""


def as_condition(error: Exception) -> EngineError | None:
    """Return the user's view of what the machine refused: a file, memory, the network; None for a bug."""
    if was_interrupted(error):
        return Interrupted("stopped", "run the same command again; what was finished is kept")
    if isinstance(error, MemoryError):
        return EngineError(
            "this takes more memory than there is",
            "close other programs, or give the recipe fewer rows (--limit); what was finished is kept",
        )
    # What libraries raise as OSError of their own has no number, and tells of no condition.
    if not isinstance(error, OSError) or error.errno is None:
        return None
    name = error.filename
    place = os.fsdecode(name) if isinstance(name, str | bytes) else ""
    if error.errno in _FULL:
        hint = "free some space, or write to another place; what was finished is kept"
    elif error.errno in _REFUSED:
        hint = "check its permissions, and those of its folder"
    elif error.errno in _OPEN:
        hint = "allow more open files (`ulimit -n 4096`)"
    else:
        hint = "check that it is there and what it should be, a file or a folder"
    if not place:
        return EngineError(reason_of(error), "" if error.errno not in _FULL | _OPEN else hint)
    return EngineError(f"{place}: {reason_of(error)}", hint)


def report_bug(error: Exception) -> str:
    """Write a report of a bug into a file that its user alone can read; return what is to be printed."""
    # Other processes' output must not be taken for ours: one line, and no key in it.
    said = without_keys(f"{type(error).__name__}: {reason_of(error)}")
    lines = [
        f"internal error: {said}",
        "    this is a mistake of PaDA Engine, not yours; what was finished is kept, and the same command goes on",
        *(f"    {note}" for note in getattr(error, "__notes__", ())),
    ]
    text = report_of(error)
    file = cache_root() / "bugs" / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}.txt"
    try:
        write_private(file, text)
    except OSError:
        return "\n".join(
            [*lines, "    please report it with the text below and what you did", "", text]
        )
    lines += [
        f"    details without rows and keys: {file}",
        "    please report it with that file, the line above and what you did",
    ]
    return "\n".join(lines)


def report_of(error: BaseException) -> str:
    """Return what tells a developer of the engine where it failed.

    What exceptions say is left out, and lines of files that are not code of libraries: both may quote rows.
    """
    used = ", ".join(f"{name} {version}" for name, version in versions().items())
    lines = ["PaDA Engine: report of a bug", "", f"command: pada {_verb()}", f"versions: {used}"]
    lines += [f"system: {system_name()}", ""]
    lines += _told(error, set())
    lines.append("(What the errors said is left out: it may quote rows.)")
    return "\n".join([*lines, ""])


def _verb() -> str:
    """Return the words of the command line that name a command."""
    words = [word for word in sys.argv[1:3] if not word.startswith("-")]
    return next((known for known in (" ".join(words), *words[:1]) if known in EXAMPLES), "")


def _told(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _told(before, seen)
        yield "then:"
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    cut = len(frames) - _FRAMES
    for number, (code, line) in enumerate(frames):
        if cut > 0 and _FRAMES // 2 <= number < _FRAMES // 2 + cut:
            if number == _FRAMES // 2:
                yield f"  … {cut} more …"
            continue
        place = _placed(code.co_filename)
        yield f"  {place or 'a file of the user'}, line {line}, in {code.co_name if place else '?'}"
        if place and (source := linecache.getline(code.co_filename, line).strip()):
            yield f"    {source}"
    yield type(error).__name__


def _placed(file: str) -> str:
    """Return a module's file from where it can be imported; nothing for what is no module."""
    roots = [Path(__file__).parents[3], *(Path(root) for root in sys.path if root)]
    path = Path(file)
    if path.suffix != ".py" or not path.is_absolute():
        return ""
    found = [path.relative_to(root).as_posix() for root in roots if path.is_relative_to(root)]
    return min(found, key=len, default="")


def output_failed() -> bool:
    """Write out what standard output still holds; return whether something kept it from that, which is told."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"error: standard output: {reason_of(error)}", file=sys.stderr)
        print(
            "    what is printed there is cut off: write it to a place with room", file=sys.stderr
        )
        # Python would try again at its very end, and say so in words of its own.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
        return True
    return False
