"""Failure patterns and their fate, moved failures, confused labels."""

from __future__ import annotations

from engine.report.formatting import NONE, count, round_label
from engine.report.records import PatternFacts, Report, Standing
from engine.report.tables.table import Table, titled


def pattern_table(report: Report) -> Table:
    """Return the patterns with their sizes when found and after each later fine-tune."""
    rounds = sorted({s.round for p in report.patterns for s in p.standings})
    several = len(report.scores.seeds) > 1
    after = [f"after {round_label(r)}" for r in rounds]
    titles = ["pattern", *(["seed"] if several else []), "category", "found in", "before", *after]
    rows = []
    for p in report.patterns:
        by_round = {s.round: _after(p, s) for s in p.standings}
        rows.append(
            (
                p.name,
                *([str(p.seed)] if several else []),
                p.category or NONE,
                round_label(p.found),
                count(p.size),
                *(by_round.get(r, NONE) for r in rounds),
                p.status,
                count(p.selected),
            )
        )
    return Table(
        "Failure patterns on validation",
        titled(
            *titles,
            "status",
            "rows added",
            numbers=("before", *after, "rows added"),
            status="status",
        ),
        tuple(rows),
        "Before: failures in the pattern when it was found; after: how many of these still fail"
        " (of more, where a later round added failures to it).",
    )


def _after(pattern: PatternFacts, then: Standing) -> str:
    if then.before == pattern.size:
        return count(then.after)
    return f"{then.after:,} of {then.before:,}"


def movement_table(report: Report) -> Table:
    """Return how the validation failures changed against round 0."""
    several = len(report.scores.seeds) > 1
    head = ("student", *(("seed",) if several else ()))
    numbers = ("failures", "mended", "new", "in no pattern")
    rows = tuple(
        (
            round_label(m.round),
            *((str(m.seed),) if several else ()),
            count(m.failures),
            count(m.mended) if m.round else NONE,
            count(m.new) if m.round else NONE,
            count(m.outside),
        )
        for m in report.movements
    )
    return Table(
        "Validation failures against round 0",
        titled(*head, *numbers, numbers=numbers),
        rows,
        "Mended: failed in round 0, right now. New: right in round 0, failing now."
        " In no pattern: never among the diagnosed failures of any round.",
    )


def confusion_table(report: Report) -> Table:
    """Return the most confused label pairs on validation, round 0 against the last round."""
    before, after = "round 0", f"round {max(report.scores.rounds, default=0)}"
    several = after != before
    titles = ("right answer", "student's answer", before, *((after,) if several else ()))
    rows = tuple(
        (c.target, c.answer, count(c.before), *((count(c.after),) if several else ()))
        for c in report.confusions
    )
    return Table(
        "Most confused labels on validation", titled(*titles, numbers=(before, after)), rows
    )


def suspect_table(report: Report) -> Table:
    """Return the rows whose given answer may be wrong: worth a look by hand before anything is trained on them."""
    rows = tuple(
        (
            s.source,
            " / ".join(s.inputs.values()),
            s.target,
            NONE if s.answer is None else s.answer,
            s.reason,
            NONE if s.confidence is None else count(s.confidence),
        )
        for s in report.suspects
    )
    return Table(
        "Rows whose label may be wrong",
        titled(
            "row",
            "text",
            "right answer in the data",
            "student's answer",
            "why",
            "sure",
            numbers=("sure",),
        ),
        rows,
        "By the teacher, of rows that the student failed at; sure: 1 to 5. No row is generated for them."
        " Look at them by hand: the teacher may be wrong too.",
    )
