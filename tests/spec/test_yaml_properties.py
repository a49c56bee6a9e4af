"""Strict YAML on made texts: what comes back, what is refused, and where a problem is said to be."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st

from engine.errors import Problem, RecipeError
from engine.spec.yaml import decode, parse

FILE = Path("r.yaml")
# Section 10.3.2 of the YAML 1.2.2 specification, as printed there.
CORE = {
    "null": r"null|Null|NULL|~|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+",
    "octal": r"0o[0-7]+",
    "hexadecimal": r"0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?",
    "infinite": r"[-+]?(\.inf|\.Inf|\.INF)",
    "nan": r"\.nan|\.NaN|\.NAN",
}
BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
KEYS = TEXTS | st.sampled_from(["a", "no", "1", "~", "<<", "? x", "- a", "a: b", "#", "null"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**28), 10**28)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
DATA = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=12,
    ),
    max_size=5,
)


class Dumper(yaml.SafeDumper):
    """PyYAML's, without the aliases that the reader refuses."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def core_type(text: str) -> str:
    return next((name for name, rule in CORE.items() if re.fullmatch(rule, text)), "text")


def texts_of(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        yield from texts_of(list(data.values()))
    elif isinstance(data, list):
        for each in data:
            yield from texts_of(each)


def problems_of(text: str) -> list[Problem]:
    """Return what is wrong with a text, nothing for one that can be read."""
    try:
        assert isinstance(parse(text, FILE).data, dict)
    except RecipeError as error:
        return list(error.problems)
    return []


def assert_inside(text: str, line: int, column: int) -> None:
    """Line and column must be those of a character, or of the end of a line."""
    lines = BREAK.split(text)
    assert 1 <= line <= len(lines)
    assert 1 <= column <= len(lines[line - 1]) + 1


@given(DATA, st.booleans() | st.none(), st.booleans(), st.sampled_from([20, 80, 10_000]))
def test_plain_data_comes_back_as_it_was_written(
    data: dict[str, Any], flow: bool | None, unicode: bool, width: int
) -> None:
    # PyYAML writes YAML 1.1, in which these are text without quotes; in YAML 1.2 they are numbers.
    assume(all(core_type(text) in ("text", "null", "bool") for text in texts_of(data)))
    text = yaml.dump(
        data, Dumper=Dumper, default_flow_style=flow, allow_unicode=unicode, width=width
    )
    # Some white space does not survive PyYAML's own writing.
    assume(yaml.safe_load(text) == data)
    document = parse(text, FILE)
    assert document.data == data
    assert list(document.data) == sorted(data)
    for place in (*document.keys.values(), *document.values.values()):
        assert_inside(text, place.line, place.column)


@given(st.text("0123456789+-.eExXoObBaAfFnNuUlLtTrRsSiI_~", min_size=1, max_size=12))
@example("0o17")
@example("-.5e+10")
@example("1e400")
@example("9" * 31)
def test_plain_scalars_are_what_the_core_schema_says(text: str) -> None:
    assume(text not in ("-", "---"))
    written = f"a: {text}\n"
    kind = core_type(text)
    if kind in ("infinite", "nan") or (kind == "float" and math.isinf(float(text))):
        assert [p.message for p in problems_of(written)] == [f"'{text}' is not a finite number"]
        return
    if kind in ("int", "octal", "hexadecimal") and len(text) > 30:
        assert [p.message for p in problems_of(written)] == ["this number is too long"]
        return
    meant: dict[str, Any] = {
        "null": lambda: None,
        "bool": lambda: text[0] in "tT",
        "int": lambda: int(text),
        "octal": lambda: int(text[2:], 8),
        "hexadecimal": lambda: int(text[2:], 16),
        "float": lambda: float(text),
        "text": lambda: text,
    }
    value = parse(written, FILE).data["a"]
    assert value == meant[kind]()
    assert type(value) is type(meant[kind]())


PAIRS = st.recursive(
    st.integers(0, 9) | st.text("ab", max_size=2),
    lambda inner: st.lists(st.tuples(st.text("abc", min_size=1, max_size=1), inner), max_size=4),
    max_leaves=20,
).filter(lambda value: isinstance(value, list))
"""Mappings as lists of keys and values, in which keys may come twice."""


def flow(value: Any) -> str:
    if isinstance(value, list):
        return "{" + ", ".join(f"{key}: {flow(inner)}" for key, inner in value) + "}"
    return json.dumps(value)


def block(value: list[Any], indent: int = 0) -> str:
    lines = []
    for key, inner in value:
        nested = isinstance(inner, list) and inner
        written = f"\n{block(inner, indent + 2)}" if nested else f" {flow(inner)}\n"
        lines.append(f"{' ' * indent}{key}:{written}")
    return "".join(lines)


def repeated(value: Any) -> int:
    """Return how many keys come again, but not what is inside of a repeated one: it is not looked at."""
    if not isinstance(value, list):
        return 0
    first = {key: inner for key, inner in reversed(value)}
    return len(value) - len(first) + sum(map(repeated, first.values()))


@given(PAIRS, st.booleans())
def test_a_key_that_comes_twice_is_refused_wherever_it_stands(
    pairs: list[Any], blocks: bool
) -> None:
    text = block(pairs) if blocks and pairs else flow(pairs)
    found = problems_of(text)
    assert [p.code for p in found] == ["duplicate-key"] * repeated(pairs)
    lines = BREAK.split(text)
    for problem in found:
        key = problem.message.split("'")[1]
        assert lines[problem.where.line - 1][problem.where.column - 1 :].startswith(f"{key}:")


PIECES = st.sampled_from(
    [
        *"{}[],:?-&*!|>%@`'\"#\\\n\r\t ~", "---\n", "...\n", "\n  ", "a", "a: ", "- ", "? ", "<<: ", "!!", "!x ",
        "&a ", "*a ", "| \n", ">-\n", "'", '"\\x', '"\\ud800"', '"\\U00110000"', "0x", "${a}", "\x00", "\x85",
        "\u2028", "\ufeff", "\ud800", "%YAML 1.2\n", "%TAG ! x\n", "1" * 40, "1e999",
    ]
)  # fmt: skip


@given(st.text(max_size=60) | st.lists(PIECES, max_size=25).map("".join))
@example("a: &a [*a]\n")
@example("a: " + "[" * 3000)
@example("a: " + "{a: " * 3000)
@example('a: "\\U00110000"\n')
def test_any_text_is_read_or_refused_at_a_place_inside_it(text: str) -> None:
    for problem in problems_of(text):
        assert problem.message
        assert problem.hint
        assert "\ud800" not in str(problem)
        if problem.where.line:
            assert_inside(text, problem.where.line, problem.where.column)


@given(st.binary(max_size=40) | st.text(max_size=20).map(lambda text: text.encode("utf-16")))
@example(b"\xef\xbb\xbf\xff")
def test_any_bytes_are_text_or_refused_at_their_place(raw: bytes) -> None:
    try:
        text = decode(raw, FILE)
    except RecipeError as error:
        [problem] = error.problems
        assert 1 <= problem.where.line <= raw.count(b"\n") + 1
        assert 1 <= problem.where.column <= len(raw) + 1
        with pytest.raises(UnicodeDecodeError):
            raw.decode("utf-8")
    else:
        assert text == raw.decode("utf-8").removeprefix("\ufeff")
