"""Strict YAML: YAML 1.2 scalars, positions, and refusals that name the place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import RecipeError
from engine.spec.yaml import decode, parse

FILE = Path("r.yaml")


def complaints(text: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        parse(text, FILE)
    return [f"{p.where.line}:{p.where.column} {p.message}" for p in caught.value.problems]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("True", True), ("false", False), ("~", None), ("", None),
        ("null", None), ("1e-3", 0.001), (".5", 0.5), ("-2", -2), ("+3", 3), ("0x1f", 31), ("0o17", 15),
        ("010", 10), ("1_000", "1_000"), ("2024-01-01", "2024-01-01"), ("12:30", "12:30"), ("1.2.3", "1.2.3"),
        ("'1'", "1"), ('"\\n"', "\n"), ('"\\ud83d\\ude00"', "\U0001f600"), ("\U0001f600", "\U0001f600"),
        ("[1, a]", [1, "a"]), ("{b: 1}", {"b": 1}), ("0x", "0x"), ("e3", "e3"),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(written: str, meant: Any) -> None:
    value = parse(f"a: {written}\n", FILE).data["a"]
    assert value == meant
    assert type(value) is type(meant)


def test_keys_are_text_as_written() -> None:
    assert list(parse("no: 1\n1: 2\n~: 3\n", FILE).data) == ["no", "1", "~"]


def test_positions_of_keys_and_values() -> None:
    document = parse("a:\n  - {b: 1, c: x}\n", FILE)
    assert str(document.at(("a", 0, "c"))) == "r.yaml:2:15"
    assert str(document.at(("a", 0, "c"), key=True)) == "r.yaml:2:12"
    # What is not there is placed at the nearest thing around it.
    assert str(document.at(("a", 0, "z"))) == "r.yaml:2:5"
    assert str(document.at(("a", 7, "z"))) == "r.yaml:1:1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2\n", ["2:1 the key 'a' is given twice"]),
        ("a: {b: 1, b: 2}\n", ["1:11 the key 'b' is given twice"]),
        ("a: &x 1\nb: *x\n", ["1:4 the anchor '&x' is not allowed", "2:4 the alias '*x' is not allowed"]),
        ("<<: {a: 1}\n", ["1:1 the merge key '<<' is not allowed"]),
        ("a: !!python/name:os.system x\n", ["1:4 the tag '!!python/name:os.system' is not allowed"]),
        ("? [a]\n: 1\n", ["1:3 a key must be text, not a list or a mapping"]),
        ("", ["0:0 the file is empty"]),
        ("# nothing\n", ["0:0 the file is empty"]),
        ("- a\n", ["1:1 the file must be a mapping of keys to values"]),
        ("a:\n\tb: 1\n", ["2:1 a tab stands here"]),
        ("a: b: c\n", ["1:5 a second ':' is not allowed here"]),
        ("a: @x\n", ["1:4 a value cannot start with '@'"]),
        ("a: 1\n---\nb: 2\n", ["2:1 a second document starts here"]),
        ("a: 'x\n", ["1:4 the quote that opens here is never closed"]),
        ("a: \x07\n", ["1:4 the control character U+0007 is not allowed"]),
        ("a: .nan\nb: 1e999\n", ["1:4 '.nan' is not a finite number", "2:4 '1e999' is not a finite number"]),
        ("a: {p: ${d}/x}\n", ["1:9 this is not valid YAML"]),
        ('a: "x\\ud800"\n"\\ude00": 1\n', [
            "1:4 an escape of half a character stands alone", "2:1 an escape of half a character stands alone",
        ]),
        ('a: "\\U00110000"\n', ["1:7 this escape stands for no character"]),
        ('a: "\\UFFFFFFFF"\n', ["1:7 this escape stands for no character"]),
    ],
)  # fmt: skip
def test_refusals_name_the_place(text: str, said: list[str]) -> None:
    assert complaints(text) == said


def test_nesting_without_end_is_refused() -> None:
    assert "nested more than 50 deep" in complaints("a: " + "[" * 2000)[0]


def test_line_break_in_single_quotes_is_warned_of() -> None:
    [warning] = parse("a: 'x\\ny'\n", FILE).warnings
    assert (warning.level, warning.where.line, warning.where.column) == ("warning", 1, 4)


def test_broken_utf8_is_placed_by_line_and_character() -> None:
    with pytest.raises(RecipeError, match=r"r\.yaml:2:5: error: this is not UTF-8: the byte 0xe9"):
        decode("a: 1\nb: ü".encode() + b"\xe9", FILE)


def test_byte_order_mark_is_no_part_of_the_text() -> None:
    assert decode(b"\xef\xbb\xbfa: 1", FILE) == "a: 1"


def test_items_and_keys_in_one_block_are_told_as_such() -> None:
    with pytest.raises(RecipeError) as refused:
        parse("labels:\n  a: the first\n  - b\n", Path("recipe.yaml"))
    (problem,) = refused.value.problems
    assert problem.where.line == 3
    assert "stands in one block with keys" in problem.message
    assert problem.hint
