"""Answers that are written and then read: shared by the kinds whose answers are not one of a few."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.backends.protocol import Progress, Student
from engine.tasks.protocol import GENERATION, Answer, Asked


def written_answers(
    student: Student,
    asked: Sequence[Asked],
    max_tokens: int,
    adapter: Path | None,
    progress: Progress | None,
    read: Callable[[str], str | None],
    schema: Mapping[str, Any] | None = None,
) -> list[Answer]:
    """Return what the student writes for each row, read by `read`, which returns None for what it cannot read."""
    said = student.write([each.prompt for each in asked], max_tokens, adapter, progress, schema)
    answers = []
    for turn in said:
        if turn.failure:
            answers.append(Answer(turn.text, None, "backend_failed", None, GENERATION))
            continue
        found = read(turn.text)
        status = "unparsable" if found is None else "ok"
        answers.append(Answer(turn.text, found, status, None, GENERATION))
    return answers
