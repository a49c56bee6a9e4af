"""What a whole plan is expected to take, for tests."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from engine.plan.estimate import Estimate, estimates, summed
from engine.plan.graph import Plan
from engine.plan.resources import Resources


def estimate(
    plan: Plan,
    resources: Resources,
    finished: Collection[str],
    rows: Mapping[str, int],
    failing: Mapping[str, int],
    characters: float = 0.0,
) -> Estimate:
    """Return what the unfinished nodes take together."""
    return summed(estimates(plan, resources, finished, rows, failing, characters).values())
