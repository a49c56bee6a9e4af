"""select: which accepted candidates join the training set, up to the recipe's rows per round.

Each pattern gets what was planned for it, slot by slot, and of the rows that fill a slot those that are most different
from one another, the better verified first; then what is left over fills up, in the same way. Reads the plan's sources,
the attempts of this round and what earlier rounds added; writes a `Selected` and an `Example` per row that joins, a
`Drop` for every accepted candidate that does not, and a `Decision` that says what was reached and ends the loop where
nothing joins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.fingerprint import short
from engine.rows import Candidate, Decision, Drop, Example, Row, Selected, Verdict
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
from engine.wording import text_of

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
    rows: list[Row] = []
    fresh: list[_Row] = []
    reasons: Counter[str] = Counter()
    seen = {e.id for e in inputs.load.examples}
    before = [e for selected in inputs.earlier for e in selected.examples]
    seen.update(e.id for e in before)
    replaced = {e.columns[REPLACES] for e in before if REPLACES in e.columns}
    for candidate, verdict in (pair for attempt in inputs.attempts for pair in attempt.judged):
        reasons[verdict.reason] += 1
        if not verdict.accepted:
            continue
        example = example_id(candidate.inputs, candidate.target)
        if candidate.operator in params.repeating:
            example = short([example, candidate.id])
        if example in seen:
            why = "the same row is in the training set"
            rows.append(Drop("select", candidate.id, "duplicate", why))
            continue
        if candidate.operator in params.replacing:
            if candidate.parent in replaced:
                why = "another row in place of the same training row came first"
                rows.append(Drop("select", candidate.id, "duplicate", why))
                continue
            replaced.add(candidate.parent)
        seen.add(example)
        slot = (candidate.pattern, slot_of(params, candidate))
        fresh.append(_Row(candidate, example, slot, _weight(verdict)))
    most = _most(params, wanted)
    chosen = _chosen(params, fresh, wanted, most, ctx)
    for number, row in enumerate(chosen, 1):
        rows.append(Selected(row.candidate.id, row.example))
        rows.append(
            Example(
                row.example,
                "train",
                row.candidate.inputs,
                row.candidate.target,
                {
                    "candidate": row.candidate.id,
                    **(
                        {REPLACES: row.candidate.parent}
                        if row.candidate.operator in params.replacing
                        else {}
                    ),
                },
                "generated",
                number,
            )
        )
    taken = {row.candidate.id for row in chosen}
    why = f"rows wanted are {most}" if params.by_row else f"rows_per_round is {most}"
    rows += [
        Drop("select", row.candidate.id, "over_quota", why)
        for row in fresh
        if row.candidate.id not in taken
    ]
    kept = len(chosen)
    reason = _reached(params, inputs, wanted, chosen) if kept else _nothing(reasons)
    if params.along == "wrong rows" and not wanted:
        reason = "the student gets every training row right, so there is none to write rows from"
    if inputs.name and inputs.name.patterns and not sources.patterns:
        reason += "; none is against a pattern: none of the round is real enough to get rows"
    rows.append(Decision(kept > 0, reason, "selected", float(kept), ctx.round))
    return SelectedRows(tuple(rows))


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
    params: SelectParams, rows: Sequence[_Row], wanted: Quotas, most: int, ctx: Context
) -> list[_Row]:
    """Return the rows that join: slot by slot what was planned, then by pattern, then whatever is left.

    Along rows nothing joins but what was planned.
    """
    strictly = params.by_row
    if not strictly and len(rows) <= most:
        return _in_order(rows, range(len(rows)), wanted)
    vectors = ctx.embed([text_of(row.candidate.inputs) for row in rows])
    weights = [row.weight for row in rows]
    taken: list[int] = []
    there: set[int] = set()
    # By patterns: how far each row is from those taken, and how many of these have been counted.
    spreading: dict[tuple[str, ...], Spreading] = {}
    told: Counter[tuple[str, ...]] = Counter()

    def take(among: Iterable[int], count: int) -> None:
        # Different from the rows of the same pattern: those of others are different by what they are.
        open_ = [i for i in among if i not in there]
        count = min(count, most - len(taken))
        chosen = open_[:count]
        if params.diverse and 0 < count < len(open_):
            patterns = tuple(sorted({rows[i].candidate.pattern for i in open_}))
            if patterns not in spreading:
                spreading[patterns] = Spreading(vectors, weights)
            apart = spreading[patterns]
            new = taken[told[patterns] :]
            apart.choose(i for i in new if rows[i].candidate.pattern in patterns)
            chosen = apart.take(open_, count)
            told[patterns] = len(taken) + len(chosen)
        taken.extend(chosen)
        there.update(chosen)

    by_pattern: dict[str, list[int]] = {}
    by_slot: dict[tuple[str, Slot], list[int]] = {}
    for i, row in enumerate(rows):
        by_pattern.setdefault(row.candidate.pattern, []).append(i)
        by_slot.setdefault(row.slot, []).append(i)
    for pattern, slots in wanted.items():
        mine = by_pattern.get(pattern, [])
        before = len(taken)
        for slot, count in slots.items():
            take(by_slot.get((pattern, slot), ()), count)
        if not strictly:
            take(mine, sum(slots.values()) - (len(taken) - before))
    if not strictly:
        take(range(len(rows)), most)
    return _in_order(rows, taken, wanted)


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
    accepted = sum(len(attempt.accepted) for attempt in inputs.attempts)
    yield Account("accepted candidates", accepted, len(output.selected), len(output.drops))


SELECT = Stage(
    "select", 6, SelectParams, SelectInputs, SelectedRows, select,
    asks=("embedder",), embeds="{candidates} ({inputs})", accounts=_accounts,
)  # fmt: skip
