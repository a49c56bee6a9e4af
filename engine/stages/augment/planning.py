"""What the rows of a round are to be: how many for each pattern, for which target, mistakable for which label.

Two thirds of the rows against a confusion are rows of the right label near the wrong one, where the student fails; one
third are rows of the wrong label near the right one, so that it does not learn to say the right one always. A confusion
that was seen once, where others were seen more often, may be chance: its rows are of the right label, near no other,
since labels that nobody confuses force a row that nobody would write. Where targets are no labels the other side is the
strategy's contrast, with the share that the strategy gives it. A share of the rows, the coverage, belongs to no
pattern: it goes to the labels that have the fewest so far, so that what does not fail is not forgotten. Without any
pattern all rows are coverage: for labels alike, or each made from a training row that is named, where the method goes
along rows. What earlier attempts brought is taken off. A pattern whose test
says that it is not real gets none, and the others get its rows (`confirm`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from engine.fingerprint import short
from engine.identity import Params
from engine.operators import MINED
from engine.rows import Candidate, Pattern, Strategy
from engine.spec.method import Planning
from engine.stages.analyse.targets import confusions, observed_pairs
from engine.stages.augment.selection.planned import planned
from engine.stages.augment.selection.quotas import UsedQuota
from engine.stages.augment.shares import apportion
from engine.stages.logged import failures_by_example
from engine.stages.outputs import (
    Allotted,
    Attempt,
    Clustered,
    Confirmed,
    Drafted,
    Loaded,
    Logged,
    NamedPatterns,
    Scored,
)
from engine.stages.task_view import TaskView

COVERAGE = "coverage"
"""Stands for the pattern of rows that are written against none."""
NEAR, KIND, SIDE = "near", "kind", "side"
"""Keys of a candidate's attributes: the label that it was meant to be mistakable for; its kind, of those of its
strategy; CONTRAST for a row of the other side."""
CONTRAST = "contrast"
MOST_CONTRAST = 0.5
"""Most of a pattern's rows that are of the other side: more would be no rows against it."""
FAILING_SIDE = 2 / 3
"""Share of a confusion's rows that carry the label which the student misses."""
SEEN = 2
"""Mistakes that make a confusion, where a pattern has one with as many."""
DRY_ATTEMPTS = 2
"""A pattern is dry, and not asked for again, when this many attempts in a row brought no accepted row of it."""
MOST_OVERSAMPLE = 4.0
"""Candidates asked for per missing row at most, however few were accepted before."""


class Slot(NamedTuple):
    """What some rows of a pattern have in common; all None where targets are no labels and any seed row will do."""

    target: str | None
    near: str | None
    """The label that the row may be mistaken for."""
    contrast: bool = False
    """Whether it is a row of the other side, where targets are no labels."""
    row: str | None = None
    """The training row that it is made from; its target goes with it."""


@dataclass(frozen=True, kw_only=True)
class RowPlan(Params):
    """How many rows a round wants, and of which kind."""

    task: TaskView
    rows_per_round: int
    coverage: float
    """Share of the rows for what does not fail."""
    along: Planning = "labels"
    """What rows are planned along, without an analysis of failures."""
    each: int | None = None
    """Most rows from one training row, along rows."""
    quotas: tuple[UsedQuota, ...] = ()
    """Bounds on the rows of one label, answer or group."""

    @property
    def by_row(self) -> bool:
        """Whether each row is made from a training row that is named beforehand."""
        return self.along != "labels"

    @property
    def by_quota(self) -> bool:
        """Whether quotas decide how many rows of each target are planned."""
        return self.task.labelled and any(quota.by != "sql" for quota in self.quotas)

    def part_of(self, slot: Slot) -> str | None:
        """Return what rows of a pattern must have in common to stand in for one another; None for nothing more."""
        return slot.row if self.by_row else slot.target if self.by_quota else None


Quotas = Mapping[str, Mapping[Slot, int]]
"""Pattern, or COVERAGE -> slot -> rows."""


class Sources(NamedTuple):
    """What quotas are made of."""

    load: Loaded
    score: Scored
    cluster: Clustered | None
    name: NamedPatterns | None
    strategy: Drafted | None
    confirm: Confirmed | None = None
    """None where patterns are not tested."""
    allot: Allotted | None = None
    """What each pattern weighs; None where they go by size."""
    logged: Logged | None = None
    """None without a log."""
    round: int = 0

    @property
    def patterns(self) -> Sequence[Pattern]:
        """The patterns that rows are written against."""
        found = self.name.patterns if self.name else ()
        return found if self.confirm is None else self.confirm.funded(found)


