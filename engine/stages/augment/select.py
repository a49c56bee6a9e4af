"""select: which accepted candidates join the training set, up to the recipe's rows per round.

Each pattern gets what was planned for it, slot by slot, and of the rows that fill a slot those that are most different
from one another, the better verified first; then what is left over fills up, in the same way. What people say of a row
counts more than gates and judge: one that they accept comes first, as they changed it, and one that they reject does
not join. Quotas come before the plan: what they want at least is taken first, and no row joins that is more than they
allow. Reads the plan's sources, the attempts of this round and what earlier rounds added; writes a `Selected` and an
`Example` per row that joins, a `Drop` for every accepted candidate that does not, a `Reviewed` for each verdict of
people, a `QuotaStatus` for what quotas ask for or kept out, and a `Decision` that says what was reached and ends the
loop where nothing joins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

from engine.fingerprint import short
from engine.identity import outside
from engine.rows import Candidate, Decision, Drop, Example, Reviewed, Row, Selected, Verdict
from engine.spec.recipe import LeakLimits
from engine.stages.augment.diversity import Spreading
from engine.stages.augment.planning import (
    History,
    Quotas,
    RowPlan,
    Slot,
    Sources,
    quotas,
    slot_of,
)
from engine.stages.augment.selection.quotas import (
    Group,
    Tally,
    groups_of,
    statuses,
    unmet,
    why_full,
)
from engine.stages.augment.selection.quotas import Row as Content
from engine.stages.load import example_id
from engine.stages.outputs import (
    REPLACES,
    Allotted,
    Attempt,
    Clustered,
    Confirmed,
    Drafted,
    Loaded,
    Logged,
    NamedPatterns,
    Scored,
    SelectedRows,
)
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.stages.reviewing.mend import PERSON
from engine.stages.reviewing.verdicts import Known, PersonVerdict, Ruling, rulings

ADVISED_AGAINST = 0.8
"""What a row's weight is multiplied by for each gate that only advises and would have rejected it."""


@dataclass(frozen=True, kw_only=True)
class SelectParams(RowPlan):
    """How many rows may join, and how they were planned."""

    repeating: tuple[str, ...] = ()
    """Operators whose rows may be training rows once more: each joins under an id of its own."""
    replacing: tuple[str, ...] = ()
    """Operators whose rows are trained on in place of the training rows that they are made from: one for each."""
    diverse: bool = True
    """Whether of the rows that fill a slot the most different ones join, or the first."""
    reviews: tuple[PersonVerdict, ...] = ()
    """What people say of rows of this round, or of an earlier one."""
    guard: LeakLimits | None = outside(None)
    """By which rows that people let in or changed are checked; it decides what is written or mined already."""


@dataclass(frozen=True)
class SelectInputs(Inputs):
    """The original rows, what the rows were planned by, this round's attempts, and what earlier rounds added."""

    load: Loaded
    score: Scored
    attempts: tuple[Attempt, ...]
    cluster: Clustered | None = None
    name: NamedPatterns | None = None
    strategy: Drafted | None = None
    logged: Logged | None = None
    allot: Allotted | None = None
    """What each pattern weighs; None where they go by size."""
    earlier: tuple[SelectedRows, ...] = ()
    confirm: Confirmed | None = None
    """None where patterns are not tested."""


class _Row(NamedTuple):
    candidate: Candidate
    example: str
    """The id of the training row that it becomes."""
    slot: tuple[str, Slot]
    weight: float
    by_person: bool = False
    """Whether people say that it is right."""


