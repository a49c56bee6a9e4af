"""Modes beyond the detected one: a server may refuse one schema, of an unusual kind or size, and take the others."""

from __future__ import annotations

from collections.abc import Sequence

from engine.backends.http.body import BodyWriter
from engine.backends.http.exchange import Exchange
from engine.backends.http.outcomes import RequestState
from engine.backends.protocol import Request


class SchemaModes:
    """The mode in which each schema is asked for: the server's best, or a lesser one for a schema that it refuses."""

    def __init__(self, writers: Sequence[BodyWriter]) -> None:
        """Take what writes requests in the server's best mode, and in those after it."""
        self._best, *rest = writers
        name = self._best.mode.name
        self._lesser = [w for w in rest if w.mode.in_words or w.mode.instead_of == name]
        self._own: dict[int, tuple[Request, int]] = {}

    def of(self, request: Request) -> BodyWriter:
        """Return what writes a request."""
        _, step = self._own.get(id(request.schema), (request, 0))
        return self._lesser[step - 1] if step else self._best

    def loosen(self, state: RequestState, exchange: Exchange) -> bool:
        """Choose the next mode for a schema that is refused in the present one; return whether there is one."""
        if exchange.kind != "schema_refused" or not self._lesser:
            return False
        request = state.request
        if self.of(request) is state.writer:
            _, step = self._own.get(id(request.schema), (request, 0))
            if step == len(self._lesser):
                return False
            # With the request, so that its schema lives as long as the number that stands for it.
            self._own[id(request.schema)] = (request, step + 1)
        state.writer = self.of(request)
        state.turns = state.writer.turns(request)
        return True
