"""Whether the training rows among which shots are drawn can stand, answered, before another row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.data.records import references_of
from engine.data.split_rows import SplitRows
from engine.errors import Problem
from engine.spec.loader import LoadedRecipe
from engine.tasks import TASKS


def check_shots(loaded: LoadedRecipe, splits: Mapping[str, SplitRows]) -> Iterator[Problem]:
    """Yield that `task.shots` draws among rows of which some cannot be shown; the first is named."""
    task, kind = loaded.recipe.task, TASKS.get(loaded.recipe.task.kind)
    if task.shots is None or kind is None or "train" not in splits:
        return
    rows = splits["train"]
    for record in rows.records:
        if record.values.get(task.target) is None:
            continue
        if why := kind.not_shown(references_of(record, task.target)[0]):
            message = f"{rows.at(record)} cannot be shown before other rows: {why}"
            hint = "leave out `shots`, or train on rows without such answers (`where`)"
            yield Problem(loaded.at("task", "shots"), message, hint, code="shots")
            return
