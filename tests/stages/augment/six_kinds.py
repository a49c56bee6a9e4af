"""One small task of each kind, with a row to verify and to judge, and what a good and a bad answerer say of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.judging import Gating
from engine.rows import Candidate, Example, Pattern, Strategy
from engine.stages.outputs import Drafted, Gated, Generated, Loaded, NamedPatterns
from engine.stages.task_view import TaskView
from tests.stages.views import view

SLOTS = {
    "type": "object",
    "properties": {
        "people": {"type": "integer"},
        "day": {"type": "string", "maxLength": 20},
        "name": {"type": "string", "maxLength": 20},
    },
    "additionalProperties": False,
}
KINDS = (
    "classification",
    "extraction",
    "generation",
    "multiple_choice",
    "numeric",
    "structured",
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
ROWS = 48
"""Training rows of each."""


@dataclass(frozen=True)
class SmallTask:
    """A task of one kind."""

    view: TaskView
    train: tuple[Example, ...]
    row: Candidate
    """A generated row whose target is right."""
    right: Any
    """What a good answerer says of it, as a reply has it."""
    wrong: Any

    @property
    def load(self) -> Loaded:
        """The training rows, and one of each other split."""
        one = self.train[0]
        others = (
            Example(f"{split} row", split, {c: f"a {split} row" for c in one.inputs}, one.target, {}, "f", 1)
            for split in ("validation", "test")
        )  # fmt: skip
        return Loaded((*self.train, *others))


def small_task(kind: str) -> SmallTask:
    """Return the small task of a kind."""
    params: dict[str, Any] = {}
    rows: list[tuple[dict[str, str], Any]] = []
    row: tuple[dict[str, str], str, Any, Any]
    numbers = range(ROWS)
    if kind == "classification":
        rows = [
            ({"text": f"box {i} is {'late' if i % 2 else 'broken'}"}, ("broken", "late")[i % 2])
            for i in numbers
        ]
        row = {"text": "my box has not come"}, "late", "late", "broken"
    elif kind == "extraction":
        params = {"context": "text"}
        rows = [
            ({"text": f"seat {i} people on {DAYS[i % 7]}", "ask": "when"}, DAYS[i % 7])
            for i in numbers
        ]
        row = {"text": "seat two people on Sunday", "ask": "when"}, "Sunday", "sunday", "two"
    elif kind == "multiple_choice":
        rows = [
            ({"text": f"what follows {i}\nA. {i + 1}\nB. {i - 1}\nC. {i + 5}"}, "A")
            for i in numbers
        ]
        row = {"text": "what follows ten\nA. nine\nB. eleven\nC. one"}, "B", "B", "A"
    elif kind == "numeric":
        rows = [
            (
                {"text": f"what is {i} and {i}"},
                f"{i} + {i} = <<{i}+{i}={2 * i}>>{2 * i}\n#### {2 * i}",
            )
            for i in numbers
        ]
        row = {"text": "what is four and five"}, "4 + 5 = <<4+5=9>>9\n#### 9", "9", "20"
    elif kind == "structured":
        params = {"json_schema": SLOTS}
        rows = [
            ({"text": f"{i} people on {DAYS[i % 7]}"}, {"people": i, "day": DAYS[i % 7]})
            for i in numbers
        ]
        row = (
            {"text": "two on Sunday for Ann"}, '{"day": "Sunday", "name": "Ann", "people": 2}',
            {"people": 2, "day": "Sunday", "name": "Ann"}, {"people": 3},
        )  # fmt: skip
    else:
        rows = [({"text": f"greet guest {i}"}, f"Good day, guest {i}.") for i in numbers]
        row = {"text": "greet Ann"}, "Good day, Ann.", None, None
    task = view(kind, target="answer", description="A small task.", **params)
    train = tuple(
        Example(f"t{i}", "train", inputs, *_target(task, inputs, target))
        for i, (inputs, target) in enumerate(rows)
    )
    inputs, target, right, wrong = row
    return SmallTask(task, train, candidate("c", inputs, target), right, wrong)


def _target(task: TaskView, inputs: Mapping[str, str], target: Any) -> tuple[Any, ...]:
    reference = task.entry.reference(inputs, target, task.settings)
    return reference.target, {}, "f", 1, reference.references


def candidate(
    name: str, inputs: Mapping[str, str], target: str, operator: str = "similar"
) -> Candidate:
    """Return a row that an operator wrote from the first training row, for the one pattern."""
    return Candidate(name, "t0", "p", "s", operator, 1, dict(inputs), target, "", "", "")


PATTERNS = NamedPatterns((Pattern("p", "Hidden days", "", None, 3, (), None, None, None),))
STRATEGIES = Drafted((Strategy("s", "p", "Hide the day.", (), None, None),))


def gated(rows: tuple[Candidate, ...], **rejected: str) -> tuple[Generated, Gated]:
    """Return candidates, and gates that let them pass but those that are rejected: id -> reason."""
    gatings = (
        Gating(c.id, rejected.get(c.id, ""), "why" if c.id in rejected else "", "", {}, {})
        for c in rows
    )
    return Generated(rows), Gated(tuple(gatings))


def shown_rows(prompt: str) -> dict[str, str]:
    """Return the rows of a prompt by id, each with what stands behind it until the next."""
    parts = prompt.split("\nRow ")[1:]
    return {part.split("\n", 1)[0].strip(): part for part in parts}


def plain(value: Any) -> str:
    """Return a value as JSON."""
    return json.dumps(value, ensure_ascii=False)
