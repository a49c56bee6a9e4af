"""Asking the student and reading its answers, in the way that the task's kind says: the same for all kinds.

A student that knows likelihoods chooses among the row's options, where its kind has some; any other answer is written
and then read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from math import exp
from typing import Literal, NamedTuple

from engine.backends.protocol import Message, Progress, Sampling, Student
from engine.tasks.protocol import Options, Task, TaskKind, readable

LIKELIHOOD, GENERATION = "label_likelihood", "generation"
"""How an answer was obtained: the likeliest of the allowed ones, or read from what the student wrote."""


Prompt = tuple[Message, ...]
Status = Literal["ok", "unparsable", "backend_failed"]


class Asked:
    """Rows that the student is asked about: their inputs, and the turns that it sees, made whenever they are wanted.

    Turns are long, and a student that answers in calls takes them one by one: so they are not held here.
    """

    def __init__(
        self, inputs: Sequence[Mapping[str, str]], prompts: Callable[[], Iterable[Prompt]]
    ) -> None:
        """Take the inputs of the rows, and what makes the turns of all of them in the same order."""
        self.inputs, self._prompts = inputs, prompts

    def __len__(self) -> int:
        return len(self.inputs)

    def prompts(self) -> Iterator[Prompt]:
        """Yield the turns of each row."""
        yield from self._prompts()

    def repeated(self, times: int) -> Asked:
        """Return the rows, each so many times in a row."""

        def prompts() -> Iterator[Prompt]:
            for prompt in self._prompts():
                yield from repeat(prompt, times)

        return Asked([one for one in self.inputs for _ in range(times)], prompts)


class Answer(NamedTuple):
    """One answer of the student, read from what it said."""

    text: str
    answer: str | None
    status: Status
    confidence: float | None
    """Probability among the options, 0 to 1; None for a written answer."""
    how: str


def answers(
    kind: TaskKind,
    student: Student,
    asked: Asked,
    task: Task,
    progress: Progress | None = None,
) -> list[Answer]:
    """Return the student's answers, in the order of `asked`."""
    if not asked:
        return []
    weighed = _options(kind, student, asked, task)
    if weighed is not None:
        return _choose(student, asked, weighed, progress)
    return write(kind, student, asked, task, progress)


def _options(kind: TaskKind, student: Student, asked: Asked, task: Task) -> list[Options] | None:
    """Return among what the student chooses for each row; None where its answers are written."""
    if not student.likelihoods:
        return None
    options = [kind.options(inputs, task) for inputs in asked.inputs]
    weighed = [option for option in options if option is not None]
    return weighed if len(weighed) == len(asked) else None


def probabilities(
    kind: TaskKind,
    student: Student,
    asked: Asked,
    task: Task,
    temperature: float,
    progress: Progress | None = None,
) -> list[Mapping[str, float]] | None:
    """Return for each row how probable each answer is that the student chooses among, at a temperature.

    None where its answers are written. What it draws at that temperature comes to an answer as often, on the mean.
    """
    weighed = _options(kind, student, asked, task)
    if weighed is None:
        return None
    turns = [list(options.turns.values()) for options in weighed]
    compared = student.compare(list(asked.prompts()), turns, progress)
    found: list[Mapping[str, float]] = []
    for options, likelihoods in zip(weighed, compared, strict=True):
        nats = [likelihood.nats / temperature for likelihood in likelihoods]
        weights = [exp(one - max(nats)) for one in nats]
        total = sum(weights)
        found.append({answer: w / total for answer, w in zip(options.turns, weights, strict=True)})
    return found


def write(
    kind: TaskKind,
    student: Student,
    asked: Asked,
    task: Task,
    progress: Progress | None = None,
    sampling: Sampling | None = None,
) -> list[Answer]:
    """Return the answers that the student writes, in the order of `asked`; with `sampling` they are drawn."""
    longest = max(kind.max_tokens(inputs, task) for inputs in asked.inputs)
    turns = student.write(asked.prompts(), longest, kind.constraint(task), progress, sampling)
    answered = []
    for inputs, turn in zip(asked.inputs, turns, strict=True):
        if turn.failure:
            answered.append(Answer(turn.text, None, "backend_failed", None, GENERATION))
            continue
        answer = kind.read(readable(turn.text), inputs, task)
        status: Status = "unparsable" if answer is None else "ok"
        answered.append(Answer(turn.text, answer, status, None, GENERATION))
    return answered


def _choose(
    student: Student,
    asked: Asked,
    options: Sequence[Options],
    progress: Progress | None,
) -> list[Answer]:
    """Return the likeliest option of each row; rows with the same options are asked about together."""
    groups: dict[tuple[bool, tuple[tuple[str, str], ...]], list[int]] = {}
    for index, each in enumerate(options):
        groups.setdefault((each.per_character, tuple(each.turns.items())), []).append(index)
    answered: dict[int, Answer] = {}
    every = list(asked.prompts())
    for (per_character, pairs), rows in groups.items():
        prompts = [every[row] for row in rows]
        turns = [turn for _, turn in pairs]
        choose = _choose_per_character if per_character else _choose_whole
        for row, (place, probability) in zip(
            rows, choose(student, prompts, turns, progress), strict=True
        ):
            answer, turn = pairs[place]
            answered[row] = Answer(turn, answer, "ok", probability, LIKELIHOOD)
    return [answered[row] for row in range(len(asked))]


def _choose_whole(
    student: Student, prompts: Sequence[Prompt], turns: Sequence[str], progress: Progress | None
) -> Iterator[tuple[int, float]]:
    """Yield for each prompt the place of the likeliest turn, and its probability among them."""
    for chosen in student.choose(prompts, turns, progress):
        yield turns.index(chosen.label), chosen.probability


def _choose_per_character(
    student: Student, prompts: Sequence[Prompt], turns: Sequence[str], progress: Progress | None
) -> Iterator[tuple[int, float]]:
    """Yield the place of the turn that is likeliest per character, and its probability as a whole among them."""
    for likelihoods in student.compare(prompts, [turns] * len(prompts), progress):
        nats = [likelihood.nats for likelihood in likelihoods]
        weighed = [n / max(1, len(turn)) for n, turn in zip(nats, turns, strict=True)]
        best = max(range(len(turns)), key=weighed.__getitem__)
        yield best, 1 / sum(exp(min(700.0, n - nats[best])) for n in nats)
