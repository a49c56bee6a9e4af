"""The charts of a comparison: each arm's score and its difference with intervals, and scores over budgets of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

from engine.comparison.results import ArmResult, Comparison
from engine.comparison.sentences import called
from engine.report.charts.figures import NARROW, WIDE, Figure
from engine.report.charts.svg import CHARACTER, Line, Point, line_chart, shape, svg, text, ticks
from engine.report.formatting import decimal, hundredfold, points, value


class _Row(NamedTuple):
    label: str
    middle: float
    low: float
    high: float
    said: str
    interval: str
    style: int


def score_figure(comparison: Comparison) -> Figure:
    """Return each arm's mean on test with its interval."""
    scale = 100.0 if comparison.percent else 1.0
    rows = [
        _Row(
            called(arm), scale * arm.value, scale * arm.low, scale * arm.high,
            value(arm.value, comparison.percent), _interval(comparison, arm.low, arm.high),
            2 if arm.name == comparison.baseline else 1,
        )
        for arm in comparison.arms
    ]  # fmt: skip
    return _drawn(lambda w: _forest(f"{comparison.metric} on test", comparison.metric, rows, w))


def difference_figure(comparison: Comparison) -> Figure | None:
    """Return each arm's difference to the baseline with its interval; None where there is none."""
    scale = 100.0 if comparison.percent else 1.0
    rows = [
        _Row(
            called(arm), scale * arm.against.value, scale * arm.against.low, scale * arm.against.high,
            points(arm.against.value, comparison.percent, signed=True, unit=False),
            _interval(comparison, arm.against.low, arm.against.high, signed=True),
            {"better": 3, "worse": 4}.get(arm.against.word, 1),
        )
        for arm in comparison.arms
        if arm.against is not None
    ]  # fmt: skip
    if not rows:
        return None
    axis = f"{'points of ' if comparison.percent else ''}{comparison.metric} over {comparison.baseline}"
    return _drawn(
        lambda w: _forest(f"Difference to {comparison.baseline}", axis, rows, w, zero=True)
    )


def curve_figure(comparison: Comparison) -> Figure | None:
    """Return each arm's mean over the budgets of rows; None where there are fewer than two."""
    budgets = list(dict.fromkeys(a.budget for a in comparison.arms if a.budget is not None))
    if len(budgets) < 2:
        return None
    names = list(dict.fromkeys(arm.name for arm in comparison.arms))
    lines = [
        Line(
            name,
            tuple(
                _point(comparison, place, arm)
                for arm in comparison.arms
                for place, budget in enumerate(budgets)
                if arm.name == name and arm.budget in (budget, None)
            ),
        )
        for name in names
    ]
    unit = "%" if comparison.percent else ""
    places = [f"{budget:,}" for budget in budgets]
    description = "; ".join(
        f"{line.name}: {', '.join(point.text for point in line.points)}" for line in lines
    )
    title = f"{comparison.metric} by generated rows"
    return _drawn(
        lambda w: line_chart(title, description, comparison.metric, places, lines, w, unit)
    )


def _point(comparison: Comparison, place: int, arm: ArmResult) -> Point:
    scale = 100.0 if comparison.percent else 1.0
    said = f"{value(arm.value, comparison.percent)} ({_interval(comparison, arm.low, arm.high)})"
    return Point(place, scale * arm.value, scale * arm.low, scale * arm.high, said)


def _interval(comparison: Comparison, low: float, high: float, *, signed: bool = False) -> str:
    """Return an interval with the decimals of the tables."""
    if signed:
        ends = [points(end, comparison.percent, signed=True, unit=False) for end in (low, high)]
    else:
        ends = [(hundredfold if comparison.percent else decimal)(end) for end in (low, high)]
    return " to ".join(ends)


def _drawn(draw: Callable[[int], str]) -> Figure:
    return Figure(draw(WIDE), draw(NARROW))


def _forest(title: str, axis: str, rows: Sequence[_Row], width: int, *, zero: bool = False) -> str:
    """Return a line per row: its label, its interval as a whisker, its value as a mark and a number."""
    narrow = width < 500
    side = 0.0 if narrow else min(300.0, 16 + CHARACTER * max(len(row.label) for row in rows))
    ends = [end for row in rows for end in (row.low, row.high)]
    marks = ticks(min([*ends, 0.0] if zero else ends), max([*ends, 0.0] if zero else ends))
    low, high = marks[0], marks[-1]
    room = width - side - 24 - CHARACTER * max(len(row.said) for row in rows)
    step, top = (46 if narrow else 30), 34

    def x(number: float) -> float:
        return side + 8 + (number - low) / (high - low or 1) * (room - 16)

    bottom = top + step * len(rows)
    body = [text(4, 14, axis, "start", "axis")]
    for mark in marks:
        style = "base" if zero and mark == 0 else "grid"
        body.append(
            f'<line class="{style}" x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{top - 8}" y2="{bottom}"/>'
            + text(x(mark), bottom + 16, f"{mark:g}", "middle", "tick")
        )
    for number, row in enumerate(rows):
        y = top + step * number + (30 if narrow else 12)
        body.append(
            text(0, y - 16, row.label) if narrow else text(side - 8, y + 4, row.label, "end")
        )
        a, b = x(row.low), x(row.high)
        hover = escape(f"{row.label}: {row.said} ({row.interval})")
        body.append(
            f'<path class="whisker s{row.style}" d="M{a:.1f} {y - 4:.1f}v8M{a:.1f} {y:.1f}H{b:.1f}'
            f'M{b:.1f} {y - 4:.1f}v8"/>'
            f"<g><title>{hover}</title>{shape(x(row.middle), y, row.style, f'mark s{row.style}')}</g>"
            + text(side + room + 8, y + 4, row.said, "start", "value")
        )
    description = "; ".join(f"{row.label} {row.said}" for row in rows)
    return svg(width, int(bottom + 28), title, description, body)
