"""A comparison from its arms to its results."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.comparison.arms import Arms, Asked, arms_of, labelled
from engine.comparison.measured import WhichStudent, measure
from engine.comparison.results import Comparison, compare_measured
from engine.comparison.runs import ArmRun, run_arms
from engine.errors import EngineError
from engine.run.progress import Callback, Event, Reporter
from engine.store import reader


def compare(
    asked: Asked,
    student: WhichStudent = "last",
    progress: Callable[[Event], None] | None = None,
    trust: Sequence[str] = (),
) -> Comparison:
    """Run all arms, or go on with them, and hold each against the baseline.

    Args:
        asked: What is to be compared.
        student: Which student of each seed stands for an arm.
        progress: Called with everything that the runs tell.
        trust: Keys that may be sent and where, as in `Project.run`.

    Raises:
        RecipeError: an arm's recipe has an error.
        EngineError: the arms cannot be compared, a run cannot go on, or none is finished yet.
    """
    arms = arms_of(asked)
    return gathered(arms, list(run_arms(arms.arms, Callback(progress), trust)), student)


def gathered(arms: Arms, ran: list[ArmRun], student: WhichStudent) -> Comparison:
    """Return the comparison of the arms that are finished; raises EngineError where none is."""
    done = [one for one in ran if one.status == "done"]
    unfinished = {named(one): f"{one.status}: {one.note}" for one in ran if one.status != "done"}
    if not done:
        raise EngineError(
            f"no arm is finished: {'; '.join(f'{name} {why}' for name, why in unfinished.items())}",
            "go on with the same command once what they wait for is there",
        )
    with reader(done[0].arm.project.state) as query:
        measured = [measure(query, one, student) for one in done]
    return compare_measured(arms, measured, unfinished, student)


def named(ran: ArmRun) -> str:
    """Return an arm's name, with its budget of rows where one was asked for."""
    return labelled(ran.arm.name, ran.arm.rows)


__all__ = ["Reporter", "compare", "gathered", "named"]
