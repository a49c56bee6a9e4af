"""The tables below the scores: one per slice, one of the labels, and the confusion matrix."""

from __future__ import annotations

import math

from engine.report.formatting import NONE, count, measured, points, round_label
from engine.report.records import Matrix, Measured, Report
from engine.report.tables.table import Table, titled
from engine.statistics import benjamini_hochberg
from engine.statistics.proportions import Z

_SEVERAL = " Over several seeds: the mean, in brackets the lowest and the highest seed."


def slice_tables(report: Report) -> list[Table]:
    """Return for each slice its parts: the primary metric in round 0 and now, and the others now."""
    return [_slice_table(report, name) for name in report.breakdown.slices]


def _slice_table(report: Report, name: str) -> Table:
    scores, breakdown = report.scores, report.breakdown
    last = max(scores.rounds)
    # Only one of the earlier rounds: the plain fine-tune that the last round is compared with.
    columns = [(scores.primary, 0)] if last > 0 else []
    columns += [(metric, last) for metric in scores.metrics]
    titles = [f"{metric}, {round_label(r)}" for metric, r in columns]
    changes = _changes(report, last)
    rows = []
    for part in breakdown.slices[name]:
        cells = [breakdown.cells.get((name, part, metric, r)) for metric, r in columns]
        n = max((cell.n for cell in cells if cell), default=0)
        values = [
            measured(cell, metric in scores.percent) if cell else "not scored"
            for cell, (metric, _) in zip(cells, columns, strict=True)
        ]
        change = [changes.get((name, part), NONE)] if changes else []
        rows.append((part, count(n), *values, *change))
    titles += ["change"] if changes else []
    note = "In brackets: 95% interval. Small parts have wide ones, and of many parts some differ by chance."
    if changes:
        note += (
            f" Change: {scores.primary} against round 0; with a * beyond chance for so many parts."
        )
    return Table(
        f"Test by {name}",
        titled(name, "n", *titles, numbers=("n", *titles)),
        tuple(rows),
        note + (_SEVERAL if len(scores.seeds) > 1 else ""),
    )


def _changes(report: Report, last: int) -> dict[tuple[str, str], str]:
    """Return by slice and part how the primary metric changed since round 0; empty for several seeds, and before it.

    Rows of parts are not stored, so the two rounds are taken as independent, which is cautious. p-values are adjusted
    over the parts of all slices (Benjamini and Hochberg).
    """
    scores, cells = report.scores, report.breakdown.cells
    if last <= 0 or len(scores.seeds) > 1:
        return {}
    found: dict[tuple[str, str], tuple[float, float]] = {}
    for name, parts in report.breakdown.slices.items():
        for part in parts:
            before = cells.get((name, part, scores.primary, 0))
            after = cells.get((name, part, scores.primary, last))
            if before and after:
                change = after.value - before.value
                found[name, part] = change, _p_value(change, before, after)
    adjusted = benjamini_hochberg([p for _, p in found.values()])
    percent = scores.primary in scores.percent
    return {
        key: points(change, percent, signed=True, unit=False) + ("*" if p <= 0.05 else "")
        for (key, (change, _)), p in zip(found.items(), adjusted, strict=True)
    }


def _p_value(change: float, before: Measured, after: Measured) -> float:
    """Return the two-sided p-value of a change, from the widths of the two intervals; 1 where one has none."""
    if before.low is None or before.high is None or after.low is None or after.high is None:
        return 1.0
    error = math.hypot(before.high - before.low, after.high - after.low) / (2 * Z)
    return math.erfc(abs(change) / error / math.sqrt(2)) if error > 0 else 1.0


def label_table(report: Report) -> Table | None:
    """Return the precision and recall of each label on test; None where the recipe has neither."""
    breakdown = report.breakdown
    if not breakdown.labels:
        return None
    # The student that is kept; where the seeds' differ, all seeds' last round.
    rounds = set(report.chosen.values())
    last = rounds.pop() if len(rounds) == 1 else max(report.scores.rounds)
    kinds = [
        kind for kind in ("precision", "recall") if any(key[2] == kind for key in breakdown.cells)
    ]
    rows = []
    for label in breakdown.labels:
        row = [label]
        for kind in kinds:
            cell = breakdown.cells.get((breakdown.target, label, kind, last))
            row += [measured(cell, True), count(cell.n) if cell else NONE]
        rows.append(tuple(row))
    behind = {"precision": "times answered", "recall": "times right"}
    titles = [title for kind in kinds for title in (kind, behind[kind])]
    note = "In brackets: 95% interval. A label that was never answered has no precision."
    return Table(
        f"Labels on test, {round_label(last)}",
        titled("label", *titles, numbers=tuple(titles)),
        tuple(rows),
        note + (_SEVERAL if len(report.scores.seeds) > 1 else ""),
    )


def matrix_table(matrix: Matrix) -> Table:
    """Return the confusion matrix: a row per right answer, a column per answer given."""
    of = round_label(matrix.rounds[0]) if len(matrix.rounds) == 1 else "the chosen students"
    unread = any(answer is None for _, answer in matrix.counts)
    answers: list[str | None] = [*matrix.labels, *([None] if unread else [])]
    titles = [_title(answer) for answer in answers]
    rows = tuple(
        (label, *(count(matrix.counts.get((label, answer), 0)) for answer in answers))
        for label in matrix.labels
    )
    return Table(
        f"Confusion matrix on test, {of}",
        titled("right answer", *titles, numbers=tuple(titles)),
        rows,
        "Columns: the student's answers.",
    )


def _title(answer: str | None) -> str:
    return "(unreadable)" if answer is None else answer
