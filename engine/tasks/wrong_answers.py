"""Wrong answers that look like a student's own: what a judge must catch before it decides.

A wrong answer that nobody would give tests nothing, and one that is right by chance, or right by another convention,
tests the judge against the truth. So a word is only cut off a span where it carries what the span is about (a digit, a
name), or added where there are several, a value only moves to another key where the text around it says what it is, and
no span from elsewhere shares words with the right one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.wording import words

_RUN_ON = 3
"""Words that a span has too many: of one or two it depends on the data whether they belong to it."""
_CLEAR = 4
"""Words around a value from which its text says what it is: `Les` alone may be either name."""
_WORD = re.compile(r"\S+")
_AROUND = ".,;:!?\"'()[]"
_NAME = re.compile(r"[^\W\d_]{3,}")
"""A name, where it has a capital first: `PM` and the like belong to a span in some data and not in others."""
_NUMBER = re.compile(r"(?<![\w.,])\d+(?![\w.,]*\d)")

Value = Any
"""A JSON value."""


def stands_in(span: str, text: str) -> bool:
    """Return whether a span stands in a text as whole words, but for case and punctuation."""
    inner = words(span)
    return bool(inner) and f" {' '.join(inner)} " in f" {' '.join(words(text))} "


def overlap(one: str, other: str) -> bool:
    """Return whether two spans have a word in common."""
    return not set(words(one)).isdisjoint(words(other))


def neighbours(span: str, text: str) -> Iterator[str]:
    """Yield spans of a text that look like one of it, the nearest first: other numbers, or other names."""
    at = text.find(span)
    numeric = any(character.isdigit() for character in span)
    if at < 0 or not (numeric or span[:1].isupper()):
        return
    runs = _numbers(text) if numeric else _names(text)
    near = sorted(runs, key=lambda run: abs(run[0] - at))
    yield from dict.fromkeys(found for _, found in near if not overlap(found, span))


def _numbers(text: str) -> list[tuple[int, str]]:
    found = ((match.start(), match[0].strip(_AROUND)) for match in _WORD.finditer(text))
    return [(at, word) for at, word in found if any(c.isdigit() for c in word)]


def _names(text: str) -> list[tuple[int, str]]:
    """Return runs of words with a capital that do not begin a sentence."""
    runs: list[tuple[int, str]] = []
    run: list[tuple[int, str]] = []
    begins = True
    for match in _WORD.finditer(text):
        word = match[0]
        if word[:1].isupper() and not begins:
            run.append((match.start(), word.strip(_AROUND)))
        if run and (not word[:1].isupper() or word[-1:] in _AROUND):
            runs.append((run[0][0], " ".join(name for _, name in run)))
            run = []
        begins = word[-1:] in ".!?:"
    if run:
        runs.append((run[0][0], " ".join(name for _, name in run)))
    return runs


def exchanged_detail(target: str, text: str, others: Sequence[str]) -> str | None:
    """Return a free text with a number or a name that it takes from its row exchanged for one of another text's.

    Args:
        target: The right text.
        text: What it was written from.
        others: Right texts for other rows, those of the most similar rows first.
    """
    for find in (_numbers, _names):
        for at, own in find(target):
            if not stands_in(own, text):
                continue
            for one in (found for other in others for _, found in find(other)):
                if _shape(one) == _shape(own) and not stands_in(one, text):
                    return f"{target[:at]}{target[at:].replace(own, one, 1)}"
    return None


def cut(span: str) -> str | None:
    """Return a span without its first or last word, where that word is what it is about; None where neither is."""
    first, *rest = span.split()
    if not rest:
        return None
    last = rest[-1]
    if any(c.isdigit() for c in last) or (_NAME.fullmatch(last) and last.istitle()):
        return " ".join([first, *rest[:-1]])
    return " ".join(rest) if any(c.isdigit() for c in first) else None


def wrong_objects(
    right: Mapping[str, Value], text: str, others: Sequence[Mapping[str, Value]], turn: int
) -> Iterator[dict[str, Value]]:
    """Yield objects with one mistake: of each sort of mistake one, then the next of each.

    Args:
        right: The right object.
        text: What it was made of.
        others: Right objects of other rows, those of the most similar rows first.
        turn: Which sort comes first.
    """
    sorts = [
        _exchanged(right, text),
        _missing(right, text),
        _neighbouring(right, text, others),
        _shortened(right, text),
        _running_on(right, text),
        _moved(right, text, others),
        _not_of_the_text(right, text, others),
        _too_much(right, text, others),
        _within(right, text, others, turn),
    ]
    start = turn % len(sorts)
    open_ones = [iter(sort) for sort in (*sorts[start:], *sorts[:start])]
    while open_ones:
        for sort in list(open_ones):
            if (one := next(sort, None)) is None:
                open_ones.remove(sort)
            else:
                yield one
    if len(right) == 1:
        # Nothing at all is the last thing to be shown as an answer.
        yield {}


def _spans(right: Mapping[str, Value], text: str) -> dict[str, str]:
    """Return the values that are words of the text."""
    texts = {k: v for k, v in right.items() if isinstance(v, str) and v.strip()}
    return {k: v for k, v in texts.items() if v in text or stands_in(v, text)}


def _exchanged(right: Mapping[str, Value], text: str) -> Iterator[dict[str, Value]]:
    """Yield the object with the values of two keys exchanged."""
    spans = list(_spans(right, text).items())
    for i, (one, value) in enumerate(spans):
        for other, its in spans[i + 1 :]:
            if not overlap(value, its):
                yield {**right, one: its, other: value}


def _missing(right: Mapping[str, Value], text: str) -> Iterator[dict[str, Value]]:
    """Yield the object without one of several keys whose value stands in the text, or one of several items."""
    if len(right) > 1:
        for key in reversed(_spans(right, text)):
            yield {name: value for name, value in right.items() if name != key}
    for key, value in right.items():
        if isinstance(value, list) and len(value) > 1:
            yield {**right, key: value[:-1]}


def _neighbouring(
    right: Mapping[str, Value], text: str, others: Sequence[Mapping[str, Value]]
) -> Iterator[dict[str, Value]]:
    """Yield the object with words from elsewhere in the text under a key: those of other rows, or what is like them."""
    spans = _spans(right, text)
    for key, value in spans.items():
        known = [other[key] for other in others if isinstance(other.get(key), str)]
        found = [one for one in known if stands_in(one, text)]
        for one in dict.fromkeys([*found, *neighbours(value, text)]):
            if not overlap(one, value):
                yield {**right, key: one}


def _shortened(right: Mapping[str, Value], text: str) -> Iterator[dict[str, Value]]:
    """Yield the object with a value cut by a word that matters."""
    for key, value in _spans(right, text).items():
        if (shorter := cut(value)) is not None:
            yield {**right, key: shorter}


def _running_on(right: Mapping[str, Value], text: str) -> Iterator[dict[str, Value]]:
    """Yield the object with a value that begins too early."""
    for key, value in _spans(right, text).items():
        before = [match.start() for match in _WORD.finditer(text[: max(0, text.find(value))])]
        if len(before) >= _RUN_ON:
            yield {**right, key: text[before[-_RUN_ON] : text.find(value) + len(value)]}


def _moved(
    right: Mapping[str, Value], text: str, others: Sequence[Mapping[str, Value]]
) -> Iterator[dict[str, Value]]:
    """Yield the object with a number under a key that it has not, and under which other rows have such numbers."""
    for key, value in _spans(right, text).items():
        clear = len(words(text)) >= len(words(value)) + _CLEAR
        if not clear or not any(c.isdigit() for c in value):
            continue
        rest = {name: one for name, one in right.items() if name != key}
        for name in dict.fromkeys(name for other in others for name in other):
            known = {_shape(str(other[name])) for other in others if name in other}
            if name not in right and _shape(value) in known:
                yield {**rest, name: value}


def _shape(value: str) -> str:
    """Return what a value with digits looks like, whatever digits and letters it has."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", value))