def select(params: SelectParams, inputs: SelectInputs, ctx: Context) -> SelectedRows:
    """Return the new training examples, balanced as planned, and a `Decision` to stop when there are none."""
    sources = Sources(
        inputs.load,
        inputs.score,
        inputs.cluster,
        inputs.name,
        inputs.strategy,
        inputs.confirm,
        inputs.allot,
        inputs.logged,
        ctx.round,
    )
    wanted = quotas(params, sources, [ctx.seed, ctx.round])
    judged = [pair for attempt in inputs.attempts for pair in attempt.judged]
    known = (
        Known(c.id, example_id(c.inputs, c.target), c.inputs, c.target, v.accepted)
        for c, v in judged
    )
    said = rulings(params.reviews, known, inputs.load.examples, params.task, params.guard, ctx)
    fresh, rows = _fresh(params, inputs, judged, said)
    most = _most(params, wanted)
    changed = [_as_changed(candidate, said.get(candidate.id)) for candidate, _ in judged]
    contents = [Content(candidate.inputs, candidate.target) for candidate in changed]
    members = groups_of(params.quotas, params.task, contents)
    groups = {c.id: own for (c, _), own in zip(judged, members, strict=True)}
    tally = Tally(params.quotas, [groups[row.candidate.id] for row in fresh])
    chosen = _chosen(params, fresh, wanted, most, tally, ctx)
    rows += _joining(params, chosen)
    taken = {row.candidate.id: row.example for row in chosen}
    rows += [
        said[row.candidate.id].record(row.candidate.id, taken.get(row.candidate.id))
        for row in fresh
        if row.by_person
    ]
    held_back = Counter[Group]()
    rows += _left_out(params, fresh, chosen, most, tally, held_back)
    labels = params.task.labels_among(inputs.load.examples) if params.task.labelled else ()
    reasons = [_reason(verdict, said.get(candidate.id)) for candidate, verdict in judged]
    found = list(statuses(params.quotas, labels, reasons, members, tally.joined, held_back))
    rows += found
    kept = len(chosen)
    reason = _reached(params, inputs, wanted, chosen) if kept else _nothing(Counter(reasons))
    reason += unmet(found)
    if params.along == "wrong rows" and not wanted:
        reason = "the student gets every training row right, so there is none to write rows from"
    if inputs.name and inputs.name.patterns and not sources.patterns:
        reason += "; none is against a pattern: none of the round is real enough to get rows"
    rows.append(Decision(kept > 0, reason, "selected", float(kept), ctx.round))
    return SelectedRows(tuple(rows))


def _fresh(
    params: SelectParams,
    inputs: SelectInputs,
    judged: Sequence[tuple[Candidate, Verdict]],
    said: Mapping[str, Ruling],
) -> tuple[list[_Row], list[Row]]:
    """Return the candidates that may join, in their order and as people changed them, and what is told of the others.

    Those may join that the verdict accepts or people let in, and that repeat no training row and none of the others.
    """
    found: list[_Row] = []
    told: list[Row] = []
    before = [e for selected in inputs.earlier for e in selected.examples]
    seen = {e.id for e in (*inputs.load.examples, *before)}
    replaced = {e.columns[REPLACES] for e in before if REPLACES in e.columns}
    for written, verdict in sorted(judged, key=lambda pair: not _let_in(said.get(pair[0].id))):
        ruling = said.get(written.id)
        if not _joins(verdict, ruling):
            told += _turned_down(written, verdict, ruling)
            continue
        candidate = _as_changed(written, ruling)
        example = example_id(candidate.inputs, candidate.target)
        if candidate.operator in params.repeating:
            example = short([example, candidate.id])
        replaces = candidate.parent if candidate.operator in params.replacing else None
        why = ""
        if example in seen:
            why = "the same row is in the training set"
        elif replaces in replaced:
            why = "another row in place of the same training row came first"
        if why:
            told.append(Drop("select", candidate.id, "duplicate", why))
            told += [ruling.record(candidate.id, None)] if ruling else []
            continue
        seen.add(example)
        if replaces is not None:
            replaced.add(replaces)
        slot = (candidate.pattern, slot_of(params, candidate))
        found.append(_Row(candidate, example, slot, _weight(verdict), ruling is not None))
    place = {candidate.id: number for number, (candidate, _) in enumerate(judged)}
    return sorted(found, key=lambda row: place[row.candidate.id]), told


def _joining(params: SelectParams, chosen: Sequence[_Row]) -> Iterator[Row]:
    """Yield what joins, as training rows."""
    for number, (candidate, example, *_) in enumerate(chosen, 1):
        columns = {"candidate": candidate.id}
        if candidate.operator in params.replacing:
            columns[REPLACES] = candidate.parent
        yield Selected(candidate.id, example)
        yield Example(
            example, "train", candidate.inputs, candidate.target, columns, "generated", number
        )


