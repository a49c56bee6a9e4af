"""JSON read strictly: what readers disagree about is refused, so that every program sees the same value.

Refused are a key that is given twice, NaN and the infinities, numbers that no float holds, half of a surrogate pair,
and nesting beyond `DEEPEST`. The one reader for whatever comes from outside: replies, targets, files of data and of
results. What the engine wrote itself (checkpoints, sidecars, columns of the store) needs no such care.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import orjson

DEEPEST = 100
"""Levels of lists and objects in one another. A fixed limit: Python's own depends on who calls."""
_PLAIN = frozenset({str, int, bool, type(None)})
_HALF_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")


class TooDeep(ValueError):
    """Lists and objects are nested too deeply."""


class HalfCharacter(ValueError):
    """A text holds half of a surrogate pair, which no file can hold."""


def parse(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: not JSON (then a `json.JSONDecodeError`, with the place), or JSON that readers disagree about.
    """
    try:
        value = _STRICT.decode(text)
    except (RecursionError, ValueError) as problem:
        raise _worded(problem) from None
    # Most texts have fewer brackets than may lie in one another, and no character that could be half of one.
    if text.count("[") + text.count("{") > DEEPEST:
        _check_depth(value)
    if "\\u" in text or not text.isascii():
        _check_characters(value, text)
    return value


def parse_line(line: bytes) -> Any:
    """Return the JSON value of a line of a file, in UTF-8; faster than `parse` where rows are plain.

    Raises:
        ValueError: as `parse`, in other words; also for a whole number that no float holds.
    """
    value = orjson.loads(line)
    return value if _is_plain(value, line) else parse(line.decode())


def _is_plain(value: Any, line: bytes) -> bool:
    """Return whether orjson has read a line as `parse` would.

    It keeps the last of two equal keys, makes floats of whole numbers beyond 64 bits, and goes deeper. An object of
    texts and the like, with as many colons in its line as it has keys, has nothing of that.
    """
    return (
        type(value) is dict
        and line.count(b":") == len(value)
        and _PLAIN.issuperset(map(type, value.values()))
    )


def written(value: Any) -> bytes:
    """Return a value as compact JSON in UTF-8; whole numbers of any size stay whole, which orjson refuses to write."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(
            value, ensure_ascii=False, separators=(",", ":"), allow_nan=False
        ).encode()


def parse_at(text: str, start: int) -> tuple[Any, int]:
    """Return the JSON value that starts at a place of a longer text, and the place behind it; raises as `parse`."""
    try:
        value, end = _STRICT.raw_decode(text, start)
    except (RecursionError, ValueError) as problem:
        raise _worded(problem) from None
    if text.count("[", start, end) + text.count("{", start, end) > DEEPEST:
        _check_depth(value)
    if text.find("\\u", start, end) >= 0 or not text.isascii():
        _check_characters(value, text[start:end])
    return value, end


def parse_envelope(text: str) -> Any:
    """Return the value of a JSON text that wraps what somebody else wrote.

    NaN, infinities and halves of surrogate pairs pass, so that one strange reply does not cost all others in the same
    file: the reply itself is for `parse`.

    Raises:
        ValueError: not JSON, a key that is given twice, or nesting too deep.
    """
    try:
        value = _ENVELOPE.decode(text)
    except (RecursionError, ValueError) as problem:
        raise _worded(problem) from None
    _check_depth(value)
    return value


def _worded(problem: Exception) -> ValueError:
    """Return an error as users should read it."""
    if isinstance(problem, RecursionError):
        return _too_deep()
    if "int_max_str_digits" in str(problem):  # Python's own limit, with advice for programmers
        return ValueError("a whole number has more digits than can be read")
    assert isinstance(problem, ValueError)
    return problem


def _check_characters(value: Any, text: str) -> None:
    """Refuse half of a surrogate pair: escaped, or in a text that is no Unicode itself."""
    if _HALF_ESCAPED.search(text):
        text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError as problem:
        half = ord(problem.object[problem.start])
        raise HalfCharacter(f"half of a surrogate pair: U+{half:04X}") from None


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        if depth > DEEPEST:
            raise _too_deep()
        level = [
            part for each in level for part in (each.values() if isinstance(each, dict) else each)
        ]


def _too_deep() -> TooDeep:
    return TooDeep(f"nested too deeply: more than {DEEPEST} levels")


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {repeated!r} is given twice")
    return value


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:40]} is larger than any number")
    return number


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_STRICT = json.JSONDecoder(
    object_pairs_hook=_no_key_twice, parse_constant=_no_constant, parse_float=_finite
)
_ENVELOPE = json.JSONDecoder(object_pairs_hook=_no_key_twice)
