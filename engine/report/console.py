"""The end of a run in the terminal: scores, patterns, rows, cost, the page, what to ask next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from engine.report import tables
from engine.report.formatting import count
from engine.report.records import Report
from engine.report.suggestions import queries
from engine.report.tables import Table
from engine.system.plain_text import clean

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table as RichTable

STYLES = {"good": "bold green", "bad": "bold red", "unclear": "bold yellow"}


def summary(report: Report, page: Path | str | None = None) -> Group:
    """Return what a run ends with; `page` is the path of the HTML report, if it was written."""
    from rich.console import Group
    from rich.text import Text

    h = report.header
    parts: list[RenderableType] = [
        Text(clean(f"{h.recipe} · run {h.run} · {h.status}"), style="bold"),
        Text(clean(report.headline.sentence), style=STYLES[report.headline.tone]),
    ]
    parts += [Text(clean(said), style=STYLES["bad"]) for said in tables.unread_sentences(report)]
    parts += [Text(clean(said)) for said in tables.warning_sentences(report)]
    about = (tables.kept_sentence(report), tables.best_sentence(report), h.note)
    parts += [Text(clean(said)) for said in about if said]
    if report.scores.rounds:
        parts += _with_note(_stacked(tables.score_table(report, report.scores.primary)))
        parts.append(Text(tables.validation_sentence(report), style="dim"))
    if report.speeds:
        parts += _with_note(_stacked(_without(tables.speed_table(report), {"tokens per answer"})))
    if len(report.choices) > 1 and (choices := tables.choice_table(report)):
        parts += _with_note(choices)
    parts += _patterns(report)
    sentences = (
        tables.seen_before_sentence(report),
        tables.regression_sentence(report),
        tables.tuning_sentence(report),
        tables.held_out_sentence(report),
        tables.blocked_sentence(report),
        tables.switched_off_sentence(report),
    )
    parts += [Text(clean(sentence)) for sentence in sentences if sentence]
    parts += [Text(), Text(_rows(report))]
    if judge := tables.judge_sentence(report):
        parts.append(Text(judge))
    parts.append(Text(f"Time and tokens: {tables.spent(report)}."))
    if estimate := tables.foreseen_sentence(report):
        parts.append(Text(estimate))
    if page is not None:
        parts.append(Text(f"Report: {clean(str(page))}", style="bold"))
    if asks := queries(report):
        parts += [Text(), Text("Ask further:")]
    # Wrapped at spaces and not indented: a line break inside the quotes is a space to SQL, so a
    # command copied over several lines still runs.
    parts += [Text(clean(q.command), style="cyan") for q in asks]
    return Group(*parts)


def _patterns(report: Report) -> list[RenderableType]:
    from rich.text import Text

    if report.patterns:
        left_out = {"category", "found in", tables.HELD_OUT, tables.FIRST_SEEN}
        return _with_note(_stacked(tables.pattern_table(report, left_out)))
    if report.scores.rounds and not report.failures_total:
        return [Text("No failures were found on train or validation: nothing to fix.")]
    return [Text(f"No failure patterns {_so_far(report)}.")]


def _so_far(report: Report) -> str:
    return "in this run" if report.header.status == "done" else "yet"


def _rows(report: Report) -> str:
    if not report.funnel:
        return f"No rows were generated {_so_far(report)}."
    total = tables.totals(report)
    if total.undecided == total.generated:
        return f"Rows: {count(total.generated)} generated. {tables.decided_sentence(report)}"
    reasons = ", ".join(
        f"{count(k)} {clean(r)}" for r, k in tables.reasons_of(report.funnel).items()
    )
    text = (
        f"Rows: {count(total.generated)} generated, {count(total.accepted)} accepted,"
        f" {count(total.rejected)} rejected" + (f" ({reasons})" if reasons else "")
    )
    text += f", {count(total.trained)} trained on."
    return f"{text} {tables.decided_sentence(report)}".rstrip()


def _stacked(table: Table) -> Table:
    """Put intervals under their values: six columns then fit into 80 characters."""
    columns = tuple(replace(c, title=c.title.replace(" (", "\n(")) for c in table.columns)
    rows = tuple(tuple(cell.replace(" (", "\n(") for cell in row) for row in table.rows)
    return replace(table, columns=columns, rows=rows)


def _without(table: Table, titles: set[str]) -> Table:
    """Leave out columns that a terminal has no room for; the page has them."""
    kept = [i for i, c in enumerate(table.columns) if c.title not in titles]
    rows = tuple(tuple(row[i] for i in kept) for row in table.rows)
    return replace(table, columns=tuple(table.columns[i] for i in kept), rows=rows)


def _with_note(table: Table) -> list[RenderableType]:
    from rich.text import Text

    parts: list[RenderableType] = [Text(), rich_table(table)]
    return [*parts, Text(table.note, style="dim")] if table.note else parts


def rich_table(table: Table) -> RichTable:
    """Return a table as the terminal shows it, without its note."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    title = Text(clean(table.caption), style="bold")
    shown = RichTable(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in table.columns:
        side: Literal["left", "right"] = "right" if column.kind == "number" else "left"
        shown.add_column(Text(clean(column.title)), justify=side)
    for row in table.rows:
        shown.add_row(*(Text(clean(cell)) for cell in row))
    return shown
