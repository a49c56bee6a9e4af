"""A recipe's task as stages see it, and what teacher and judge are told of it."""

from __future__ import annotations

from engine.spec.recipe import Task
from engine.stages.blocks import Briefing
from engine.stages.task_view import Shots, TaskView
from engine.tasks import TASKS


def task_view(task: Task) -> TaskView:
    """Return the task as stages see it."""
    kind = TASKS[task.kind]
    labels = task.label_names if kind.labelled else []
    return TaskView(
        kind=task.kind,
        version=kind.version,
        target=task.target,
        labels=None if labels is None else tuple(labels),
        settings=kind.params.model_validate(task.params),
        description=task.description,
    )


def briefing(task: Task) -> Briefing:
    """Return what teacher and judge are told of the task."""
    return Briefing(
        description=task.description, definitions=task.definitions, columns=task.columns
    )


def shots(task: Task, *, training: bool) -> Shots | None:
    """Return the rows that are shown before each row, in training only where the recipe wants them there."""
    if task.shots is None or (training and not task.shots.train):
        return None
    return Shots(n=task.shots.n, seed=task.shots.seed)
