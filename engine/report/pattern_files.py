"""Failure patterns as files of their own: Markdown to read, CSV with a line per pattern to count with."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from engine.report.dossier import Dossier
from engine.report.formatting import count, round_label
from engine.report.markdown import escaped, table
from engine.report.tables.dossier import (
    life_table,
    member_table,
    price_table,
    tally_table,
    tested_sentence,
    written_sentence,
    written_table,
)
from engine.system.plain_text import cell


def patterns_markdown(recipe: str, run: str, dossiers: Sequence[Dossier]) -> str:
    """Return the patterns of a run as GitHub-flavoured Markdown; user data cannot bring markup with them."""
    parts = [f"# Failure patterns of {escaped(recipe)}, run {escaped(run)}"]
    if not dossiers:
        return f"{parts[0]}\n\nThere are none.\n"
    parts.append(table(tally_table([one.tally for one in dossiers])))
    for one in dossiers:
        parts += _section(one)
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(one: Dossier) -> list[str]:
    facts = one.facts
    place = f"`{facts.id}`, seed {facts.seed}, found in {round_label(facts.found)}, {facts.status}"
    seen = f", first seen on {escaped(facts.first_seen.words)}" if facts.first_seen else ""
    lists = [
        f"{title}:\n\n" + "\n".join(f"- {escaped(text)}" for text in texts)
        for title, texts in (("Falls under it", one.includes), ("Does not", one.excludes))
        if texts
    ]
    return [
        f"## {escaped(facts.name)}",
        place + seen + (f", category {escaped(facts.category)}" if facts.category else ""),
        escaped(facts.description),
        *lists,
        f"**Real?** {escaped(tested)}." if (tested := tested_sentence(one)) else "",
        table(life_table(one)),
        *(f"**Strategy.** {escaped(text)}" for text in facts.strategies),
        table(member_table(one)) if one.members else "",
        f"{escaped(written_sentence(one))}.",
        table(written_table(one)) if one.written else "",
        table(price_table(one)) if one.tally.price.items else "",
    ]


COLUMNS = (
    "run", "seed", "pattern", "name", "category", "description", "includes", "excludes", "found", "life", "members",
    "failing", "rows", "effect", "effect_low", "effect_high", "verdict", "funded", "lift", "lift_low", "lift_high",
    "first_run", "first_seen", "strategy", "generated", "accepted", "selected", "tokens", "unmetered_calls", "cost",
    "unpriced_calls",
)  # fmt: skip
"""Of the CSV; lists and several strategies are joined by line breaks, what is not known is empty."""


def patterns_csv(run: str, dossiers: Sequence[Dossier], *, raw: bool = False) -> str:
    """Return one line per pattern and seed under a header; texts clean (`plain_text.cell`), or raw."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in dossiers:
        writer.writerow([cell(value, raw=raw) for value in _line(run, one)])
    return out.getvalue()


def _line(run: str, one: Dossier) -> tuple[object, ...]:
    facts, price = one.facts, one.tally.price
    last = facts.standings[-1] if facts.standings else None
    test, first = facts.test, facts.first_seen
    return (
        run, facts.seed, facts.id, facts.name, facts.category, facts.description, "\n".join(one.includes),
        "\n".join(one.excludes), facts.found, facts.status, facts.before, facts.after,
        *((last.rows, last.effect, last.low, last.high) if last else (None,) * 4),
        *((test.verdict, test.funded, test.lift, test.lift_low, test.lift_high) if test else (None,) * 5),
        *((first.run, first.date) if first else (None,) * 2),
        "\n".join(facts.strategies), facts.generated, facts.accepted, facts.selected, round(price.tokens),
        price.unmetered, price.cost, price.unpriced,
    )  # fmt: skip


def said(dossiers: Sequence[Dossier]) -> str:
    """Return how many patterns there are, in words."""
    return f"{count(len(dossiers))} {'pattern' if len(dossiers) == 1 else 'patterns'}"
