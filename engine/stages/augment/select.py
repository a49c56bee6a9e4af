"""select: which accepted candidates join the training set, up to the recipe's rows per round.

Reads the attempts of this round and what earlier rounds added; writes a `Selected` and an `Example` per row that joins,
a `Drop` for every accepted candidate that does not, and a `Decision` that ends the loop where nothing joins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.identity import Params
from engine.rows import Candidate, Decision, Drop, Example, Pattern, Row, Selected
from engine.stages.augment.shares import shares
from engine.stages.load import example_id
from engine.stages.outputs import Attempt, Loaded, NamedPatterns, SelectedRows
from engine.stages.protocol import Account, Context, Inputs, Stage


@dataclass(frozen=True, kw_only=True)
class SelectParams(Params):
    """How many rows may join."""

    rows_per_round: int


@dataclass(frozen=True)
class SelectInputs(Inputs):
    """The original rows, the patterns, this round's attempts, and what earlier rounds added."""

    load: Loaded
    name: NamedPatterns
    attempts: tuple[Attempt, ...]
    earlier: tuple[SelectedRows, ...] = ()


def select(params: SelectParams, inputs: SelectInputs, ctx: Context) -> SelectedRows:
    """Return the new training examples, balanced over patterns, and a `Decision` to stop when there are none."""
    accepted: dict[str, list[Candidate]] = {}
    reasons: Counter[str] = Counter()
    for attempt in inputs.attempts:
        for candidate, verdict in attempt.judged:
            reasons[verdict.reason] += 1
            if verdict.accepted:
                accepted.setdefault(candidate.pattern, []).append(candidate)
    rows: list[Row] = []
    seen = {e.id for e in inputs.load.examples}
    seen.update(e.id for selected in inputs.earlier for e in selected.examples)
    kept = 0
    for candidate in _in_turn(accepted, inputs.name.patterns, params.rows_per_round):
        example = example_id(candidate.inputs, candidate.target)
        if kept == params.rows_per_round:
            rows.append(Drop("select", candidate.id, "over_quota", f"rows_per_round is {kept}"))
        elif example in seen:
            why = "the same row is in the training set"
            rows.append(Drop("select", candidate.id, "duplicate", why))
        else:
            seen.add(example)
            kept += 1
            rows.append(Selected(candidate.id, example))
            rows.append(
                Example(
                    example,
                    "train",
                    candidate.inputs,
                    candidate.target,
                    {"candidate": candidate.id},
                    "generated",
                    kept,
                )
            )
    if kept:
        reason = f"{kept} rows join the training set"
    else:
        funnel = ", ".join(f"{n} {why}" for why, n in reasons.most_common())
        reason = (
            f"no candidate was accepted: {reasons.total()} generated ({funnel or 'none'}); "
            "the previous model stays"
        )
    rows.append(Decision(kept > 0, reason, "selected", float(kept), ctx.round))
    return SelectedRows(tuple(rows))


def _in_turn(
    accepted: Mapping[str, list[Candidate]], patterns: Sequence[Pattern], wanted: int
) -> list[Candidate]:
    """Return each pattern's share first, largest pattern first, then what is left over."""
    share = shares(patterns, wanted)
    first: list[Candidate] = []
    rest: list[Candidate] = []
    for pattern in patterns:
        mine = accepted.get(pattern.id, [])
        first.extend(mine[: share[pattern.id]])
        rest.extend(mine[share[pattern.id] :])
    return first + rest


def _accounts(
    params: SelectParams, inputs: SelectInputs, output: SelectedRows
) -> Iterable[Account]:
    accepted = sum(len(attempt.accepted) for attempt in inputs.attempts)
    yield Account("accepted candidates", accepted, len(output.selected), len(output.drops))


SELECT = Stage("select", 1, SelectParams, SelectInputs, SelectedRows, select, accounts=_accounts)
