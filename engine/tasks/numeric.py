r"""Numeric: a number after some reasoning, as in GSM8K: `… #### 72`, or `\boxed{72}`, or the last number said.

GSM8K's own convention (Cobbe et al., arXiv 2110.14168, appendix; https://github.com/openai/grade-school-math at
3101c7d): the final answer follows `####`, in a reply with several the first. The student is trained on the whole
target, reasoning included.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from engine.numbers import final_number, number_in, written
from engine.tasks.arithmetic import miscalculation
from engine.tasks.protocol import Reference, Task, TaskKind, TaskParams, plain

_MARK = "####"
_STEP = re.compile(
    r"<<[^<>=]*=\s*([-+.,\d/]+)\s*>>|=\s*([-+]?\$?[ ]?[\d,]*\.?\d+(?:/\d+)?)(?![\d/])(?!\s*[-+*x=])"
)
_LONGEST_NUMBER = 60
"""Characters of a number as an answer."""


class Params(TaskParams):
    """Parameters of `numeric`."""

    max_tokens: int = Field(default=256, ge=1, le=4096)
    """Longest reasoning with its answer."""


class Numeric(TaskKind):
    """A number, with or without reasoning before it."""

    name = "numeric"
    version = 2
    sentence = "A problem is solved step by step and ends with a number."
    prompt = "tasks/numeric.md"
    params = Params
    metrics = ("numeric_match",)
    failure = "numeric_match < 1"
    agreement = "numeric_match"

    def nested(self, params: Params, target: str) -> frozenset[str]:
        """Return the target: a number with a fraction is not text, and is accepted nonetheless."""
        return frozenset({target})

    def reference(self, inputs: Mapping[str, str], value: Any, params: Params) -> Reference:
        """Return the target whole, and the number in it as the right answer."""
        text = plain("the target", value)
        number = final_number(text)
        if number is None:
            raise ValueError("no number is in the target")
        return Reference(text, (written(number),))

    def answer_form(self, task: Task) -> str:
        """Return that it is reasoning with a number at its end."""
        return "short reasoning, one step a line, then a last line `#### ` and the number"

    def read(self, text: str, inputs: Mapping[str, str], task: Task) -> str | None:
        """Return the final number of what the student wrote."""
        number = final_number(text)
        return None if number is None else written(number)

    def fault(self, inputs: Mapping[str, str], target: str, task: Task) -> str | None:
        """Return why a row does not fit the task: no number, or one that is not what the reasoning comes to."""
        number = final_number(target)
        if number is None:
            return "the target holds no number"
        reasoning, mark, _ = target.rpartition(_MARK)
        last = last_result(reasoning) if mark else None
        if last is not None and number_in(last) != number:
            return f"the reasoning comes to {last}, the answer is {written(number)}"
        return None

    def kept(self, target: str, params: Params) -> str:
        """Return that the numbers stay: the target's reasoning uses them."""
        return "the same numbers"

    def blind_form(self, task: Task) -> str:
        """Return that it is the number."""
        return "the number alone"

    def blind_schema(self, task: Task, longest: int) -> Mapping[str, Any]:
        """Return the schema of the number."""
        return {"type": "string", "minLength": 1, "maxLength": _LONGEST_NUMBER}

    def miscalculated(self, target: str, task: Task) -> str | None:
        """Return the first calculation that does not come to what it says, rounding aside."""
        return miscalculation(target)

    def corrupted(
        self, inputs: Mapping[str, str], target: str, others: Sequence[str], task: Task
    ) -> str | None:
        """Return the target with another number at its end, and in the calculation that comes to it."""
        number = final_number(target)
        if number is None:
            return None
        right, wrong = written(number), written(number + max(1, abs(number) // 10))
        reasoning, mark, end = target.rpartition(_MARK)
        if not mark:
            reasoning, end = "", target
        start = reasoning.rfind("=" + right)
        changed = (
            reasoning if start < 0 else reasoning[:start] + reasoning[start:].replace(right, wrong)
        )
        last = end.replace(right, wrong) if right in end else f" {wrong}"
        return changed + mark + last


def last_result(reasoning: str) -> str | None:
    """Return what the last calculation of a reasoning comes to, as it stands there; None where there is none."""
    results = [marked or plain_result for marked, plain_result in _STEP.findall(reasoning)]
    return results[-1].rstrip(".,") if results else None
