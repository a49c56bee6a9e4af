"""What the teacher and the judge are told of a task and of a row: the same blocks in every prompt, assembled in code.

A row is data, never an instruction: it stands between tags, each column by its name, and a long text is cut where one
can see it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from statistics import median

from engine.identity import Params
from engine.rows import Example
from engine.stages.task_view import TaskView
from engine.turns import for_readers
from engine.wording import words

LONGEST_TEXT = 2000
"""Characters of one column that a prompt shows."""
LONGEST_EXAMPLE = 400
"""Characters of one column of a training row that stands for a definition."""
EXAMPLES_PER_LABEL = 3
"""Training rows that stand for the definition of a label without one."""
ROWS_COMPARED = 12
"""Training rows of a label, the first, of which those are shown that are like the others.

How many wrong ones are shown then: `tests.benchmarks.label_rows`.
"""
_MOST_DEFINED = 40
"""Labels that are defined by rows, the first that are wanted; more only by their names."""
_TAGS = re.compile(r"<(?=/?(?:row|data)\b)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Briefing(Params):
    """What the recipe tells the teacher and the judge of its task; the student sees none of it but the description."""

    description: str = ""
    definitions: Mapping[str, str] = field(default_factory=dict)
    """Label -> what it means."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Column -> what it means."""

    @property
    def words(self) -> tuple[str, ...]:
        """All that it says: no secret, whoever repeats it."""
        return (self.description, *self.definitions.values(), *self.columns.values())


class Told:
    """What the task is, in words, for many prompts beside the same training rows: what they share is made once."""

    def __init__(
        self,
        task: TaskView,
        briefing: Briefing,
        train: Sequence[Example],
        conventions: Sequence[str] = (),
    ) -> None:
        """Take what all prompts tell.

        Args:
            task: The task.
            briefing: What the recipe says of it.
            train: The original training rows; some of each label stand for a definition that is missing.
            conventions: Rules of annotation that right answers show.
        """
        self._task, self._briefing, self._train = task, briefing, train
        self._conventions = conventions
        self._by_rows: dict[str, str] = {}

    def __call__(self, relevant: Iterable[str] = (), answered: Sequence[Example] = ()) -> str:
        """Return the text of one prompt.

        Args:
            relevant: Labels that the prompt is about, which are defined; all labels are named.
            answered: Training rows that show what right answers are like, where no label has a definition.
        """
        lines = [*self._opening]
        if self._task.labelled:
            lines += self._labels(relevant)
        lines += self._form
        if answered:
            lines.append("Rows with their right answers, which show what these are like:")
            lines += [f"- {_as_json(self._task, row)}" for row in answered]
        return "\n".join(lines)

    @cached_property
    def _opening(self) -> list[str]:
        task, briefing = self._task, self._briefing
        told = task.entry.told(task.settings)
        lines = ["Task: " + (briefing.description.strip() or told)]
        if briefing.description.strip():
            lines.append(f"Kind of task: {told}")
        columns = list(self._train[0].inputs) if self._train else []
        meanings = [
            f"- {name}: {briefing.columns[name]}" for name in columns if name in briefing.columns
        ]
        if task.target in briefing.columns:
            meanings.append(f"- {task.target} (the right answer): {briefing.columns[task.target]}")
        return [*lines, "Columns:", *meanings] if meanings else lines

    @cached_property
    def _form(self) -> list[str]:
        task = self._task
        lines = [f"Form of the right answer: {task.entry.answer_form(task.task(self._train))}"]
        if self._conventions:
            lines.append("Rules that right answers follow, as rows with known answers show:")
            lines += [f"- {inert(rule)}" for rule in self._conventions]
        return lines

    @cached_property
    def _named(self) -> dict[str, None]:
        return dict.fromkeys(self._task.labels_among(self._train))

    @cached_property
    def _all_labels(self) -> str:
        return f"All labels: {', '.join(self._named)}"

    def _labels(self, relevant: Iterable[str]) -> list[str]:
        definitions = self._briefing.definitions
        wanted = [label for label in dict.fromkeys(relevant) if label in self._named]
        lines = [self._all_labels]
        if defined := [label for label in wanted if label in definitions]:
            lines.append("What labels mean:")
            lines += [f"- {label}: {definitions[label]}" for label in defined]
        undefined = [label for label in wanted if label not in definitions][:_MOST_DEFINED]
        if undefined:
            lines.append("Labels by training rows that carry them:")
            lines += filter(None, map(self._by_its_rows, undefined))
        return lines

    def _by_its_rows(self, label: str) -> str:
        """Return the line of a label that training rows stand for; empty where none carries it."""
        if label not in self._by_rows:
            rows = _rows_of(self._task, label, self._train)
            texts = "; ".join(f'"{one_line(example.inputs)}"' for example in rows)
            self._by_rows[label] = f"- {label}: {texts}" if rows else ""
        return self._by_rows[label]


