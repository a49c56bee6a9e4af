"""Failures and generated rows in pages: filtered, sorted and cut here, so that ten million rows are one page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.report.facts.collect import find_run
from engine.report.facts.json_columns import shown_inputs
from engine.store import Stop, reader
from engine.studio.answers import short
from engine.studio.asked import Asked
from engine.studio.settings import Settings

PAGE = 50
LARGEST_PAGE = 200
DEEPEST = 1_000_000
"""Rows that are passed over at most: who looks for more is better served by a filter."""
OUTCOME = (
    "CASE WHEN trained_in IS NOT NULL THEN 'trained on' WHEN accepted AND left_out IS NOT NULL THEN 'left out'"
    " WHEN accepted THEN 'accepted' WHEN accepted IS NULL THEN 'no verdict' ELSE 'rejected' END"
)
"""What became of a generated row, from the columns of `lineage`."""


class Listing(NamedTuple):
    """A view whose rows are listed: what tells a row apart, what is shown, and what may be filtered and sorted by."""

    view: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    exact: Mapping[str, str]
    """Filter -> the SQL of its value: `all` where none is said, a row without one where it is `-`."""
    numbers: frozenset[str]
    """Of the filters, those whose value is a whole number."""
    searched: tuple[str, ...]
    sorts: Mapping[str, str]


FAILURES = Listing(
    view="all_failures",
    key=("seed", "round", "split", "example"),
    columns=("inputs", "target", "answer", "status", "confidence", "root_cause", "scenario", "pattern", "pattern_name",
             "category"),
    exact={name: name for name in ("seed", "round", "split", "pattern", "category", "target", "answer", "status")},
    numbers=frozenset({"seed", "round"}),
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
    view="all_lineage",
    key=("seed", "round", "attempt", "candidate"),
    columns=("operator", "inputs", "target", "parent", "pattern", "pattern_name", "reason", "left_out", "detail",
             "similarity", "adherence", "utility", "relevance", f"{OUTCOME} AS outcome"),
    exact={
        **{name: name for name in ("seed", "round", "operator", "pattern", "target", "parent")},
        "outcome": OUTCOME,
        "reason": "coalesce(left_out, CASE WHEN NOT accepted THEN reason END)",
    },
    numbers=frozenset({"seed", "round"}),
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
    sort = asked.one_of("sort", ("", *listing.sorts), "")
    down = asked.one_of("order", ("up", "down"), "up") == "down"
    limit = asked.number("limit", PAGE, LARGEST_PAGE, least=1)
    offset = asked.number("offset", 0, DEEPEST)
    keys = ", ".join(listing.key)
    by = f"{listing.sorts[sort]} {'DESC' if down else 'ASC'} NULLS LAST, {keys}" if sort else keys
    columns = ", ".join([*listing.key, *listing.columns])
    page = f"SELECT {keys} FROM {listing.view} WHERE {where} ORDER BY {by} LIMIT ? OFFSET ?"
    with reader(settings.state, stop=stop) as query:
        find_run(query, run)
        total = query(
            f"SELECT count(*) AS n FROM {listing.view} WHERE {where}", [run, *parameters]
        )[0]["n"]
        # Keys alone are sorted: texts are read for the rows of the page.
        rows = query(
            f"WITH page AS ({page}) SELECT {columns} FROM {listing.view} SEMI JOIN page USING ({keys})"
            f" WHERE run = ? ORDER BY {by}",
            [run, *parameters, limit, offset, run],
        )
    return {
        "rows": [_shortened(row) for row in rows],
        "total": total,
        "offset": offset,
        "limit": limit,
    }


def conditions(listing: Listing, asked: Asked) -> tuple[str, list[Any]]:
    """Return the condition that a page's filters make, and its parameters after the run's."""
    parts, parameters = ["run = ?"], []
    for name, sql in listing.exact.items():
        value = asked.maybe_number(name) if name in listing.numbers else asked.text(name) or None
        if value == "-":
            parts.append(f"{sql} IS NULL")
        elif value is not None:
            parts.append(f"{sql} = ?")
            parameters.append(value)
    if word := asked.text("search").strip():
        texts = ", ".join(f"coalesce({sql}, '')" for sql in listing.searched)
        parts.append(f"contains(lower(concat_ws(chr(10), {texts})), lower(?))")
        parameters.append(word)
    return " AND ".join(parts), parameters


def _shortened(row: dict[str, Any]) -> dict[str, Any]:
    inputs = {name: short(text) for name, text in shown_inputs(row["inputs"]).items()}
    texts = {name: short(value) for name, value in row.items() if isinstance(value, str)}
    return row | texts | {"inputs": inputs}


def facets(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return what the rows of a run can be filtered by: rounds, seeds, splits, patterns, operators, reasons, labels."""
    run = asked.path["run"]
    with reader(settings.state, stop=stop) as query:
        find_run(query, run)
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
    return {
        "failures": {name: _distinct(failing, name) for name in ("seed", "round", "split")},
        "generated": {name: _distinct(made, name) for name in ("seed", "round", "operator")},
        "patterns": named,
        "reasons": [row["reason"] for row in reasons],
        "outcomes": ["trained on", "accepted", "left out", "rejected", "no verdict"],
    }


def _distinct(rows: list[dict[str, Any]], name: str) -> list[Any]:
    return sorted({row[name] for row in rows})
