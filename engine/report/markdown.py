"""The report as Markdown: the same tables and words as the page, for pull requests and notes."""

from __future__ import annotations

import re

from engine.report import tables
from engine.report.breakdown_tables import label_table, matrix_table, slice_tables
from engine.report.numbers import count
from engine.report.records import Report
from engine.report.speed import speed_table
from engine.report.spend_tables import foreseen_table, spend_table, spent
from engine.report.suggest import caveats, queries
from engine.report.tables import Table

SAMPLE = 10
"""Failures and generated rows shown; the page and the store have more."""


def render_markdown(report: Report) -> str:
    """Return the report as GitHub-flavoured Markdown; user data cannot bring markup with them."""
    sections = [
        _head(report),
        _scores(report),
        _patterns(report),
        _rows(report),
        _judge(report),
        _spend(report),
        _samples(report),
        _next(report),
    ]
    return "\n\n".join(part for section in sections for part in section if part) + "\n"


def plain(text: str) -> str:
    """Return text on one line, with what Markdown or HTML would act on made inert."""
    text = re.sub(r"\s+", " ", text).strip()
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]#|~])", r"\\\1", text)


def table(t: Table) -> str:
    """Return one table with its caption and note."""
    head = "| " + " | ".join(plain(c.title) for c in t.columns) + " |"
    rule = "| " + " | ".join("---:" if c.kind == "number" else "---" for c in t.columns) + " |"
    rows = ["| " + " | ".join(plain(cell) for cell in row) + " |" for row in t.rows]
    note = f"\n\n{plain(t.note)}" if t.note else ""
    return f"**{plain(t.caption)}**\n\n" + "\n".join([head, rule, *rows]) + note


def _head(report: Report) -> list[str]:
    h = report.header
    took = "" if h.minutes is None else f", {h.minutes:,.1f} min"
    seeds = ", ".join(str(s) for s in h.seeds)
    models = "\n".join(
        f"- {m.role}: {plain(m.name)} ({plain(m.backend)}"
        + (f", {plain(m.identity[:19])})" if m.identity else ")")
        for m in h.models
    )
    early = h.status not in ("done", "running")
    return [
        f"# {plain(h.recipe)}, run {plain(h.run)}",
        plain(h.description),
        f"{plain(h.status)}, {h.started} UTC{took}, seeds {seeds}",
        f"**{plain(report.headline.sentence)}**",
        plain(tables.best_sentence(report)),
        f"This run ended early ({plain(h.status)}): {plain(h.note)}" if early else plain(h.note),
        models,
    ]


def _scores(report: Report) -> list[str]:
    if not report.scores.rounds:
        return ["## Scores", "No scores: the run ended before a student was evaluated."]
    return [
        "## Scores",
        *(table(tables.score_table(report, metric)) for metric in report.scores.metrics),
        *(table(part) for part in slice_tables(report)),
        table(labels) if (labels := label_table(report)) else "",
        table(matrix_table(report.matrix)) if report.matrix else "",
        table(speed_table(report)) if report.speeds else "",
        table(tables.decision_table(report)) if report.decisions else "",
    ]


def _patterns(report: Report) -> list[str]:
    if report.patterns:
        told = "\n".join(
            f"- **{plain(p.name)}**: {plain(p.description)}"
            + "".join(f" *Strategy:* {plain(s)}" for s in p.strategies)
            for p in report.patterns
        )
        found = [table(tables.pattern_table(report)), told]
    elif report.scores.rounds and not report.failures_total:
        found = ["No failures were found on train or validation, so there are no patterns."]
    else:
        found = ["No patterns: no failures were diagnosed in this run."]
    return [
        "## Failure patterns",
        *found,
        table(tables.movement_table(report)) if report.movements else "",
        table(tables.confusion_table(report)) if report.confusions else "",
    ]


def _rows(report: Report) -> list[str]:
    if not report.funnel:
        found = ["No rows were generated in this run."]
    else:
        none = not any(f.accepted for f in report.funnel)
        found = [
            "No candidate was accepted: the training set did not grow." if none else "",
            table(tables.funnel_table(report)),
        ]
    return ["## Generated rows", *found, table(tables.drop_table(report)) if report.drops else ""]


def _judge(report: Report) -> list[str]:
    found = ["## Judge", tables.judge_sentence(report)]
    if not report.judgement.judged:
        return [*found, "The judge scored no rows in this run."]
    return [*found, table(tables.judge_table(report)), table(tables.criteria_table(report))]


def _spend(report: Report) -> list[str]:
    return [
        "## Spend",
        f"{spent(report)}.",
        table(spend_table(report)) if report.calls else "No LLM was asked.",
        table(foreseen_table(report)) if report.forecast else "",
        table(tables.time_table(report)) if report.nodes else "",
    ]


def _samples(report: Report) -> list[str]:
    failures = report.failures[:SAMPLE]
    made = report.candidates[:SAMPLE]
    found = []
    if failures:
        found += ["## Failures", f"{len(failures)} of {count(report.failures_total)}."]
        found.append(
            "\n".join(
                f"- {plain(' / '.join(f.inputs.values()))}: right {plain(f.target)}, answered"
                f" {plain(f.answer or '(unreadable)')}, round {f.round}, {f.split}, {f.later}"
                + (f"; {plain(f.root_cause)}" if f.root_cause else "")
                for f in failures
            )
        )
    if made:
        found += ["## Some generated rows", f"{len(made)} of {count(report.candidates_total)}."]
        found.append(
            "\n".join(
                f"- {plain(' / '.join(c.inputs.values()))} → {plain(c.target)}: {c.outcome}"
                + (f" ({plain(c.reason)})" if c.outcome == "rejected" else "")
                + f"; {plain(c.operator)} of “{plain(' / '.join(c.parent_inputs.values()))}”,"
                f" pattern {plain(c.pattern)}, round {c.round}, attempt {c.attempt}"
                for c in made
            )
        )
    return found


def _next(report: Report) -> list[str]:
    asks = [f"{plain(q.question)}\n\n```sh\n{q.command}\n```" for q in queries(report)]
    versions = ", ".join(f"{plain(n)} {plain(v)}" for n, v in report.header.versions)
    return [
        "## Ask further",
        *asks,
        "## Limits of these numbers",
        "\n".join(f"- {plain(c)}" for c in caveats(report)),
        versions,
    ]
