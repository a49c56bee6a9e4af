"""draw: which of a round's failures are diagnosed, and which are kept out of every analysis.

A share is held out before anyone looks: whether what was written against the patterns also mends failures that no
teacher has seen is what shows that a pattern is more than its rows. Where validation is divided, failures of the part
that stops and chooses are left alone too. Reads the rows, their failures, and the draws of earlier rounds; writes one
`DrawnFailure` per failure.

Failures are those of validation, or of training rows or of a log where the recipe says so. The first round draws what
was logged; later ones draw the logged rows that their student, who was asked again, still gets wrong. Where nobody
knows the right answer nobody can be asked: what was rejected is diagnosed once, and not drawn again. Nothing is held
out of a log: it may be wrong, so nothing is claimed by it alone.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.fingerprint import short
from engine.identity import Params
from engine.rows import DrawnFailure, Failure, Split
from engine.stages.division import Divide, is_divided, selection_part
from engine.stages.forecast import Range
from engine.stages.outputs import Drawn, Loaded, Logged, Scored
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
    sources: tuple[Split, ...] = ("validation",)
    """Where failures are looked for; a row that stands in several of them counts once, for the first."""


@dataclass(frozen=True)
class DrawInputs(Inputs):
    """The rows, their failures, and what earlier rounds drew."""

    load: Loaded
    score: Scored
    earlier: tuple[Drawn, ...] = ()
    logged: Logged | None = None


def draw(params: DrawParams, inputs: DrawInputs, ctx: Context) -> Drawn:
    """Return one `DrawnFailure` per failure.

    What was held out once stays so in later rounds, and what was diagnosed once is never held out.
    """
    failures = _failures(params, inputs)
    selection = selection_part(inputs.load, params.divide)
    analysed = [f for f in failures if f.split != "validation" or f.example not in selection]
    measured = [f for f in analysed if f.split == "validation"]
    held_out = _held_out(params, inputs.earlier, measured, ctx.seed)
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
                "selection" if f.split == "validation" and f.example in selection
                else "held_out" if f.example in held_out
                else "diagnose" if f.example in sampled
                else "not_sampled",
                f.split,
            )
            for f in failures
        )
    )  # fmt: skip


def _failures(params: DrawParams, inputs: DrawInputs) -> list[Failure]:
    """Return the failures of all sources, source by source."""
    seen = {f.example for drawn in inputs.earlier for f in drawn.failures if f.split == "logged"}
    found: dict[str, Failure] = {}
    for source in params.sources:
        if source == "logged":
            here: Iterable[Failure] = inputs.logged.failures if inputs.logged else ()
            if inputs.earlier:
                rejected = [f for f in here if not f.target and f.example not in seen]
                here = [*rejected, *inputs.score.failures("logged")]
        else:
            here = inputs.score.failures(source)
        for failure in here:
            found.setdefault(failure.example, failure)
    return list(found.values())


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


NONE = Range(0, 0)


def diagnosed_of(
    params: DrawParams, failures: Range, validation: int, elsewhere: Range = NONE
) -> Range:
    """Return how many of so many failures will be diagnosed.

    Args:
        params: How they are drawn.
        failures: On validation.
        validation: Validation rows.
        elsewhere: Failures of other sources, of which nothing is held out.
    """
    part = 0.5 if is_divided(validation, params.divide) else 1.0

    def left(count: float, others: float) -> float:
        analysed = round(part * count) if "validation" in params.sources else 0
        return min(params.limit, analysed - held_out_of(params, analysed) + others)

    ends = [left(failures.low, elsewhere.low), left(failures.high, elsewhere.high)]
    # Just under the number from which failures are held out, more are left than just above it.
    return Range(min(ends), max(ends))


def _accounts(params: DrawParams, inputs: DrawInputs, output: Drawn) -> Iterable[Account]:
    yield Account("failures", len(_failures(params, inputs)), len(output.drawn))


DRAW = Stage(
    "draw", 1, DrawParams, DrawInputs, Drawn, draw,
    description="Picks the failures that the teacher looks at, and those that are kept out of it.",
    accounts=_accounts,
)  # fmt: skip
