"""Generation: the answer is free text, compared with one or several references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from engine.backends.protocol import Progress, Student
from engine.tasks.protocol import Answer, Asked, PlainRows, Task, TaskParams, empty_input
from engine.tasks.writing import written_answers


class Params(TaskParams):
    """Parameters of `generation`."""

    max_tokens: int = Field(default=128, ge=1, le=4096)
    """Longest answer."""


class Generation(PlainRows):
    """Free text."""

    name = "generation"
    version = 1
    prompt = "tasks/generation.md"
    params: type[TaskParams] = Params
    metrics: tuple[str, ...] = ("rouge_l", "chrf")
    failure = "rouge_l < 0.3"

    def answer(
        self,
        student: Student,
        asked: Sequence[Asked],
        task: Task,
        adapter: Path | None,
        progress: Progress | None = None,
    ) -> list[Answer]:
        """Return what the student writes."""
        most = task.params.max_tokens
        return written_answers(
            student, asked, most, adapter, progress, lambda text: text.strip() or None
        )

    def malformed(self, inputs: Mapping[str, str], target: str, task: Task) -> str | None:
        """Return why a row is unusable: something is empty."""
        return empty_input(inputs) or (None if target.strip() else "the target is empty")
