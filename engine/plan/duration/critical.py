"""The critical path: how long a plan takes at least, however much runs side by side. Pure.

Source: Kelley and Walker 1959, Critical-path planning and scheduling.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from engine.plan.graph import Plan


class Critical(NamedTuple):
    """The longest chain of nodes that wait for one another."""

    path: tuple[str, ...]
    """Names of its nodes, the first one to run first, without those of which no seconds are given."""
    length: float
    """Seconds that it takes: no run is shorter."""
    work: float
    """Seconds of all nodes together: a run of one node at a time takes as long."""


def critical_path(plan: Plan, seconds: Mapping[str, float]) -> Critical:
    """Return the critical path of a plan.

    Args:
        plan: the plan; a node waits for all of its `sources`, as in a run.
        seconds: what each node takes, by its name; one that is not there (it is finished, say) takes nothing. Of
            several chains that take as long, the one that comes first in the plan is returned.

    Raises:
        ValueError: a name that is no node's, or seconds below zero or not finite.
    """
    for name, takes in seconds.items():
        if name not in plan.nodes:
            raise ValueError(f"'{name}' is no node of the plan")
        if not 0 <= takes < float("inf"):
            raise ValueError(f"{name} cannot take {takes} seconds")
    ends: dict[str, float] = {}
    before: dict[str, str | None] = {}
    for name, node in plan.nodes.items():  # every source before what reads it
        latest = max(dict.fromkeys(node.sources), key=ends.__getitem__, default=None)
        before[name] = latest
        ends[name] = seconds.get(name, 0.0) + (0.0 if latest is None else ends[latest])
    chain: list[str] = []
    name_or_none = max(ends, key=ends.__getitem__, default=None)
    while name_or_none is not None:
        if name_or_none in seconds:
            chain.append(name_or_none)
        name_or_none = before[name_or_none]
    length = max(ends.values(), default=0.0)
    return Critical(tuple(reversed(chain)), length, sum(seconds.values()))
