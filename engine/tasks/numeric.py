r"""Numeric: a number after some reasoning, as in GSM8K: `… #### 72`, or `\boxed{72}`, or the last number said.

GSM8K's own convention (Cobbe et al., arXiv 2110.14168, appendix; https://github.com/openai/grade-school-math at
3101c7d): the final answer follows `####`, in a reply with several the first. The student is trained on the whole
target, reasoning included. What is read as one number: `engine.numbers`, for targets and answers alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from pydantic import Field

from engine.numbers import (
    Decimal,
    final_number,
    final_said,
    number_in,
    plain_numbers,
    pointed,
    written,
)
from engine.tasks.arithmetic import miscalculation
from engine.tasks.protocol import Reference, Task, TaskKind, TaskParams, plain

_MARK = "####"
_STEP = re.compile(
    r"<<[^<>=]*=\s*([-+.,\d/]+)\s*>>|=\s*([-+]?\$?[ ]?[\d,]*\.?\d+(?:/\d+)?)(?![\d/])"
    r"(?![.,'’_:]\d|[ \u00a0\u2009\u202f]\d{3}(?!\d)|[eE^])(?!\s*[-+*x=])"
)
"""What a calculation comes to; the second sort never ends within a number."""
_LONGEST_NUMBER = 60
"""Characters of a number as an answer."""
_CHARACTERS = 3
"""Of a token of reasoning, about: it is rich in digits."""
_PARTS: Mapping[Decimal, str] = {"point": "full stop", "comma": "comma"}


class Params(TaskParams):
    """Parameters of `numeric`."""

    max_tokens: int = Field(default=256, ge=1, le=4096)
    """Most tokens of the reasoning with its answer."""
    decimal: Decimal = "point"
    """What parts the decimals of a number, in targets and in answers: `point` (1,234.5) or `comma` (1.234,5)."""


class Numeric(TaskKind):
    """A number, with or without reasoning before it."""

    name = "numeric"
    version = 4
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
        if isinstance(value, float):
            # A number of the data has no decimal comma yet.
            text = pointed(text, params.decimal)
        return Reference(text, (written(_number_of(text, params)),))

    def answer_form(self, task: Task) -> str:
        """Return that it is reasoning with a number at its end."""
        number = _with_comma("the number", task.params)
        return f"short reasoning, one step a line, then a last line `#### ` and {number}"

    def target_schema(self, task: Task, longest: int) -> Mapping[str, Any]:
        """Return the schema of a text that may be as long as what the student may answer, whatever rows there are.

        Targets that are bare numbers say nothing of how long the reasoning may be that is written for them.
        """
        return super().target_schema(task, max(longest, _CHARACTERS * task.params.max_tokens))

    def read(self, text: str, inputs: Mapping[str, str], task: Task) -> str | None:
        """Return the final number of what the student wrote."""
        number = final_number(text, task.params.decimal)
        return None if number is None else written(number)

    def fault(self, inputs: Mapping[str, str], target: str, task: Task) -> str | None:
        """Return why a row does not fit the task: no number, or one that is not what the reasoning comes to."""
        try:
            number = _number_of(target, task.params)
        except ValueError as problem:
            return str(problem)
        reasoning, mark, _ = plain_numbers(target, task.params.decimal).rpartition(_MARK)
        last = last_result(reasoning) if mark else None
        result = number_in(last) if last is not None else None
        if last is not None and result is not None and result != number:
            said, right = pointed(last, task.params.decimal), written(number, task.params.decimal)
            return f"the reasoning comes to {said}, the answer is {right}"
        return None

    def kept(self, target: str, params: Params) -> str:
        """Return that numbers and names stay: the target's reasoning uses them."""
        return "the numbers and names that the target uses"

    def blind_form(self, task: Task) -> str:
        """Return that it is the number."""
        alone = "the number alone, also where right answers have more around it"
        return _with_comma(alone, task.params)

    def blind_schema(self, task: Task, longest: int) -> Mapping[str, Any]:
        """Return the schema of the number."""
        return {"type": "string", "minLength": 1, "maxLength": _LONGEST_NUMBER}

    def miscalculated(self, target: str, task: Task) -> str | None:
        """Return the first calculation that does not come to what it says, rounding aside."""
        decimal: Decimal = task.params.decimal
        wrong = miscalculation(plain_numbers(target, decimal))
        return None if wrong is None else pointed(wrong, decimal)

    def corrupted(
        self, inputs: Mapping[str, str], target: str, others: Sequence[str], task: Task
    ) -> str | None:
        """Return the target without its last step; of one step, another number at its end and in its calculation."""
        decimal: Decimal = task.params.decimal
        number = final_number(target, decimal)
        if number is None:
            return None
        if (early := _stopped_early(target, decimal)) is not None:
            return early
        right = written(number, decimal)
        wrong = written(number + max(1, abs(number) // 10), decimal)
        reasoning, mark, end = target.rpartition(_MARK)
        if not mark:
            reasoning, end = "", target
        comes_to = re.compile(rf"=\s*\$?{re.escape(right)}(?![\d.,]*\d)")
        start = max((match.start() for match in comes_to.finditer(reasoning)), default=-1)
        changed = (
            reasoning if start < 0 else reasoning[:start] + reasoning[start:].replace(right, wrong)
        )
        last = end.replace(right, wrong) if right in end else f" {wrong}"
        return changed + mark + last


def _stopped_early(target: str, decimal: Decimal) -> str | None:
    """Return a target that ends one step before its end, each of its calculations right; None where it has but one."""
    reasoning, mark, _ = target.rpartition(_MARK)
    lines = reasoning.rstrip().split("\n")
    steps = [i for i, line in enumerate(lines) if last_result(plain_numbers(line, decimal))]
    if not mark or len(steps) < 2:
        return None
    kept = lines[: steps[-1]]
    said = last_result(plain_numbers("\n".join(kept), decimal))
    result = None if said is None else number_in(said)
    if result is None or result == final_number(target, decimal):
        return None
    return "\n".join(kept) + f"\n{mark} {written(result, decimal)}"


def last_result(reasoning: str) -> str | None:
    """Return what the last calculation of a reasoning comes to, as it stands there; None where there is none."""
    results = [marked or plain_result for marked, plain_result in _STEP.findall(reasoning)]
    return results[-1].rstrip(".,") if results else None


def _number_of(target: str, params: Params) -> Fraction:
    """Return the number that a target comes to; raises ValueError where it has none that can be read."""
    said = final_said(target, params.decimal)
    if said is None:
        raise ValueError("no number is in the target")
    if said.number is not None:
        return said.number
    other: Decimal = "comma" if params.decimal == "point" else "point"
    why = f"'{said.text[:60]}' in the target is no number where a {_PARTS[params.decimal]} parts decimals"
    if number_in(said.text, other) is not None:
        why += f"; `task.params: {{decimal: {other}}}` reads it"
    raise ValueError(why)


def _with_comma(what: str, params: Params) -> str:
    return f"{what}, with a decimal comma" if params.decimal == "comma" else what
