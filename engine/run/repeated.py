"""A run made again from what an earlier one kept: its recipe and files, and perhaps its replies in place of models."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from engine.backends.protocol import Completion, Request, Reserve, always
from engine.backends.replies import read
from engine.errors import RunError
from engine.rows import Call
from engine.run.kept import Kept
from engine.run.ledger import completion_of

_GROUP = 64
"""Replies yielded together."""


@dataclass(frozen=True)
class Recorded:
    """Replies that answer in place of models: nothing is sent anywhere."""

    calls: Mapping[str, Sequence[Call]]
    """Request id -> what came back, in order: the last one is what counted."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Role -> identity of those that need not be on this machine."""


@dataclass(frozen=True)
class Repeated:
    """What makes a run one that was made before."""

    kept: Kept | None = None
    """What it was made of; None where that is found out as for any run."""
    recorded: Recorded | None = None
    """None where its models are asked for what the store has no reply to."""


class RecordedGenerator:
    """A teacher, judge or student in calls that says what it said before."""

    def __init__(self, recorded: Recorded, role: str) -> None:
        """Take the replies, and who is asked, for messages."""
        self._recorded, self._role = recorded, role

    def complete_many(
        self, requests: Iterable[Request], answered: Container[str], reserve: Reserve = always
    ) -> Iterator[list[Completion]]:
        """Yield the recorded completions in groups; see `Generator`.

        Raises:
            RunError: something is asked that was not asked before.
        """
        missing = (request for request in requests if request.id not in answered)
        while group := list(islice(missing, _GROUP)):
            if unknown := [r for r in group if r.id not in self._recorded.calls]:
                raise RunError(
                    f"{len(unknown)} of {len(group)} requests to the {self._role} were not asked before: something "
                    "came out otherwise than in the run that was recorded, and no model is asked",
                    "training and embeddings may differ by hardware and libraries: docs/versions.md says what can; "
                    "a bundle made with --with-models brings the trained students",
                )
            yield [done for request in group for done in self._of(request)]

    def _of(self, request: Request) -> Iterator[Completion]:
        calls = self._recorded.calls[request.id]
        for number, call in enumerate(calls, 1):
            done = replace(completion_of(call), final=number == len(calls))
            if done.error is None:
                # A bundle may come from anybody: what was asked for says whether its reply can be used.
                reply = read(request, call.reply)
                done = replace(done, value=reply.value, error=reply.error, detail=reply.detail)
            yield done
