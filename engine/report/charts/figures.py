"""Which charts a report has: facts turned into lines and bars, each wide and narrow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from engine.report.charts.map import map_chart
from engine.report.charts.svg import Bar, Line, Point, bar_chart, line_chart
from engine.report.dossier import DiagnosisPoint
from engine.report.formatting import count, duration, gap, measured, round_label
from engine.report.records import Report
from engine.report.tables import SCORE_SPLITS, reasons_of, stage_seconds

WIDE, NARROW = 980, 340
"""Chart widths in px for desktops and phones; the page shows one of the two."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One chart as SVG for wide and for narrow screens."""

    wide: str
    narrow: str


def drawn(draw: Callable[[int], str]) -> Figure:
    """Return a chart for both widths, in px."""
    return Figure(draw(WIDE), draw(NARROW))


def score_figure(report: Report) -> Figure | None:
    """Return the primary metric per student on the splits that are scored; None without scores."""
    scores = report.scores
    if not scores.rounds:
        return None
    lines = _lines(report, {split: split for split in SCORE_SPLITS}, measured)
    unit = "%" if scores.primary in scores.percent else ""
    title = f"{scores.primary} per student"
    description = _described(lines)
    names = [round_label(r) for r in scores.rounds]
    return drawn(lambda w: line_chart(title, description, scores.primary, names, lines, w, unit))


def gap_figure(report: Report) -> Figure | None:
    """Return the generalization gaps of the primary metric per student; None where there are none."""
    lines = _lines(report, {"gap_validation": "gap to validation", "gap_test": "gap to test"}, gap)
    if not lines:
        return None
    description = _described(lines)
    axis = "points" if report.scores.primary in report.scores.percent else report.scores.primary
    names = [round_label(r) for r in report.scores.rounds]
    return drawn(
        lambda w: line_chart("Generalization gap per student", description, axis, names, lines, w)
    )


def _described(lines: list[Line]) -> str:
    return "; ".join(
        f"{line.name}: " + ", ".join(point.text for point in line.points) for line in lines
    )


def _lines(report: Report, splits: dict[str, str], write: Callable[..., str]) -> list[Line]:
    scores = report.scores
    percent = scores.primary in scores.percent
    factor = 100.0 if percent else 1.0
    lines = []
    for split, name in splits.items():
        points = []
        for i, round_ in enumerate(scores.rounds):
            cell = scores.at(scores.primary, split, round_)
            if cell is not None:
                low, high = (None if end is None else factor * end for end in (cell.low, cell.high))
                points.append(Point(i, factor * cell.value, low, high, write(cell, percent)))
        if points:
            lines.append(Line(name, tuple(points)))
    return lines


def pattern_figure(report: Report, most: int = 12) -> Figure | None:
    """Return the largest patterns' sizes before and after; None without patterns."""
    patterns = sorted(report.patterns, key=lambda p: (-p.size, p.name))[:most]
    if not patterns:
        return None
    several = len(report.scores.seeds) > 1
    groups = []
    for p in patterns:
        label = f"seed {p.seed}: {p.name}" if several else p.name
        bars = [Bar(label, p.before, f"{p.before:,} before", 1)]
        if p.after is not None:
            bars.append(Bar("", p.after, f"{p.after:,} after · {p.status}", 2))
        groups.append(bars)
    description = "; ".join(f"{g[0].label}: " + ", ".join(b.text for b in g) for g in groups)
    axis = "failures on validation"
    return drawn(lambda w: bar_chart("Patterns before and after", description, axis, groups, w))


def map_figures(report: Report) -> list[tuple[int, Figure]]:
    """Return each seed with its diagnoses on a plane, coloured by pattern; none where there are too few."""
    by_seed: dict[int, list[DiagnosisPoint]] = {}
    for point in report.points:
        by_seed.setdefault(point.seed, []).append(point)
    return [(seed, drawn(partial(map_chart, points))) for seed, points in sorted(by_seed.items())]


def funnel_figure(report: Report) -> Figure | None:
    """Return the way from generated to trained on; None when nothing was generated."""
    parts = report.funnel
    if not parts:
        return None
    waiting = sum(f.waiting for f in parts)
    bars = [_bar("generated", sum(f.generated for f in parts), 1)]
    bars += [_bar(f"rejected: {r}", n, 2) for r, n in reasons_of(parts).items()]
    bars += [_bar("no verdict yet", waiting, 4)] if waiting else []
    bars += [
        _bar("accepted", sum(f.accepted for f in parts), 3),
        _bar("selected", sum(f.selected for f in parts), 3),
        _bar("trained on", sum(f.trained for f in parts), 3),
    ]
    description = ", ".join(f"{bar.label} {bar.text}" for bar in bars)
    return drawn(
        lambda w: bar_chart("From generated to trained on", description, "rows", [bars], w)
    )


def _bar(label: str, number: int, style: int) -> Bar:
    return Bar(label, number, count(number), style)


def time_figure(report: Report) -> Figure | None:
    """Return the wall time per stage; None when every node was cached or none was finished."""
    bars = [
        Bar(stage, seconds, duration(seconds), 1)
        for stage, (seconds, _, _) in stage_seconds(report).items()
        if seconds > 0
    ]
    if not bars:
        return None
    description = ", ".join(f"{bar.label} {bar.text}" for bar in bars)
    return drawn(lambda w: bar_chart("Wall time per stage", description, "wall time", [bars], w))
