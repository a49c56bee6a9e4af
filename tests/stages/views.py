"""Tasks as stages see them, as a plan makes them of a recipe."""

from collections.abc import Sequence
from typing import Any

from engine.stages.task_view import TaskView
from engine.tasks import TASKS


def view(
    kind: str,
    *,
    target: str = "label",
    labels: Sequence[str] | None = None,
    description: str = "",
    **params: Any,
) -> TaskView:
    """Return the task of a recipe with this kind; `params` are the kind's own."""
    entry = TASKS[kind]
    declared = labels if entry.labelled else ()
    return TaskView(
        kind=kind,
        version=entry.version,
        target=target,
        labels=None if declared is None else tuple(declared),
        settings=entry.params.model_validate(params),
        description=description,
    )