def quotas(plan: RowPlan, sources: Sources, turn: Sequence[int]) -> Quotas:
    """Return the rows that are wanted in a round; none where nothing is found to write rows against.

    Where patterns were found, and rows are written against none of them, all rows are coverage.

    Args:
        plan: How many rows are wanted, and of which kind.
        sources: What was found in this round; no patterns (`name` is None) where nothing is analysed.
        turn: Differs from seed to seed and from round to round: which labels come first where rows are too few for all.
    """
    if plan.by_row:
        named = _along_rows(plan, sources, turn)
        return {COVERAGE: named} if named else {}
    targets = sorted({e.target for e in sources.load.train}) if plan.task.labelled else []
    found = _by_patterns(plan, sources, targets, turn)
    if not found or not targets or not plan.by_quota:
        return found
    in_turn = sorted(targets, key=lambda target: short([turn, target]))
    return planned(
        plan.quotas, found, lambda slot: slot.target, plan.task, in_turn,
        COVERAGE, lambda target: Slot(target, None),
    )  # fmt: skip


def _by_patterns(
    plan: RowPlan, sources: Sources, targets: Sequence[str], turn: Sequence[int]
) -> Quotas:
    """Return the rows that are wanted against patterns, and for what does not fail."""
    task, wanted = plan.task, plan.rows_per_round
    if sources.name is None:
        return {COVERAGE: _coverage(targets, Counter(), wanted, turn)}
    if not sources.name.patterns:
        return {}
    patterns = sources.patterns
    weights = {p.id: float(p.size) for p in patterns}
    if sources.allot is not None:
        given = sources.allot.weights
        weights = {p.id: given[p.id] for p in patterns if p.id in given}
    if not weights:
        return {COVERAGE: _coverage(targets, Counter(), wanted, turn)}
    spare = coverage_rows(plan.coverage, wanted)
    found: dict[str, Mapping[Slot, int]] = {}
    pairs, contrasts = pairs_of(task, sources), _contrasts(sources)
    for pattern, count in apportion(weights, wanted - spare).items():
        found[pattern] = (
            _of_pattern(pairs[pattern], targets, count, turn)
            if task.labelled
            else _any(count, contrasts.get(pattern, 0.0))
        )
    there = Counter[str]()
    for slots in found.values():
        for slot, count in slots.items():
            there[slot.target or ""] += count
    if spare:
        found[COVERAGE] = _coverage(targets, there, spare, turn)
    return found


def coverage_rows(share: float, wanted: int) -> int:
    """Return the rows of a round that are against no pattern where there are patterns, which get one at least."""
    return min(round(share * wanted), wanted - 1)


def _along_rows(plan: RowPlan, sources: Sources, turn: Sequence[int]) -> dict[Slot, int]:
    """Return as many rows from each training row, or from each that fails; those that get one more in any order."""
    rows = [example.id for example in sources.load.train]
    if plan.along == "wrong rows":
        wrong = {failure.example for failure in sources.score.failures("train")}
        rows = [row for row in rows if row in wrong]
    if not rows:
        return {}
    most = plan.rows_per_round if plan.each is None else plan.each * len(rows)
    least, more = divmod(min(plan.rows_per_round, most), len(rows))
    first = set(sorted(rows, key=lambda row: short([turn, row]))[:more])
    return {Slot(None, None, row=row): count for row in rows if (count := least + (row in first))}


def pairs_of(task: TaskView, sources: Sources) -> dict[str, Sequence[Mapping[str, Any]]]:
    """Return each pattern's confusions: its strategy's, or those observed; nothing where targets are no labels.

    One that was seen fewer than SEEN times in all, where another of the pattern was seen as often, has `wrong: None`.
    """
    patterns = sources.patterns
    if not task.labelled:
        return {p.id: () for p in patterns}
    known = {e.target for e in sources.load.train}
    strategies: dict[str, Strategy] = (
        {s.pattern: s for s in sources.strategy.strategies} if sources.strategy else {}
    )
    members = sources.cluster.by_pattern if sources.cluster else {}
    failures = failures_by_example(sources.score.all_failures, sources.logged, sources.round)
    # In either direction, in any pattern.
    times = Counter[frozenset[str | None]]()
    mistaken = [m for each in members.values() for m in each if m.example in failures]
    for right, wrong, count in confusions(mistaken, failures):
        times[frozenset((right, wrong))] += count
    found: dict[str, Sequence[Mapping[str, Any]]] = {}
    for pattern in patterns:
        strategy = strategies.get(pattern.id)
        written = [p for p in (strategy.pairs if strategy else ()) if p["right"] in known]
        mine = members.get(pattern.id, ())
        seen = [
            {**p, "wrong": p["wrong"] if p["wrong"] in known else None} for p in written
        ] or observed_pairs(mine, failures, known)
        if not seen and strategy is not None:
            seen = [{"right": label, "wrong": None, "share": 1.0} for label in strategy.labels]
        found[pattern.id] = _firm(seen, times)
    return found


