"""Generation: the answer is free text, compared with one or several references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from engine.tasks.protocol import Reference, Task, TaskKind, TaskParams, readable
from engine.tasks.wrong_answers import exchanged_detail


class Params(TaskParams):
    """Parameters of `generation`."""

    max_tokens: int = Field(default=128, ge=1, le=4096)
    """Most tokens of an answer."""


class Generation(TaskKind):
    """Free text."""

    name = "generation"
    version = 2
    sentence = "A free text is written in reply."
    prompt = "tasks/generation.md"
    params = Params
    metrics = ("rouge_l", "chrf")
    failure = "rouge_l < 0.3"

    def reference(self, inputs: Mapping[str, str], value: Any, params: Params) -> Reference:
        """Return the acceptable texts without thoughts before them; the first is trained on whole."""
        reference = super().reference(inputs, value, params)
        texts = [readable(text).strip() for text in reference.references]
        if not all(texts):
            raise ValueError("nothing of the target is left behind its thoughts")
        return Reference(reference.target, tuple(dict.fromkeys(texts)))

    def answer_form(self, task: Task) -> str:
        """Return that it is free text."""
        return "free text"

    def read(self, text: str, inputs: Mapping[str, str], task: Task) -> str | None:
        """Return what the student wrote, if anything."""
        return text.strip() or None

    def corrupted(
        self, inputs: Mapping[str, str], target: str, others: Sequence[str], task: Task
    ) -> str | None:
        """Return the text with a wrong number or name in it, where it takes one from its row; else another row's."""
        wrong = exchanged_detail(target, "\n".join(inputs.values()), others)
        return wrong or super().corrupted(inputs, target, others, task)
