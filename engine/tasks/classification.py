"""Single-label classification: the answer is always one of the labels, the one the student finds most likely.

Every label is scored as the assistant's whole turn (its tokens and the end of turn), so no reply needs parsing
and a label is never cut short. This is the likelihood scoring of language-model evaluation harnesses, over
the label set of the recipe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.backends.protocol import Message, Progress, Student
from engine.tasks.protocol import Answer


class Classification:
    """One label per row, from a fixed set."""

    name = "classification"
    version = 1
    prompt = "tasks/classification.md"
    labelled = True

    def answer(
        self,
        student: Student,
        prompts: Sequence[tuple[Message, ...]],
        labels: Sequence[str],
        adapter: Path | None,
        progress: Progress | None = None,
    ) -> list[Answer]:
        """Return for each prompt the most likely label, with its probability among all labels."""
        chosen = student.choose(prompts, labels, adapter, progress)
        return [Answer(c.label, c.label, "ok", c.probability, "label_likelihood") for c in chosen]

    def malformed(
        self, inputs: Mapping[str, str], target: str, labels: Sequence[str]
    ) -> str | None:
        """Return why a row is unusable: an empty input, or a target that is no label."""
        empty = [column for column, text in inputs.items() if not text.strip()]
        if empty:
            return f"{', '.join(empty)} is empty"
        return None if target in labels else f"'{target}' is not one of the {len(labels)} labels"