def _left_out(
    params: SelectParams,
    rows: Sequence[_Row],
    chosen: Sequence[_Row],
    most: int,
    tally: Tally,
    held_back: Counter[Group],
) -> Iterator[Drop]:
    """Yield what does not join, and count in `held_back` what an upper bound kept out."""
    taken = {row.candidate.id for row in chosen}
    why = f"rows wanted are {most}" if params.by_row else f"rows_per_round is {most}"
    for place, row in enumerate(rows):
        if row.candidate.id in taken:
            continue
        if (group := tally.full(place)) is not None:
            held_back[group] += 1
            yield Drop("select", row.candidate.id, "at_most", why_full(params.quotas, group))
        else:
            yield Drop("select", row.candidate.id, "over_quota", why)


def _let_in(ruling: Ruling | None) -> bool:
    """Return whether people say that a row is to be trained on: of two that are the same, this one joins."""
    return ruling is not None and ruling.stays


def _joins(verdict: Verdict, ruling: Ruling | None) -> bool:
    """Return whether a candidate may join: people's word comes before the verdict."""
    return verdict.accepted if ruling is None else ruling.stays


def _reason(verdict: Verdict, ruling: Ruling | None) -> str:
    """Return `accepted`, or what keeps a candidate from joining: people's word comes before the verdict."""
    if ruling is None:
        return verdict.reason
    if ruling.refusal is not None:
        return ruling.refusal
    return "accepted" if ruling.stays else PERSON


def _turned_down(candidate: Candidate, verdict: Verdict, ruling: Ruling | None) -> list[Row]:
    """Return what is written down of a candidate that does not join: of those that the verdict rejects it is there."""
    if ruling is None:
        return []
    rows: list[Row] = [ruling.record(candidate.id, None)]
    if verdict.accepted:
        why = ruling.refused or "people rejected it"
        rows.append(Drop("select", candidate.id, ruling.refusal or PERSON, why))
    return rows


def _as_changed(candidate: Candidate, ruling: Ruling | None) -> Candidate:
    """Return a candidate as people changed it."""
    if ruling is None or ruling.verdict == "accept":
        return candidate
    return replace(candidate, inputs=dict(ruling.inputs), target=ruling.target)


def _most(params: SelectParams, wanted: Quotas) -> int:
    """Return how many rows may join: where each is made from a named training row, no more than these are to give."""
    if not params.by_row:
        return params.rows_per_round
    return sum(count for slots in wanted.values() for count in slots.values())


def _weight(verdict: Verdict) -> float:
    """Return how far a row can be trusted: by its blind answers, and by the gates that only advise."""
    agreement = 1.0 if verdict.agreement is None else max(verdict.agreement, 0.01)
    return float(agreement * ADVISED_AGAINST ** len(verdict.advice))


def _chosen(
    params: SelectParams,
    rows: Sequence[_Row],
    wanted: Quotas,
    most: int,
    tally: Tally,
    ctx: Context,
) -> list[_Row]:
    """Return the rows that join: what quotas want, slot by slot what was planned, by pattern, then whatever is left.

    Along rows nothing joins but what was planned.
    """
    strictly = params.by_row
    if not strictly and len(rows) <= most and not tally.binds:
        return _in_order(rows, [i for i in range(len(rows)) if tally.take(i)], wanted)
    vectors = ctx.embed([params.task.text_of(row.candidate.inputs) for row in rows])
    weights = [row.weight for row in rows]
    # What people say is right comes first.
    by_person = (i for i, row in enumerate(rows) if row.by_person and tally.take(i))
    taken = list(islice(by_person, most))
    there = set(taken)
    # By patterns: how far each row is from those taken, and how many of these have been counted.
    spreading: dict[tuple[str, ...], Spreading] = {}
    told: Counter[tuple[str, ...]] = Counter()

    def take(among: Iterable[int], count: int) -> None:
        # Different from the rows of the same pattern: those of others are different by what they are.
        open_ = [i for i in among if i not in there]
        count = min(count, most - len(taken))
        if params.diverse and 0 < count < len(open_):
            patterns = tuple(sorted({rows[i].candidate.pattern for i in open_}))
            if patterns not in spreading:
                spreading[patterns] = Spreading(vectors, weights)
            apart = spreading[patterns]
            new = taken[told[patterns] :]
            apart.choose(i for i in new if rows[i].candidate.pattern in patterns)
            chosen = apart.take(open_, count, tally.take)
            told[patterns] = len(taken) + len(chosen)
        else:
            chosen = list(islice((i for i in open_ if tally.take(i)), max(0, count)))
        taken.extend(chosen)
        there.update(chosen)

    by_pattern, by_slot = _places(rows)
    # Along rows what is wanted is planned already.
    for among, count in () if strictly else tally.wanted_first():
        take(among, count)
    first = Counter(rows[i].slot for i in taken)
    for pattern, slots in wanted.items():
        mine = by_pattern.get(pattern, [])
        before = len(taken) - sum(n for (own, _), n in first.items() if own == pattern)
        for slot, count in slots.items():
            take(by_slot.get((pattern, slot), ()), max(0, count - first[pattern, slot]))
        if not strictly:
            take(mine, max(0, sum(slots.values()) - (len(taken) - before)))
    if not strictly:
        take(range(len(rows)), most)
    return _in_order(rows, taken, wanted)


