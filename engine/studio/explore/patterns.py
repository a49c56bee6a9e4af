"""Patterns as cards and as a map of the diagnoses, and one pattern whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.report.dossier import Tally
from engine.report.facts.collect import collect_warnings, find_run
from engine.report.facts.diagnosis_map import collect_points
from engine.report.facts.dossiers import collect_dossiers, collect_tallies, find_pattern
from engine.store import Stop, reader
from engine.studio.answers import short
from engine.studio.asked import Asked
from engine.studio.settings import Settings

MEMBERS = 50
"""Most members of a pattern, and most rows of each outcome, on its page; the tables have all."""
DOTS = 4000
"""Most diagnoses of a map."""
_DIAGNOSED = """
SELECT (SELECT count(*) FROM all_failures WHERE run = ? AND root_cause IS NOT NULL) AS diagnosed,
  EXISTS (FROM all_run_rows WHERE run = ? AND stage = 'cluster') AS grouped
"""
"""Why a run has no map: how many failures the teacher said something of, and whether that was grouped."""


def cards(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return the patterns of a run, one entry per seed, as a report sorts them."""
    run = asked.path["run"]
    with reader(settings.state, stop=stop) as query:
        find_run(query, run)
        found = [shown(one) for one in collect_tallies(query, run)]
        warnings = collect_warnings(query, run)
    for one in found:
        one["facts"] = replace(one["facts"], description=short(one["facts"].description) or "")
    return {"patterns": found, "warnings": warnings}


def shown(one: Tally) -> dict[str, Any]:
    """Return a pattern with how it stands by now and what it took."""
    facts, price = one.facts, one.price
    return {
        "facts": facts,
        "status": facts.status,
        "before": facts.before,
        "after": facts.after,
        "price": {
            "items": price.items,
            "tokens": price.tokens,
            "unmetered": price.unmetered,
            "cost": price.cost,
            "unpriced": price.unpriced,
        },
    }


def dots(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return where the diagnoses of a run lie on the map of their seed."""
    run = asked.path["run"]
    with reader(settings.state, stop=stop) as query:
        find_run(query, run)
        found = collect_points(query, run, DOTS)
        told = {} if found else query(_DIAGNOSED, [run, run])[0]
    points = [
        replace(one, root_cause=short(one.root_cause) or "", scenario=short(one.scenario) or "")
        for one in found
    ]
    return {"points": points, "most": DOTS, **told}


def pattern(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return one pattern of a run whole, of each seed that has it."""
    run = asked.path["run"]
    with reader(settings.state, stop=stop) as query:
        find_run(query, run)
        found = collect_dossiers(
            query, run, MEMBERS, find_pattern(query, run, asked.path["pattern"])
        )
    return {
        "dossiers": [
            {
                **shown(one.tally),
                "includes": one.includes,
                "excludes": one.excludes,
                "tried": one.tried,
                "life": one.life,
                "members": [
                    replace(m, inputs=_shorter(m.inputs), root_cause=short(m.root_cause) or "")
                    for m in one.members
                ],
                "members_total": one.members_total,
                "written": [replace(w, inputs=_shorter(w.inputs)) for w in one.written],
                "written_total": one.written_total,
                "rejected": one.rejected,
            }
            for one in found
        ]
    }


def _shorter(inputs: Mapping[str, str]) -> dict[str, str]:
    return {name: short(text) or "" for name, text in inputs.items()}
