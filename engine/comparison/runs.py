"""Runs the arms one after another in one state folder: what several of them do alike is done once.

An arm that has been run to its end is not run again. One that waits for the results of a request file, or whose budget
is spent, holds up none of the others; the same comparison goes on with it later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.comparison.arms import Arm, labelled
from engine.run.batches import Batch
from engine.run.progress import Reporter


@dataclass(frozen=True)
class ArmRun:
    """An arm and the run that its results are from."""

    arm: Arm
    run: str
    status: str
    """done | stopped | waiting"""
    note: str = ""
    batches: Sequence[Batch] = ()
    """Request files whose results it waits for."""


def run_arms(
    arms: Sequence[Arm], reporter: Reporter, trust: Sequence[str] = ()
) -> Iterator[ArmRun]:
    """Yield each arm once its run has ended, in their order; raises EngineError where a run cannot go on."""
    for number, arm in enumerate(arms, 1):
        what = f"arm {number} of {len(arms)}: {labelled(arm.name, arm.rows)}"
        if (run := arm.project.finished_run) is not None:
            reporter.say(f"{what}: done before, run {run}")
            yield ArmRun(arm, run, "done")
            continue
        reporter.say(what)
        outcome = arm.project.run(reporter=reporter, trust=trust)
        yield ArmRun(arm, outcome.run, outcome.status, outcome.note, outcome.batches)