def _places(
    rows: Sequence[_Row],
) -> tuple[dict[str, list[int]], dict[tuple[str, Slot], list[int]]]:
    """Return the places of the rows of each pattern, and of each slot."""
    by_pattern: dict[str, list[int]] = {}
    by_slot: dict[tuple[str, Slot], list[int]] = {}
    for place, row in enumerate(rows):
        by_pattern.setdefault(row.candidate.pattern, []).append(place)
        by_slot.setdefault(row.slot, []).append(place)
    return by_pattern, by_slot


def _in_order(rows: Sequence[_Row], taken: Iterable[int], wanted: Quotas) -> list[_Row]:
    """Return the rows pattern by pattern, as they were planned, and in the order in which they were written."""
    place = {pattern: number for number, pattern in enumerate(wanted)}
    order = sorted(taken, key=lambda i: (place.get(rows[i].candidate.pattern, len(place)), i))
    return [rows[i] for i in order]


def _reached(
    params: SelectParams, inputs: SelectInputs, wanted: Quotas, chosen: Sequence[_Row]
) -> str:
    """Return how many of the rows wanted join, and where the others are missing."""
    kept, most = len(chosen), _most(params, wanted)
    if kept >= most:
        return f"{kept} rows join the training set"
    names = {p.id: f"'{p.name}'" for p in inputs.name.patterns} if inputs.name else {}
    history = History(params, inputs.attempts)
    there = Counter(row.candidate.pattern for row in chosen)
    parts = [
        f"{names.get(pattern, pattern)} {lacking}{' (dry)' if history.dry(pattern) else ''}"
        for pattern, slots in wanted.items()
        if (lacking := sum(slots.values()) - there[pattern]) > 0
    ]
    return (
        f"{kept} of {most} rows wanted join the training set; {most - kept} missing, by pattern: "
        + ", ".join(parts)
    )


def _nothing(reasons: Counter[str]) -> str:
    funnel = ", ".join(f"{n} {why}" for why, n in reasons.most_common())
    return (
        f"no candidate was accepted: {reasons.total()} generated ({funnel or 'none'}); "
        "the previous model stays"
    )


def _accounts(
    params: SelectParams, inputs: SelectInputs, output: SelectedRows
) -> Iterable[Account]:
    accepted = [c.id for attempt in inputs.attempts for c in attempt.accepted]
    known = set(accepted)
    let_in = (r.item for r in output.of(Reviewed) if r.verdict != "reject" and not r.refused)
    came = len(accepted) + sum(item not in known for item in let_in)
    yield Account("accepted candidates", came, len(output.selected), len(output.drops))


SELECT = Stage(
    "select", 7, SelectParams, SelectInputs, SelectedRows, select,
    description="Chooses the accepted rows that are trained on, up to the recipe's rows per round.",
    asks=("embedder",), embeds="{candidates} ({inputs})", accounts=_accounts,
)  # fmt: skip
