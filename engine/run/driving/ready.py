"""Which nodes of a plan nothing holds up: those whose sources are all settled, the first of the plan first."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection
from typing import Literal

from engine.plan.graph import Node, Plan

Place = Literal["driver", "slot", "alone"]
"""Where a node is worked on: by the driver, where the student is loaded, or while nothing else goes on."""


class Ready:
    """Nodes that can be worked on now, and what the others still wait for."""

    def __init__(self, plan: Plan) -> None:
        """Take the plan; nothing of it is settled."""
        self._nodes = list(plan.nodes.values())
        self.position = {node.name: position for position, node in enumerate(self._nodes)}
        self._lacks = [len(set(node.sources)) for node in self._nodes]
        self._users: dict[str, list[int]] = defaultdict(list)
        for position, node in enumerate(self._nodes):
            for source in set(node.sources):
                self._users[source].append(position)
        self._free = [position for position, lacks in enumerate(self._lacks) if not lacks]
        self._waiting: dict[Place, list[int]] = {"driver": [], "slot": [], "alone": []}

    def freed(self) -> Node | None:
        """Return the next node whose sources are all settled, once each; None where there is none now."""
        return self._nodes[heapq.heappop(self._free)] if self._free else None

    def settle(self, node: Node) -> None:
        """Take note that a node is done, taken over or skipped: others may follow."""
        for user in self._users[node.name]:
            self._lacks[user] -= 1
            if not self._lacks[user]:
                heapq.heappush(self._free, user)

    def push(self, node: Node, place: Place) -> None:
        """Let a node be worked on at a place as soon as there is room."""
        heapq.heappush(self._waiting[place], self.position[node.name])

    def first(self, places: Collection[Place]) -> tuple[Node, Place] | None:
        """Return the plan's first node among those of some places, with its place; None where there is none."""
        found = [
            (waiting[0], place)
            for place, waiting in self._waiting.items()
            if place in places and waiting
        ]
        return (self._nodes[min(found)[0]], min(found)[1]) if found else None

    def pop(self, places: Collection[Place]) -> tuple[Node, Place] | None:
        """Return `first`, which is then none any more."""
        found = self.first(places)
        if found is not None:
            heapq.heappop(self._waiting[found[1]])
        return found
