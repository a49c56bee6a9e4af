"""A map of diagnoses as inline SVG: one mark each, coloured and shaped by pattern, with hover text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape

from engine.report.charts.svg import shape, svg, text
from engine.report.dossier import DiagnosisPoint

COLOURS = 8
"""Patterns with a colour of their own, the largest; the others share one."""
OTHERS, NONE = "other patterns", "in no pattern"


def map_chart(points: Sequence[DiagnosisPoint], width: int) -> str:
    """Return the map with its legend above; hover text has pattern, cause and scenario of each diagnosis."""
    sizes = Counter(point.pattern or NONE for point in points)
    ranked = sorted((n for n in sizes if n != NONE), key=lambda name: (-sizes[name], name))
    styles = {name: number for number, name in enumerate(ranked[:COLOURS], 1)}
    groups = [
        *styles,
        *([OTHERS] if len(ranked) > COLOURS else []),
        *([NONE] if sizes[NONE] else []),
    ]
    legend, top = _legend(groups, styles, sizes, width)
    side = min(width - 20, 480)

    def mark(point: DiagnosisPoint) -> str:
        name = point.pattern or NONE
        x = 10 + (point.x + 1) / 2 * (width - 20)
        y = top + 10 + (1 - point.y) / 2 * side
        hover = (
            f"{name}\n{point.root_cause}\n{point.scenario}\nseed {point.seed}, round {point.round}"
        )
        return f"<g><title>{escape(hover)}</title>{_mark(x, y, name, styles)}</g>"

    # The large patterns first, so that small ones lie on top.
    order = sorted(points, key=lambda p: (-sizes[p.pattern or NONE], p.pattern, p.x, p.y))
    described = ", ".join(f"{name}: {n:,}" for name, n in sizes.most_common())
    frame = f'<rect class="grid" x="1" y="{top:.1f}" width="{width - 2}" height="{side + 19}" fill="none"/>'
    body = [*legend, frame, *map(mark, order)]
    return svg(width, int(top + side + 20), "Diagnoses by what they say", described, body)


def _legend(
    groups: Sequence[str], styles: dict[str, int], sizes: Counter[str], width: int
) -> tuple[list[str], float]:
    """Return the legend, in columns, and where it ends."""
    columns = max(1, width // 320)
    room = width / columns
    body = []
    for number, name in enumerate(groups):
        x, y = 8 + room * (number % columns), 14 + 20.0 * (number // columns)
        count = sizes[name] if name in sizes else sum(
            n for other, n in sizes.items() if other not in styles and other != NONE
        )  # fmt: skip
        label = f"{name} ({count:,})"
        most = int((room - 30) / 6.6)
        label = label if len(label) <= most else f"{label[: most - 1]}…"
        body += [_mark(x, y - 4, name, styles), text(x + 12, y, label)]
    return body, 14 + 20.0 * ((len(groups) + columns - 1) // columns)


def _mark(x: float, y: float, name: str, styles: dict[str, int]) -> str:
    number = styles.get(name)
    if number is None:
        return shape(x, y, 1, "dot none" if name == NONE else "dot others")
    return shape(x, y, (number - 1) % 4 + 1, f"dot c{number}")
