"""Objects: how many replies are JSON, and how many of their fields are right.

A field is a path and a value (`guests.adults` = 2); the elements of a list are fields of one path, in any order. A
field that is null counts as absent, as slots without a value do in slot filling; an empty list or object is a value.
Numbers are equal by value, texts letter by letter. The F1 over many examples is that of all their fields together
(micro), the field's convention for slots; objects without any field on either side are right and bring no field.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from engine import json_text
from engine.metrics.protocol import Answered, Metric, Scored, ratio

if TYPE_CHECKING:
    from engine.metrics.protocol import Floats


def json_valid(answered: Answered, params: Any) -> float:
    """Return 1 where the whole reply is one JSON value, with nothing before or after it."""
    try:
        json_text.parse(answered.text)
    except ValueError:
        return 0.0
    return 1.0


class Fields(NamedTuple):
    """Fields of the answer, of the reference, and how many of them agree."""

    answered: int
    right: int
    hits: int

    @property
    def f1(self) -> float:
        """F1 of the fields; 1 where there are none at all."""
        both = self.answered + self.right
        return 2 * self.hits / both if both else 1.0


def fields_of(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Yield the fields of a JSON value, each as a path and a typed value."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from fields_of(inner, (*path, f".{key}"))
    elif isinstance(value, list) and value:
        for inner in value:
            yield from fields_of(inner, (*path, "[]"))
    elif isinstance(value, bool | dict | list):
        # Marked, because in Python True == 1, and the text "true" is not true.
        yield (*path, "", json.dumps(value))
    elif value is not None:
        yield (*path, value)


def _fields(text: str | None) -> Counter[tuple[object, ...]] | None:
    """Return the fields of a text that is a JSON object; None for any other text."""
    try:
        value = json_text.parse(text) if text is not None else None
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    return Counter(fields_of(value)) if value else Counter()


def compare(answered: Answered) -> Fields | None:
    """Return the fields against the best acceptable object; None where no reference is an object."""
    objects = [right for text in answered.references if (right := _fields(text)) is not None]
    if not objects:
        return None
    answer = _fields(answered.answer)
    if answer is None:
        return Fields(0, objects[0].total(), 0)
    compared = [
        Fields(answer.total(), right.total(), (answer & right).total()) for right in objects
    ]
    return max(compared, key=lambda fields: fields.f1)


def field_f1(answered: Answered, params: Any) -> float | None:
    """Return the F1 of one object's fields; an answer that is no object has none right."""
    fields = compare(answered)
    if fields is None:
        return None
    unreadable = not fields.answered and _fields(answered.answer) is None
    return 0.0 if unreadable else fields.f1


def _tally(split: Scored, params: Any) -> Floats:
    import numpy as np

    return np.array([compare(item) or Fields(0, 0, 0) for item in split.items], dtype=float)


def _micro(sums: Floats, params: Any) -> Floats:
    return ratio(2 * sums[:, 2], sums[:, 0] + sums[:, 1])


_OBJECTS = ('{"a": 1}', '{"a": 2, "b": "x"}', '{"c": [1, 2]}', '{"d": null, "e": 0}')
JSON_VALID = Metric(
    "json_valid",
    2,
    "Share of replies that are JSON as a whole.",
    json_valid,
    targets=_OBJECTS,
    right_or_wrong=True,
)
FIELD_F1 = Metric(
    "field_f1",
    1,
    "F1 of all objects' fields together.",
    field_f1,
    _tally,
    _micro,
    targets=_OBJECTS,
)
