"""Calls of tools: how many are right, whole, by name, and argument by argument.

The rules are those of the Berkeley Function-Calling Leaderboard (BFCL; Patil et al., ICML 2025,
https://github.com/ShishirPatil/gorilla): names are equal, arguments are those of the right call, each of the same type
and value (a whole number is a number), and several calls may come in any order. `tool_call` compares texts as its AST
check does, without case, blanks and the marks , . / - _ * ^ and quotes; `tool_call_exact` letter by letter. Arguments
that equal the default of their definition are left out on both sides before (`engine.tasks.tool_calls`).

A row whose right answer calls nothing has no value, but for `tool_name`, which is 1 there where nothing is called.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.metrics.protocol import Answered, Metric, Scored, ratio
from engine.metrics.structure import Fields, fields_of
from engine.turns import is_transcript, turns_in

if TYPE_CHECKING:
    from engine.metrics.protocol import Floats

_NOT_COMPARED = re.compile(r"[ ,./\-_*^]")
Call = tuple[str, Mapping[str, Any]]


def calls_of(text: str | None) -> list[Call]:
    """Return the calls of an answer, as names and arguments; none of a text."""
    if text is None or not is_transcript(text):
        return []
    try:
        calls = [json.loads(turn.content) for turn in turns_in(text) if turn.role == "call"]
        return [(str(call["name"]), dict(call["arguments"])) for call in calls]
    except (ValueError, LookupError, TypeError):
        return []  # an answer of another kind of task that looks like one


def _loose(value: Any) -> Any:
    """Return a value whose texts are as the AST check of BFCL compares them."""
    if isinstance(value, str):
        return _NOT_COMPARED.sub("", value).lower().replace("'", '"')
    if isinstance(value, Mapping):
        return {key: _loose(part) for key, part in value.items()}
    return [_loose(part) for part in value] if isinstance(value, list) else value


def _typed(value: Any) -> Any:
    """Return a value that equals another of the same type alone: in Python True is 1."""
    if isinstance(value, bool):
        return ("truth", value)
    if isinstance(value, Mapping):
        return ("object", *sorted((key, repr(_typed(part))) for key, part in value.items()))
    if isinstance(value, list):
        return ("list", *map(_typed, value))
    return (type(value) is str, value)


def _whole(calls: Sequence[Call], form: Callable[[Any], Any]) -> Counter[tuple[str, str]]:
    return Counter((name, repr(_typed(form(arguments)))) for name, arguments in calls)


def _match(form: Callable[[Any], Any]) -> Callable[[Answered, Any], float | None]:
    def score(answered: Answered, params: Any) -> float | None:
        rights = [right for text in answered.references if (right := calls_of(text))]
        if not rights:
            return None
        said = _whole(calls_of(answered.answer), form)
        return float(any(said == _whole(right, form) for right in rights))

    return score


def tool_name(answered: Answered, params: Any) -> float:
    """Return 1 where exactly the right tools are called, or none where none is to be."""
    said = Counter(name for name, _ in calls_of(answered.answer))
    if answered.answer is None:
        return 0.0
    rights = (Counter(name for name, _ in calls_of(text)) for text in answered.references)
    return float(any(said == right for right in rights))


def _arguments(calls: Sequence[Call]) -> Counter[tuple[object, ...]]:
    """Return arguments as fields, each under its tool's name; a call without any is a field of its own."""
    return Counter(
        (name, *field)
        for name, arguments in calls
        for field in (fields_of(dict(arguments)) if arguments else [("()",)])
    )


def _compare(answered: Answered) -> Fields | None:
    rights = [_arguments(right) for text in answered.references if (right := calls_of(text))]
    if not rights:
        return None
    said = _arguments(calls_of(answered.answer))
    compared = [Fields(said.total(), right.total(), (said & right).total()) for right in rights]
    return max(compared, key=lambda fields: fields.f1)


def arguments_f1(answered: Answered, params: Any) -> float | None:
    """Return the F1 of the arguments of one row's calls."""
    fields = _compare(answered)
    return None if fields is None else fields.f1


def _tally(split: Scored, params: Any) -> Floats:
    import numpy as np

    return np.array([_compare(item) or Fields(0, 0, 0) for item in split.items], dtype=float)


def _micro(sums: Floats, params: Any) -> Floats:
    return ratio(2 * sums[:, 2], sums[:, 0] + sums[:, 1])


_CALLS = (
    '[call] {"name": "find_order", "arguments": {"number": 7}}',
    '[call] {"name": "find_order", "arguments": {"name": "Ada", "open": true}}',
    '[call] {"name": "now", "arguments": {}}',
)
TOOL_CALL = Metric(
    "tool_call",
    1,
    "Share of rows whose calls are right, texts compared as BFCL's AST check does.",
    _match(_loose),
    targets=_CALLS,
    right_or_wrong=True,
)
TOOL_CALL_EXACT = Metric(
    "tool_call_exact",
    1,
    "Share of rows whose calls are right letter by letter.",
    _match(lambda value: value),
    targets=_CALLS,
    right_or_wrong=True,
)
TOOL_NAME = Metric(
    "tool_name",
    1,
    "Share of rows in which exactly the right tools are called, or none.",
    tool_name,
    targets=_CALLS,
    right_or_wrong=True,
)
ARGUMENTS_F1 = Metric(
    "arguments_f1",
    1,
    "F1 of all calls' arguments together, each under its tool's name.",
    arguments_f1,
    _tally,
    _micro,
    targets=_CALLS,
)
