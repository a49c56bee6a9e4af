"""What one arm's run left: its students on the test rows, what they were trained on, and what all of it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.comparison.runs import ArmRun
from engine.errors import EngineError
from engine.metrics import METRICS, Answered
from engine.report.facts.comparison import answers_of, chosen_rounds, params_of
from engine.report.facts.json_columns import json_object
from engine.report.facts.scores import collect_decisions, collect_scores
from engine.report.facts.spend import collect_calls, collect_nodes
from engine.report.records import MINE, Calls, Query, Scores

WhichStudent = Literal["last", "chosen"]
"""last: each seed's student of the last round that it reached; chosen: the one that its stop rule chose."""


@dataclass(frozen=True)
class Measured:
    """One arm's students, one per seed."""

    ran: ArmRun
    scores: Scores
    rounds: Mapping[int, int]
    """Seed -> the round of its student."""
    values: Mapping[int, Mapping[str, float]]
    """Seed -> test example -> the metric's value."""
    answers: Mapping[int, Mapping[str, tuple[Answered, float]]]
    """Seed -> test example -> answer and value; only for a metric that is no mean of examples."""
    params: Any
    """The metric's parameters."""
    gaps: tuple[float, ...]
    """Train minus test, by seed."""
    rows: tuple[int, ...]
    """Generated rows that each student was trained on."""
    steps: tuple[int, ...]
    """Optimizer steps of each student's fine-tune."""
    calls: tuple[Calls, ...] = field(repr=False)
    """All calls behind its rows, also those that another arm or an earlier run made."""
    seconds: float = 0.0
    """Of all its nodes, also of those that it shares with other arms."""


def measure(query: Query, ran: ArmRun, student: WhichStudent) -> Measured:
    """Return what an arm's run left; raises EngineError where a seed has no fine-tuned student on test."""
    run = ran.run
    recipe = json_object(
        query(
            "SELECT c.effective FROM run r JOIN recipe c ON c.id = r.recipe WHERE r.id = ?", [run]
        )[0]["effective"]
    )
    scores = collect_scores(query, run, recipe)
    rounds = _rounds(query, run, recipe, scores, student)
    if missing := [seed for seed in recipe["seeds"] if seed not in rounds]:
        raise EngineError(
            f"'{ran.arm.name}' has no fine-tuned student of seed {missing[0]} on the test rows",
            f"look at its run: pada report {run}",
        )
    metric = METRICS.get(scores.primary)
    no_mean = metric is not None and not metric.is_mean
    answers = answers_of(query, run, scores.primary, set(rounds.items())) if no_mean else {}
    trained = _trained(query, run)
    gaps = [scores.at(scores.primary, "gap_test", r, seed) for seed, r in rounds.items()]
    return Measured(
        ran=ran,
        scores=scores,
        rounds=rounds,
        values=_values(query, run, scores.primary, rounds),
        answers={seed: answers.get((seed, r), {}) for seed, r in rounds.items()} if no_mean else {},
        params=params_of(recipe, scores.primary) if no_mean else None,
        gaps=tuple(gap.value for gap in gaps if gap is not None),
        rows=tuple(trained.get((seed, r), (0, 0))[0] for seed, r in rounds.items()),
        steps=tuple(trained.get((seed, r), (0, 0))[1] for seed, r in rounds.items()),
        calls=collect_calls(query, run, recipe),
        seconds=sum(node.seconds for node in collect_nodes(query, run)),
    )


def _rounds(
    query: Query, run: str, recipe: Mapping[str, Any], scores: Scores, student: WhichStudent
) -> dict[int, int]:
    if student == "chosen":
        return chosen_rounds(scores, collect_decisions(query, run, recipe))
    # Nothing decided of them: what is left out is which round was the best.
    return chosen_rounds(scores, ())


def _values(
    query: Query, run: str, metric: str, rounds: Mapping[int, int]
) -> dict[int, dict[str, float]]:
    values: dict[int, dict[str, float]] = {seed: {} for seed in rounds}
    for row in query(
        MINE + "SELECT seed, round, example, value FROM score SEMI JOIN mine USING (node, run)"
        " WHERE split = 'test' AND metric = ? AND value IS NOT NULL",
        [run, metric],
    ):
        if rounds.get(row["seed"]) == row["round"]:
            values[row["seed"]][row["example"]] = float(row["value"])
    return values


def _trained(query: Query, run: str) -> dict[tuple[int, int], tuple[int, int]]:
    """Return added rows (generated or mined) and optimizer steps of each fine-tune, by seed and round."""
    rows = query(
        MINE + ", added AS (SELECT seed, round, count(*) AS n FROM all_training_rows"
        " WHERE run = ? AND origin <> 'original' GROUP BY ALL)"
        " SELECT m.seed, m.round, coalesce(a.n, 0) AS added, m.steps"
        " FROM model m SEMI JOIN mine USING (node, run) LEFT JOIN added a USING (seed, round)"
        " WHERE NOT m.interim",
        [run, run],
    )
    return {(r["seed"], r["round"]): (r["added"], r["steps"]) for r in rows}
