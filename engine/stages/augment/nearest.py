"""nearest: training rows by their likeness to other rows, as the embedder sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.rows import Example
from engine.stages.protocol import Context
from engine.stages.task_view import TaskView
from engine.wording import text_of


def nearest_rows(
    train: Sequence[Example], inputs: Sequence[Mapping[str, str]], ctx: Context
) -> list[list[Example]]:
    """Return for each of some rows, by its inputs, all training rows, the nearest first."""
    import numpy as np

    if not inputs or not train:
        return [[] for _ in inputs]
    vectors = ctx.embed([text_of(example.inputs) for example in train])
    rows = ctx.embed([text_of(row) for row in inputs])
    return [
        [train[int(place)] for place in np.argsort(-(vectors @ row), kind="stable")] for row in rows
    ]


def nearest_labels(
    task: TaskView, train: Sequence[Example], inputs: Sequence[Mapping[str, str]], ctx: Context
) -> list[list[str]]:
    """Return for each of some rows, by its inputs, all labels of training rows, that of the nearest first."""
    return [
        list(
            dict.fromkeys(
                label
                for example in near
                for label in task.entry.labels_in(example.target, task.settings)
            )
        )
        for near in nearest_rows(train, inputs, ctx)
    ]