def _firm(
    pairs: Sequence[Mapping[str, Any]], times: Mapping[frozenset[str | None], int]
) -> list[Mapping[str, Any]]:
    """Return the pairs, those that may be chance without their wrong label."""
    seen = [times.get(frozenset((pair["right"], pair["wrong"])), 0) for pair in pairs]
    if max(seen, default=0) < SEEN:
        return list(pairs)
    return [
        pair if count >= SEEN else {**pair, "wrong": None}
        for pair, count in zip(pairs, seen, strict=True)
    ]


def _contrasts(sources: Sources) -> dict[str, float]:
    """Return which part of each pattern's rows is of the other side, where its strategy says what these are."""
    strategies = sources.strategy.strategies if sources.strategy else ()
    return {s.pattern: min(s.contrast_share, MOST_CONTRAST) for s in strategies if s.contrast}


def _of_pattern(
    pairs: Sequence[Mapping[str, Any]], targets: Sequence[str], count: int, turn: Sequence[int]
) -> dict[Slot, int]:
    # Of rejected outputs alone nobody knows which labels are right.
    return _sides(pairs, count) if pairs else _coverage(targets, Counter(), count, turn)


def _any(count: int, contrast: float = 0.0) -> dict[Slot, int]:
    other = round(contrast * count)
    rows = {Slot(None, None): count - other, Slot(None, None, contrast=True): other}
    return {slot: n for slot, n in rows.items() if n}


def _sides(pairs: Sequence[Mapping[str, Any]], count: int) -> dict[Slot, int]:
    """Return the rows of a pattern by their target and what they may be mistaken for."""
    right: dict[Slot, float] = {}
    wrong: dict[Slot, float] = {}
    for pair in pairs:
        # A share may be written as nothing, and the pair is still one that was seen.
        share = max(float(pair["share"]), 1e-6)
        here = Slot(pair["right"], pair["wrong"])
        right[here] = right.get(here, 0.0) + share
        if pair["wrong"] is not None:
            there = Slot(pair["wrong"], pair["right"])
            wrong[there] = wrong.get(there, 0.0) + share
    failing = math.ceil(FAILING_SIDE * count) if wrong else count
    rows = Counter(apportion(right, failing)) + Counter(apportion(wrong, count - failing))
    return dict(rows)


def _coverage(
    targets: Sequence[str], planned: Mapping[str, int], count: int, turn: Sequence[int]
) -> dict[Slot, int]:
    """Return the rows of no pattern: each goes to the target that has the fewest so far."""
    if not targets:
        return _any(count)
    order = sorted(targets, key=lambda target: short([turn, target]))
    rows = Counter({target: planned.get(target, 0) for target in order})
    added = Counter[str]()
    for _ in range(count):
        least = min(order, key=lambda target: rows[target])
        rows[least] += 1
        added[least] += 1
    return {Slot(target, None): added[target] for target in order if added[target]}


class History:
    """What earlier attempts of the round brought."""

    def __init__(self, plan: RowPlan, attempts: Iterable[Attempt]) -> None:
        """Take what was wanted, and the attempts in order."""
        self.plan, self.attempts = plan, tuple(attempts)
        self.accepted = Counter[tuple[str, str | None]]()
        """Rows by pattern and part of it (`RowPlan.part_of`), mined ones too."""
        self.written = Counter[str]()
        """Rows by pattern that operators made: what a pool has says nothing of how often they succeed."""
        self.mined = Counter[tuple[str, str | None]]()
        """Those of the accepted ones that were mined."""
        self._succeeded = Counter[str]()
        """Those of the written ones that were accepted."""
        self.slots = Counter[tuple[str, Slot]]()
        """Accepted rows by pattern and slot."""
        self._tried: dict[str, list[bool]] = {}
        for attempt in self.attempts:
            good: dict[str, bool] = {}
            for candidate, verdict in attempt.judged:
                pattern = candidate.pattern
                if candidate.operator != MINED:
                    self.written[pattern] += 1
                    self._succeeded[pattern] += verdict.accepted
                    good[pattern] = good.get(pattern, False) or verdict.accepted
                if verdict.accepted:
                    slot = slot_of(plan, candidate)
                    part = pattern, plan.part_of(slot)
                    self.accepted[part] += 1
                    self.mined[part] += candidate.operator == MINED
                    self.slots[pattern, slot] += 1
            for pattern, any_accepted in good.items():
                self._tried.setdefault(pattern, []).append(any_accepted)

    def dry(self, pattern: str) -> bool:
        """Return whether the last DRY_ATTEMPTS attempts that wrote rows of a pattern brought no accepted one."""
        tried = self._tried.get(pattern, [])
        return len(tried) >= DRY_ATTEMPTS and not any(tried[-DRY_ATTEMPTS:])

    def oversample(self, pattern: str, first: float) -> float:
        """Return the candidates to ask for per missing row: by the acceptance rate so far, `first` before any."""
        if not self.written[pattern]:
            return first
        if not self._succeeded[pattern]:
            return MOST_OVERSAMPLE
        return min(MOST_OVERSAMPLE, self.written[pattern] / self._succeeded[pattern])


