"""The student that a run is about: the one that the stop rule chose, beside where it began and what was tried last."""

from __future__ import annotations

from typing import NamedTuple

from engine.report.formatting import measured, round_label, round_name, value
from engine.report.records import Measured, Report, over_seeds
from engine.rows import UNTUNED


class Kept(NamedTuple):
    """The chosen students on test by the primary metric, over the seeds."""

    name: str
    """`round 1`, or `the chosen students` where the seeds' rounds differ."""
    cell: Measured | None
    """None where it was not scored."""
    before: str
    """What it is compared with: `untuned`, or `round 0` without that; empty without either."""
    first: Measured | None
    tried: int | None
    """The last round, where it was tried and not kept."""
    last: Measured | None


def kept(report: Report) -> Kept | None:
    """Return the chosen students' score and what stands beside it; None before any student was scored."""
    scores = report.scores
    if not scores.rounds:
        return None
    newest = max(scores.rounds)
    chosen = report.chosen or dict.fromkeys(scores.seeds, newest)
    rounds = set(chosen.values())

    def mean(split: str) -> Measured | None:
        cells = [scores.at(scores.primary, split, r, seed) for seed, r in sorted(chosen.items())]
        return over_seeds([cell for cell in cells if cell is not None])

    before, first = "", None
    for earlier in (UNTUNED, 0):
        if first is None and rounds != {earlier} and max(rounds) > earlier:
            first = scores.at(scores.primary, "test", earlier)
            before = round_label(earlier) if first else ""
    tried = newest if newest > max(rounds) else None
    return Kept(
        round_label(rounds.copy().pop()) if len(rounds) == 1 else "the chosen students",
        mean("test"),
        before,
        first,
        tried,
        None if tried is None else scores.at(scores.primary, "test", tried),
    )


def kept_tile(report: Report) -> tuple[str, str, str] | None:
    """Return label, figure and small print of the chosen students; None before any student was scored."""
    found = kept(report)
    if found is None:
        return None
    scores = report.scores
    percent = scores.primary in scores.percent
    several = f", {len(scores.seeds)} seeds" if len(scores.seeds) > 1 else ""
    figure = value(found.cell.value if found.cell else None, percent)
    if found.first is None:
        return f"{scores.primary} on test, {found.name}{several}", figure, _tried(found, percent)
    figure = f"{value(found.first.value, percent).removesuffix('%')} → {figure}"
    label = f"{scores.primary} on test, {found.before} → {found.name}{several}"
    return label, figure, _tried(found, percent)


def kept_sentence(report: Report) -> str:
    """Say the same in a sentence; empty where there is nothing to compare the chosen students with."""
    found = kept(report)
    if found is None or found.cell is None or found.first is None:
        return ""
    scores = report.scores
    percent = scores.primary in scores.percent
    said = (
        f"{scores.primary} on test: {value(found.first.value, percent)} →"
        f" {value(found.cell.value, percent)} ({found.before} → {found.name})"
    )
    tried = _tried(found, percent, short=True)
    return f"{said}; {tried}." if tried else f"{said}."


def _tried(found: Kept, percent: bool, *, short: bool = False) -> str:
    if found.tried is None:
        return ""
    shown = measured(found.last, percent)
    if short and found.last:
        shown = value(found.last.value, percent)
    return f"{round_name(found.tried)} was tried last and not kept: {shown}"
