"""What a task kind is: what its rows are, what the student is trained to say, and how an answer is read.

Knows no model and no student: `engine.tasks.answers` asks, a kind defines the question and reads the answer.
"""

from __future__ import annotations

import json
import random
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

from pydantic import BaseModel, ConfigDict

from engine.turns import Message
from engine.turns.tools import Said


class TaskParams(BaseModel):
    """Base of every kind's own parameters, `task.params` in a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@dataclass(frozen=True, slots=True)
class Task:
    """The task of one recipe, as its kind sees it."""

    labels: tuple[str, ...]
    """Allowed answers; empty for kinds without labels."""
    params: Any
    """The kind's parameters, checked."""
    seen: Any = None
    """What `TaskKind.seen` takes from the training rows."""


class Reference(NamedTuple):
    """What is right for one row."""

    target: str
    """In the kind's own form; the student is trained on `TaskKind.completion` of it."""
    references: tuple[str, ...]
    """All answers that are right, in the form in which answers are read."""


class Options(NamedTuple):
    """The answers among which a student chooses by their likelihood."""

    turns: Mapping[str, str]
    """Each answer, and the turn by which the student gives it."""
    per_character: bool = False
    """Whether log-likelihoods are divided by the turn's length, so that a short one has no advantage."""


class TaskKind(ABC):
    """One kind of task; kinds are stateless and live in one file each.

    Where a method has a body, it is what most kinds do: inputs and targets are text, said as they stand, and answers
    are written. A kind overrides what is different.
    """

    name: str
    version: int
    """Bumped when the same student would be given other answers."""
    sentence: str
    """What the student does, in one sentence, for the teacher and the judge."""
    prompt: str
    """Default prompt, a name under `prompts/`."""
    params: type[TaskParams]
    column_params: tuple[str, ...] = ()
    """The parameters that name an input column."""
    labelled: bool = False
    """Whether targets come from a fixed set of labels."""
    derived: bool = False
    """Whether a target follows from the inputs by reasons that are no part of it: a writer gives them first."""
    metrics: tuple[str, ...]
    """Default metrics."""
    failure: str
    """Default failure predicate."""
    agreement: str | None = None
    """The metric by which an answer agrees with a target; None where answers are too free to be compared."""
    mixed: bool = False
    """Whether rows of one task ask for different things, so that a metric is of some of them (`scores`)."""

    def problems(self, params: Any) -> list[str]:
        """Return what is wrong with parameters whose types are right."""
        return []

    def input_problems(self, inputs: Sequence[str]) -> list[str]:
        """Return what is wrong with the input columns that a recipe names."""
        return []

    # The rows of the data.

    def found(self, target: str) -> frozenset[str]:
        """Return the columns of the task that rows need not have, because `spread` finds what belongs there."""
        return frozenset()

    def spread(
        self,
        values: dict[str, Any],
        inputs: Sequence[str],
        target: str,
        params: Any,
        *,
        answered: bool = True,
    ) -> str | None:
        """Put a row's columns into the shape of the task, in place, and return why they cannot be; None where they can.

        `answered`: whether the row needs its right answer.
        """
        return None

    def seen(self, rows: Iterable[Mapping[str, str]]) -> Any:
        """Return what of the training rows' inputs decides how rows are written; None for nothing."""
        return None

    def nested(self, params: Any, target: str) -> frozenset[str]:
        """Return the columns whose values may have parts (lists, objects), which `shown` and `reference` take apart."""
        return frozenset()

    def shown(self, column: str, value: Any, params: Any) -> str:
        """Return an input's value as the text that the student sees; raises ValueError with the reason."""
        return plain(column, value)

    def reference(self, inputs: Mapping[str, str], value: Any, params: Any) -> Reference:
        """Return what is right for a row, from its target column; raises ValueError with the reason.

        A text is the one right answer; of a list of texts all are right, and the first is trained on.
        """
        texts = (
            [str(part) for part in value]
            if isinstance(value, list | tuple)
            else [plain("the target", value)]
        )
        if not texts or not all(text.strip() for text in texts):
            raise ValueError("the target is empty")
        return Reference(texts[0], tuple(dict.fromkeys(texts)))

    def told(self, params: Any) -> str:
        """Return what the student does with these parameters, in one sentence."""
        return self.sentence

    def labels_in(self, target: str, params: Any) -> Sequence[str]:
        """Return the labels that a target names, where targets are labels."""
        return (target,)

    def relabelled(self, target: str, names: Mapping[str, str], params: Any) -> str:
        """Return a target with its labels as `names` has them (label -> label), where targets are labels."""
        return names.get(target, target)

    def answer_form(self, task: Task) -> str:
        """Return what a right answer looks like, in words, for the teacher and the judge."""
        return "text"

    def scores(self, metric: str, references: Sequence[str]) -> bool:
        """Return whether one of the engine's metrics says something of a row with these right answers."""
        return True

    # What the student is told, and what it says.

    def turns(self, inputs: Mapping[str, str], asked: Sequence[Message]) -> tuple[Message, ...]:
        """Return the turns that a student sees, from those that its prompt asks with."""
        return tuple(asked)

    def completion(self, inputs: Mapping[str, str], target: str, params: Any) -> str:
        """Return what the student is trained to say; tools that it calls in words."""
        return target

    def said(self, inputs: Mapping[str, str], target: str, params: Any) -> Said:
        """Return what the student is trained to say, and what it is trained to call."""
        return Said(self.completion(inputs, target, params))

    def not_shown(self, target: str) -> str | None:
        """Return why a row with this target cannot be shown, answered, before other rows; None where it can."""
        return None

    def options(self, inputs: Mapping[str, str], task: Task) -> Options | None:
        """Return the answers that a student weighs by their likelihood; None where its answer is written.

        Students that tell no likelihoods write in any case. It depends on the parameters alone which of the two it is.
        """
        return None

    def max_tokens(self, inputs: Mapping[str, str], task: Task) -> int:
        """Return the most tokens of a written answer."""
        return int(task.params.max_tokens)

    def constraint(self, task: Task) -> Mapping[str, Any] | None:
        """Return the JSON Schema to which a written answer is held; None for plain text."""
        return None

    @abstractmethod
    def read(self, text: str, inputs: Mapping[str, str], task: Task) -> str | None:
        """Return the answer that a written turn gives; None where it cannot be read."""

    @final
    def misread(
        self, inputs: Mapping[str, str], right: Reference, task: Task, *, written: bool = True
    ) -> str | None:
        """Return why a student that says what it is trained to say would not be right; None where it would.

        Args:
            inputs: The row's inputs.
            right: What is right for it.
            task: The task.
            written: Whether answers are written where they could be chosen among options, too.
        """
        said = self.completion(inputs, right.target, task.params)
        options = None if written else self.options(inputs, task)
        if options is not None:
            if options.turns.get(right.target) == said:
                return None
            return f"'{_short(said)}' is none of the answers that it chooses among"
        answer = self.read(readable(said), inputs, task)
        if answer is not None and answer in right.references:
            return None
        read = "cannot be read" if answer is None else f"is read as '{_short(answer)}'"
        return f"'{_short(said)}' {read}, not as '{_short(right.references[0])}'"

    # Rows that are compared and embedded.

    def texts_of(self, inputs: Mapping[str, str]) -> list[str]:
        """Return the texts of a row by themselves, as it is compared by them: its columns."""
        return list(inputs.values())

    @final
    def text_of(self, inputs: Mapping[str, str]) -> str:
        """Return a row's inputs as one text, as they are embedded and compared."""
        return "\n".join(self.texts_of(inputs))

    # Rows that are generated.

    inputs_are_texts: bool = True
    """Whether a writer gives each input as a text, which may be cut at its longest."""

    def input_schema(self, task: Task, longest: int) -> Mapping[str, Any]:
        """Return the JSON Schema of an input that a teacher writes, of about `longest` characters at most."""
        return {"type": "string", "minLength": 1, "maxLength": longest}

    def inputs_as_written(self, inputs: Mapping[str, str]) -> Mapping[str, Any]:
        """Return inputs as a teacher writes them, which is what `input_schema` asks for."""
        return inputs

    def inputs_read(self, written: Mapping[str, Any], seed: Mapping[str, str]) -> dict[str, str]:
        """Return inputs that a teacher wrote as rows have them; `seed` are those of the row that it started from."""
        return {column: str(written.get(column, "")).strip() for column in seed}

    @final
    def malformed(self, inputs: Mapping[str, str], target: str, task: Task) -> str | None:
        """Return why a generated row is not a row of this task; None when it is one."""
        empty = [column for column, text in inputs.items() if not text.strip()]
        if empty:
            return f"{', '.join(empty)} is empty"
        if fault := self.fault(inputs, target, task):
            return fault
        try:
            right = self.reference(inputs, target, task.params)
        except ValueError as problem:
            return str(problem)
        written = self.options(inputs, task) is None
        if why := self.misread(inputs, right, task, written=written):
            return f"what the student would say is not read back: {why}"
        return None

    def fault(self, inputs: Mapping[str, str], target: str, task: Task) -> str | None:
        """Return why a row whose inputs are all filled in is not a row of this task; None when it is one."""
        return None if target.strip() else "the target is empty"

    def target_schema(self, task: Task, longest: int) -> Mapping[str, Any]:
        """Return the JSON Schema of a target that a teacher writes, of at most `longest` characters."""
        return {"type": "string", "minLength": 1, "maxLength": longest}

    def as_written(self, target: str, params: Any) -> Any:
        """Return a target as a teacher writes it, which is what `target_schema` asks for: a text, or a JSON value."""
        return target

    def varied(self, targets: Iterable[str]) -> Mapping[str, Sequence[str]]:
        """Return what a writer is told to vary in its targets, by name, from the targets that there are."""
        return {}

    def kept(self, target: str, params: Any) -> str:
        """Return what a reworded row must keep besides its meaning, as words behind "with"; often empty."""
        return ""

    def fixed(
        self, inputs: Mapping[str, str], target: str, params: Any
    ) -> Mapping[str, tuple[str, ...]]:
        """Return what of each column must stay, character by character, where a program changes a row's words.

        Programs change letters alone, so numbers stay in any case.
        """
        return {}

    # Generated rows that somebody answers without seeing their targets.

    def chosen(self, params: Any) -> bool:
        """Return whether an answer is one of a few, so that there is a second likeliest one."""
        return False

    def blind_form(self, task: Task) -> str:
        """Return what the answer alone looks like, in words, without what leads to it."""
        return self.answer_form(task)

    def blind_schema(self, task: Task, longest: int) -> Mapping[str, Any]:
        """Return the JSON Schema of the answer alone, without what leads to it; a text of at most `longest`."""
        return self.target_schema(task, longest)

    def blind_answer(self, value: Any, inputs: Mapping[str, str], task: Task) -> str | None:
        """Return an answer that fits `blind_schema` in the form in which answers are read."""
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return self.read(text, inputs, task)

    def reordered(
        self, inputs: Mapping[str, str], draw: random.Random, task: Task
    ) -> tuple[dict[str, str], Mapping[str, str]]:
        """Return a row with what it offers in another order, and answer to it -> the same answer to the row itself.

        An answer that is not in the mapping is the same in both.
        """
        return dict(inputs), {}

    def miscalculated(self, target: str, task: Task) -> str | None:
        """Return what a program that computes a target again finds wrong in it; None for nothing."""
        return None

    def corrupted(
        self, inputs: Mapping[str, str], target: str, others: Sequence[str], task: Task
    ) -> str | None:
        """Return a wrong target for a row that looks like a right one; None where none can be made.

        Args:
            inputs: The row's inputs.
            target: Its right target.
            others: Targets of other rows, those of the most similar rows first.
            task: The task.
        """
        return next((other for other in others if other != target), None)