def slot_of(plan: RowPlan, candidate: Candidate) -> Slot:
    """Return the slot that a candidate fills."""
    if plan.by_row:
        return Slot(None, None, row=candidate.parent)
    if plan.task.labelled:
        return Slot(candidate.target, candidate.attributes.get(NEAR))
    return Slot(None, None, contrast=is_contrast(candidate))


def is_contrast(candidate: Candidate) -> bool:
    """Return whether a candidate was written for the other side of its pattern."""
    return bool(candidate.attributes.get(SIDE) == CONTRAST)


def missing(wanted: Quotas, history: History) -> dict[str, dict[Slot, int]]:
    """Return what is still to be accepted; what a dry pattern lacks is wanted of the others, by their quotas.

    Within a pattern one row is as good as another, but where each training row is to give its own, and where quotas
    say how many rows a target has (`RowPlan.part_of`). Mined rows, however many, stand in for none of the other side:
    no row of a pool is known to be one.
    """
    parts = {
        (pattern, part): own
        for pattern, slots in wanted.items()
        for part, own in _parts(slots, history.plan).items()
    }
    lacking = {key: _lacking(*key, own, history) for key, own in parts.items()}
    live = {key: own for key, own in parts.items() if not history.dry(key[0])}
    lost = sum(count for key, count in lacking.items() if key not in live)
    sizes = {key: sum(own.values()) for key, own in live.items()}
    more = apportion(sizes, lost, each=False)
    found: dict[str, dict[Slot, int]] = {}
    for key, own in live.items():
        pattern = key[0]
        if count := lacking[key] + more[key]:
            found.setdefault(pattern, {}).update(_open(own, pattern, count, history))
    return found


def _parts(slots: Mapping[Slot, int], plan: RowPlan) -> dict[str | None, dict[Slot, int]]:
    found: dict[str | None, dict[Slot, int]] = {}
    for slot, count in slots.items():
        found.setdefault(plan.part_of(slot), {})[slot] = count
    return found


def _lacking(pattern: str, part: str | None, slots: Mapping[Slot, int], history: History) -> int:
    """Return how many rows one part of a pattern lacks."""
    minable = sum(n for slot, n in slots.items() if not slot.contrast)
    too_many = max(0, history.mined[pattern, part] - minable)
    return max(0, sum(slots.values()) - history.accepted[pattern, part] + too_many)


def _open(slots: Mapping[Slot, int], pattern: str, count: int, history: History) -> dict[Slot, int]:
    """Return `count` rows by slot: those that lack rows first."""
    left = {slot: max(0, n - history.slots[pattern, slot]) for slot, n in slots.items()}
    left = {slot: n for slot, n in left.items() if n}
    here = sum(left.values())
    if here >= count:
        return {slot: n for slot, n in apportion(left, count).items() if n}
    more = apportion(slots, count - here, each=False)
    return {slot: n for slot in slots if (n := left.get(slot, 0) + more[slot])}


def asked_for(wanted: Quotas, history: History, oversample: float) -> dict[str, dict[Slot, int]]:
    """Return the candidates that an attempt asks for; in all never more than the rows wanted × `oversample`."""
    lacking = missing(wanted, history)
    sizes = {
        pattern: sum(slots.values()) * history.oversample(pattern, oversample)
        for pattern, slots in lacking.items()
    }
    most = math.floor(sum(sum(slots.values()) for slots in wanted.values()) * oversample)
    total = min(most, max(len(sizes), math.floor(sum(sizes.values()))))
    counts = apportion(sizes, total)
    return {
        pattern: {slot: n for slot, n in apportion(slots, counts[pattern]).items() if n}
        for pattern, slots in lacking.items()
        if counts[pattern]
    }
