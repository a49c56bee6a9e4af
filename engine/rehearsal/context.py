"""What a stage gets in a rehearsal: requests are kept and never sent, and texts are embedded by their words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from engine.backends import BACKENDS
from engine.backends.protocol import (
    Completion,
    Embedder,
    Message,
    Progress,
    Request,
    Student,
    TrainingJob,
    TrainingResult,
)
from engine.backends.replies import completion
from engine.backends.structured import Reply
from engine.errors import InternalError
from engine.plan.graph import Node
from engine.plan.resources import Resources
from engine.rows import Example
from engine.spec.prompts import Prompt
from engine.stages.protocol import Pending
from engine.stages.quality.leak_guard import LeakGuard, LeakGuards
from engine.tasks import TaskKind

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

T = TypeVar("T")
METHOD = "rehearsed"
"""How replies come about here."""
Answer = Callable[[Request], Reply]
"""What stands in for the reply to a request."""


class Kept:
    """The requests of a rehearsal, each with its role and its prompt, in the order in which they were asked."""

    def __init__(self) -> None:
        """Nothing is asked yet."""
        self.asked: list[tuple[str, Prompt, Request]] = []
        self._prompts: dict[tuple[Message, ...], Prompt] = {}

    def made(self, messages: tuple[Message, ...], prompt: Prompt) -> None:
        """Remember which prompt some turns were made from."""
        self._prompts[messages] = prompt

    def ask(self, role: str, requests: Sequence[Request]) -> None:
        """Keep requests, as they would be sent."""
        self.asked += [(role, self._prompts[request.messages], request) for request in requests]

    @property
    def prompts(self) -> set[str]:
        """Names of the prompts that were asked with."""
        return {prompt.name for _, prompt, _ in self.asked}


class RehearsalContext:
    """A stage's context without a run, behind `engine.stages.protocol.Context`."""

    def __init__(
        self,
        node: Node,
        resources: Resources,
        state: Path,
        guarded: Sequence[Example],
        answer: Answer,
        until: frozenset[str] = frozenset(),
    ) -> None:
        """Take the node and what the plan rests on.

        Args:
            node: Whose stage is played.
            resources: Prompts and models.
            state: The state folder; nothing is written there.
            guarded: The evaluation rows, which no prompt may quote, whether or not the stage is given them.
            answer: What stands in for replies.
            until: Names of prompts: once all were asked with, the stage need not go on.
        """
        self.node, self.seed, self.round, self.attempt = (
            node.id,
            node.seed,
            node.round,
            node.attempt,
        )
        self.state, self.requests = state, Kept()
        self._until, self._resources, self._answer = until, resources, answer
        self._guarded = guarded
        self._guards = LeakGuards(self.embed)
        self._name = node.name

    def prompt(self, name: str) -> Prompt:
        """Return a prompt that the plan resolved."""
        return self._resources.prompts[name]

    def model(self, role: str) -> str:
        """Return the identity of the model behind a role."""
        return self._resources.models[role].identity

    def model_path(self, role: str) -> Path:
        """Refuse: no model is loaded here."""
        raise InternalError(f"{self._name} wants the {role} in a rehearsal")

    def request(
        self,
        role: str,
        prompt: Prompt,
        variables: Mapping[str, Any],
        schema: Mapping[str, Any],
        temperature: float = 0.0,
    ) -> Request:
        """Build one request as a run does."""
        request = self._resources.models[role].request(prompt, variables, schema, temperature)
        self.requests.made(request.messages, prompt)
        return request

    def ask(self, role: str, requests: Iterable[Request]) -> Iterator[Completion]:
        """Keep the requests and answer them by what stands in; raises Pending where the stage need not go on.

        They are few, and held: they are what a rehearsal is for.
        """
        asked = list(requests)
        self.requests.ask(role, asked)
        if self._until and self._until <= self.requests.prompts:
            raise Pending(role, asked)
        return (
            completion(request, self._answer(request), finish="stop", method=METHOD)
            for request in asked
        )

    def remembered(self, what: str, make: Callable[[], T]) -> T:
        """Return what is made now: the stage is called once."""
        return make()

    @cached_property
    def _embedder(self) -> Embedder:
        backend = BACKENDS["scripted"]
        return cast(Embedder, backend.open("embedder", None, "words", {}))

    def embed(self, texts: Sequence[str], *, keep: bool = True) -> npt.NDArray[np.float32]:
        """Return unit-length embeddings by words, shape (len(texts), dimensions)."""
        return self._embedder.embed(texts)

    def leak_guard(
        self, kind: TaskKind, examples: Sequence[Example], ngram: int, quantile: float
    ) -> LeakGuard:
        """Return the guard over all evaluation rows of the recipe."""
        known = {(e.split, e.id) for e in examples}
        rows = [*examples, *(e for e in self._guarded if (e.split, e.id) not in known)]
        return self._guards.get(kind, rows, ngram, quantile)

    def student(self) -> Student:
        """Refuse: no student is asked here."""
        raise InternalError(f"{self._name} wants the student in a rehearsal")

    def train(self, job: TrainingJob) -> TrainingResult:
        """Refuse: nothing is trained here."""
        raise InternalError(f"{self._name} wants to train in a rehearsal")

    def progress(self, what: str, total: int) -> Progress:
        """Return what takes no notice."""
        return lambda done: None

    def warn(self, text: str) -> None:
        """Say nothing: a warning is for a run."""
