"""Where a log is written: a file of JSON lines, readable by its owner alone, which stays below a stated size."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.system.log_file import known_fields, without_keys
from engine.system.plain_text import clean, clean_json

LEVELS = ("debug", "info", "warning", "error")
MOST_BYTES = 10_000_000
"""Of a log file, before it is renamed and a new one begun."""
KEPT = 3
"""Older files that are kept beside it, as `FILE.1` to `FILE.3`."""


@contextlib.contextmanager
def log_to(path: Path, level: str) -> Iterator[None]:
    """Append what the engine logs to a file while the block runs, and other libraries' warnings and errors.

    Args:
        path: The file; made where needed, readable by its owner alone.
        level: One of `LEVELS`: of the engine's lines, those of this level and above.

    Raises:
        EngineError: the file cannot be written.
    """
    try:
        handler = _File(path)
    except OSError as error:
        raise EngineError(
            f"--log-file {path}: cannot be written: {error.strerror or error}",
            "name a file in a folder that exists and may be written",
        ) from None
    root, engine = logging.getLogger(), logging.getLogger("engine")
    least = getattr(logging, level.upper())
    before = engine.level, engine.propagate
    handler.addFilter(
        lambda record: record.name.startswith("engine.") or record.levelno >= logging.WARNING
    )
    # The first handler of the root takes the place of `lastResort`, by which libraries' warnings reach the terminal.
    also = logging.lastResort if not root.handlers else None
    engine.setLevel(least)
    engine.propagate = False
    engine.addHandler(handler)
    root.addHandler(handler)
    if also is not None:
        root.addHandler(also)
    try:
        yield
    finally:
        if also is not None:
            root.removeHandler(also)
        root.removeHandler(handler)
        engine.removeHandler(handler)
        engine.setLevel(before[0])
        engine.propagate = before[1]
        handler.close()


class _File(RotatingFileHandler):
    """Lines of JSON; a file that cannot be written any more, as on a full disk, ends the log and nothing else."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path, maxBytes=MOST_BYTES, backupCount=KEPT, encoding="utf-8", errors="backslashreplace"
        )
        self.setFormatter(_Lines())
        self._path, self._ended = path, False

    def _open(self) -> Any:
        return open(
            self.baseFilename,
            self.mode,
            encoding=self.encoding,
            errors=self.errors,
            opener=_for_owner,
        )

    def emit(self, record: logging.LogRecord) -> None:
        if not self._ended:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        self._ended = True
        sys.stderr.write(clean(f"warning: the log ends here: {self._path}: {error}\n"))

    def close(self) -> None:
        # What a full disk did not take is lost, as was said when it was written.
        with contextlib.suppress(OSError):
            super().close()


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class _Lines(logging.Formatter):
    """One record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **known_fields(),
            "what": " ".join(record.getMessage().split()),
            **getattr(record, "fields", {}),
            "from": record.name,
            "pid": record.process,
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["traceback"] = "".join(traceback.format_exception(record.exc_info[1]))
        return clean_json(json.dumps(without_keys(line), ensure_ascii=False, default=str))
