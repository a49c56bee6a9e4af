"""Every error a user can cause or meet, in one tree; nothing here imports the rest of the engine.

EngineError                      printed without a traceback, exit code 2
├── RecipeError                  one or more `Problem`s found in a recipe, its prompts or its data
├── StoreError                   the DuckDB store cannot be opened, read or written
├── ModelError                   a model cannot be found, fetched, loaded or trained
├── BackendError                 an LLM or embedder call that cannot be made at all
├── RunError                     a run that cannot go on (empty result, another run in progress, no disk)
└── Interrupted                  the user asked to stop; everything finished is kept (exit code 130)
InternalError                    a promise of the engine to itself is broken: a bug, with its numbers and its traceback
Anything else that escapes is a bug: exit code 1, its traceback in a file (`engine.cli.terminal.ending`).

What comes from outside (a recipe, data, a model, a reply, a store) goes through libraries that raise whatever they like
over it. There stands a `boundary`: it is told by where something is read, not by a list of what may be raised.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


def _plain(path: Path) -> Path:
    """Return a path without `..`, unless a link makes that another file."""
    if ".." not in path.parts:
        return path
    plain = Path(os.path.normpath(path))
    return plain if os.path.realpath(plain) == os.path.realpath(path) else path


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a file; `line` and `column` count from 1, 0 means "the file as a whole"."""

    file: str
    line: int = 0
    column: int = 0

    @classmethod
    def at(cls, path: Path, line: int = 0, column: int = 0) -> Location:
        """Return a place in `path`, shown relative to the current directory where it lies below it."""
        here = Path.cwd()
        absolute = path.absolute()
        plain = _plain(absolute)
        if plain.is_relative_to(here):
            absolute = plain
        shown = absolute.relative_to(here) if absolute.is_relative_to(here) else absolute
        return cls(shown.as_posix(), line, column)

    @property
    def by_line(self) -> str:
        """The place without its column."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        return f"{self.by_line}:{self.column or 1}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong: where, what (`message`) and what to do about it (`hint`)."""

    where: Location
    message: str
    hint: str = ""
    level: Literal["error", "warning"] = "error"
    code: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.level}: {self.message}"
        return f"{text}\n    {self.hint}" if self.hint else text


class EngineError(Exception):
    """A mistake or a condition that the user can mend: shown as text, never as a traceback."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        """Take what went wrong and where (`message`), and what to do about it (`hint`)."""
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n    {self.hint}" if self.hint else self.message


class RecipeError(EngineError):
    """A recipe, prompt or data file is wrong; carries every problem found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Take all problems at once, so that a user mends a recipe in one pass."""
        self.problems = sorted(problems, key=lambda p: (p.where, p.message))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class StoreError(EngineError):
    """The store cannot be opened, read or written."""


class ModelError(EngineError):
    """A model cannot be found, fetched, loaded or trained."""


class BackendError(EngineError):
    """A model call cannot be made at all (no key, no server, unknown model)."""


class RunError(EngineError):
    """A run cannot go on."""


class Interrupted(EngineError):
    """The user asked to stop (Ctrl-C); everything finished is already durable."""

    exit_code = 130


class InternalError(Exception):
    """A promise of the engine to itself is broken; never the user's fault, so it keeps its traceback."""


_LONGEST = 300
"""Characters of a library's own words in a message."""


def reason_of(error: BaseException) -> str:
    """Return why something failed, in one line without a full stop: what the library or the system says."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, MemoryError):
        return "it takes more memory than there is"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = " ".join(str(error).split())
    said = said if len(said) <= _LONGEST else f"{said[:_LONGEST]} …"
    # A mapping says of a missing key its name and nothing else.
    if not said or isinstance(error, LookupError):
        return f"{type(error).__name__}: {said}".removesuffix(": ")
    return said.rstrip(".")


@contextmanager
def boundary(refuse: Callable[[str], EngineError]) -> Iterator[None]:
    """Have whatever is raised over what comes from outside become the error that `refuse` makes of the reason.

    For the reading of it alone: a mistake of the engine inside of the block would be called the user's.
    """
    try:
        yield
    except (EngineError, InternalError):
        raise
    except Exception as error:
        raise refuse(reason_of(error)) from error
