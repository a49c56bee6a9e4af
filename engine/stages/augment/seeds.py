"""Which training rows an operator starts from, or is shown: ranked for each pattern, none used far more than others.

Rows that the student gets wrong come first, then those that cost it most (the negative log-likelihood of the right
answer where it is known, else how unsure it is of its own), then those nearest to the pattern's diagnoses. A student
that gets every training row right has no errors to start from: then loss and closeness decide. A row
that a writer left out since its target is plainly wrong is no seed again in the round; one that does not allow what is
asked, such as a row with no name to exchange, is none again for the operator that left it out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from engine.rows import Candidate, Example, LabelSuspect, Pattern, Prediction
from engine.stages.augment.nearest import SameWords
from engine.stages.outputs import Attempt
from engine.stages.protocol import Context
from engine.stages.task_view import TaskView

SHORTLIST = 1 / 3
"""Share of the rows that fit, the best ones, among which the least used is taken."""
_LEAST = 12
"""Rows of a shortlist, where there are as many."""


DECLINED: Literal["declined"] = "declined"
"""The reason of the drop of a row that its writer left out."""


class Declined(NamedTuple):
    """Training rows that earlier attempts left out."""

    by_operator: frozenset[tuple[str, str]] = frozenset()
    """Operator and row."""
    suspect: frozenset[str] = frozenset()
    """Those whose target is wrong, as a writer says."""

    def allows(self, operator: str, row: Example) -> bool:
        """Return whether an operator may still start from a row."""
        return row.id not in self.suspect and (operator, row.id) not in self.by_operator


def declined_before(attempts: Iterable[Attempt]) -> Declined:
    """Return what the attempts of a round so far left out."""
    outputs = [attempt.generate for attempt in attempts]
    return Declined(
        frozenset(
            (drop.detail.partition(":")[0], drop.item)
            for output in outputs
            for drop in output.drops
            if drop.reason == DECLINED
        ),
        frozenset(row.example for output in outputs for row in output.of(LabelSuspect)),
    )


@dataclass(frozen=True, slots=True)
class WithTarget:
    """Says of training rows whether they have a target; a class, so that such rows are found without asking all."""

    target: str | None

    def __call__(self, row: Example) -> bool:
        """Return whether a row has the target."""
        return row.target == self.target


class Seeds:
    """Training rows in an order for each pattern, and how often each was used."""

    def __init__(
        self,
        task: TaskView,
        rows: Sequence[Example],
        scores: Mapping[str, Sequence[float]],
        used: Iterable[str] = (),
    ) -> None:
        """Take the task, the rows, their scores by pattern, and earlier uses.

        Higher scores are better; without any the rows stay in their own order.
        """
        self._task, self._uses = task, Counter(used)
        self._rows = rows
        self._by_id = {row.id: row for row in rows}
        self._by_target: dict[str, dict[str | None, list[Example]]] = {}
        """Pattern -> its order, parted by the rows' targets."""
        self._orders = {
            pattern: [rows[i] for i in sorted(range(len(rows)), key=lambda i: (-values[i], i))]
            for pattern, values in scores.items()
        }

    def any_fits(self, fits: Callable[[Example], bool]) -> bool:
        """Return whether there is a row that fits."""
        return any(map(fits, self._rows))

    @cached_property
    def same(self) -> SameWords:
        """Which of the rows have the same words as others."""
        return SameWords(self._task, self._rows)

    def named(self, row: str) -> Example | None:
        """Return the row with an id; None where it is not among them."""
        return self._by_id.get(row)

    def use(self, row: Example) -> Example:
        """Count a use of a row, and return it."""
        self._uses[row.id] += 1
        return row

    def take(
        self, pattern: str, fits: Callable[[Example], bool], without: Collection[str] = ()
    ) -> Example | None:
        """Return the least used of the best rows that fit, and count its use; None where no row fits."""
        if isinstance(fits, WithTarget):
            own = self._parted(pattern).get(fits.target, ())
            fitting = [row for row in own if row.id not in without]
        else:
            order = self._orders.get(pattern, self._rows)
            fitting = [row for row in order if row.id not in without and fits(row)]
        if not fitting:
            return None
        ranked = pattern in self._orders
        most = max(_LEAST, round(len(fitting) * SHORTLIST)) if ranked else len(fitting)
        return self.use(min(fitting[:most], key=lambda row: self._uses[row.id]))

    def _parted(self, pattern: str) -> Mapping[str | None, Sequence[Example]]:
        if pattern not in self._by_target:
            parted = self._by_target[pattern] = {}
            for row in self._orders.get(pattern, self._rows):
                parted.setdefault(row.target, []).append(row)
        return self._by_target[pattern]

    def several(
        self,
        pattern: str,
        fits: Sequence[Callable[[Example], bool]],
        count: int,
        without: Collection[str] = (),
    ) -> list[Example]:
        """Return up to `count` rows, each fitting one of `fits` in turn."""
        taken: list[Example] = []
        open_fits = list(fits)
        while open_fits and len(taken) < count:
            for fit in list(open_fits):
                if len(taken) == count:
                    break
                row = self.take(pattern, fit, {*without, *(t.id for t in taken)})
                if row is None:
                    open_fits.remove(fit)
                else:
                    taken.append(row)
        return taken


def ranked(
    task: TaskView,
    rows: Sequence[Example],
    patterns: Sequence[Pattern],
    wrong: Collection[str],
    predictions: Iterable[Prediction],
    earlier: Iterable[Candidate],
    ctx: Context,
) -> Seeds:
    """Return the rows ranked for each pattern.

    Args:
        task: The task.
        rows: Training rows that may be shown.
        patterns: What rows are written against.
        wrong: Ids of training rows that the student gets wrong.
        predictions: Its answers to all rows.
        earlier: What earlier attempts wrote, with the rows that were shown for it.
        ctx: Gives the embeddings.
    """
    used = [seed for candidate in earlier for seed in (candidate.seeds or (candidate.parent,))]
    if not rows or not patterns:
        return Seeds(task, rows, {}, used)
    costs = _costs(rows, predictions)
    own = [2.0 * (row.id in wrong) + cost for row, cost in zip(rows, costs, strict=True)]
    vectors = ctx.embed([task.text_of(row.inputs) for row in rows])
    scores = {}
    for pattern in patterns:
        near = [0.0] * len(rows)
        if len(pattern.centroid) == vectors.shape[1]:
            near = standing([float(x) for x in vectors @ pattern.centroid])
        scores[pattern.id] = [a + b for a, b in zip(own, near, strict=True)]
    return Seeds(task, rows, scores, used)


def _costs(rows: Sequence[Example], predictions: Iterable[Prediction]) -> list[float]:
    """Return for each row how much it costs the student, as its place among all, 0 to 1."""
    known = {p.example: p for p in predictions if p.split == "train"}
    costs = []
    for row in rows:
        prediction = known.get(row.id)
        if prediction is None:
            costs.append(0.0)
        elif prediction.reference_nats is not None:
            costs.append(prediction.reference_nats / max(1, prediction.reference_tokens or 1))
        else:
            costs.append(-(1.0 if prediction.confidence is None else prediction.confidence))
    return standing(costs)


def standing(values: Sequence[float]) -> list[float]:
    """Return where each value stands among all, from 0 for the lowest to 1; equal values share the lowest place."""
    order = sorted(values)
    first = {value: place for place, value in reversed(list(enumerate(order)))}
    return [first[value] / max(1, len(values) - 1) for value in values]
