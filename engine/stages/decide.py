"""decide: whether the loop goes round again, from validation scores alone; test is reported and never steers.

Reads the scores of all rounds so far; writes the one `Decision`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.identity import Params
from engine.rows import Decision
from engine.stages.outputs import Decided, Evaluated
from engine.stages.protocol import Context, Inputs, Stage


@dataclass(frozen=True, kw_only=True)
class DecideParams(Params):
    """When the loop ends."""

    metric: str
    """Measured on validation."""
    min_gain: float
    """A round must beat the best so far by more than this to count as a gain."""
    patience: int
    """Rounds without a gain that are tolerated."""
    rounds: int
    """The last round that may come: this one, or the next."""
    lower_is_better: bool = False


@dataclass(frozen=True)
class DecideInputs(Inputs):
    """Every evaluation so far, by round."""

    evaluated: tuple[Evaluated, ...]


def decide(params: DecideParams, inputs: DecideInputs, ctx: Context) -> Decided:
    """Return one `Decision`: stop after `patience` rounds without a gain, or when nothing fails any more."""
    name = params.metric
    values: dict[int, float] = {}
    for evaluated in inputs.evaluated:
        for metric in evaluated.score.metrics:
            if metric.metric == name and metric.split == "validation" and metric.value is not None:
                values[evaluated.number] = metric.value
    best, since = 0, 0
    sign = -1.0 if params.lower_is_better else 1.0
    for number in sorted(values):
        if number == 0:
            continue
        if sign * values[number] > sign * values.get(best, -sign * math.inf) + params.min_gain:
            best, since = number, 0
        else:
            since += 1
    (now,) = (e.score for e in inputs.evaluated if e.number == ctx.round)
    failures = now.failures("validation")
    if not failures:
        go_on, reason = False, "no failures found on validation"
    elif ctx.round >= params.rounds:
        go_on, reason = False, "all rounds of the recipe are done"
    elif since >= params.patience:
        go_on, reason = False, f"no gain in {name} on validation for {since} round(s)"
    else:
        go_on, reason = True, f"{len(failures)} failures on validation"
    return Decided((Decision(go_on, reason, name, values.get(ctx.round), best),))


DECIDE = Stage("decide", 1, DecideParams, DecideInputs, Decided, decide)
