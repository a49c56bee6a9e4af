"""A student that answers in calls: each answer goes through the ledger, so none is asked or paid twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from engine.backends.protocol import (
    LabelAnswer,
    Likelihood,
    Message,
    Progress,
    Sampling,
    Student,
    Written,
    requests_of,
    written,
)
from engine.errors import BackendError
from engine.stages.protocol import Context

_AT_ONCE = 1000
"""Turns that are read between two signs of progress."""


class StudentInCalls(Student):
    """The student of one node, as its server is asked: for plain text, or for JSON where it is constrained."""

    def __init__(self, context: Context) -> None:
        """Take the node that asks."""
        self._context = context

    @property
    def likelihoods(self) -> bool:
        """Servers report no likelihoods of given answers."""
        return False

    def with_adapter(self, adapter: Path) -> Student:
        """Raise BackendError: a server has only the model that it serves."""
        raise BackendError(
            "a student that is asked in calls takes no adapter",
            "use weights on this machine: backend transformers",
        )

    def write(
        self,
        prompts: Iterable[tuple[Message, ...]],
        max_tokens: int,
        schema: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
        sampling: Sampling | None = None,
    ) -> Iterator[Written]:
        """Return the server's answer to each prompt; see `Student`. Raises Pending while replies are missing."""
        model = self._context.model("student")
        requests = requests_of(prompts, schema, max_tokens, model, sampling)
        replies = self._context.ask("student", requests)
        return _told(map(written, replies), progress or (lambda items: None))

    def choose(
        self,
        prompts: Sequence[tuple[Message, ...]],
        labels: Sequence[str],
        progress: Progress | None = None,
    ) -> list[LabelAnswer]:
        """Raise BackendError: see `likelihoods`."""
        raise _no_likelihoods()

    def compare(
        self,
        prompts: Sequence[tuple[Message, ...]],
        answers: Sequence[Sequence[str]],
        progress: Progress | None = None,
    ) -> list[list[Likelihood]]:
        """Raise BackendError: see `likelihoods`."""
        raise _no_likelihoods()


def _told(turns: Iterator[Written], progress: Progress) -> Iterator[Written]:
    while part := list(islice(turns, _AT_ONCE)):
        yield from part
        progress(len(part))


def _no_likelihoods() -> BackendError:
    return BackendError(
        "a student that is asked in calls cannot compare answers by their likelihood",
        "use weights on this machine: backend transformers",
    )
