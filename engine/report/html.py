"""One self-contained HTML page from a report: no network, no fonts, no scripts but its own.

The templates escape everything; only the charts (escaped in `charts`) and the page's own style and
script are inserted as they are. The browsable rows travel as JSON that cannot close its element.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from engine.report import breakdown_tables, pictures, tables
from engine.report.numbers import (
    NONE,
    count,
    gap,
    measured,
    round_label,
    value,
)
from engine.report.records import Report
from engine.report.speed import speed_table
from engine.report.spend_tables import (
    cost_of,
    foreseen_table,
    spend_table,
    spent,
)
from engine.report.suggest import caveats, queries

TEMPLATES = Path(__file__).parent / "templates"


def render_html(report: Report) -> str:
    """Return the whole page as text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    return environment.get_template("report.html.j2").render(
        report=report,
        header=report.header,
        tiles=tiles(report),
        tables=tables,
        pictures=pictures,
        slice_tables=breakdown_tables.slice_tables(report),
        label_table=breakdown_tables.label_table(report),
        matrix_table=breakdown_tables.matrix_table(report.matrix) if report.matrix else None,
        queries=queries(report),
        caveats=caveats(report),
        judge=tables.judge_sentence(report),
        speed_table=speed_table(report) if report.speeds else None,
        spent=spent(report),
        spend_table=spend_table(report),
        foreseen_table=foreseen_table(report) if report.forecast else None,
        style=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=Markup(safe_json(rows(report))),
    )


def safe_json(value: Any) -> str:
    """Return JSON that stays inside a script element whatever the data hold."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def rows(report: Report) -> dict[str, Any]:
    """Return the browsable samples, as the page's script reads them."""
    return {
        "failures": [dataclasses.asdict(f) for f in report.failures],
        "candidates": [dataclasses.asdict(c) for c in report.candidates],
    }


def tiles(report: Report) -> list[tuple[str, str, str]]:
    """Return the figures at the top: label, figure, small print."""
    scores = report.scores
    percent = scores.primary in scores.percent
    n = tables.tile_numbers(report)
    last = max(scores.rounds, default=None)
    found: list[tuple[str, str, str]] = []
    if last is not None:
        cell = scores.at(scores.primary, "test", last)
        first = scores.at(scores.primary, "test", 0)
        before = "" if last <= 0 or first is None else f"round 0: {measured(first, percent)}"
        shown = value(cell.value if cell else None, percent)
        found.append((f"{scores.primary} on test, {round_label(last)}", shown, before))
        found += _gap_tile(report, last)
    moves = [m for m in report.movements if m.round == last]
    if moves:
        old = sum(m.failures for m in report.movements if m.round == 0)
        new = sum(m.new for m in moves)
        small = f"round 0: {count(old)}; {count(new)} new" if last else ""
        found.append(("validation failures", count(sum(m.failures for m in moves)), small))
    small = f"{count(n['generated'])} generated, {count(n['rejected'])} rejected"
    found.append(("rows added to training", count(n["trained"]), small))
    small = f"{count(n['prompt'] + n['completion'])} tokens, {count(n['reused'])} reused"
    found.append(("LLM calls", count(n["calls"]), small))
    cost = cost_of([c for c in report.calls if not c.reused])
    if cost.asked:
        small = f"{count(cost.unpriced)} calls of unknown cost" if cost.unpriced else ""
        found.append(("money", cost.text, small))
    minutes = report.header.minutes
    took = NONE if minutes is None else f"{minutes:,.1f} min"
    found.append(("wall time", took, "" if minutes is not None else "still running"))
    return found


def _gap_tile(report: Report, last: int) -> list[tuple[str, str, str]]:
    scores = report.scores
    cell = scores.at(scores.primary, "gap_test", last)
    if cell is None:
        return []
    percent = scores.primary in scores.percent
    first = scores.at(scores.primary, "gap_test", 0)
    small = "" if first is None or last <= 0 else f"round 0: {gap(first, percent)}"
    shown = gap(dataclasses.replace(cell, low=None, high=None), percent)
    return [("gap train − test" + (", points" if percent else ""), shown, small)]
