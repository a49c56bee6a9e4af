"""How well the runs of each recipe did, from the store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from engine.report.facts.scores import collect_scores
from engine.report.formatting import measured, round_label
from engine.report.records import Scores
from engine.site.pages.facts import RunScores, Student
from engine.store import FILE, reader

MOST = 12
"""Latest runs of a recipe that are shown."""
_RUNS = """
SELECT u.id, u.status, u.started, u.row_limit, c.name, c.effective
FROM run u JOIN recipe c ON c.id = u.recipe
QUALIFY row_number() OVER (PARTITION BY c.name ORDER BY u.id DESC) <= ?
ORDER BY c.name, u.id
"""


def histories(state: Path) -> Mapping[str, tuple[RunScores, ...]]:
    """Return the latest runs of each recipe, by its name, oldest first; nothing where there is no store.

    Raises:
        EngineError: the store is another's, or cannot be read.
    """
    if not (state / FILE).exists():
        return {}
    found: dict[str, list[RunScores]] = {}
    with reader(state) as query:
        for run in query(_RUNS, [MOST]):
            effective = json.loads(run["effective"])
            scores = collect_scores(query, run["id"], effective)
            found.setdefault(str(run["name"]), []).append(_scored(run, effective, scores))
    return {name: tuple(runs) for name, runs in found.items()}


def _scored(
    run: Mapping[str, object], effective: Mapping[str, object], scores: Scores
) -> RunScores:
    return RunScores(
        run=str(run["id"]),
        version=str(effective.get("version") or ""),
        status=str(run["status"]),
        started=f"{run['started']:%Y-%m-%d}",
        metric=scores.primary,
        percent=scores.primary in scores.percent,
        students=tuple(_students(scores)),
        limit=None if run["row_limit"] is None else int(str(run["row_limit"])),
    )


def _students(scores: Scores) -> Iterator[Student]:
    percent = scores.primary in scores.percent
    for number in scores.rounds:
        cell = scores.at(scores.primary, "test", number)
        if cell is not None:
            label = round_label(number)
            yield Student(label, number, cell.value, cell.low, cell.high, measured(cell, percent))


def last_score(runs: tuple[RunScores, ...]) -> str:
    """Return the score on test rows of the latest run that has one, in words; nothing without any."""
    for run in reversed(runs):
        if run.students:
            last = run.students[-1]
            return f"{run.metric} {last.text}, {last.label} of {run.run}"
    return ""
