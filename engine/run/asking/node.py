"""What one node asks, from one call of its stage to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from engine.backends.protocol import Completion, Request
from engine.errors import InternalError
from engine.run.asking.asked import Asked
from engine.run.ledger import Ledger
from engine.stages.protocol import Pending

T = TypeVar("T")


class NodeAsks:
    """A node's requests, in the order in which its stage asks; what it has asked once is not built again."""

    def __init__(self, node: str, ledger: Ledger) -> None:
        """Take the node's fingerprint, and where replies are."""
        self._node, self._ledger = node, ledger
        self.asked: list[Asked] = []
        self._held: dict[str, Any] = {}
        self._next = 0

    @property
    def last(self) -> Asked:
        """What was asked last."""
        return self.asked[-1]

    def begin(self) -> None:
        """Take note that the stage is called: it asks from the first again."""
        self._next = 0

    def ask(self, role: str, requests: Iterable[Request]) -> Iterator[Completion]:
        """Return the replies to what a stage asks; see `engine.stages.protocol.Context.ask`.

        Raises:
            Pending: one is missing.
        """
        number, self._next = self._next, self._next + 1
        if number == len(self.asked):
            self.put_down(role, requests)
        asked = self.asked[number]
        if asked.role != role:
            raise InternalError(f"a stage asked the {asked.role}, and at its next call the {role}")
        if not asked.taken:
            if self._ledger.lacks(asked):
                raise Pending(role, asked)
            self.take(asked)
        return asked.completions()

    def put_down(self, role: str, requests: Iterable[Request]) -> None:
        """Put down what the node asks beyond what it has asked so far."""
        self.asked.append(self._ledger.put_down(role, requests))

    def take(self, asked: Asked) -> None:
        """Take note that the node goes on with the replies."""
        asked.taken = True
        self._ledger.note_use(self._node, asked, [one for one in self.asked if one.taken][:-1])

    def remembered(self, what: str, make: Callable[[], T]) -> T:
        """Return what the node keeps from one call of its stage to the next, made at the first."""
        if what not in self._held:
            self._held[what] = make()
        kept: T = self._held[what]
        return kept
