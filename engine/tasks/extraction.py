"""Extraction: the answer is a span of a context, as in SQuAD; any of several acceptable spans is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from engine.backends.protocol import Progress, Student
from engine.tasks.protocol import Answer, Asked, PlainRows, Reference, Task, TaskParams, empty_input
from engine.tasks.writing import written_answers


class Params(TaskParams):
    """Parameters of `extraction`."""

    context: str
    """Input column in which the answer stands, word for word."""
    max_tokens: int = Field(default=48, ge=1, le=1024)
    """Longest answer."""


class Extraction(PlainRows):
    """A span of a context."""

    name = "extraction"
    version = 1
    prompt = "tasks/extraction.md"
    params: type[TaskParams] = Params
    column_params: tuple[str, ...] = ("context",)
    metrics: tuple[str, ...] = ("exact_match", "token_f1")
    failure = "exact_match < 1"

    def reference(self, inputs: Mapping[str, str], value: Any, params: Params) -> Reference:
        """Return the acceptable spans; the first is trained on."""
        reference = super().reference(inputs, value, params)
        strange = [text for text in reference.references if text not in inputs[params.context]]
        if strange:
            raise ValueError(f"the answer '{strange[0]}' does not occur in {params.context}")
        return reference

    def answer(
        self,
        student: Student,
        asked: Sequence[Asked],
        task: Task,
        adapter: Path | None,
        progress: Progress | None = None,
    ) -> list[Answer]:
        """Return the first line of what the student writes."""
        return written_answers(
            student, asked, task.params.max_tokens, adapter, progress, _first_line
        )

    def kept(self, target: str, params: Params) -> str:
        """Return the answer: it must still stand in the context."""
        return f'the words "{target}" in {params.context}'

    def malformed(self, inputs: Mapping[str, str], target: str, task: Task) -> str | None:
        """Return why a row is unusable: something is empty, or the span is not in its context."""
        if why := empty_input(inputs):
            return why
        if not target.strip():
            return "the target is empty"
        context = task.params.context
        return None if target in inputs[context] else f"the target does not occur in {context}"


def _first_line(text: str) -> str | None:
    return text.strip().splitlines()[0].strip() if text.strip() else None
