"""The longest chain of a plan: nodes that must follow each other, however much runs side by side."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import groupby
from typing import NamedTuple

from engine.plan.graph import Node, Plan
from engine.stages.forecast import Range


class Chain(NamedTuple):
    """Nodes each of which needs the one before."""

    nodes: tuple[Node, ...]
    of: int
    """How many nodes are still to be done, in all."""
    minutes: Range | None
    """What those that ask or train are expected to take; None where nobody knows."""

    @property
    def told(self) -> str:
        """The chain in words: nodes of one round together."""
        parts = groupby(self.nodes, lambda node: node.name.rpartition("/")[0])
        return "; ".join(
            (f"{place}: " if place else "")
            + " → ".join(node.name.rpartition("/")[2] for node in nodes)
            for place, nodes in parts
        )


def longest_chain(
    plan: Plan, finished: Collection[str], minutes: Mapping[str, Range | None]
) -> Chain | None:
    """Return the chain of unfinished nodes that takes longest; None where all is done.

    Args:
        plan: The plan; which nodes are skipped is known at the end of a run alone, so none is.
        finished: Fingerprints of the nodes that are done.
        minutes: Node that asks or trains -> what it is expected to take. By these the longest is found where any is
            known, else, and among equals, by the number of nodes.
    """
    known = {name: one for name, one in minutes.items() if one is not None}
    best: dict[str, tuple[float, int]] = {}
    before: dict[str, str | None] = {}
    for name, node in plan.nodes.items():
        if node.id in finished:
            continue
        sources = [source for source in node.sources if source in best]
        first = max(sources, key=lambda source: best[source], default=None)
        spent, count = best[first] if first is not None else (0.0, 0)
        own = known.get(name, Range(0, 0))
        best[name], before[name] = (spent + (own.low + own.high) / 2, count + 1), first
    if not best:
        return None
    last: str | None = max(best, key=lambda name: best[name])
    names: list[str] = []
    while last is not None:
        names.append(last)
        last = before[last]
    names.reverse()
    total = Range(0, 0)
    for name in names:
        total += known.get(name, Range(0, 0))
    return Chain(tuple(plan.nodes[name] for name in names), len(best), total if known else None)
