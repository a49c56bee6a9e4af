"""How much each unfinished node of a plan does, in units that a rate is known of, and where it does it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Literal, NamedTuple

from engine.backends import BACKENDS
from engine.plan.duration.rates import Unit
from engine.plan.estimate import ASKED, Estimate
from engine.plan.graph import Node, Plan
from engine.plan.resources import Resources
from engine.stages import STAGES
from engine.stages.forecast import Range

Place = Literal["device", "server", "driver"]
"""On a GPU (whatever runs weights here stands for one), on somebody's server, or in the process that runs the plan."""
_PREDICTS = "predict"


class Load(NamedTuple):
    """What one node does."""

    node: str
    stage: str
    unit: Unit
    units: Range
    place: Place
    trains: bool
    """Whether several devices can share it as a training does: each takes a part of every step."""


def loads_of(
    plan: Plan,
    resources: Resources,
    pending: Collection[str],
    estimates: Mapping[str, Estimate],
    rows: int,
) -> list[Load]:
    """Return the load of each unfinished node.

    Args:
        plan: The plan.
        resources: The models: which of them run on this machine.
        pending: Names of the unfinished nodes.
        estimates: What those that ask or train are expected to take (`engine.plan.estimate`).
        rows: Rows of all splits, which each student is asked about.
    """
    return [
        load
        for name, node in plan.nodes.items()
        if name in pending
        for load in _loads(node, resources, estimates.get(name), rows)
    ]


def _loads(
    node: Node, resources: Resources, estimate: Estimate | None, rows: int
) -> Iterator[Load]:
    if estimate is not None and estimate.steps:
        steps = Range(estimate.steps, estimate.steps)
        yield Load(node.name, node.stage, "step", steps, "device", trains=True)
    elif estimate is not None and estimate.calls.high:
        role = next(role for role in STAGES[node.stage].asks if role in ASKED)
        place: Place = "device" if _is_here(resources, role) else "server"
        yield Load(node.name, node.stage, "call", estimate.calls, place, trains=False)
    elif node.stage == _PREDICTS:
        place = "device" if _is_here(resources, "student") else "server"
        yield Load(node.name, node.stage, "row", Range(rows, rows), place, trains=False)
    else:
        yield Load(node.name, node.stage, "node", Range(1, 1), "driver", trains=False)


def _is_here(resources: Resources, role: str) -> bool:
    return BACKENDS[resources.models[role].backend].local
