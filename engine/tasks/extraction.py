"""Extraction: the answer is a span of a context, as in SQuAD; any of several acceptable spans is right.

White space within a span is one space, in what the student is trained to say and in how it is read: a span that goes
over two lines is said on one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from engine.tasks.protocol import Reference, Task, TaskKind, TaskParams, folded
from engine.tasks.wrong_answers import cut, neighbours, overlap, stands_in


class Params(TaskParams):
    """Parameters of `extraction`."""

    context: str
    """Input column in which the answer stands, word for word."""
    max_tokens: int = Field(default=48, ge=1, le=1024)
    """Most tokens of an answer."""


class Extraction(TaskKind):
    """A span of a context."""

    name = "extraction"
    version = 2
    sentence = "A question is answered with words copied from a given text."
    prompt = "tasks/extraction.md"
    params = Params
    column_params = ("context",)
    derived = True
    metrics = ("exact_match", "token_f1")
    failure = "exact_match < 1"
    agreement = "token_f1"

    def reference(self, inputs: Mapping[str, str], value: Any, params: Params) -> Reference:
        """Return the acceptable spans, each on one line; the first is trained on."""
        reference = super().reference(inputs, value, params)
        context = folded(inputs[params.context])
        spans = [folded(text) for text in reference.references]
        if strange := next((span for span in spans if span not in context), None):
            raise ValueError(f"the answer '{strange}' does not occur in {params.context}")
        return Reference(reference.target, tuple(dict.fromkeys(spans)))

    def completion(self, inputs: Mapping[str, str], target: str, params: Params) -> str:
        """Return the span on one line."""
        return folded(target)

    def answer_form(self, task: Task) -> str:
        """Return that it is a span."""
        return (
            f"words that stand in the column {task.params.context}, copied character by character"
        )

    def read(self, text: str, inputs: Mapping[str, str], task: Task) -> str | None:
        """Return the first lines of what the student wrote that stand in the context together, else the first."""
        lines = [folded(line) for line in text.strip().splitlines()]
        context = folded(inputs[task.params.context])
        for count in range(len(lines), 1, -1):
            if (span := folded(" ".join(lines[:count]))) in context:
                return span
        return lines[0] if lines else None

    def fault(self, inputs: Mapping[str, str], target: str, task: Task) -> str | None:
        """Return why a row does not fit the task: the span is empty, or not in its context."""
        context = task.params.context
        if not target.strip() or folded(target) in folded(inputs[context]):
            return super().fault(inputs, target, task)
        return f"the target does not occur in {context}"

    def kept(self, target: str, params: Params) -> str:
        """Return the answer: it must still occur in the context."""
        return f'the words "{target}" in {params.context}'

    def fixed(
        self, inputs: Mapping[str, str], target: str, params: Params
    ) -> Mapping[str, tuple[str, ...]]:
        """Return the answer, wherever it stands; the whole context where it goes over several lines there."""
        context = inputs[params.context]
        return {params.context: (target if target in context else context,)}

    def corrupted(
        self, inputs: Mapping[str, str], target: str, others: Sequence[str], task: Task
    ) -> str | None:
        """Return another row's answer in the context; else what looks like it, or it cut short, or others."""
        context = inputs[task.params.context]
        taken = (
            other
            for other in others
            if stands_in(other, context) and other in context and not overlap(other, target)
        )
        if elsewhere := next(taken, None) or next(neighbours(target, context), None):
            return elsewhere
        if (shorter := cut(target)) is not None and shorter in context:
            return shorter
        start = context.find(target)
        words = [match.span() for match in re.finditer(r"\S+", context)]
        count = len(target.split())
        spans = [
            (words[i][0], words[i + count - 1][1])
            for i in range(len(words) - count + 1)
            if words[i + count - 1][1] <= start or words[i][0] >= start + len(target)
        ]
        if start < 0 or not spans:
            return None
        first, last = max(spans, key=lambda span: abs(span[0] - start))
        wrong = context[first:last].strip(".,;:!?\"'()")
        return wrong if wrong and not overlap(wrong, target) else None