def task_block(
    task: TaskView,
    briefing: Briefing,
    train: Sequence[Example],
    relevant: Iterable[str] = (),
    conventions: Sequence[str] = (),
    answered: Sequence[Example] = (),
) -> str:
    """Return what the task is, in words, for one prompt; the arguments are those of `Told`."""
    return Told(task, briefing, train, conventions)(relevant, answered)


def _as_json(task: TaskView, row: Example) -> str:
    """Return a row with its right answer on one line."""
    texts = {column: cut(for_readers(text), LONGEST_EXAMPLE) for column, text in row.inputs.items()}
    target = task.entry.as_written(row.target, task.settings)
    if isinstance(target, str):
        target = cut(target, LONGEST_EXAMPLE)
    return inert(json.dumps({**texts, task.target: target}, ensure_ascii=False))


def task_sends(labels: str, *, conventions: bool) -> str:
    """Return what of the user's data a task block carries, for the privacy table (`Stage.sends`).

    Args:
        labels: What stands for labels or, where targets are none, shows what they are like; empty where nothing does.
        conventions: Whether rules of annotation can be known.
    """
    rules = "rules of annotation that diagnoses state" if conventions else ""
    return ", ".join(filter(None, (labels, rules)))


def _rows_of(task: TaskView, label: str, train: Sequence[Example]) -> list[Example]:
    """Return the training rows that stand for a label's definition: the first that are like the others of the label.

    Training rows may be labelled wrongly, and a reader takes what defines a label at its word.
    """
    labels_in, settings = task.entry.labels_in, task.settings
    of_label = (e for e in train if label in labels_in(e.target, settings))
    rows = list(islice(of_label, ROWS_COMPARED))
    if len(rows) <= EXAMPLES_PER_LABEL:
        return rows
    agreement = _agreement([frozenset(words(task.text_of(e.inputs))) for e in rows])
    middle = median(agreement)
    alike = [row for row, shared in zip(rows, agreement, strict=True) if shared >= middle]
    odd = [row for row, shared in zip(rows, agreement, strict=True) if shared < middle]
    return [*alike, *odd][:EXAMPLES_PER_LABEL]


def _agreement(rows: Sequence[Set[str]]) -> list[float]:
    """Return for each row in how many of the other rows its words stand, on average over its words."""
    standing = Counter(word for row in rows for word in row)
    return [sum(standing[word] - 1 for word in row) / max(1, len(row)) for row in rows]


def defining(task: TaskView, briefing: Briefing, train: Sequence[Example]) -> list[Example]:
    """Return the training rows that `task_block` shows for labels without a definition, all labels being relevant."""
    if not task.labelled:
        return []
    undefined = [label for label in task.labels_among(train) if label not in briefing.definitions]
    return [example for label in undefined for example in _rows_of(task, label, train)]


def one_line(inputs: Mapping[str, str]) -> str:
    """Return a row's inputs on one line, cut visibly when long."""
    texts = (" ".join(cut(text, LONGEST_EXAMPLE).split()) for text in inputs.values())
    return " / ".join(texts)


def shown_row(inputs: Mapping[str, str]) -> dict[str, str]:
    """Return a row's columns as a prompt that lays them out itself shows them: whole, but for definitions of tools."""
    return {column: for_readers(text) for column, text in inputs.items()}


def row_block(inputs: Mapping[str, str], tag: str = "row") -> str:
    """Return a row's columns by name between tags, each cut visibly when long; nothing in it can close the tag."""
    columns = "\n".join(
        f"{column}: {inert(cut(for_readers(text), LONGEST_TEXT))}"
        for column, text in inputs.items()
    )
    return f"<{tag}>\n{columns}\n</{tag}>"


def inert(text: str) -> str:
    """Return a text in which no tag of a prompt is opened or closed."""
    return _TAGS.sub("‹", text)


def cut(text: str, most: int) -> str:
    """Return a text of at most about `most` characters: its beginning and its end, and how much is left out."""
    if len(text) <= most:
        return text
    head, tail = most * 2 // 3, most // 3
    return f"{text[:head]} […{len(text) - head - tail} characters left out…] {text[-tail:]}"
