"""Multiple choice: options in a column or in the text, one of them right, named by its letter.

Scored by likelihood, as language-model evaluation harnesses do (the letter's, or the option's own text, if wished per
character: `acc_norm` of lm-evaluation-harness), or read from what the student writes.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from engine.tasks.protocol import Options, Reference, Task, TaskKind, TaskParams, plain
from engine.wording import words

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


class MultipleChoice(TaskKind):
    """One of several options that are the row's own."""

    name = "multiple_choice"
    version = 3
    sentence = "One of several given options is right."
    prompt = "tasks/multiple_choice.md"
    params = Params
    column_params = ("options",)
    derived = True
    metrics = ("accuracy",)
    failure = "accuracy < 1"
    agreement = "accuracy"

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
        target = plain("the target", value).strip()
        bare = target.strip("().: ")
        by_text = next((letter for letter, text in options.items() if text == target), None)
        by_letter = bare.upper() if bare.upper() in options else None
        if by_text and by_letter and by_text != by_letter and bare == by_letter:
            raise ValueError(
                f"the target '{target}' is the letter of one option and the text of another: write '({by_text})'"
                f" or '({by_letter})'"
            )
        # Of `the, a, an` the option `a` is meant by `a`, not the first.
        letter = by_text or by_letter
        if letter is None:
            raise ValueError(
                f"the target '{target}' is neither the letter nor the text of one of the {len(options)} options"
            )
        return Reference(letter, (letter,))

    def answer_form(self, task: Task) -> str:
        """Return that it is a letter."""
        return "the letter of the right option"

    def completion(self, inputs: Mapping[str, str], target: str, params: Params) -> str:
        """Return the right option's letter or text."""
        return target if params.say == "letter" else options_of(inputs, params)[target]

    def options(self, inputs: Mapping[str, str], task: Task) -> Options | None:
        """Return the row's letters, or the options' texts, where the choice is not written."""
        params: Params = task.params
        if params.answer == "generation":
            return None
        options = options_of(inputs, params)
        if params.say == "letter":
            return Options({letter: letter for letter in options})
        return Options(options, params.per_character)

    def max_tokens(self, inputs: Mapping[str, str], task: Task) -> int:
        """Return enough for a letter, or one token per character of the longest option."""
        if task.params.say == "letter":
            return SPARE
        texts = options_of(inputs, task.params).values()
        return max(map(len, texts), default=0) + SPARE

    def read(self, text: str, inputs: Mapping[str, str], task: Task) -> str | None:
        """Return the letter of the option that a text begins with; first what the student is to say is looked for."""
        options = options_of(inputs, task.params)
        answer = _LEAD.sub("", text.strip(), count=1)
        named = _NAMED.match(answer)
        by_letter = named[1].upper() if named and named[1].upper() in options else None
        bare = {_bare(text.strip()), _bare(answer)}
        exact = (o for o, option in options.items() if option in (text.strip(), answer))
        alike = (o for o, option in options.items() if _bare(option) in bare)
        by_text = next(exact, None) or next(alike, None)
        return (by_letter or by_text) if task.params.say == "letter" else (by_text or by_letter)

    def fault(self, inputs: Mapping[str, str], target: str, task: Task) -> str | None:
        """Return why a row does not fit the task: nothing to choose from, options that are the same, or none right."""
        options = options_of(inputs, task.params)
        if why := _unclear(options):
            return why
        return None if target in options else f"the target '{target}' is none of the options"

    def fixed(
        self, inputs: Mapping[str, str], target: str, params: Params
    ) -> Mapping[str, tuple[str, ...]]:
        """Return the options."""
        return {
            column: (text,)
            if column == params.options
            else tuple(match[0] for match in _OPTION.finditer(text))
            for column, text in inputs.items()
        }

    def target_schema(self, task: Task, longest: int) -> Mapping[str, Any]:
        """Return the schema of a letter."""
        return {"enum": list(LETTERS)}

    def varied(self, targets: Iterable[str]) -> Mapping[str, Sequence[str]]:
        """Return the letters: writers put the right option first too often."""
        return {"letter of the right option": sorted(set(targets))}

    def kept(self, target: str, params: Params) -> str:
        """Return that the options stay: the target is one of their letters."""
        return "the options as they are"

    def chosen(self, params: Params) -> bool:
        """Return that it is one of a few letters."""
        return True

    def reordered(
        self, inputs: Mapping[str, str], draw: random.Random, task: Task
    ) -> tuple[dict[str, str], Mapping[str, str]]:
        """Return the options in another order under the same letters, and the letters that they had."""
        params: Params = task.params
        options = options_of(inputs, params)
        before = list(options)
        draw.shuffle(before)
        was = dict(zip(options, before, strict=True))
        left = iter(options)
        following = next(left, None)

        def moved(match: re.Match[str]) -> str:
            nonlocal following
            if match[1] != following:
                return match[0]
            at, end = match.start(2) - match.start(), match.end(2) - match.start()
            text = match[0][:at] + options[was[match[1]]] + match[0][end:]
            following = next(left, None)
            return text

        return {
            column: _OPTION.sub(moved, text) if params.options in (None, column) else text
            for column, text in inputs.items()
        }, was

    def corrupted(
        self, inputs: Mapping[str, str], target: str, others: Sequence[str], task: Task
    ) -> str | None:
        """Return the letter of the wrong option that is most like the right one, the next one among equals."""
        options = options_of(inputs, task.params)
        if target not in options:
            return None
        letters = list(options)
        place = letters.index(target)
        order = [*letters[place + 1 :], *letters[:place]]
        right = set(words(options[target]))

        def likeness(letter: str) -> float:
            own = set(words(options[letter]))
            return len(own & right) / max(1, len(own | right))

        return max(order, key=likeness, default=None)


def options_of(inputs: Mapping[str, str], params: Params) -> dict[str, str]:
    """Return a row's options by letter, in order: the lines of the options' column, or of all inputs, that begin so."""
    text = inputs[params.options] if params.options else "\n".join(inputs.values())
    options: dict[str, str] = {}
    for letter, option in _OPTION.findall(text):
        # Only in order: a line of the question may begin like an option, too.
        if letter == LETTERS[len(options) : len(options) + 1]:
            options[letter] = option
    return options


def _unclear(options: Mapping[str, str]) -> str | None:
    if len(options) < 2:
        return f"{len(options)} options were found: lines that begin with A., B., … or (A), (B), …"
    texts = [text.casefold() for text in options.values()]
    repeated = next((text for text in options.values() if texts.count(text.casefold()) > 1), None)
    return f"the option '{repeated}' is given twice" if repeated else None


def _bare(text: str) -> str:
    return text.strip(_AROUND).casefold()
