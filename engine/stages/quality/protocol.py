"""What a gate is: a rule that every candidate of an attempt must pass, judged without a model's opinion.

A gate sees a whole batch and returns one finding per candidate. It never asks a model; embeddings, the leak guard and
what training rows show among themselves come with the batch, computed when a gate first wants them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from engine.identity import Params
from engine.operators import Copies, Operator
from engine.operators.definition import Checks
from engine.rows import Candidate, Example
from engine.spec.parts import GateMode
from engine.spec.recipe import Quality
from engine.stages.quality.calibration import Shown, show
from engine.stages.quality.leak_guard import Embed, LeakGuard
from engine.tasks import Task, TaskKind

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one gate says of one candidate."""

    detail: str = ""
    """Why it should be rejected, for the user; empty for a candidate that passes."""
    feedback: str = ""
    """What the next attempt is told, for the teacher; never quotes an evaluation row."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """What was measured, also of a candidate that passes; a verdict keeps `similarity` and `neighbour`."""


@dataclass(frozen=True, kw_only=True)
class SeedRule(Params):
    """What an operator's rows have to do with the training rows that they are made from."""

    name: str
    """The operator's."""
    keeps: bool = False
    """Whether rows have their seed rows' targets."""
    copies: Copies = "none"
    """How far rows are copies of their seed rows, on purpose."""
    new_target: bool = False
    """Whether they have their seed rows' inputs with another target."""
    checks: Checks = field(default_factory=Checks)


def seed_rules(operators: Iterable[Operator]) -> tuple[SeedRule, ...]:
    """Return what the rows of operators have to do with their seed rows, of those operators that have any."""
    return tuple(
        SeedRule(
            name=one.name,
            keeps=one.label == "keep",
            copies=one.copies,
            new_target=one.definition.writes == "target",
            checks=one.definition.checks,
        )
        for one in operators
        if one.made_from
    )


class Batch:
    """The candidates of one attempt and the rows they are compared with."""

    def __init__(
        self,
        *,
        candidates: Sequence[Candidate],
        kind: TaskKind,
        task: Task,
        train: Sequence[Example],
        accepted: Sequence[tuple[Mapping[str, str], str]],
        embed: Embed,
        leak_guard: Callable[[int, float], LeakGuard],
        seed_rules: Iterable[SeedRule] = (),
        many: bool = False,
    ) -> None:
        """Take the batch; nothing is embedded yet.

        Args:
            candidates: What is judged.
            kind: The task's kind.
            task: The task's labels and parameters.
            train: The original training rows; every candidate's parent is among them.
            accepted: Inputs and target of generated rows that were accepted before, in earlier rounds and attempts.
            embed: Texts to unit-length embeddings.
            leak_guard: (n-gram length, quantile) -> the guard over the recipe's evaluation rows.
            seed_rules: Of the operators whose rows are made from training rows.
            many: Whether so many candidates may come that they are compared in blocks, whose last digits differ.
        """
        self.many = many
        self.candidates, self.kind, self.task, self.train = candidates, kind, task, train
        self.leak_guard = leak_guard
        self.seed_rules = {rule.name: rule for rule in seed_rules}
        self.texts = [kind.text_of(c.inputs) for c in candidates]
        self.train_texts = [kind.text_of(e.inputs) for e in train]
        self.accepted_texts = [kind.text_of(inputs) for inputs, _ in accepted]
        self.accepted_targets = [target for _, target in accepted]
        self.standing = [True] * len(candidates)
        """Which candidates no earlier gate has rejected."""
        self._embed = embed

    def copies(self, candidate: Candidate) -> Copies:
        """Return how far a candidate is a copy of its seed row, on purpose."""
        rule = self.seed_rules.get(candidate.operator)
        return "none" if rule is None else rule.copies

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
    def train_labels(self) -> list[Collection[str]]:
        """The labels of each training row; where targets are no labels, all rows have the same one."""
        return [self.labels_of(example.target) for example in self.train]

    def labels_of(self, target: str) -> Collection[str]:
        """Return the labels that a target names: rows are alike that have one in common.

        A row that may have several labels and has none is like others without any; all rows of a task without labels
        are alike; a target that cannot be read is like nothing.
        """
        if not self.kind.labelled:
            return ("",)
        try:
            return self.kind.labels_in(target, self.task.params) or ("",)
        except (ValueError, TypeError):
            return ()

    @cached_property
    def shown(self) -> Shown:
        """What training rows show among themselves."""
        return show(self.train_texts, self.train_vectors, self.train_labels, self._embed)

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
    always: bool = False
    """Whether it rejects in any case: no pack and no recipe can say otherwise."""

    def mode(self, pack: Mapping[str, GateMode], recipe: Mapping[str, GateMode]) -> GateMode:
        """Return what the gate does: as the recipe says, else as the teacher's pack does, else it rejects."""
        if self.always:
            return "reject"
        return recipe.get(self.name, pack.get(self.name, "reject"))


AnyGate = Gate[Any]
