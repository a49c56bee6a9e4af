"""Single-label classification: the answer is one of the labels, the one the student finds most likely.

Every label is scored as the assistant's whole turn (its tokens and the end of turn), so no reply needs parsing
and a label is never cut short. This is the likelihood scoring of language-model evaluation harnesses, over
the label set of the recipe. A student behind a server tells no likelihoods: what it writes is read, and counts as
a label only when it is one, apart from case and the punctuation around it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.backends.protocol import Message, Progress, Student, Written
from engine.tasks.protocol import Answer

SPARE = 8
"""Tokens beyond one per character of the longest label, for what stands around it."""
_AROUND = " \t\r\n.,;:!\"'`*()[]"


def _read(said: Written, labels: Sequence[str]) -> Answer:
    if said.failure:
        return Answer(said.text, None, "backend_failed", None, "generation")
    written = {_bare(label): label for label in labels}
    label = written.get(_bare(said.text))
    return Answer(said.text, label, "ok" if label else "unparsable", None, "generation")


def _bare(text: str) -> str:
    return text.strip(_AROUND).casefold()


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
        """Return for each prompt the most likely label, with its probability among all labels, or the one written."""
        if not student.likelihoods:
            longest = max(map(len, labels))
            said = student.write(prompts, longest + SPARE, adapter, progress)
            return [_read(turn, labels) for turn in said]
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
