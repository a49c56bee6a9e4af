"""draw: which of a round's validation failures are diagnosed, and which are kept out of every analysis.

A share is held out before anyone looks: whether what was written against the patterns also mends failures that no
teacher has seen is what shows that a pattern is more than its rows. Where validation is divided, failures of the part
that stops and chooses are left alone too. Reads the rows, their failures, and the draws of earlier rounds; writes one
`DrawnFailure` per validation failure.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.fingerprint import short
from engine.identity import Params
from engine.rows import DrawnFailure, Failure
from engine.stages.division import Divide, is_divided, selection_part
from engine.stages.forecast import Range
from engine.stages.outputs import Drawn, Loaded, Scored
from engine.stages.protocol import Account, Context, Inputs, Stage

HELD_OUT_FROM = 20
"""Fewest failures that are held out: over fewer no number is given."""


@dataclass(frozen=True, kw_only=True)
class DrawParams(Params):
    """How many failures are diagnosed, and what is kept out."""

    limit: int
    """Most failures that are diagnosed; a seeded sample is taken of more."""
    hold_out: float = 0.3
    """Share of the failures that is held out, where that makes HELD_OUT_FROM of them."""
    divide: Divide = "auto"
    """Whether only one part of the validation rows is analysed."""


@dataclass(frozen=True)
class DrawInputs(Inputs):
    """The rows, their failures, and what earlier rounds drew."""

    load: Loaded
    score: Scored
    earlier: tuple[Drawn, ...] = ()


def draw(params: DrawParams, inputs: DrawInputs, ctx: Context) -> Drawn:
    """Return one `DrawnFailure` per validation failure.

    What was held out once stays so in later rounds, and what was diagnosed once is never held out.
    """
    failures = inputs.score.failures("validation")
    selection = selection_part(inputs.load, params.divide)
    analysed = [f for f in failures if f.example not in selection]
    held_out = _held_out(params, inputs.earlier, analysed, ctx.seed)
    rest = [f.example for f in analysed if f.example not in held_out]
    sampled = set(rest)
    if len(rest) > params.limit:
        # By place, so that the same rows fail and are drawn whatever their ids are.
        places = random.Random(ctx.seed).sample(range(len(rest)), params.limit)
        sampled = {rest[place] for place in places}
    return Drawn(
        tuple(
            DrawnFailure(
                f.example,
                f.answer,
                f.target,
                f.predicate,
                "selection" if f.example in selection
                else "held_out" if f.example in held_out
                else "diagnose" if f.example in sampled
                else "not_sampled",
            )
            for f in failures
        )
    )  # fmt: skip


def _held_out(
    params: DrawParams, earlier: Sequence[Drawn], failures: Sequence[Failure], seed: int
) -> frozenset[str]:
    before = {f.example for drawn in earlier for f in drawn.held_out}
    seen = {f.example for drawn in earlier for f in drawn.failures}
    kept = [f.example for f in failures if f.example in before]
    wanted = held_out_of(params, len(failures)) - len(kept)
    fresh = [f.example for f in failures if f.example not in before | seen]
    fresh.sort(key=lambda example: short(["held out", seed, example]))
    return frozenset([*kept, *fresh[: max(0, wanted)]])


def held_out_of(params: DrawParams, failures: int) -> int:
    """Return how many of so many failures are held out; none where that would be too few for a number."""
    share = math.floor(params.hold_out * failures + 1e-9)
    return share if share >= HELD_OUT_FROM else 0


def diagnosed_of(params: DrawParams, failures: Range, validation: int) -> Range:
    """Return how many of so many failures will be diagnosed, of so many validation rows."""
    part = 0.5 if is_divided(validation, params.divide) else 1.0

    def left(count: float) -> float:
        analysed = round(part * count)
        return min(params.limit, analysed - held_out_of(params, analysed))

    ends = [left(failures.low), left(failures.high)]
    # Just under the number from which failures are held out, more are left than just above it.
    return Range(min(ends), max(ends))


def _accounts(params: DrawParams, inputs: DrawInputs, output: Drawn) -> Iterable[Account]:
    failures = len(inputs.score.failures("validation"))
    yield Account("validation failures", failures, len(output.drawn))


DRAW = Stage("draw", 1, DrawParams, DrawInputs, Drawn, draw, accounts=_accounts)
