"""The DAG of a plan as SVG: one seed, up to round 1, in layers from top to bottom, narrow enough for a phone.

Edges that follow from others are left out, as everybody's edge from `load`; the list below the picture has them all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

from engine.plan.graph import Node, Plan
from engine.report.charts.svg import svg, text
from engine.report.formatting import round_label
from engine.rows import CONTROL, UNTUNED
from engine.site.pages.facts import Box, Graph
from engine.stages import STAGES

LAST_ROUND = 1
"""The last round that is drawn: later ones go as this one does."""
_WIDTH, _HEIGHT, _GAP, _BETWEEN = 104, 40, 14, 30
_BEND = 24
"""Room for an edge that passes a layer, in px."""
_SWEEPS = 4
"""How often the order in the layers is put right."""


def graph_of(plan: Plan) -> Graph:
    """Return what is drawn of a plan."""
    seeds = sorted({node.seed for node in plan.nodes.values() if "seed-" in node.name})
    rounds = max((node.round for node in plan.nodes.values()), default=0)
    first = {
        (node.seed, node.round): min(
            other.attempt
            for other in plan.nodes.values()
            if (other.seed, other.round) == (node.seed, node.round) and other.attempt
        )
        for node in plan.nodes.values()
        if node.attempt
    }
    shown = {
        node.name: node
        for node in plan.nodes.values()
        if node.round <= LAST_ROUND
        and ("seed-" not in node.name or node.seed == seeds[0])
        and node.attempt <= first.get((node.seed, node.round), 0)
    }
    alike = []
    if rounds > LAST_ROUND:
        later = (
            f"round {rounds}"
            if rounds == LAST_ROUND + 1
            else f"rounds {LAST_ROUND + 1} to {rounds}"
        )
        alike.append(f"{later} as round {LAST_ROUND}")
    if len(seeds) > 1:
        others = ", ".join(map(str, seeds[1:]))
        alike.append(f"{'seeds' if len(seeds) > 2 else 'seed'} {others} as seed {seeds[0]}")
    attempts = max((node.attempt for node in plan.nodes.values()), default=0)
    if attempts > max(first.values(), default=attempts):
        alike.append("further attempts at rows as the first")
    return Graph(tuple(_box(node, shown) for node in shown.values()), len(plan.nodes), tuple(alike))


def _box(node: Node, shown: Mapping[str, Node]) -> Box:
    conditions = {*node.only_if_continuing, *node.only_if_final}
    sources = dict.fromkeys([*node.inputs.values(), *conditions])
    place = {UNTUNED: "", CONTROL: "control"}.get(node.round, round_label(node.round))
    if node.name.startswith("untuned/"):
        place = "untuned"
    return Box(
        node.name,
        node.name.rsplit("/", 1)[-1],
        place,
        ", ".join(
            role
            for role in STAGES[node.stage].asks
            if role not in STAGES[node.stage].skips(node.params)
        ),
        tuple(name for name in sources if name in shown),
        frozenset(conditions & shown.keys()),
    )


class _Spot(NamedTuple):
    """A box, or a bend of an edge that passes a layer, in its layer."""

    name: str
    box: Box | None


def draw(graph: Graph, title: str) -> str:
    """Return the picture; every text in it is escaped."""
    boxes = {box.name: box for box in graph.boxes}
    edges = _needed(boxes)
    depth = _depths(boxes)
    layers, ways = _laid_out(boxes, edges, depth)
    widest = max(map(_breadth, layers))
    place: dict[str, tuple[float, float]] = {}
    for number, layer in enumerate(layers):
        x = (widest - _breadth(layer)) / 2 + 2
        for spot in layer:
            width = _WIDTH if spot.box else _BEND
            place[spot.name] = (x + width / 2, 2 + number * (_HEIGHT + _BETWEEN))
            x += width + _GAP
    body = [_edge(way, place, boxes) for way in ways]
    body += [_drawn(box, *place[box.name]) for box in graph.boxes]
    height = len(layers) * (_HEIGHT + _BETWEEN) - _BETWEEN + 4
    described = "; ".join(
        f"{box.name} after {', '.join(s for s in box.reads if (s, box.name) in edges) or 'nothing'}"
        for box in graph.boxes
    )
    return svg(round(widest + 4), height, title, described, body)


def _breadth(layer: Sequence[_Spot]) -> float:
    return sum(_WIDTH if spot.box else _BEND for spot in layer) + _GAP * (len(layer) - 1)


def _needed(boxes: Mapping[str, Box]) -> set[tuple[str, str]]:
    """Return the edges that do not follow from others."""
    above: dict[str, set[str]] = {}
    for name, box in boxes.items():
        above[name] = set(box.reads).union(*(above[source] for source in box.reads))
    return {
        (source, name)
        for name, box in boxes.items()
        for source in box.reads
        if not any(source in above[other] for other in box.reads if other != source)
    }


def _depths(boxes: Mapping[str, Box]) -> dict[str, int]:
    depth: dict[str, int] = {}
    for name, box in boxes.items():
        depth[name] = 1 + max((depth[source] for source in box.reads), default=-1)
    return depth


def _laid_out(
    boxes: Mapping[str, Box], edges: set[tuple[str, str]], depth: Mapping[str, int]
) -> tuple[list[list[_Spot]], list[list[str]]]:
    """Return the layers, and each edge as the spots that it goes through."""
    layers: list[list[_Spot]] = [[] for _ in range(max(depth.values()) + 1)]
    for name, box in boxes.items():
        layers[depth[name]].append(_Spot(name, box))
    ways: list[list[str]] = []
    for source, name in sorted(edges, key=lambda edge: (depth[edge[1]], edge)):
        way = [source]
        for layer in range(depth[source] + 1, depth[name]):
            way.append(f"{source}>{name}>{layer}")
            layers[layer].append(_Spot(way[-1], None))
        ways.append([*way, name])
    neighbours: dict[str, list[str]] = defaultdict(list)
    for way in ways:
        for one, other in pairwise(way):
            neighbours[one].append(other)
            neighbours[other].append(one)
    for sweep in range(_SWEEPS):
        for number in _order(len(layers), downwards=sweep % 2 == 0):
            beside = layers[number - 1 if sweep % 2 == 0 else number + 1]
            at = {spot.name: index / max(1, len(beside)) for index, spot in enumerate(beside)}
            layers[number].sort(
                key=lambda spot: _middle([at[n] for n in neighbours[spot.name] if n in at])
            )
    return layers, ways


def _order(count: int, *, downwards: bool) -> Iterator[int]:
    yield from range(1, count) if downwards else range(count - 2, -1, -1)


def _middle(places: Sequence[float]) -> float:
    return sum(places) / len(places) if places else 0.5


def _edge(
    way: Sequence[str], place: Mapping[str, tuple[float, float]], boxes: Mapping[str, Box]
) -> str:
    x, y = place[way[0]]
    y += _HEIGHT
    path = f"M{x:.1f} {y:.1f}"
    for name in way[1:]:
        to_x, to_y = place[name]
        half = (to_y - y) / 2
        path += f"C{x:.1f} {y + half:.1f} {to_x:.1f} {to_y - half:.1f} {to_x:.1f} {to_y:.1f}"
        if name not in boxes:
            path += f"V{to_y + _HEIGHT:.1f}"
            to_y += _HEIGHT
        x, y = to_x, to_y
    is_condition = way[0] in boxes[way[-1]].conditions
    arrow = f'<path class="arrow" d="M{x - 4:.1f} {y - 6:.1f}L{x:.1f} {y:.1f}L{x + 4:.1f} {y - 6:.1f}"/>'
    return f'<path class="edge{" when" if is_condition else ""}" d="{path}"/>{arrow}'


def _drawn(box: Box, x: float, y: float) -> str:
    style = "asks" if box.asks else "none"
    hover = escape(f"{box.name}{f', asks the {box.asks}' if box.asks else ''}")
    corner = f'x="{x - _WIDTH / 2:.1f}" y="{y:.1f}"'
    shape = f'<rect class="box {style}" {corner} width="{_WIDTH}" height="{_HEIGHT}" rx="7"/>'
    if not box.place:
        return f"<g><title>{hover}</title>{shape}{text(x, y + 24, box.title, 'middle')}</g>"
    words = text(x, y + 18, box.title, "middle") + text(x, y + 32, box.place, "middle", "tick")
    return f"<g><title>{hover}</title>{shape}{words}</g>"
