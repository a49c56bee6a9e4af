"""What stages know of the recipe's task: its kind, labels, prompt and shots, and the turns that the student sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from engine.backends.protocol import Message
from engine.fingerprint import short
from engine.identity import Params
from engine.rows import Example, Prediction
from engine.spec.prompts import Prompt, Turns
from engine.tasks import TASKS, Asked, Task, TaskKind
from engine.tasks.protocol import TaskParams as KindParams
from engine.turns import SETTING
from engine.turns.tools import Said

_AT_ONCE = 500
"""Rows whose prompts are rendered together."""
PROMPT_VARIABLES = frozenset({"row", "labels", "description"})
"""What the student's prompt is given, whatever its name."""


@dataclass(frozen=True, kw_only=True)
class Shots(Params):
    """Training rows that are shown, answered, before each row."""

    n: int
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class TaskView(Params):
    """The task as stages see it."""

    kind: str
    version: int
    """Of the kind."""
    target: str
    """Column with the right answer."""
    labels: tuple[str, ...] | None
    """Declared labels; None for those of the training rows, empty where targets are no labels."""
    settings: KindParams
    """The kind's own parameters."""
    description: str = ""

    @property
    def entry(self) -> TaskKind:
        """The kind itself."""
        return TASKS[self.kind]

    def text_of(self, inputs: Mapping[str, str]) -> str:
        """Return a row's inputs as one text, as they are embedded and compared."""
        return self.entry.text_of(inputs)

    @property
    def labelled(self) -> bool:
        """Whether targets come from a fixed set of labels."""
        return self.entry.labelled

    def labels_among(self, examples: Sequence[Example]) -> list[str]:
        """Return the recipe's labels, or those of the training rows in sorted order."""
        if self.labels is not None:
            return list(self.labels)
        targets = {e.target for e in examples if e.split == "train"}
        named = (self.entry.labels_in(target, self.settings) for target in targets)
        return sorted({label for labels in named for label in labels})

    def task(self, examples: Sequence[Example]) -> Task:
        """Return the task as its kind sees it."""
        seen = self.entry.seen(e.inputs for e in examples if e.split == "train")
        return Task(tuple(self.labels_among(examples)), self.settings, seen)


@dataclass(frozen=True, kw_only=True)
class PromptedTask(Params):
    """A task together with the prompt and the shots that the student sees."""

    task: TaskView
    prompt: str
    shots: Shots | None = None


def drawn_shots(shots: Shots | None, examples: Sequence[Example]) -> list[Example]:
    """Return the training rows in the order in which they are shown, drawn by content and seed, targets in turn."""
    if shots is None:
        return []
    by_target: dict[str, list[Example]] = {}
    train = [e for e in examples if e.split == "train"]
    for example in sorted(train, key=lambda e: short([shots.seed, e.id])):
        by_target.setdefault(example.target, []).append(example)
    queues = list(by_target.values())
    depth = max(map(len, queues), default=0)
    return [queue[i] for i in range(depth) for queue in queues if i < len(queue)]


class StudentPrompts:
    """The turns that the student sees: the same in training and in evaluation."""

    def __init__(self, params: PromptedTask, prompt: Prompt, examples: Sequence[Example]) -> None:
        """Take the task, its prompt, and the rows among which shots are drawn."""
        self.kind, self.task = params.task.entry, params.task.task(examples)
        self._prompt, self._description = prompt, params.task.description
        self._shots = drawn_shots(params.shots, examples)
        self._shown = params.shots.n if params.shots else 0
        self._made: dict[str, Turns] = {}
        """What was rendered ahead, by the example."""
        self._as_shots: dict[str, list[Message]] = {}

    def of(self, examples: Iterable[Example]) -> Iterator[tuple[Message, ...]]:
        """Yield the turns of examples, one after another: as each by itself, and for many of them at less cost."""
        if not self._prompt.apart:
            yield from map(self, examples)
            return
        waiting = iter(examples)
        while part := list(islice(waiting, _AT_ONCE)):
            made = self._prompt.render_all([self._variables(e) for e in part])
            self._made = {e.id: turns for e, turns in zip(part, made, strict=True)}
            yield from map(self, part)
        self._made = {}

    def asked(self, examples: Sequence[Example]) -> Asked:
        """Return examples as the student is asked about them, their turns made whenever they are wanted."""
        return Asked([example.inputs for example in examples], lambda: self.of(examples))

    def __call__(self, example: Example) -> tuple[Message, ...]:
        """Return an example's turns; rows shown before it appear in the dialogue as if already answered.

        A row is never shown before itself, nor one with the same inputs: the next in order takes its place.
        """
        turns = self._turns(example)
        others = (shot for shot in self._shots if shot.inputs != example.inputs)
        shots = list(islice(others, self._shown))
        if not shots:
            return turns
        first = [turn for turn in turns if turn.role in SETTING]
        dialogue = [turn for turn in turns if turn.role not in SETTING]
        shown: list[Message] = []
        for shot in shots:
            shown += self._as_shot(shot)
        return (*first, *shown, *dialogue)

    def _as_shot(self, shot: Example) -> list[Message]:
        """Return the turns of a row that is shown answered; made once."""
        if shot.id not in self._as_shots:
            asked = [turn for turn in self._turns(shot) if turn.role not in SETTING]
            self._as_shots[shot.id] = [*asked, *self.said(shot).turns]
        return self._as_shots[shot.id]

    def completion(self, example: Example) -> str:
        """Return what the student is trained to say to an example, tools that it calls in words."""
        return self.kind.completion(example.inputs, example.target, self.task.params)

    def said(self, example: Example) -> Said:
        """Return what the student is trained to say to an example, and which tools it is trained to call."""
        return self.kind.said(example.inputs, example.target, self.task.params)

    def _turns(self, example: Example) -> tuple[Message, ...]:
        turns = self._made.get(example.id) or self._prompt.render(self._variables(example))
        asked = [Message(role, content) for role, content in turns]
        return self.kind.turns(example.inputs, asked)

    def _variables(self, example: Example) -> dict[str, Any]:
        return {
            "row": dict(example.inputs),
            "labels": list(self.task.labels),
            "description": self._description,
        }


def sql_row(
    example: Example, prediction: Prediction, target: str, scores: Mapping[str, float | None]
) -> dict[str, Any]:
    """Return the columns of one prediction for users' SQL: the row's own, `prediction` and the scores.

    A score hides a column of the same name; `pada validate` refuses such a recipe.
    """
    said = {"target": example.target, "prediction": prediction.answer}
    return named({**example.columns, **example.inputs, target: example.target}, {**said, **scores})


def named(columns: Mapping[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    """Return a row's columns with those that have a meaning of their own in users' SQL.

    A target column `Target` gives way to `target`, which is the same value: SQL could not tell them apart.
    """
    taken = {name.lower() for name in names}
    return {name: value for name, value in columns.items() if name.lower() not in taken} | names
