"""select: which accepted candidates join the training set, up to the recipe's rows per round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.rows import Candidate, Decision, Drop, Example, Pattern, Row, Selected, Verdict
from engine.stages.generate import shares
from engine.stages.load import example_id
from engine.stages.protocol import Context, Inputs, Output, Stage


def select(params: Mapping[str, Any], inputs: Inputs, ctx: Context) -> Output:
    """Return the new training examples, balanced over patterns, and a `Decision` that stops when there is none."""
    accepted: dict[str, list[Candidate]] = {}
    counted = 0
    reasons: dict[str, int] = {}
    for edge in inputs.edges("judge."):
        candidates = {
            c.id: c for c in inputs.of(f"generate.{edge.removeprefix('judge.')}", Candidate)
        }
        for verdict in inputs.of(edge, Verdict):
            counted += 1
            reasons[verdict.reason] = reasons.get(verdict.reason, 0) + 1
            if verdict.accepted:
                candidate = candidates[verdict.candidate]
                accepted.setdefault(candidate.pattern, []).append(candidate)
    rows: list[Row] = []
    seen = {e.id for e in inputs.of("load", Example)}
    for edge in inputs.edges("select."):
        seen.update(e.id for e in inputs.of(edge, Example))
    order = _in_turn(accepted, inputs.of("name", Pattern), params["rows_per_round"])
    kept = 0
    for candidate in order:
        example = example_id(candidate.inputs, candidate.target)
        if kept == params["rows_per_round"]:
            rows.append(Drop("select", candidate.id, "over_quota", f"rows_per_round is {kept}"))
        elif example in seen:
            rows.append(
                Drop("select", candidate.id, "duplicate", "the same row is in the training set")
            )
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
    funnel = ", ".join(
        f"{n} {reason}" for reason, n in sorted(reasons.items(), key=lambda r: -r[1])
    )
    if kept:
        reason = f"{kept} rows join the training set"
    else:
        reason = f"no candidate was accepted: {counted} generated ({funnel or 'none'}); the previous model stays"
    rows.append(Decision(kept > 0, reason, "selected", float(kept), ctx.round))
    return Output(tuple(rows))


def _in_turn(
    accepted: Mapping[str, list[Candidate]], patterns: list[Pattern], wanted: int
) -> list[Candidate]:
    """Return each pattern's share first, largest pattern first, then what is left over."""
    given = shares(patterns, wanted) if patterns else {}
    first: list[Candidate] = []
    rest: list[Candidate] = []
    for pattern in patterns:
        mine = accepted.get(pattern.id, [])
        first.extend(mine[: given[pattern.id]])
        rest.extend(mine[given[pattern.id] :])
    return first + rest


SELECT = Stage("select", 1, select)
