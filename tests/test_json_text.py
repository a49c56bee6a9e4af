"""JSON read strictly: every value that JSON has comes back, and what readers disagree about does not."""

from __future__ import annotations

import json
import math
import re
import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine import json_text
from engine.json_text import DEEPEST, HalfCharacter, TooDeep

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(TEXTS, parts, max_size=4),
    max_leaves=20,
)
PARSERS = [json_text.parse, json_text.parse_envelope]


def same(one: Any, other: Any) -> bool:
    """Tell values apart that Python calls equal: 1 and True and 1.0, 0.0 and -0.0."""
    return repr(one) == repr(other)


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
@example(10**30, True, None)
@example({"a": 1, "á": {"a": [1.0, -0.0, True]}}, False, None)
def test_what_is_written_is_read(value: Any, escaped: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=escaped, indent=indent)
    for parse in PARSERS:
        assert same(parse(text), value)
    assert same(json_text.parse_at("x" + text, 1)[0], value)


@given(VALUES | st.dictionaries(TEXTS, SCALARS, max_size=4))
@example({"a": ":", "b": "{"})
@example({"a:": 2**63, "b": 2**64, "c": -(2**63) - 1})
def test_a_line_is_read_as_any_other_text(value: Any) -> None:
    for separators in ((", ", ": "), (" ,", " :")):
        line = json.dumps(value, ensure_ascii=False, separators=separators).encode()
        assert same(json_text.parse_line(line + b"\r\n"), value)


@given(VALUES)
@example({"a": [2**64, -(2**63) - 1, 1.5, "é"]})
def test_what_is_written_for_others_is_read(value: Any) -> None:
    assert same(json_text.parse(json_text.written(value).decode()), value)


@given(VALUES, VALUES)
def test_a_value_in_a_longer_text_ends_where_it_ends(first: Any, second: Any) -> None:
    one, other = json.dumps(first), json.dumps(second, ensure_ascii=False)
    text = f"{one} , {other}"
    value, end = json_text.parse_at(text, 0)
    assert (same(value, first), text[end:].startswith(" , ")) == (True, True)
    value, end = json_text.parse_at(text, end + 3)
    assert (same(value, second), end) == (True, len(text))


@given(st.text(), st.sampled_from(PARSERS))
def test_any_text_is_a_value_or_a_value_error(text: str, parse: Any) -> None:
    try:
        value = parse(text)
    except ValueError:
        return
    # Python's own reader takes all that this one takes.
    assert same(value, json.loads(text))


@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4), VALUES, st.data())
def test_a_key_that_is_there_twice_is_named(
    value: dict[str, Any], other: Any, data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(sorted(value)))
    twice = f"{json.dumps(value)[:-1]}, {json.dumps(key)}: {json.dumps(other)}}}"
    for parse, text in [(p, t) for p in PARSERS for t in (twice, f'[{{"": {twice}}}]')]:
        with pytest.raises(ValueError, match="is given twice") as caught:
            parse(text)
        assert repr(key) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NaN", "NaN is not JSON"),
        ('{"a": [-Infinity]}', "-Infinity is not JSON"),
        ("1e999", "1e999 is larger than any number"),
        (f"-{'9' * 400}.0", f"-{'9' * 39} is larger than any number"),
        ("1" * 5000, "a whole number has more digits than can be read"),
        ("[1] [2]", "Extra data: line 1 column 5"),
        ('{"a": 1,}', "line 1 column"),
        ("", "Expecting value: line 1 column 1"),
        ("'a'", "Expecting value"),
        ('"a\nb"', "Invalid control character"),
    ],
)
def test_what_is_refused_is_told(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        json_text.parse(text)


@pytest.mark.parametrize(
    "line",
    ['{"a": 1, "a": 2}', '{"a": {"b": 1, "b": 2}}', '{"a": "x:", "a":1}', '{"a": 1e400}', "[" * 101 + "]" * 101],
)  # fmt: skip
def test_a_line_is_read_as_strictly(line: str) -> None:
    with pytest.raises(ValueError, match=r"is given twice|infinity|too deeply"):
        json_text.parse_line(line.encode())


@given(TEXTS, st.integers(0xD800, 0xDFFF), TEXTS)
def test_half_a_character_is_refused_escaped_or_not(before: str, half: int, behind: str) -> None:
    text = f"{before}{chr(half)}{behind}"
    for escaped in (True, False):
        written = json.dumps({"a": text}, ensure_ascii=escaped)
        with pytest.raises(HalfCharacter, match=f"half of a surrogate pair: U\\+{half:04X}"):
            json_text.parse(written)
        assert json_text.parse_envelope(written) == {"a": text}


def test_two_halves_are_a_character_and_a_backslash_is_none() -> None:
    assert json_text.parse('"\\ud83d\\ude00"') == "😀"
    assert json_text.parse('"\\\\ud800"') == "\\ud800"


@pytest.mark.parametrize("parse", [*PARSERS, lambda text: json_text.parse_at(text, 0)[0]])
def test_how_deep_a_value_may_be_does_not_depend_on_who_asks(parse: Any) -> None:
    def nested(levels: int) -> str:
        closed = '[{"a": ' * (levels // 2 - 1) + '[{"a": 1}]' + "}]" * (levels // 2 - 1)
        return f"[{closed}]" if levels % 2 else closed

    def deep_down(frames: int, text: str) -> Any:
        return deep_down(frames - 1, text) if frames else parse(text)

    for frames in (0, sys.getrecursionlimit() // 2):
        deep_down(frames, nested(DEEPEST))
        for levels in (DEEPEST + 1, 900, 100_000):
            with pytest.raises(TooDeep, match="nested too deeply"):
                deep_down(frames, nested(levels) if levels < 1000 else "[" * levels)
    wide = json.dumps([[1]] * 3 * DEEPEST)
    assert len(parse(wide)) == 3 * DEEPEST, "many brackets beside each other are not deep"


def test_an_envelope_may_hold_what_is_no_number() -> None:
    assert json_text.parse_envelope('{"logprob": -Infinity}') == {"logprob": -math.inf}
