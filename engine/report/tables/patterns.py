"""Failure patterns and their fate, moved failures, confused labels."""

from __future__ import annotations

from collections.abc import Collection

from engine.report.evidence import PatternFacts
from engine.report.formatting import NONE, count, hundredfold, round_label
from engine.report.records import Report
from engine.report.tables.table import Table, titled
from engine.rows import CONTROL

HELD_OUT = "held out, right now"
FIRST_SEEN = "first seen"
_NOTE = {
    "failures": "Failures: when it was found; any fine-tune mends some of them.",
    "rows": "Rows: validation rows that fall under it, right ones too.",
    "effect (points)": "Effect: how many points fewer of these fail than with the control, and the 95% interval over"
    f" rows; {NONE} where it cannot be told.",
    "status": "Status: shrinking, fixed or regressed where that is beyond chance, open where less than half was"
    " mended, unclear where none of these can be told.",
    HELD_OUT: "Held out: failures under it that nobody diagnosed, how many are right now.",
    "real": "Real: how many times as often rows that fall under its description fail as others do, on validation rows"
    " that were not diagnosed (* some were, for want of others).",
}
"""What the columns are, in order; each is said where the column is shown."""
_CONTROL = " Control: what a fine-tune on the original rows alone mends and breaks by chance."


def pattern_table(report: Report, without: Collection[str] = ()) -> Table:
    """Return the patterns: failures when found, what is left of them, and the effect over all rows that fall under.

    `without` names columns that are left out, as where there is no room for them.
    """
    several = len(report.scores.seeds) > 1
    tested = any(p.test for p in report.patterns)
    numbers = ("failures", "still failing", "rows", "effect (points)")
    titles = ["pattern", *(["seed"] if several else []), "category", "found in"]
    titles += [*(["real"] if tested else []), *numbers]
    rows = [
        (
            p.name,
            *([str(p.seed)] if several else []),
            p.category or NONE,
            round_label(p.found),
            *([real_text(p)] if tested else []),
            count(p.size),
            _still(p),
            count(p.standings[-1].rows) if p.standings else NONE,
            effect_text(p),
            p.status,
            _held_out(p),
            p.first_seen.words if p.first_seen else "new",
            count(p.selected),
        )
        for p in report.patterns
    ]
    titles += ["status", HELD_OUT, FIRST_SEEN, "rows added"]
    kept = [at for at, title in enumerate(titles) if title not in without]
    shown = [titles[at] for at in kept]
    return Table(
        "Failure patterns on validation",
        titled(*shown, numbers=(*numbers, HELD_OUT, "rows added"), status="status"),
        tuple(tuple(row[at] for at in kept) for row in rows),
        " ".join(text for title, text in _NOTE.items() if title in shown),
    )


def _held_out(pattern: PatternFacts) -> str:
    last = pattern.standings[-1] if pattern.standings else None
    if last is None or not last.held_out:
        return NONE
    text = f"{last.held_out_mended:,} of {last.held_out:,}"
    return (
        text
        if last.control_held_out_mended is None
        else f"{text} (control {last.control_held_out_mended:,})"
    )


def seen_before_sentence(report: Report) -> str:
    """Return how many patterns earlier runs saw, and the first of all; empty where none did."""
    seen = [p.first_seen for p in report.patterns if p.first_seen is not None]
    if not seen:
        return ""
    first = min(seen, key=lambda one: (one.date, one.run))
    return (
        f"Seen in earlier runs: {count(len(seen))} of {count(len(report.patterns))} patterns,"
        f" the first on {first.words}."
    )


def real_text(pattern: PatternFacts) -> str:
    """Return the word of a pattern's test, with the lift and whether diagnosed rows had to be used."""
    test = pattern.test
    if test is None:
        return NONE
    if test.lift is None or test.lift_low is None or test.lift_high is None:
        return test.verdict
    low, high = f"{test.lift_low:.1f}", f"{test.lift_high:.1f}"
    seen = " *" if test.diagnosed else ""
    return f"{test.verdict}: {test.lift:.1f} ({low} to {high}){seen}"


def _still(pattern: PatternFacts) -> str:
    if pattern.after is None:
        return NONE
    if pattern.before == pattern.size:
        return count(pattern.after)
    return f"{pattern.after:,} of {pattern.before:,}"


def effect_text(pattern: PatternFacts) -> str:
    """Return the latest effect in points with its interval; a dash where it cannot be told."""
    standing = pattern.standings[-1] if pattern.standings else None
    if standing is None or standing.effect is None:
        return NONE
    low, high = (hundredfold(end or 0.0) for end in (standing.low, standing.high))
    return f"{hundredfold(standing.effect, '+')} ({low} to {high})"


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
        " In no pattern: never among the diagnosed failures of any round."
        + (_CONTROL if any(m.round == CONTROL for m in report.movements) else ""),
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
            s.split,
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
            "split",
            "text",
            "right answer in the data",
            "answered",
            "why",
            "sure",
            numbers=("sure",),
        ),
        rows,
        "Of validation: rows that the student failed at and the teacher takes for mislabelled; no row is generated for"
        " them (sure: 1 to 5). Of train: rows by which the judge was calibrated, with the answer that it gives, and"
        " rows that writers left out. Look at them by hand: both may be wrong too.",
    )