_THOUGHT = re.compile(r"\A\s*(?:<(think|thinking|reasoning)>.*?</\1>\s*)+", re.S | re.I)
_CUT_THOUGHT = re.compile(r"\s*<(?:think|thinking|reasoning)>", re.I)
_REST_OF_THOUGHT = re.compile(r"\A(?:(?!<think>).)*?</think>\s*", re.S | re.I)
"""Of a student whose chat template begins the thought, so that it only ends it."""


def readable(text: str) -> str:
    """Return a written turn without the thoughts before its answer; a thought that is cut leaves nothing."""
    if "<" not in text:
        return text
    text = _REST_OF_THOUGHT.sub("", _THOUGHT.sub("", text, count=1), count=1)
    return "" if _CUT_THOUGHT.match(text) else text


def folded(text: str) -> str:
    """Return a text with one space wherever it has white space."""
    return " ".join(text.split())


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


def plain(column: str, value: Any) -> str:
    """Return a value as text, a number or a truth value in its JSON form.

    Raises:
        ValueError: it has parts, or there is none.
    """
    if value is None:
        raise ValueError(f"{column} has no value")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list | tuple):
        raise ValueError(
            f"{column} is a {type(value).__name__}, not a text: make one of it in `columns`, in SQL"
        )
    return str(value)
