"""Collects everything a report says about one run, with read-only SQL; formats nothing.

Rows are selected by the run's nodes (`run_node`), because a cached node belongs to several runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.errors import Location, Problem, StoreError
from engine.report.facts.breakdown import collect_breakdown, collect_matrix
from engine.report.facts.comparison import chosen_rounds, collect_choices, compare
from engine.report.facts.diagnosis_map import collect_points
from engine.report.facts.dossiers import collect_dossiers
from engine.report.facts.generation import (
    collect_candidates,
    collect_drops,
    collect_funnel,
    collect_judgement,
    collect_quotas,
)
from engine.report.facts.headline import headline
from engine.report.facts.json_columns import json_list, json_object, model_of
from engine.report.facts.patterns import (
    collect_confusions,
    collect_failures,
    collect_movements,
    collect_suspects,
)
from engine.report.facts.preferences import collect_tunings
from engine.report.facts.reviews import collect_people
from engine.report.facts.safeguards import collect_safeguards, collect_suites
from engine.report.facts.scores import collect_decisions, collect_scores, collect_unread
from engine.report.facts.speed import collect_speeds
from engine.report.facts.spend import collect_calls, collect_forecast, collect_nodes
from engine.report.records import Header, ModelUse, Query, Report
from engine.rows import CONTROL
from engine.system.places import STATE

SAMPLE = 300
"""Most failures and most generated rows that a report carries; it says of how many."""
ROWS = 5
"""Most members of a pattern, and most rows of each outcome, that a report carries with it."""


def collect(query: Query, run_id: str, sample: int = SAMPLE, state: Path | None = STATE) -> Report:
    """Return the facts of a run, finished or not; raises StoreError when there is no such run.

    Args:
        query: Asks the store.
        run_id: The run.
        sample: Most failures and most generated rows.
        state: The folder of the store, for what the report tells to type; None where it does not last.
    """
    run, recipe = find_run(query, run_id)
    scores = collect_scores(query, run_id, recipe)
    decisions = collect_decisions(query, run_id, recipe)
    chosen = chosen_rounds(scores, decisions)
    choices = collect_choices(scores, chosen) if max(scores.rounds, default=0) > 0 else ()
    controlled = bool(choices) and all(choice.control is not None for choice in choices)
    pairs = {choice.seed: (CONTROL, choice.round) for choice in choices}
    failures, failures_total = collect_failures(query, run_id, sample)
    candidates, candidates_total = collect_candidates(query, run_id, sample)
    return Report(
        header=collect_header(query, run, recipe, state),
        scores=scores,
        headline=headline(query, run_id, recipe, scores, chosen),
        chosen=chosen,
        choices=choices,
        against_control=compare(query, run_id, recipe, scores, pairs) if controlled else None,
        safeguards=collect_safeguards(query, run_id, recipe, scores),
        speeds=collect_speeds(query, run_id),
        decisions=decisions,
        dossiers=collect_dossiers(query, run_id, ROWS),
        points=collect_points(query, run_id),
        movements=collect_movements(query, run_id),
        confusions=collect_confusions(query, run_id, recipe),
        suspects=collect_suspects(query, run_id),
        breakdown=collect_breakdown(query, run_id, recipe),
        matrix=collect_matrix(query, run_id, recipe, chosen),
        funnel=collect_funnel(query, run_id),
        drops=collect_drops(query, run_id),
        judgement=collect_judgement(query, run_id, recipe),
        calls=collect_calls(query, run_id, recipe),
        forecast=collect_forecast(query, run_id, run["estimate"]),
        nodes=collect_nodes(query, run_id),
        failures=failures,
        failures_total=failures_total,
        candidates=candidates,
        candidates_total=candidates_total,
        suites=collect_suites(query, run_id),
        tunings=collect_tunings(query, run_id),
        unread=collect_unread(query, run_id),
        quotas=collect_quotas(query, run_id),
        people=collect_people(query, run_id, run["recipe_name"] or ""),
    )


def find_run(query: Query, run_id: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return a run as stored, with its recipe's name and file, and the effective recipe; raises StoreError."""
    runs = query(
        "SELECT r.*, c.name AS recipe_name, c.path, c.effective FROM run r"
        " LEFT JOIN recipe c ON c.id = r.recipe WHERE r.id = ?",
        [run_id],
    )
    if not runs:
        raise StoreError(f"the store has no run '{run_id}'", "list the runs with `pada runs`")
    return runs[0], json_object(runs[0]["effective"])


def collect_header(
    query: Query, run: Mapping[str, Any], recipe: Mapping[str, Any], state: Path | None
) -> Header:
    """Return what was run, when and with what; `run` and `recipe` as `find_run` returns them."""
    started: datetime = run["started"]
    ended: datetime | None = run["ended"]
    # Of a run that was gone on with: without the time in which it waited.
    since: datetime = run["resumed"] or started
    seconds = None if ended is None else run["worked"] + (ended - since).total_seconds()
    seeds = query(
        "SELECT DISTINCT n.seed FROM node n JOIN run_node rn ON rn.node = n.id WHERE rn.run = ?"
        " ORDER BY n.seed",
        [run["id"]],
    )
    return Header(
        state=None if state is None else str(state),
        recipe=run["recipe_name"] or "(recipe not stored)",
        description=str(recipe.get("description", "")),
        path=run["path"] or "",
        run=run["id"],
        status=run["status"],
        note=run["note"] or "",
        started=started.strftime("%Y-%m-%d %H:%M:%S"),
        minutes=None if seconds is None else seconds / 60,
        row_limit=run["row_limit"],
        models=_models(query, run["id"], recipe),
        seeds=tuple(recipe.get("seeds") or [row["seed"] for row in seeds]),
        versions=tuple(
            sorted(
                (str(name), str(version)) for name, version in json_object(run["versions"]).items()
            )
        ),
        rounds_planned=recipe.get("loop", {}).get("rounds"),
        warnings=collect_warnings(query, run["id"]),
    )


def collect_warnings(query: Query, run: str) -> tuple[Problem, ...]:
    """Return what the check of a recipe and its rows warned of before a run; none where it is not known."""
    kept = query("SELECT warnings FROM provenance WHERE run = ?", [run])
    return tuple(
        Problem(
            Location(one["file"], one["line"], one["column"]),
            one["message"],
            one["hint"],
            "warning",
            one["code"],
        )
        for row in kept
        for one in json_list(row["warnings"])
    )


def _models(query: Query, run: str, recipe: Mapping[str, Any]) -> tuple[ModelUse, ...]:
    called = query(
        "SELECT l.role, any_value(l.model) AS identity FROM llm_call l WHERE l.run = ?"
        " OR l.node IN (SELECT node FROM run_node WHERE run = ?) GROUP BY l.role",
        [run, run],
    )
    identities = {row["role"]: str(row["identity"]) for row in called}
    return tuple(
        ModelUse(role, str(spec.get("backend")), _name(spec), identities.get(role, ""))
        for role in ("student", "teacher", "judge", "embedder")
        if (spec := model_of(recipe, role))
    )


def _name(spec: Mapping[str, Any]) -> str:
    """Return a model's name; of a student that existed already, with what round 0 is."""
    adapter = spec.get("adapter")
    return f"{spec.get('model')}" + (
        f", in round 0 with the adapter {adapter} as it is" if adapter else ""
    )
