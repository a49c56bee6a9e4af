"""A recipe's task as stages see it, and what teacher and judge are told of it."""

from __future__ import annotations

from engine.spec.recipe import Task
from engine.stages.blocks import Briefing
from engine.stages.task_view import TaskView
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
