"""Multiple choice: options in a column or in the text, one of them right, named by its letter.

Scored by likelihood, as language-model evaluation harnesses do (the letter's, or the option's own text, if wished per
character: `acc_norm` of lm-evaluation-harness), or read from what the student writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import exp
from pathlib import Path
from typing import Any, Literal

from engine.backends.protocol import Message, Progress, Student
from engine.tasks.protocol import (
    GENERATION,
    LIKELIHOOD,
    Answer,
    Asked,
    PlainRows,
    Reference,
    Task,
    TaskParams,
    empty_input,
    plain,
)

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SPARE = 16
"""Tokens beyond one per character of the longest option, for what stands around it."""
_OPTION = re.compile(r"^[ \t]*\(?([A-Z])[).:][ \t]+(\S.*?)[ \t\r]*$", re.M)
_LEAD = re.compile(
    r"^\W*(?:(?:so|thus|therefore)\b\W*)?(?:the\s+)?(?:(?:correct|right|best|final)\s+)*"
    r"(?:answer|option|choice)\b(?:\s+is\b)?\W*",
    re.I,
)
"""What may stand before an answer: `The correct answer is: `."""
_NAMED = re.compile(r"^\W*(?:boxed\W)?([A-Z])(?:[).:*\]}]|\s*$|[ \t]*\n)", re.I)
_AROUND = " .\"'*`"


class Params(TaskParams):
    """Parameters of `multiple_choice`."""

    options: str | None = None
    """Input column that holds the options (a list, or lines that begin with a letter); in the text when left out."""
    answer: Literal["likelihood", "generation"] = "likelihood"
    """How the student's choice is found: the likeliest option, or what the student writes."""
    say: Literal["letter", "text"] = "letter"
    """What the student is trained to say, and what is scored: the option's letter, or its text."""
    per_character: bool = False
    """Whether likelihoods of texts are divided by their length, so that a short option has no advantage."""


class MultipleChoice(PlainRows):
    """One of several options that are the row's own."""

    name = "multiple_choice"
    version = 2
    prompt = "tasks/multiple_choice.md"
    params: type[TaskParams] = Params
    column_params: tuple[str, ...] = ("options",)
    metrics: tuple[str, ...] = ("accuracy",)
    failure = "accuracy < 1"

    def problems(self, params: Params) -> list[str]:
        """Return parameters that contradict each other."""
        if params.per_character and (params.say, params.answer) != ("text", "likelihood"):
            return [
                "per_character divides likelihoods of texts: it needs say: text and answer: likelihood"
            ]
        return []

    def nested(self, params: Params, target: str) -> frozenset[str]:
        """Return the options' column."""
        return frozenset({params.options} if params.options else ())

    def shown(self, column: str, value: Any, params: Params) -> str:
        """Return a list of options as lines `A. …`, anything else as it is."""
        if column != params.options or not isinstance(value, list | tuple):
            return plain(column, value)
        if not 2 <= len(value) <= len(LETTERS):
            raise ValueError(
                f"{column} holds {len(value)} options; 2 to {len(LETTERS)} can be told apart"
            )
        texts = [" ".join(plain(f"an option in {column}", text).split()) for text in value]
        if "" in texts:
            raise ValueError(f"the option {LETTERS[texts.index('')]} of {column} is empty")
        return "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, texts, strict=False))

    def reference(self, inputs: Mapping[str, str], value: Any, params: Params) -> Reference:
        """Return the letter of the right option, from its letter or its text."""
        options = options_of(inputs, params)
        if why := _unclear(options):
            raise ValueError(why)
        said = plain("the target", value).strip()
        bare = said.strip("().: ").upper()
        by_text = [letter for letter, text in options.items() if text == said]
        letter = bare if bare in options else by_text[0] if by_text else None
        if letter is None:
            raise ValueError(
                f"the target '{said}' is neither the letter nor the text of one of the {len(options)} options"
            )
        return Reference(letter, (letter,))

    def completion(self, inputs: Mapping[str, str], target: str, params: Params) -> str:
        """Return the right option's letter or text."""
        return target if params.say == "letter" else options_of(inputs, params)[target]

    def answer(
        self,
        student: Student,
        asked: Sequence[Asked],
        task: Task,
        adapter: Path | None,
        progress: Progress | None = None,
    ) -> list[Answer]:
        """Return the letter of each row's choice."""
        params: Params = task.params
        options = [options_of(each.inputs, params) for each in asked]
        prompts = [each.prompt for each in asked]
        if not student.likelihoods or params.answer == "generation":
            longest = max((len(t) for row in options for t in row.values()), default=0)
            most = SPARE if params.say == "letter" else longest + SPARE
            said = student.write(prompts, most, adapter, progress)
            return [
                Answer(turn.text, None, "backend_failed", None, GENERATION)
                if turn.failure
                else _read(turn.text, row, params.say)
                for turn, row in zip(said, options, strict=True)
            ]
        if params.say == "letter":
            return _by_letter(student, prompts, options, adapter, progress)
        return _by_text(student, prompts, options, params, adapter, progress)

    def kept(self, target: str, params: Params) -> str:
        """Return that the options stay: the target is one of their letters."""
        return "the options as they are"

    def malformed(self, inputs: Mapping[str, str], target: str, task: Task) -> str | None:
        """Return why a row is unusable: nothing to choose from, options that are the same, or none right."""
        if why := empty_input(inputs):
            return why
        options = options_of(inputs, task.params)
        if why := _unclear(options):
            return why
        return None if target in options else f"the target '{target}' is none of the options"

    def target_schema(self, task: Task, longest: int) -> Mapping[str, Any]:
        """Return the schema of a letter."""
        return {"enum": list(LETTERS)}


