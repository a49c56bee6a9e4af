"""What a task kind is: what the student is asked and trained to say, how its answer is read, what a good row is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from engine.backends.protocol import Message, Progress, Student

LIKELIHOOD, GENERATION = "label_likelihood", "generation"
"""How an answer was obtained: the likeliest of the allowed ones, or read from what the student wrote."""


class TaskParams(BaseModel):
    """Base of every kind's own parameters, `task.params` in a recipe."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )


@dataclass(frozen=True, slots=True)
class Task:
    """The task of one recipe, as its kind sees it."""

    labels: tuple[str, ...]
    """Allowed answers; empty for kinds without labels."""
    params: Any
    """The kind's parameters, checked."""


class Asked(NamedTuple):
    """One row that the student is asked about: the turns it sees, and the row's inputs."""

    prompt: tuple[Message, ...]
    inputs: Mapping[str, str]


class Answer(NamedTuple):
    """One answer of the student, read from what it said."""

    text: str
    answer: str | None
    status: str
    """ok | unparsable | backend_failed"""
    confidence: float | None
    how: str


class Reference(NamedTuple):
    """What is right for one row."""

    target: str
    """In the kind's own form; the student is trained on `TaskKind.completion` of it."""
    references: tuple[str, ...]
    """All answers that are right, in the form in which answers are read."""


class TaskKind(Protocol):
    """One kind of task; implementations are stateless and live in one file each."""

    name: str
    version: int
    """Bumped when the same student would be given other answers."""
    prompt: str
    """Default prompt, a name under `prompts/`."""
    labelled: bool
    """Whether targets come from a fixed set of labels."""
    params: type[TaskParams]
    metrics: tuple[str, ...]
    """Default metrics."""
    failure: str
    """Default failure predicate."""
    column_params: tuple[str, ...]
    """The parameters that name an input column."""

    def problems(self, params: Any) -> list[str]:
        """Return what is wrong with parameters whose types are right."""
        ...

    def nested(self, params: Any, target: str) -> frozenset[str]:
        """Return the columns whose values may have parts (lists, objects), which `shown` and `reference` take apart."""
        ...

    def shown(self, column: str, value: Any, params: Any) -> str:
        """Return an input's value as the text that the student sees; raises ValueError with the reason."""
        ...

    def reference(self, inputs: Mapping[str, str], value: Any, params: Any) -> Reference:
        """Return what is right for a row, from its target column; raises ValueError with the reason."""
        ...

    def labels_in(self, target: str, params: Any) -> Sequence[str]:
        """Return the labels that a target names, where targets are labels."""
        ...

    def completion(self, inputs: Mapping[str, str], target: str, params: Any) -> str:
        """Return what the student is trained to say."""
        ...

    def answer(
        self,
        student: Student,
        asked: Sequence[Asked],
        task: Task,
        adapter: Path | None,
        progress: Progress | None = None,
    ) -> list[Answer]:
        """Ask the student and read its answers, in the order of `asked`."""
        ...

    def malformed(self, inputs: Mapping[str, str], target: str, task: Task) -> str | None:
        """Return why a generated row is not a row of this task; None when it is one."""
        ...

    def target_schema(self, task: Task, longest: int) -> Mapping[str, Any]:
        """Return the JSON Schema of a target that a teacher writes, of at most `longest` characters."""
        ...

    def kept(self, target: str, params: Any) -> str:
        """Return what a reworded row must keep besides its meaning, as words behind "with"; often empty."""
        ...


class PlainRows:
    """What most kinds have in common: inputs and targets are text, said as they stand, and answers are written.

    A kind overrides what is different.
    """

    labelled = False
    column_params: tuple[str, ...] = ()

    def problems(self, params: Any) -> list[str]:
        """Return nothing: types say it all."""
        return []

    def nested(self, params: Any, target: str) -> frozenset[str]:
        """Return none: a list of texts is a target that needs no taking apart."""
        return frozenset()

    def shown(self, column: str, value: Any, params: Any) -> str:
        """Return a text as it is, a number or a truth value in its JSON form."""
        return plain(column, value)

    def reference(self, inputs: Mapping[str, str], value: Any, params: Any) -> Reference:
        """Return a text as the one right answer; of a list of texts all are right, and the first is trained on."""
        texts = (
            [str(each) for each in value]
            if isinstance(value, list | tuple)
            else [plain("the target", value)]
        )
        if not texts or not all(text.strip() for text in texts):
            raise ValueError("the target is empty")
        return Reference(texts[0], tuple(dict.fromkeys(texts)))

    def labels_in(self, target: str, params: Any) -> Sequence[str]:
        """Return the target as the one label."""
        return (target,)

    def completion(self, inputs: Mapping[str, str], target: str, params: Any) -> str:
        """Return the target."""
        return target

    def target_schema(self, task: Task, longest: int) -> Mapping[str, Any]:
        """Return the schema of a text."""
        return {"type": "string", "minLength": 1, "maxLength": longest}

    def kept(self, target: str, params: Any) -> str:
        """Return nothing: the target follows from the meaning."""
        return ""


def plain(column: str, value: Any) -> str:
    """Return a value as text; raises ValueError for one that has parts, and for none."""
    if value is None:
        raise ValueError(f"{column} has no value")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list | tuple):
        raise ValueError(
            f"{column} is a {type(value).__name__}, not a text: make one of it in `columns`, in SQL"
        )
    return str(value)


def empty_input(inputs: Mapping[str, str]) -> str | None:
    """Return which inputs of a row are empty; None when none is."""
    empty = [column for column, text in inputs.items() if not text.strip()]
    return f"{', '.join(empty)} is empty" if empty else None
