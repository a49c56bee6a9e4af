"""Failures and generated rows in pages: filtered, sorted and cut here, so that ten million rows are one page."""

from __future__ import annotations

from typing import Any

from engine.errors import EngineError
from engine.report.facts.collect import find_run
from engine.report.facts.json_columns import shown_inputs, text_values
from engine.rows.reasons import DROPS
from engine.stages.document import verdicts
from engine.stages.load import example_id
from engine.store import Stop, reader
from engine.studio.answers import short
from engine.studio.asked import Asked
from engine.studio.explore.kept import kept_rounds
from engine.studio.explore.listing import MOST_BEST, Listing, Wanted, page
from engine.studio.settings import Settings

PAGE = 50
LARGEST_PAGE = 200
DEEPEST = 1_000_000
"""Rows that are passed over at most: who looks for more is better served by a filter."""
OUTCOME = (
    "CASE WHEN example IS NOT NULL AND trained_in IS NOT NULL THEN 'trained on' WHEN accepted AND left_out IS NOT NULL"
    " THEN 'left out' WHEN accepted THEN 'accepted' WHEN accepted IS NULL THEN 'no verdict' ELSE 'rejected' END"
)
"""What became of a generated row, from the columns of `lineage` or of the table that is laid flat."""
PLACES = ("seed", "round")


FAILURES = Listing(
    kind="failures",
    table="flat_failure",
    key=("seed", "round", "split", "example"),
    by_split=True,
    columns=("inputs", "target", "answer", "status", "confidence", "root_cause", "scenario", "pattern", "pattern_name",
             "category"),
    exact={name: name for name in ("split", "pattern", "category", "target", "answer", "status")},
    searched=("inputs::VARCHAR", "target", "answer", "root_cause", "scenario"),
    sorts={
        "confidence": "confidence",
        "round": "round",
        "target": "target",
        "answer": "answer",
        "pattern": "pattern_name",
        "split": "split",
    },
)  # fmt: skip
GENERATED = Listing(
    kind="candidates",
    table="flat_candidate",
    key=("seed", "round", "attempt", "candidate"),
    by_split=False,
    columns=("operator", "inputs", "target", "parent", "pattern", "pattern_name", "reason", "left_out", "detail",
             "similarity", "adherence", "utility", "relevance", f"{OUTCOME} AS outcome"),
    exact={
        **{name: name for name in ("operator", "pattern", "target", "parent")},
        "outcome": OUTCOME,
        "reason": "coalesce(left_out, CASE WHEN NOT accepted THEN reason END)",
    },
    searched=("inputs::VARCHAR", "target", "detail"),
    sorts={
        "round": "round",
        "operator": "operator",
        "target": "target",
        "pattern": "pattern_name",
        "outcome": OUTCOME,
        "reason": "coalesce(left_out, reason)",
        "similarity": "similarity",
    },
)  # fmt: skip


def failures(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return one page of a run's failures, how many fit the filters, and what can be filtered by."""
    return _page(FAILURES, settings, asked, stop)


def generated(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return one page of a run's generated rows, as `failures` does."""
    return _page(GENERATED, settings, asked, stop)


def _page(listing: Listing, settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    run = asked.path["run"]
    where, parameters = conditions(listing, asked)
    chosen = {name: asked.maybe_number(name) for name in PLACES}
    wanted = Wanted(
        places={name: value for name, value in chosen.items() if value is not None},
        where=where,
        parameters=parameters,
        word=asked.text("search").strip(),
        sort=asked.one_of("sort", ("", *listing.sorts), ""),
        down=asked.one_of("order", ("up", "down"), "up") == "down",
        limit=asked.number("limit", PAGE, LARGEST_PAGE, least=1),
        offset=asked.number("offset", 0, DEEPEST),
        since=_since(asked),
        found=asked.number("found", 0),
        best=_best(asked),
    )
    with reader(settings.state, stop=stop) as query:
        find_run(query, run)
        found = page(query, run, listing, wanted)
    return {
        "rows": [_shortened(row) for row in found.rows],
        "total": found.total,
        "exact": found.exact,
        "among": found.among,
        "looked": found.looked,
        "further": found.further,
        "best": found.best,
        "offset": wanted.offset,
        "limit": wanted.limit,
    }


def _since(asked: Asked) -> tuple[int, int] | None:
    """Return where looking for a word goes on; raises EngineError."""
    if not (text := asked.text("since")):
        return None
    stretch, _, at = text.partition(":")
    if not (stretch.isdecimal() and at.isdecimal() and len(text) < 30):
        raise EngineError(f"since: '{text}' is no place that an answer named")
    return int(stretch), int(at)


def _best(asked: Asked) -> list[int]:
    """Return the places that an answer named for going on with a sorted search; raises EngineError."""
    named = [one for one in asked.text("best").split(",") if one]
    if len(named) > MOST_BEST or not all(one.isdecimal() and len(one) < 20 for one in named):
        raise EngineError("best: these are no places that an answer named")
    return [int(one) for one in named]


def conditions(listing: Listing, asked: Asked) -> tuple[str, list[Any]]:
    """Return the condition that a page's filters make, words and places left aside, and its parameters."""
    parts, parameters = [], []
    for name, sql in listing.exact.items():
        value = asked.text(name)
        if value == "-":
            parts.append(f"{sql} IS NULL")
        elif value:
            parts.append(f"{sql} = ?")
            parameters.append(value)
    return " AND ".join(parts) or "true", parameters


def _shortened(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as a table has it: short texts, and the id that reviews know it by."""
    known = row.get("example") or example_id(text_values(row["inputs"]), row["target"])
    inputs = {name: short(text) for name, text in shown_inputs(row["inputs"]).items()}
    texts = {name: short(value) for name, value in row.items() if isinstance(value, str)}
    return row | texts | {"inputs": inputs, "row": known}


def facets(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return what the rows of a run can be filtered by: rounds, seeds, splits, patterns, operators, reasons, labels."""
    run = asked.path["run"]
    with reader(settings.state, stop=stop) as query:
        _, recipe = find_run(query, run)
        kept = kept_rounds(query, run, recipe)
        failing = query(
            "SELECT DISTINCT seed, round, split FROM all_failures WHERE run = ? ORDER BY ALL", [run]
        )
        named = query(
            "SELECT pattern, arg_max(name, round) AS name, sum(size)::BIGINT AS size FROM all_failure_patterns"
            " WHERE run = ? GROUP BY pattern ORDER BY size DESC, name",
            [run],
        )
        made = query(
            "SELECT DISTINCT seed, round, operator FROM all_payoff WHERE run = ? ORDER BY ALL",
            [run],
        )
        reasons = query(
            "SELECT reason, sum(rows)::BIGINT AS rows FROM all_funnel WHERE run = ? AND reason IS NOT NULL"
            " GROUP BY reason ORDER BY rows DESC, reason",
            [run],
        )
    meanings = {str(name): text for name, text in DROPS["select"].items()} | verdicts()
    return {
        "kept": kept,
        "failures": {name: _distinct(failing, name) for name in ("seed", "round", "split")},
        "generated": {name: _distinct(made, name) for name in ("seed", "round", "operator")},
        "patterns": named,
        "reasons": [row["reason"] for row in reasons],
        "meanings": {
            row["reason"]: meanings[row["reason"]] for row in reasons if row["reason"] in meanings
        },
        "outcomes": ["trained on", "accepted", "left out", "rejected", "no verdict"],
    }


def _distinct(rows: list[dict[str, Any]], name: str) -> list[Any]:
    return sorted({row[name] for row in rows})
