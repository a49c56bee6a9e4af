"""What driver and worker say to each other over a pipe: work there, progress and results back.

Rows that a worker has from the work before are not sent again: `load` is read by all, and is the largest.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from engine.backends.protocol import Completion
from engine.errors import (
    BackendError,
    EngineError,
    InternalError,
    Interrupted,
    ModelError,
    RunError,
    StoreError,
)
from engine.plan.graph import Node
from engine.run.executors.protocol import Lacks, Work
from engine.run.progress import Advance
from engine.stages import STAGES
from engine.stages.outputs import Output

_KINDS: Mapping[str, type[EngineError]] = {
    kind.__name__: kind for kind in (BackendError, Interrupted, ModelError, RunError, StoreError)
}


class Order(NamedTuple):
    """Work, as it is sent."""

    node: Node
    stage: str
    sources: Mapping[str, str]
    """Edge -> the name by which its rows were sent."""
    replies: Mapping[str, Completion]
    new: Mapping[str, Output]
    """Rows that the worker does not have."""


class Rows:
    """Which rows a worker has: those of its last work. Both sides count alike."""

    def __init__(self) -> None:
        """It has none."""
        self._kept: dict[str, Output] = {}

    def order(self, work: Work) -> Order:
        """Return work as it is sent, with the rows that the worker lacks."""
        sources = {edge: _name(edge, work) for edge in work.sources}
        named = {name: work.sources[edge] for edge, name in sources.items()}
        new = {
            # Without what was worked out of its rows on this side.
            name: type(output)(output.rows)
            for name, output in named.items()
            if self._kept.get(name) is not output
        }
        self._kept = named
        return Order(work.bare(), work.stage.name, sources, work.replies, new)

    def work(self, order: Order) -> Work:
        """Return the work that was sent."""
        rows = {**self._kept, **order.new}
        self._kept = {name: rows[name] for name in order.sources.values()}
        sources = {edge: rows[name] for edge, name in order.sources.items()}
        return Work(order.node, STAGES[order.stage], sources, order.replies)


def _name(edge: str, work: Work) -> str:
    return work.node.inputs.get(edge, edge)


class Told(NamedTuple):
    """What whoever watches the run is to be told."""

    kind: Literal["line", "warning", "open", "advance"]
    text: str = ""
    number: int = 0
    """Of the piece of work that was opened."""
    amount: int = 0
    """Items in all, or just finished."""


@dataclass(frozen=True)
class Failure:
    """An error, in a form that any process can take."""

    kind: str
    message: str
    hint: str
    frames: str = ""
    """Where a bug showed, without what it said: that may quote rows."""

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Return an error as it is sent."""
        if isinstance(error, KeyboardInterrupt):
            return cls("Interrupted", "stopped", "")
        if isinstance(error, MemoryError):
            hint = "lower the batch size of the student, or choose a smaller one"
            return cls("ModelError", "this takes more memory than there is", hint)
        if isinstance(error, EngineError):
            known = next((n for n, kind in _KINDS.items() if isinstance(error, kind)), "")
            return cls(known, error.message, error.hint)
        if isinstance(error, OSError) and error.errno is not None:
            named = f"{error.filename}: " if error.filename else ""
            return cls(
                "RunError",
                f"{named}{error.strerror}",
                "check the disk and the folder's permissions",
            )
        frames = "".join(traceback.format_tb(error.__traceback__))
        return cls("bug", f"{type(error).__name__}: {error}", "", frames)

    @property
    def error(self) -> Exception:
        """The error, as it is raised here."""
        if self.kind == "bug":
            bug = InternalError(self.message)
            bug.add_note(f"in a process that worked for the run:\n{self.frames}")
            return bug
        return _KINDS.get(self.kind, EngineError)(self.message, self.hint)


Result = Output | Lacks | Failure


class Telling:
    """Hands on what is reported as messages; a `Reporter` for whoever works elsewhere."""

    def __init__(self, send: Callable[[Told], Any]) -> None:
        """Take what sends."""
        self._send, self._opened = send, 0

    def say(self, text: str) -> None:
        """Send one line."""
        self._send(Told("line", text))

    def warn(self, text: str) -> None:
        """Send a warning."""
        self._send(Told("warning", text))

    def open(self, what: str, total: int) -> Advance:
        """Begin a piece of work."""
        self._opened += 1
        self._send(Told("open", what, self._opened, total))
        return _Advance(self._send, self._opened)


class _Advance:
    def __init__(self, send: Callable[[Told], Any], number: int) -> None:
        self._send, self._number, self.note = send, number, ""

    def __call__(self, finished: int) -> None:
        self._send(Told("advance", self.note, self._number, finished))
