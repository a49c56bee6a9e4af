"""One self-contained HTML page from a report: no network, no fonts, no scripts but its own.

The templates escape everything; only the charts (escaped in `charts`) and the page's own style and
script are inserted as they are. The browsable rows travel as JSON that cannot close its element.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.report import tables
from engine.report.charts import figures
from engine.report.dossier import POINTS
from engine.report.formatting import NONE, count, gap, identity
from engine.report.records import Report, over_seeds
from engine.report.suggestions import caveats, queries
from engine.report.tables import dossier

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"


def render_html(report: Report) -> str:
    """Return the whole page as text."""
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            header=report.header,
            tiles=tiles(report),
            tables=tables,
            dossier=dossier,
            figures=figures,
            most_points=POINTS,
            queries=queries(report),
            caveats=caveats(report),
            short=identity,
            style=stylesheet(),
            script=_as_it_is(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            data=_as_it_is(safe_json(rows(report))),
        )
    )


@cache
def environment(*further: Path) -> Environment:
    """Return the templates, compiled once per process; those of further folders, too, which may use the report's."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader([*further, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def stylesheet(*further: Path) -> Markup:
    """Return the style of all pages, and what further files add to it, as a template inserts it."""
    files = (TEMPLATES / "report.css", *further)
    return _as_it_is("".join(file.read_text(encoding="utf-8") for file in files))


def _as_it_is(text: str) -> Markup:
    """Return text that a template does not escape: files of the engine's own, and JSON that was made safe."""
    from markupsafe import Markup

    return Markup(text)  # nosec B704 # see above


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
    total = tables.totals(report)
    last = max(scores.rounds, default=None)
    several = f", {len(scores.seeds)} seeds" if len(scores.seeds) > 1 else ""
    shown_tiles: list[tuple[str, str, str]] = []
    first = tables.kept_tile(report)
    if first is not None:
        shown_tiles += [first, *_gap_tile(report)]
    moves = [m for m in report.movements if m.round == report.chosen.get(m.seed, last)]
    if moves:
        old = sum(m.failures for m in report.movements if m.round == 0)
        new = sum(m.new for m in moves)
        later = any(m.round for m in moves)
        small = f"round 0: {count(old)}; {count(new)} new" if later else ""
        shown_tiles.append(
            (f"validation failures{several}", count(sum(m.failures for m in moves)), small)
        )
    small = f"{count(total.generated)} generated, {count(total.rejected)} rejected"
    if total.undecided:
        small += f", {count(total.undecided)} not decided yet"
    shown_tiles.append((f"rows added to training{several}", count(total.trained), small))
    tokens = total.prompt_tokens + total.completion_tokens
    small = (
        f"{tables.tokens_text(tokens, total.unmetered)} tokens, {count(total.reused_calls)} reused"
    )
    shown_tiles.append(("LLM calls", count(total.calls), small))
    cost = tables.cost_of([c for c in report.calls if not c.reused])
    if cost.asked:
        small = f"{count(cost.unpriced)} calls of unknown cost" if cost.unpriced else ""
        shown_tiles.append(("money", cost.text, small))
    minutes = report.header.minutes
    took = NONE if minutes is None else f"{minutes:,.1f} min"
    shown_tiles.append(("wall time", took, "" if minutes is not None else "still running"))
    return shown_tiles


def _gap_tile(report: Report) -> list[tuple[str, str, str]]:
    """Return the gap of the chosen students, over the seeds."""
    scores = report.scores
    chosen = report.chosen or dict.fromkeys(scores.seeds, max(scores.rounds))
    cells = [scores.at(scores.primary, "gap_test", r, seed) for seed, r in sorted(chosen.items())]
    cell = over_seeds([found for found in cells if found is not None])
    if cell is None:
        return []
    percent = scores.primary in scores.percent
    first = scores.at(scores.primary, "gap_test", 0)
    later = max(chosen.values()) > 0
    small = "" if first is None or not later else f"round 0: {gap(first, percent)}"
    shown = gap(dataclasses.replace(cell, low=None, high=None), percent)
    return [("gap train − test" + (", points" if percent else ""), shown, small)]
