"""The plan as data: nodes with fingerprints known before the run. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import Any

from engine.identity import Params

UNFETCHED = "unfetched:"
"""What the identity of weights begins with, before their name, until they are on this machine."""


@dataclass(frozen=True, slots=True)
class Return:
    """Where a node reads from instead once its round was rolled back: from the best round before."""

    decided: str
    """Name of the node that decides so."""
    edges: Mapping[str, Mapping[int, str]]
    """Edge -> round -> the node that stands in; an edge without one of that round is left out."""


@dataclass(frozen=True, slots=True)
class Node:
    """One box of the DAG."""

    name: str
    """Readable and unique in the plan: `seed-0/round-1/train`."""
    stage: str
    params: Params
    identity: Mapping[str, Any]
    """What decides its rows: stage version, parameters, prompts, models, fingerprints of the inputs."""
    id: str
    """The fingerprint: the hash of the identity, a Merkle hash through the inputs' fingerprints."""
    inputs: Mapping[str, str]
    """Edge (`engine.stages.wiring`) -> node name, in order."""
    only_if_continuing: tuple[str, ...] = ()
    """Nodes that must all have decided to go on, else this node is skipped."""
    only_if_final: tuple[str, ...] = ()
    """One of these nodes must have decided to stop, else this node is skipped: work for a loop's last round."""
    seed: int = 0
    round: int = -1
    attempt: int = 0
    returns: Return | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of all nodes that must come first."""
        back: tuple[str, ...] = ()
        if self.returns is not None:
            stand_ins = (name for rounds in self.returns.edges.values() for name in rounds.values())
            back = (self.returns.decided, *stand_ins)
        return (*self.inputs.values(), *self.only_if_continuing, *self.only_if_final, *back)

    def inputs_at(self, best_round: int | None) -> Mapping[str, str]:
        """Return edge -> the node that is read, where its round is rolled back to an earlier one (None: it is not)."""
        if best_round is None or self.returns is None:
            return self.inputs
        edges = self.returns.edges
        read = {
            edge: edges[edge].get(best_round, "") if edge in edges else name
            for edge, name in self.inputs.items()
        }
        return {edge: name for edge, name in read.items() if name}

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of the prompts that it renders."""
        return tuple(self.identity["prompts"])


class Plan:
    """Nodes in an order in which they can run."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        """Order the nodes; raises ValueError for a cycle, an unknown input or two nodes of one name."""
        by_name: dict[str, Node] = {}
        for node in nodes:
            if node.name in by_name:
                raise ValueError(f"two nodes are called '{node.name}'")
            by_name[node.name] = node
        needs = {node.name: node.sources for node in by_name.values()}
        for name, sources in needs.items():
            if unknown := [source for source in sources if source not in by_name]:
                raise ValueError(f"{name} needs unknown nodes: {', '.join(unknown)}")
        try:
            order = list(TopologicalSorter(needs).static_order())
        except CycleError as error:
            raise ValueError(f"the plan has a cycle: {' -> '.join(error.args[1])}") from error
        # As compiled where that is possible: people read plans from first to last round.
        position = {name: i for i, name in enumerate(by_name)}
        ordered = all(position[s] < position[n] for n, sources in needs.items() for s in sources)
        self.nodes: Mapping[str, Node] = MappingProxyType(
            dict(by_name) if ordered else {name: by_name[name] for name in order}
        )

    def consumers(self, name: str) -> list[Node]:
        """Return the nodes that read a node's rows."""
        return [n for n in self.nodes.values() if name in n.sources]
