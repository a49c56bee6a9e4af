"""The list of runs, and one run: scores with intervals, gap, why it ended, what was generated, what it took."""

from __future__ import annotations

from typing import Any

from engine.report.facts.collect import collect_header, find_run
from engine.report.facts.comparison import chosen_rounds, collect_choices, compare
from engine.report.facts.generation import collect_drops, collect_funnel, collect_judgement
from engine.report.facts.headline import headline
from engine.report.facts.patterns import collect_movements
from engine.report.facts.scores import (
    collect_decisions,
    collect_scores,
    collect_unread,
    is_share,
)
from engine.report.facts.spend import collect_calls, collect_forecast, collect_nodes
from engine.report.formatting import round_label
from engine.report.records import Scores
from engine.report.runs import list_runs
from engine.rows import CONTROL
from engine.store import FILE, Stop, reader, unseen
from engine.studio.asked import Asked
from engine.studio.explore.kept import kept_rounds, recipe_name
from engine.studio.settings import Settings
from engine.version import __version__

_BEGUN = "SELECT u.id, u.row_limit, c.path FROM run u LEFT JOIN recipe c ON c.id = u.recipe"


def about(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return what this studio is: the engine's version, where it looks, what may be done, which run is going on."""
    has_store = (settings.state / FILE).exists()
    waiting = unseen(settings.state) if has_store else None
    return {
        "version": __version__,
        "state": str(settings.state),
        "folder": str(settings.folder.absolute()),
        "read_only": settings.read_only,
        "has_store": has_store,
        "going_on": waiting.run if waiting and waiting.pid else "",
        "not_visible_yet": waiting.rows if waiting else 0,
    }


def here(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return that this studio answers: what a page that is open asks now and then."""
    return {"version": __version__}


def runs(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return the runs of the store, the newest first; none where there is no store."""
    if not (settings.state / FILE).exists():
        return {"runs": []}
    found = list_runs(settings.state)
    with reader(settings.state, stop=stop) as query:
        begun = {row["id"]: row for row in query(_BEGUN, [])}
    names = {path: recipe_name(settings, path) for path in {row["path"] for row in begun.values()}}
    return {
        "runs": [
            {
                "facts": run,
                "chosen": ", ".join(map(round_label, run.rounds)),
                "file": names[begun[run.id]["path"]] if run.id in begun else "",
                "row_limit": begun[run.id]["row_limit"] if run.id in begun else None,
                "percent": is_share(run.metric),
            }
            for run in reversed(found)
        ]
    }


def overview(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return a run's outcome: what was run, the headline, every score, why the loop went on or ended."""
    run_id = asked.path["run"]
    with reader(settings.state, stop=stop) as query:
        run, recipe = find_run(query, run_id)
        scores = collect_scores(query, run_id, recipe)
        decisions = collect_decisions(query, run_id, recipe)
        chosen = chosen_rounds(scores, decisions)
        choices = collect_choices(scores, chosen) if max(scores.rounds, default=0) > 0 else ()
        controlled = bool(choices) and all(choice.control is not None for choice in choices)
        pairs = {choice.seed: (CONTROL, choice.round) for choice in choices}
        return {
            "header": collect_header(query, run, recipe, settings.state),
            "file": recipe_name(settings, run["path"]),
            "kept": kept_rounds(query, run_id, recipe),
            "task": recipe.get("task", {}).get("kind", ""),
            "headline": headline(query, run_id, recipe, scores, chosen),
            "against_control": compare(query, run_id, recipe, scores, pairs)
            if controlled
            else None,
            "choices": choices,
            "scores": shown_scores(scores),
            "decisions": decisions,
            "unread": collect_unread(query, run_id),
        }


def movements(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return how each student's failures moved since round 0: every row of both is looked at, which takes longest."""
    run_id = asked.path["run"]
    with reader(settings.state, stop=stop) as query:
        find_run(query, run_id)
        return {"movements": collect_movements(query, run_id)}


def shown_scores(scores: Scores) -> dict[str, Any]:
    """Return every score as a list: each seed's, and under seed null what all seeds come to."""
    rounds = sorted({key[2] for key in scores.cells})
    places = dict.fromkeys(key[:3] for key in scores.cells)
    over_all = [
        {"metric": m, "split": s, "round": r, "seed": None, "measured": scores.at(m, s, r)}
        for m, s, r in places
    ]
    each = [
        {"metric": m, "split": s, "round": r, "seed": seed, "measured": cell}
        for (m, s, r, seed), cell in scores.cells.items()
    ]
    return {
        "primary": scores.primary,
        "metrics": scores.metrics,
        "percent": scores.percent,
        "lower": scores.lower,
        "seeds": scores.seeds,
        "rounds": [{"round": r, "label": round_label(r)} for r in rounds],
        "cells": over_all + each,
        "unscored": sorted(scores.unscored),
    }


def generation(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return the way from generated rows to those that were trained on, and what was left out on it."""
    run_id = asked.path["run"]
    with reader(settings.state, stop=stop) as query:
        _, recipe = find_run(query, run_id)
        judgement = collect_judgement(query, run_id, recipe)
        return {
            "funnel": collect_funnel(query, run_id),
            "drops": collect_drops(query, run_id),
            "judgement": judgement,
            "agreement": judgement.agreement,
        }


def spend(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return what a run took: calls, tokens and money by role and step, and the time of each step."""
    run_id = asked.path["run"]
    with reader(settings.state, stop=stop) as query:
        run, recipe = find_run(query, run_id)
        return {
            "calls": collect_calls(query, run_id, recipe),
            "forecast": collect_forecast(query, run_id, run["estimate"]),
            "nodes": collect_nodes(query, run_id),
        }
