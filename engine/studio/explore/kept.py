"""Which student a run keeps, and which recipe of the project it is a run of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.gate.roots import real
from engine.report.facts.comparison import chosen_rounds
from engine.report.facts.scores import collect_decisions, collect_scores
from engine.report.records import Query
from engine.studio.recipes import recipe_file
from engine.studio.settings import Settings


def kept_rounds(query: Query, run: str, recipe: Mapping[str, Any]) -> list[int]:
    """Return the rounds of the students that the stop rule chose, one or one for each seed; none before it chose."""
    decisions = collect_decisions(query, run, recipe)
    if not any(one.stage == "decide" for one in decisions):
        return []
    return sorted(set(chosen_rounds(collect_scores(query, run, recipe), decisions).values()))


def first_shown(kept: Sequence[int], rounds: Sequence[int]) -> int:
    """Return the round that a page shows first: of the student that is kept, else the last."""
    return next((one for one in kept if one in rounds), max(rounds, default=0))


def recipe_name(settings: Settings, path: str | None) -> str:
    """Return the name by which pages know the recipe's file; empty where it is not in the project any more."""
    if not path:
        return ""
    try:
        # Of `recipes/a/../b` what is meant is `recipes/b`.
        file = real(settings.folder / Path(path))
        name = file.relative_to(real(settings.folder)).as_posix()
        recipe_file(settings, name)
    except (EngineError, OSError, ValueError):
        return ""
    return name
