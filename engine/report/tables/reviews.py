"""What people said of rows, as tables and sentences."""

from __future__ import annotations

from engine.report.formatting import count, share
from engine.report.people import People
from engine.report.records import Report
from engine.report.tables.table import Table, titled


def people_table(report: Report) -> Table:
    """Return how many rows people accepted, rejected and changed."""
    people = report.people
    numbers = ("rows", "accepted", "rejected", "edited", "relabelled", "not settled")
    verdicts = [people.verdicts.get(name, 0) for name in ("accept", "reject", "edit", "relabel")]
    row = tuple(count(n) for n in (people.rows, *verdicts, people.conflicts))
    by = ", ".join(f"{name} {n:,}" for name, n in people.reviewers.items())
    note = f"Verdicts: {by}. {agreement_sentence(people)} {judge_sentence(people)}"
    return Table("Reviewed by people", titled(*numbers, numbers=numbers), (row,), note.strip())


def agreement_sentence(people: People) -> str:
    """Return how far reviewers agree; empty where no row was looked at by two."""
    found = people.agreement
    if not found.units:
        return ""
    rows = f"{found.units:,} {'row' if found.units == 1 else 'rows'} looked at by two or more"
    same = f"the same verdict (accept, reject or change) on {share(found.agreed, found.units)}"
    if found.alpha is None or found.low is None or found.high is None:
        return f"Agreement: {rows}; {same}; Krippendorff's alpha cannot be told, for there is one verdict only."
    return (
        f"Agreement: {rows}; {same}; Krippendorff's alpha {found.alpha:.2f} ({found.low:.2f} to {found.high:.2f};"
        " 1 perfect, 0 chance)."
    )


def judge_sentence(people: People) -> str:
    """Return how the judge stands to people; empty where it said nothing of answers of which they say something."""
    judge = people.judge
    right, wrong = (
        judge.right_passed + judge.right_rejected,
        judge.wrong_passed + judge.wrong_rejected,
    )
    parts = []
    if right:
        parts.append(
            f"of {right:,} that people call right it takes {judge.right_passed:,} for right"
        )
    if wrong:
        parts.append(
            f"of {wrong:,} that people call wrong it takes {judge.wrong_rejected:,} for wrong"
        )
    return f"The judge on the same answers: {'; '.join(parts)}." if parts else ""
