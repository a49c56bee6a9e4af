"""decide: whether the loop goes round again, from validation scores alone; test is reported and never steers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine.rows import Decision, Failure, Metric
from engine.stages.protocol import Context, Inputs, Output, Stage


def decide(params: Mapping[str, Any], inputs: Inputs, ctx: Context) -> Output:
    """Return one `Decision`: stop after `patience` rounds without a gain, or when nothing fails any more."""
    name = params["metric"]
    values: dict[int, float] = {}
    for edge in inputs.edges("score"):
        for metric in inputs.of(edge, Metric):
            if metric.metric == name and metric.split == "validation" and metric.value is not None:
                values[int(edge.removeprefix("score."))] = metric.value
    best, since = 0, 0
    sign = -1.0 if params.get("lower_is_better") else 1.0
    for number in sorted(values):
        if number == 0:
            continue
        if sign * values[number] > sign * values.get(best, -sign * math.inf) + params["min_gain"]:
            best, since = number, 0
        else:
            since += 1
    failures = [f for f in inputs.of(f"score.{ctx.round}", Failure) if f.split == "validation"]
    value = values.get(ctx.round)
    if not failures:
        go_on, reason = False, "no failures found on validation"
    elif ctx.round >= params["rounds"]:
        go_on, reason = False, "all rounds of the recipe are done"
    elif since >= params["patience"]:
        go_on, reason = False, f"no gain in {name} on validation for {since} round(s)"
    else:
        go_on, reason = True, f"{len(failures)} failures on validation"
    return Output((Decision(go_on, reason, name, value, best),))


DECIDE = Stage("decide", 1, decide)
