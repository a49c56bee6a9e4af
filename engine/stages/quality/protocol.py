"""What a gate is: a rule that every candidate of an attempt must pass, judged without a model's opinion.

A gate sees a whole batch and returns one finding per candidate. It never asks a model; embeddings and the leak guard
come with the batch, computed when a gate first wants them.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from engine.rows import Candidate, Example
from engine.spec.recipe import Quality
from engine.stages.quality.leak_guard import Embed, LeakGuard
from engine.tasks import Task, TaskKind
from engine.wording import text_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one gate says of one candidate."""

    detail: str = ""
    """Why it is rejected, for the user; empty for a candidate that passes."""
    feedback: str = ""
    """What the next attempt is told, for the teacher; never quotes an evaluation row."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """What was measured, also of a candidate that passes; a verdict keeps `similarity` and `neighbour`."""


class Batch:
    """The candidates of one attempt and the rows they are compared with."""

    def __init__(
        self,
        *,
        candidates: Sequence[Candidate],
        kind: TaskKind,
        task: Task,
        train: Sequence[Example],
        accepted: Sequence[Mapping[str, str]],
        keeping: Container[str],
        embed: Embed,
        leak_guard: Callable[[int, float], LeakGuard],
    ) -> None:
        """Take the batch; nothing is embedded yet.

        Args:
            candidates: What is judged.
            kind: The task's kind.
            task: The task's labels and parameters.
            train: The original training rows; every candidate's parent is among them.
            accepted: Inputs of generated rows that were accepted before, in earlier rounds and attempts.
            keeping: Names of the operators whose rows keep their seed row's target.
            embed: Texts to unit-length embeddings.
            leak_guard: (n-gram length, quantile) -> the guard over the recipe's evaluation rows.
        """
        self.candidates, self.kind, self.task, self.train = candidates, kind, task, train
        self.keeping, self.leak_guard = keeping, leak_guard
        self.texts = [text_of(c.inputs) for c in candidates]
        self.train_texts = [text_of(e.inputs) for e in train]
        self.accepted_texts = [text_of(inputs) for inputs in accepted]
        self.standing = [True] * len(candidates)
        """Which candidates no earlier gate has rejected."""
        self._embed = embed

    @cached_property
    def vectors(self) -> npt.NDArray[np.float32]:
        """Embeddings of the candidates, unit length, shape (candidates, dimensions)."""
        return self._embed(self.texts)

    @cached_property
    def train_vectors(self) -> npt.NDArray[np.float32]:
        """Embeddings of the training rows, unit length, shape (rows, dimensions)."""
        return self._embed(self.train_texts)

    @cached_property
    def accepted_vectors(self) -> npt.NDArray[np.float32]:
        """Embeddings of the accepted rows, unit length, shape (rows, dimensions)."""
        return self._embed(self.accepted_texts)

    @cached_property
    def parents(self) -> list[int]:
        """The index in `train` of each candidate's seed row."""
        places = {example.id: i for i, example in enumerate(self.train)}
        return [places[candidate.parent] for candidate in self.candidates]


@dataclass(frozen=True, slots=True)
class Gate(Generic[S]):
    """A gate by name; `version` is bumped when the same candidates would get other findings."""

    name: str
    """The reason that its verdicts carry."""
    version: int
    description: str
    settings: Callable[[Quality], S]
    """The part of a recipe's `quality` that it goes by; None for a gate without settings."""
    check: Callable[[Batch, S], Sequence[Finding]]
    """One finding per candidate, in order."""
    needs_labels: bool = False
    """Whether it can only be applied where targets are labels."""


AnyGate = Gate[Any]
