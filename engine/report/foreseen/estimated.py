"""What a plan is expected to take, in words: what `pada plan` prints, and the studio says before a run."""

from __future__ import annotations

from engine.plan.estimate import Estimate
from engine.report.formatting import between
from engine.stages.forecast import Range


def foreseen(estimate: Estimate, minutes: Range | None, *, evaluated: bool) -> list[str]:
    """Return what is still to be asked and trained, and how long that takes, a line each.

    Args:
        estimate: Of what is not finished.
        minutes: None where no earlier run shows how fast it is.
        evaluated: Whether failures are known already.
    """
    calls, tokens, money, unpriced, steps = estimate
    if not calls.high and not steps:
        return ["nothing left to ask or to train"]
    basis = ""
    if calls.high:
        basis = (
            " (from the failures found so far)"
            if evaluated
            else " (failures are not known before evaluation, so the range is wide)"
        )
    cost = between(money, 2) if money else ""
    if unpriced:
        cost += f"{' and ' if cost else ''}unknown for the {' and the '.join(unpriced)} (no price)"
    parts = [
        f"{between(calls)} LLM calls",
        f"{between(tokens)} tokens",
        *([f"money {cost}"] if cost else []),
        f"{steps:,} optimizer steps",
    ]
    known = (
        f"about {between(minutes)} at the speed of earlier runs here, evaluation not counted"
        if minutes
        else "not known before this store has seen a run of training and LLM calls"
    )
    return [f"estimate: {', '.join(parts)}{basis}", f"minutes: {known}"]
