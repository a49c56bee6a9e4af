"""Which of a run's students is the one to use: the best by validation, never by test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import EngineError
from engine.export.run import Which, find_run
from engine.report.facts.comparison import chosen_rounds
from engine.report.facts.scores import collect_decisions, collect_scores
from engine.report.records import MINE, Query
from engine.rows import CONTROL
from engine.store import holder, reader

_MODELS = (
    MINE + "SELECT seed, round, path, rows, steps FROM model SEMI JOIN mine USING (node, run)"
    " WHERE NOT interim ORDER BY seed, round"
)


class ExportedStudent(NamedTuple):
    """One fine-tuned student of a run."""

    seed: int
    round: int
    path: Path
    """Folder of its adapter, or of the whole model."""
    rows: int
    """That it was trained on."""
    steps: int
    """Optimizer steps."""


def best_student(
    query: Query,
    run: str,
    recipe: Mapping[str, Any],
    state: Path,
    seed: int | None = None,
    round: int | None = None,
) -> ExportedStudent:
    """Return the student that the stop rule chose, of the seed with the best validation score; or the one named.

    Args:
        query: Asks the store.
        run: The run's id.
        recipe: Its recipe with every default filled in.
        state: The state folder.
        seed: One of the run's seeds.
        round: One of its rounds, -2 for the control; of several seeds that with the best validation score in it.

    Raises:
        EngineError: the run trained no student, or not that one.
    """
    students = {
        (r["seed"], r["round"]): ExportedStudent(
            r["seed"], r["round"], state / r["path"], r["rows"], r["steps"]
        )
        for r in query(_MODELS, [run])
    }
    if not students:
        raise _none_yet(query, run, state)
    scores = collect_scores(query, run, recipe)
    chosen = chosen_rounds(scores, collect_decisions(query, run, recipe))

    def rank(key: tuple[int, int]) -> float:
        cell = scores.at(scores.primary, "validation", key[1], key[0])
        if cell is None:
            return float("-inf")
        return -cell.value if scores.primary in scores.lower else cell.value

    if round is None:
        wanted = {key for key in chosen.items() if seed in (None, key[0])}
    else:
        wanted = {key for key in students if key[1] == round and seed in (None, key[0])}
    candidates = sorted(wanted & students.keys())
    if candidates:
        return students[max(candidates, key=rank)]
    if round is not None or seed not in (None, *(key[0] for key in students)):
        raise _not_there(run, students, seed, round)
    # Of a run that was stopped before it scored any: the last that it trained.
    mine = [key for key in students if seed in (None, key[0])]
    return students[([key for key in mine if key[1] != CONTROL] or mine)[-1]]


def best_of(which: Which) -> ExportedStudent | None:
    """Return the best student of a run; None where it has none."""
    with reader(which.state) as query:
        run = find_run(query, which)
        if not query(_MODELS, [run.id]):
            return None
        return best_student(query, run.id, run.recipe, which.state)


def _none_yet(query: Query, run: str, state: Path) -> EngineError:
    """Say why a run has no student: it has not come so far, or trains none."""
    (found,) = query("SELECT status FROM run WHERE id = ?", [run])
    status = found["status"]
    live = holder(state) if status == "running" else None
    if live is not None and live.run == run:
        return EngineError(
            f"run {run} has no model yet: it is still going, and no student is fine-tuned so far",
            "export it when it is done: `pada runs` shows how far it is; an earlier run: --run ID",
        )
    if status != "done":
        # What was killed could not say so in the store.
        status = "killed" if status == "running" else status
        return EngineError(
            f"run {run} has no model: it ended as {status} before a student was fine-tuned",
            "`pada run RECIPE` goes on with it; an earlier run: --run ID",
        )
    return EngineError(
        f"run {run} has no model: no student was fine-tuned in it",
        "`pada export data` writes its rows, for a fine-tune that happens elsewhere",
    )


def _not_there(
    run: str,
    students: Mapping[tuple[int, int], ExportedStudent],
    seed: int | None,
    round: int | None,
) -> EngineError:
    of = "" if seed is None else f" of seed {seed}"
    within = "" if round is None else f" in round {round}"
    known = ", ".join(f"seed {s} round {r}" for s, r in students)
    return EngineError(f"run {run} trained no student{of}{within}", f"there are: {known}")
