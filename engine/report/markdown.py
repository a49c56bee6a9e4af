"""The report as Markdown: the same tables and words as the page, for pull requests and notes."""

from __future__ import annotations

import re

from engine.report import tables
from engine.report.formatting import count, identity
from engine.report.records import Report
from engine.report.suggestions import caveats, queries
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


def escaped(text: str) -> str:
    """Return text on one line, with what Markdown or HTML would act on made inert."""
    text = re.sub(r"\s+", " ", text).strip()
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]#|~])", r"\\\1", text)


def table(t: Table) -> str:
    """Return one table with its caption and note."""
    head = "| " + " | ".join(escaped(c.title) for c in t.columns) + " |"
    rule = "| " + " | ".join("---:" if c.kind == "number" else "---" for c in t.columns) + " |"
    rows = ["| " + " | ".join(escaped(cell) for cell in row) + " |" for row in t.rows]
    note = f"\n\n{escaped(t.note)}" if t.note else ""
    return f"**{escaped(t.caption)}**\n\n" + "\n".join([head, rule, *rows]) + note


def _head(report: Report) -> list[str]:
    h = report.header
    took = "" if h.minutes is None else f", {h.minutes:,.1f} min"
    seeds = ", ".join(str(s) for s in h.seeds)
    models = "\n".join(
        f"- {m.role}: {escaped(m.name)} ({escaped(m.backend)}"
        + (f", {escaped(identity(m.identity))})" if m.identity else ")")
        for m in h.models
    )
    early = h.status not in ("done", "running")
    return [
        f"# {escaped(h.recipe)}, run {escaped(h.run)}",
        escaped(h.description),
        f"{escaped(h.status)}, {h.started} UTC{took}, seeds {seeds}",
        f"**{escaped(report.headline.sentence)}**",
        escaped(tables.kept_sentence(report)),
        *(f"**{escaped(said)}**" for said in tables.unread_sentences(report)),
        *map(escaped, tables.warning_sentences(report)),
        escaped(tables.best_sentence(report)),
        escaped(tables.switched_off_sentence(report)),
        f"This run ended early ({escaped(h.status)}): {escaped(h.note)}"
        if early
        else escaped(h.note),
        models,
    ]


def _scores(report: Report) -> list[str]:
    if not report.scores.rounds:
        return ["## Scores", "No scores: the run ended before a student was evaluated."]
    return [
        "## Scores",
        *(table(tables.score_table(report, metric)) for metric in report.scores.metrics),
        *(table(part) for part in tables.slice_tables(report)),
        table(labels) if (labels := tables.label_table(report)) else "",
        table(tables.matrix_table(report.matrix)) if report.matrix else "",
        table(choices) if (choices := tables.choice_table(report)) else "",
        table(tables.speed_table(report)) if report.speeds else "",
        table(tables.decision_table(report)) if report.decisions else "",
    ]


def _patterns(report: Report) -> list[str]:
    if report.patterns:
        descriptions = "\n".join(
            f"- **{escaped(p.name)}**: {escaped(p.description)}"
            + (f" *{p.test.verdict}:* {escaped(p.test.detail)}." if p.test else "")
            + "".join(f" *Strategy:* {escaped(s)}" for s in p.strategies)
            for p in report.patterns
        )
        parts = [table(tables.pattern_table(report)), descriptions]
    elif report.scores.rounds and not report.failures_total:
        parts = ["No failures were found on train or validation, so there are no patterns."]
    else:
        parts = ["No patterns: no failures were diagnosed in this run."]
    return [
        "## Failure patterns",
        *parts,
        escaped(tables.seen_before_sentence(report)),
        escaped(tables.regression_sentence(report)),
        escaped(tables.tuning_sentence(report)),
        escaped(tables.held_out_sentence(report)),
        table(tables.movement_table(report)) if report.movements else "",
        table(tables.confusion_table(report)) if report.confusions else "",
        table(tables.suspect_table(report)) if report.suspects else "",
    ]


def _rows(report: Report) -> list[str]:
    if not report.funnel:
        parts = ["No rows were generated in this run."]
    else:
        parts = [
            escaped(tables.decided_sentence(report)),
            table(tables.funnel_table(report)),
            table(tables.quota_table(report)) if report.quotas else "",
        ]
    return ["## Generated rows", *parts, table(tables.drop_table(report)) if report.drops else ""]


def _judge(report: Report) -> list[str]:
    parts = ["## Judge", tables.judge_sentence(report)]
    if report.people.rows:
        parts = ["## Review", table(tables.people_table(report)), *parts]
    if sentence := tables.verified_sentence(report):
        parts.append(sentence)
    if report.judgement.calibrations:
        parts.append(table(tables.calibration_table(report)))
    if not report.judgement.judged:
        return [*parts, "The judge scored no rows in this run."]
    return [*parts, table(tables.judge_table(report)), table(tables.criteria_table(report))]


def _spend(report: Report) -> list[str]:
    return [
        "## Spend",
        f"{tables.spent(report)}.",
        table(tables.spend_table(report)) if report.calls else "No LLM was asked.",
        table(tables.foreseen_table(report)) if report.forecast else "",
        table(tables.time_table(report)) if report.nodes else "",
    ]


def _samples(report: Report) -> list[str]:
    failures = report.failures[:SAMPLE]
    candidates = report.candidates[:SAMPLE]
    parts = []
    if failures:
        parts += ["## Failures", f"{len(failures)} of {count(report.failures_total)}."]
        parts.append(
            "\n".join(
                f"- {escaped(' / '.join(f.inputs.values()))}: right {escaped(f.target)}, answered"
                f" {escaped(f.answer or '(unreadable)')}, round {f.round}, {f.split}, {f.later}"
                + (f"; {escaped(f.root_cause)}" if f.root_cause else "")
                for f in failures
            )
        )
    if candidates:
        parts += [
            "## Some generated rows",
            f"{len(candidates)} of {count(report.candidates_total)}.",
        ]
        parts.append(
            "\n".join(
                f"- {escaped(' / '.join(c.inputs.values()))} → {escaped(c.target)}: {c.outcome}"
                + (f" ({escaped(c.reason)})" if c.outcome == "rejected" else "")
                + f"; {escaped(c.operator)} of “{escaped(' / '.join(c.parent_inputs.values()))}”,"
                f" pattern {escaped(c.pattern)}, round {c.round}, attempt {c.attempt}"
                for c in candidates
            )
        )
    return parts


def _next(report: Report) -> list[str]:
    asks = [f"{escaped(q.question)}\n\n```sh\n{q.command}\n```" for q in queries(report)]
    versions = ", ".join(f"{escaped(n)} {escaped(v)}" for n, v in report.header.versions)
    return [
        *(["## Ask further", *asks] if asks else []),
        "## Limits of these numbers",
        "\n".join(f"- {escaped(c)}" for c in caveats(report)),
        versions,
    ]