def _not_of_the_text(
    right: Mapping[str, Value], text: str, others: Sequence[Mapping[str, Value]]
) -> Iterator[dict[str, Value]]:
    """Yield the object with another value where it is no words of the text: a number, a truth value, one of a few."""
    spans = _spans(right, text)
    for key, value in right.items():
        if key in spans or isinstance(value, dict | list):
            continue
        if isinstance(value, bool):
            yield {**right, key: not value}
        elif isinstance(value, int | float):
            said = [int(number) for number in _NUMBER.findall(text)]
            yield from ({**right, key: one} for one in (*said, value + 1) if one != value)
        else:
            known = dict.fromkeys(o[key] for o in others if isinstance(o.get(key), str))
            yield from ({**right, key: one} for one in known if one != value)


def _too_much(
    right: Mapping[str, Value], text: str, others: Sequence[Mapping[str, Value]]
) -> Iterator[dict[str, Value]]:
    """Yield the object with a key more: words of the text that other rows have there and that are no value here."""
    values = [str(value) for value in right.values()]
    for other in others:
        for key, value in other.items():
            if key in right or not isinstance(value, str) or not stands_in(value, text):
                continue
            if not any(overlap(value, one) for one in values):
                yield {**right, key: value}


def _within(
    right: Mapping[str, Value], text: str, others: Sequence[Mapping[str, Value]], turn: int
) -> Iterator[dict[str, Value]]:
    """Yield the object with a mistake in an object that is one of its values."""
    for key, value in right.items():
        if isinstance(value, dict) and value:
            inner = [other[key] for other in others if isinstance(other.get(key), dict)]
            for wrong in wrong_objects(value, text, inner, turn):
                yield {**right, key: wrong}
