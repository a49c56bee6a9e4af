"""Charts as inline SVG: axes, values, whiskers; distinguished by shape and label, not by colour alone.

Every text is escaped here, so that the templates may insert a chart as it is. Colours come from
the page's style sheet (`s1` to `s4`), so that charts follow light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

CHARACTER = 6.6
"""Width of an average character at 12 px, in px; used to leave room for labels."""


@dataclass(frozen=True, slots=True)
class Point:
    """A value at a place of the x axis with its interval and how it is written."""

    x: int
    y: float
    low: float | None
    high: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a line chart."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: a label, a length, how it is written, and its style (1 to 4)."""

    label: str
    length: float
    text: str
    style: int = 1


def svg(width: int, height: int, title: str, description: str, body: list[str]) -> str:
    """Return a whole chart of these parts, with what it is called and a description for those who do not see it."""
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{''.join(body)}</svg>"
    )


def text(x: float, y: float, words: str, anchor: str = "start", style: str = "") -> str:
    """Return words at a place, escaped."""
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(words)}</text>'


def _cut(text: str, width: float) -> str:
    """Shorten a label to what fits in `width` px."""
    room = max(4, int(width / CHARACTER))
    return text if len(text) <= room else text[: room - 1] + "…"


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers, evenly spaced, from at most `low` to at least `high`."""
    rough = (high - low or abs(high) or 1.0) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, max(last, first + 1) + 1)]


def line_chart(
    title: str,
    description: str,
    axis: str,
    names: Sequence[str],
    lines: Sequence[Line],
    width: int = 720,
    unit: str = "",
) -> str:
    """Return values over the rounds, one line per series, with whiskers where there is an interval.

    `names` are the places on the x axis, `axis` the y axis's label, `unit` follows each tick.
    """
    height, left, right, top, bottom = 320, 52, 14, 46, 42
    ends = [v for line in lines for p in line.points for v in (p.y, p.low, p.high) if v is not None]
    marks = ticks(min(ends, default=0.0), max(ends, default=1.0))
    if unit == "%":  # an interval may touch 100 %, the axis need not pass it
        marks = [m for m in marks if m <= 100] or marks
    low, high = marks[0], marks[-1]
    step = (width - left - right) / max(1, len(names))

    def y(number: float) -> float:
        return top + (high - number) / (high - low or 1) * (height - top - bottom)

    body = [
        f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y(m):.1f}" y2="{y(m):.1f}"/>'
        + text(left - 6, y(m) + 4, f"{m:g}{unit}", "end", "tick")
        for m in marks
    ]
    body.append(text(4, 14, axis, "start", "axis"))
    centres = [left + step * (i + 0.5) for i in range(len(names))]
    body += [
        text(c, height - 20, name, "middle", "tick") for c, name in zip(centres, names, strict=True)
    ]
    legend = float(left)
    written: list[str] = []
    for number, line in enumerate(lines):
        space = min(44, step / 4)
        shift = (number - (len(lines) - 1) / 2) * space
        xs = [c + shift for c in centres]
        body.append(_series(line, number + 1, xs, y))
        if space > 32:  # below that the numbers of neighbouring series would touch
            written += [
                text(xs[p.x], _beside(p, y, height - bottom), f"{p.y:.1f}", "middle", "value")
                for p in line.points
            ]
        body.append(_mark(legend + 6, 31, number + 1) + text(legend + 16, 35, line.name))
        legend += 34 + CHARACTER * len(line.name)
    body += written
    body.append(
        f'<line class="base" x1="{left}" x2="{width - right}"'
        f' y1="{height - bottom}" y2="{height - bottom}"/>'
    )
    return svg(width, height, title, description, body)


def _beside(point: Point, y: Callable[[float], float], base: float) -> float:
    """Return where a point's number stands: below its whisker, or above it where the x axis is too near."""
    below = y(point.y if point.low is None else point.low) + 14
    return below if below < base - 2 else y(point.y if point.high is None else point.high) - 8


def _series(line: Line, style: int, xs: list[float], y: Callable[[float], float]) -> str:
    path = " ".join(f"{xs[p.x]:.1f},{y(p.y):.1f}" for p in line.points)
    parts = [f'<polyline class="line s{style}" points="{path}"/>']
    for p in line.points:
        x = xs[p.x]
        hover = f"<title>{escape(f'{line.name}: {p.text}')}</title>"
        if p.low is not None and p.high is not None:
            a, b = y(p.high), y(p.low)
            parts.append(
                f'<path class="whisker s{style}" d="M{x - 4:.1f} {a:.1f}h8M{x:.1f} {a:.1f}V{b:.1f}'
                f'M{x - 4:.1f} {b:.1f}h8"/>'
            )
        parts.append(f"<g>{hover}{_mark(x, y(p.y), style)}</g>")
    return "".join(parts)


def _mark(x: float, y: float, style: int) -> str:
    """Return the series' shape."""
    return shape(x, y, style, f"mark s{style}")


def shape(x: float, y: float, number: int, style: str) -> str:
    """Return one of four shapes (circle, square, diamond, triangle) around a place, in a style of the page."""
    shapes = {
        1: f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>',
        2: f'<rect class="{style}" x="{x - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9"/>',
        3: f'<path class="{style}" d="M{x:.1f} {y - 6.5:.1f}l6.5 6.5l-6.5 6.5l-6.5 -6.5z"/>',
    }
    return shapes.get(number, f'<path class="{style}" d="M{x:.1f} {y - 6:.1f}l6 11h-12z"/>')


def bar_chart(
    title: str, description: str, axis: str, groups: Sequence[Sequence[Bar]], width: int = 720
) -> str:
    """Return horizontal bars from zero in groups, each with its label and its value at the end.

    On narrow charts (under 500 px) a group's label stands above its bars instead of beside them.
    """
    narrow = width < 500
    labels = [bar.label for group in groups for bar in group]
    side = 0.0 if narrow else min(300.0, 12 + CHARACTER * max((len(t) for t in labels), default=0))
    longest = max((bar.length for group in groups for bar in group), default=0) or 1
    values = max((len(bar.text) for group in groups for bar in group), default=0)
    room = width - side - 14 - CHARACTER * values
    body, y = [text(4, 14, axis, "start", "axis")], 26.0
    for group in groups:
        for bar in group:
            if bar.label and narrow:
                body.append(text(0, y + 12, _cut(bar.label, width)))
                y += 18
            elif bar.label:
                body.append(text(side - 8, y + 13, _cut(bar.label, side - 8), "end"))
            length = max(1.0, bar.length / longest * room) if bar.length else 0.0
            hover = escape(f"{bar.label} {bar.text}".strip())
            body.append(
                f'<rect class="bar s{bar.style}" x="{side:.1f}" y="{y:.1f}" width="{length:.1f}" '
                f'height="17" rx="2"><title>{hover}</title></rect>'
                + text(side + length + 6, y + 13, bar.text, "start", "value")
            )
            y += 20
        y += 8
    body.append(f'<line class="base" x1="{side:.1f}" x2="{side:.1f}" y1="22" y2="{y - 6:.1f}"/>')
    return svg(width, int(y), title, description, body)
