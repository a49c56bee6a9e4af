"""The boundary to whoever carries work: what is handed over, what comes back, and the one interface behind which it is.

Work is one call of a stage that needs the student's weights: a training, or what the student is asked. It is a
re-runnable function of what it carries, so it may be done anywhere, and done again where whoever did it has died.
Store, ledger and budget stay with the driver: replies travel with the work, rows travel back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from engine.backends.protocol import Completion, Request
from engine.plan.graph import Node
from engine.stages import AnyStage
from engine.stages.outputs import Output


@dataclass(frozen=True)
class Work:
    """One call of a node's stage."""

    node: Node
    stage: AnyStage
    sources: Mapping[str, Output]
    """Edge -> what the node reads there."""
    replies: Mapping[str, Completion] = field(default_factory=dict)
    """Request -> its reply, of all that the node has asked for so far."""

    def bare(self) -> Node:
        """Return the node without what only the plan needs of it."""
        return replace(
            self.node, identity={}, inputs={}, only_if_continuing=(), only_if_final=(), returns=None
        )


@dataclass(frozen=True)
class Began:
    """A node's work has begun."""

    node: str
    where: str
    """By whom it is done, for people; empty where it is this process."""


@dataclass(frozen=True)
class Lacks:
    """Replies are missing; see `engine.stages.protocol.Pending`."""

    role: str
    requests: tuple[Request, ...]


@dataclass(frozen=True)
class Worked:
    """A node's work has ended: with its rows, with requests that must be answered first, or with an error."""

    node: str
    result: Output | Lacks | BaseException


Post = Callable[[Any], None]
"""Takes what has happened, from any thread."""


class Executor(Protocol):
    """Carries work, at most `slots` pieces at once; what becomes of each is posted."""

    @property
    def slots(self) -> int:
        """How many pieces of work may be under way."""
        ...

    @property
    def beside(self) -> bool:
        """Whether the driver goes on with other things meanwhile: else `submit` returns when the work has ended."""
        ...

    def submit(self, work: Work) -> None:
        """Begin a piece of work; `Began` and `Worked` are posted, in this order."""
        ...

    def close(self, patience: float = 0.0) -> None:
        """End what is under way, and all that was started for it; what is under way has `patience` seconds to save."""
        ...
