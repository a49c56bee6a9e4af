r"""Numeric: a number after some reasoning, as in GSM8K: `… #### 72`, or `\boxed{72}`, or the last number said.

GSM8K's own convention (Cobbe et al., arXiv 2110.14168, appendix; https://github.com/openai/grade-school-math at
3101c7d): the final answer follows `####`, in a reply with several the first. The student is trained on the whole
target, reasoning included.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from engine.backends.protocol import Progress, Student
from engine.numbers import final_number, number_in, written
from engine.tasks.protocol import (
    Answer,
    Asked,
    PlainRows,
    Reference,
    Task,
    TaskParams,
    empty_input,
    plain,
)
from engine.tasks.writing import written_answers

_MARK = "####"
_STEP = re.compile(
    r"<<[^<>=]*=\s*([-+.,\d/]+)\s*>>|=\s*([-+]?\$?[ ]?[\d,]*\.?\d+(?:/\d+)?)(?![\d/])(?!\s*[-+*x=])"
)


class Params(TaskParams):
    """Parameters of `numeric`."""

    max_tokens: int = Field(default=256, ge=1, le=4096)
    """Longest reasoning with its answer."""


class Numeric(PlainRows):
    """A number, with or without reasoning before it."""

    name = "numeric"
    version = 2
    prompt = "tasks/numeric.md"
    params: type[TaskParams] = Params
    metrics: tuple[str, ...] = ("numeric_match",)
    failure = "numeric_match < 1"

    def nested(self, params: Params, target: str) -> frozenset[str]:
        """Return the target: a number with a fraction is no text, and is taken all the same."""
        return frozenset({target})

    def reference(self, inputs: Mapping[str, str], value: Any, params: Params) -> Reference:
        """Return the target whole, and the number in it as the right answer."""
        text = plain("the target", value)
        found = _read(text)
        if found is None:
            raise ValueError("no number is in the target")
        return Reference(text, (found,))

    def answer(
        self,
        student: Student,
        asked: Sequence[Asked],
        task: Task,
        adapter: Path | None,
        progress: Progress | None = None,
    ) -> list[Answer]:
        """Return the final number of what the student writes."""
        most = task.params.max_tokens
        return written_answers(student, asked, most, adapter, progress, _read)

    def kept(self, target: str, params: Params) -> str:
        """Return that the numbers stay: the target's reasoning uses them."""
        return "the same numbers"

    def malformed(self, inputs: Mapping[str, str], target: str, task: Task) -> str | None:
        """Return why a row is unusable: no number, or one that is not what the reasoning comes to."""
        if why := empty_input(inputs):
            return why
        found = final_number(target)
        if found is None:
            return "the target holds no number"
        reasoning, mark, _ = target.rpartition(_MARK)
        last = last_result(reasoning) if mark else None
        if last is not None and number_in(last) != found:
            return f"the reasoning comes to {last}, the answer is {written(found)}"
        return None


def _read(text: str) -> str | None:
    found = final_number(text)
    return None if found is None else written(found)


def last_result(reasoning: str) -> str | None:
    """Return what the last calculation of a reasoning comes to, as it stands there; None where there is none."""
    results = [marked or said for marked, said in _STEP.findall(reasoning)]
    return results[-1].rstrip(".,") if results else None
