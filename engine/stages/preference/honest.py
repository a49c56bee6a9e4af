"""Which wrong answers make an honest pair: one prompt, one answer that is right, and one that is surely wrong.

One rule for preference tuning and for `pada export data --layout preference`.
"""

from __future__ import annotations

from collections.abc import Collection

from engine.metrics import METRICS, Answered
from engine.rows import Example
from engine.stages.evaluate.measure import UsedMetric
from engine.stages.task_view import StudentPrompts
from engine.tasks import TaskKind

LEAST_BLIND = 2
"""Blind answers that must agree before they outweigh the target that a row was written with."""


def comparing(kind: TaskKind) -> UsedMetric | None:
    """Return by what an answer is wrong; None where one that differs from the target may be right: free text."""
    if kind.agreement is None:
        return None
    metric = METRICS[kind.agreement]
    return UsedMetric(name=metric.name, version=metric.version, settings=metric.params())


def wrong_turn(
    prompts: StudentPrompts,
    metric: UsedMetric | None,
    example: Example,
    said: str,
    answer: str | None,
) -> str | None:
    """Return a student's turn where it is wrong; None where it is right, or empty.

    Args:
        prompts: The task, and what the student is trained to say.
        metric: By which an answer agrees with a target (`comparing`); without one only the turn itself is compared.
        example: The row.
        said: The turn.
        answer: What is read from it; None where nothing can be.
    """
    turn = said.strip()
    if not turn or turn == prompts.completion(example).strip():
        return None
    if answer is None or metric is None:
        return turn
    agrees = metric.entry.score(Answered(answer, example.references, said), metric.settings)
    return None if agrees is None or agrees >= 1 else turn


def outvoted(target: str, answers: Collection[str | None]) -> str | None:
    """Return what all who answered a row blind came to, where that is not its target; None where they did not."""
    found = set(answers)
    if len(answers) < LEAST_BLIND or len(found) != 1:
        return None
    (answer,) = found
    return None if answer is None or answer == target else answer