def options_of(inputs: Mapping[str, str], params: Params) -> dict[str, str]:
    """Return a row's options by letter, in order: the lines of the options' column, or of all inputs, that begin so."""
    text = inputs[params.options] if params.options else "\n".join(inputs.values())
    found: dict[str, str] = {}
    for letter, option in _OPTION.findall(text):
        # Only in order: a line of the question may begin like an option, too.
        if letter == LETTERS[len(found)]:
            found[letter] = option
    return found


def _unclear(options: Mapping[str, str]) -> str | None:
    if len(options) < 2:
        return f"{len(options)} options were found: lines that begin with A., B., … or (A), (B), …"
    texts = [text.casefold() for text in options.values()]
    twice = next((text for text in options.values() if texts.count(text.casefold()) > 1), None)
    return f"the option '{twice}' is there twice" if twice else None


def _by_letter(
    student: Student,
    prompts: Sequence[tuple[Message, ...]],
    options: Sequence[Mapping[str, str]],
    adapter: Path | None,
    progress: Progress | None,
) -> list[Answer]:
    answers: dict[int, Answer] = {}
    for letters in sorted({tuple(row) for row in options}):
        rows = [index for index, row in enumerate(options) if tuple(row) == letters]
        chosen = student.choose([prompts[i] for i in rows], letters, adapter, progress)
        for index, one in zip(rows, chosen, strict=True):
            answers[index] = Answer(one.label, one.label, "ok", one.probability, LIKELIHOOD)
    return [answers[index] for index in range(len(prompts))]


def _by_text(
    student: Student,
    prompts: Sequence[tuple[Message, ...]],
    options: Sequence[Mapping[str, str]],
    params: Params,
    adapter: Path | None,
    progress: Progress | None,
) -> list[Answer]:
    found = student.compare(prompts, [tuple(row.values()) for row in options], adapter, progress)
    answers = []
    for row, likely in zip(options, found, strict=True):
        nats = [each.nats for each in likely]
        texts = list(row.values())
        weighed = [
            n / max(1, len(text)) if params.per_character else n
            for n, text in zip(nats, texts, strict=True)
        ]
        best = max(range(len(texts)), key=weighed.__getitem__)
        # The probability of the option among the options, whatever they were compared by.
        share = 1 / sum(exp(min(700.0, n - nats[best])) for n in nats)
        answers.append(Answer(texts[best], list(row)[best], "ok", share, LIKELIHOOD))
    return answers


def _read(text: str, options: Mapping[str, str], say: str) -> Answer:
    """Read a letter, or an option's text, from the beginning of what was written; first what the student is to say."""
    said = _LEAD.sub("", text.strip(), count=1)
    named = _NAMED.match(said)
    by_letter = named[1].upper() if named and named[1].upper() in options else None
    bare = {each.strip(_AROUND).casefold() for each in (text.strip(), said)}
    by_text = next(
        (o for o, each in options.items() if each.strip(_AROUND).casefold() in bare), None
    )
    choice = (by_letter or by_text) if say == "letter" else (by_text or by_letter)
    return Answer(text, choice, "ok" if choice else "unparsable", None, GENERATION)
