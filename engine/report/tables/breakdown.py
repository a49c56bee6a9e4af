"""The tables below the scores: one per slice, one of the labels, and the confusion matrix."""

from __future__ import annotations

from engine.report.formatting import NONE, count, measured, round_label
from engine.report.records import Matrix, Report
from engine.report.tables.table import Table, titled

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
    rows = []
    for part in breakdown.slices[name]:
        cells = [breakdown.cells.get((name, part, metric, r)) for metric, r in columns]
        n = max((cell.n for cell in cells if cell), default=0)
        values = [
            measured(cell, metric in scores.percent) if cell else "not scored"
            for cell, (metric, _) in zip(cells, columns, strict=True)
        ]
        rows.append((part, count(n), *values))
    note = "In brackets: 95% bootstrap interval. Small parts have wide ones, and of many parts some differ by chance."
    return Table(
        f"Test by {name}",
        titled(name, "n", *titles, numbers=("n", *titles)),
        tuple(rows),
        note + (_SEVERAL if len(scores.seeds) > 1 else ""),
    )


def label_table(report: Report) -> Table | None:
    """Return the precision and recall of each label on test; None where the recipe has neither."""
    breakdown = report.breakdown
    if not breakdown.labels:
        return None
    last = max(report.scores.rounds)
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
    note = "In brackets: 95% bootstrap interval. A label that was never answered has no precision."
    return Table(
        f"Labels on test, {round_label(last)}",
        titled("label", *titles, numbers=tuple(titles)),
        tuple(rows),
        note + (_SEVERAL if len(report.scores.seeds) > 1 else ""),
    )


def matrix_table(matrix: Matrix) -> Table:
    """Return the confusion matrix: a row per right answer, a column per answer given."""
    unread = any(answer is None for _, answer in matrix.counts)
    answers: list[str | None] = [*matrix.labels, *([None] if unread else [])]
    titles = [_title(answer) for answer in answers]
    rows = tuple(
        (label, *(count(matrix.counts.get((label, answer), 0)) for answer in answers))
        for label in matrix.labels
    )
    return Table(
        f"Confusion matrix on test, {round_label(matrix.round)}",
        titled("right answer", *titles, numbers=tuple(titles)),
        rows,
        "Columns: the student's answers.",
    )


def _title(answer: str | None) -> str:
    return "(unreadable)" if answer is None else answer
