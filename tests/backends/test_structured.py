import json
import random
from collections import Counter
from typing import Any

import pytest

from engine.backends.structured import read_reply, unbounded

BOUNDED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 10},
        "kind": {"enum": ["a", "b"]},
        "scores": {"type": "array", "maxItems": 3, "items": {"type": "integer"}},
    },
    "required": ["name"],
    "additionalProperties": False,
}


def test_a_good_reply_is_its_value() -> None:
    reply = read_reply('{"name": "x", "scores": [1, 2]}', BOUNDED)
    assert reply == ({"name": "x", "scores": [1, 2]}, None, "")


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ('{"name": ', "Expecting value"),
        ('{"name": "x", "name": "y"}', "the key 'name' is there twice"),
        ('{"name": "\\ud800"}', "half of a surrogate pair: U+D800"),
        ('{"name": NaN}', "NaN is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"name": "x"} and more', "Extra data"),
        ("", "Expecting value"),
    ],
)
def test_what_is_not_json_is_named(text: str, detail: str) -> None:
    reply = read_reply(text, BOUNDED)
    assert (reply.value, reply.error) == (None, "invalid_json")
    assert detail in reply.detail


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ('{"kind": "a"}', "$: 'name' is a required property"),
        ('{"name": 3}', "$.name: 3 is not of type 'string'"),
        ('{"name": "x", "scores": [1, "2"]}', "$.scores[1]: '2' is not of type 'integer'"),
        ('{"name": "x", "other": 1}', "Additional properties are not allowed"),
        ("null", "$: None is not of type 'object'"),
    ],
)
def test_json_that_breaks_the_schema_says_where(text: str, detail: str) -> None:
    reply = read_reply(text, BOUNDED)
    assert (reply.value, reply.error) == (None, "schema")
    assert detail in reply.detail


def test_a_bounded_schema_has_no_complaints() -> None:
    assert unbounded(BOUNDED) == []
    assert unbounded({"anyOf": [BOUNDED, {"type": "null"}]}) == []
    shared = {"$ref": "#/$defs/s", "$defs": {"s": {"type": "string", "maxLength": 3}}}
    assert unbounded(shared) == []


@pytest.mark.parametrize(
    ("part", "complaint"),
    [
        ({"type": "string"}, "$.x: a string without maxLength"),
        ({"type": "string", "pattern": "^a+$"}, "$.x: a string without maxLength"),
        ({"type": "string", "pattern": "a{3}"}, "$.x: a string without maxLength"),
        ({"type": ["string", "null"]}, "$.x: a string without maxLength"),
        ({"type": "array", "items": {"type": "integer"}}, "$.x: an array without maxItems"),
        ({"type": "array", "maxItems": 2}, "$.x: an array without items"),
        ({"type": "array", "maxItems": 2, "items": {"type": "string"}}, "$.x.items: a string"),
        ({"type": "object"}, "$.x: an object without additionalProperties: false"),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, "$.x.anyOf[1]: a string"),
        ({}, "$.x: no type"),
        (True, "$.x: anything is allowed"),
    ],
)
def test_what_has_no_end_is_named(part: Any, complaint: str) -> None:
    schema = {"type": "object", "properties": {"x": part}, "additionalProperties": False}
    (found,) = unbounded(schema)
    assert found.startswith(complaint)


def test_a_pattern_with_an_end_bounds_a_string() -> None:
    assert unbounded({"type": "string", "pattern": "^[A-Z]{2,4}-[0-9]{3}$"}) == []


def test_a_schema_that_refers_to_itself_has_no_end() -> None:
    node = {
        "type": "object",
        "properties": {"next": {"$ref": "#/$defs/node"}},
        "additionalProperties": False,
    }
    assert unbounded({"$ref": "#/$defs/node", "$defs": {"node": node}}) == [
        "$: refers to itself through $ref"
    ]


def corrupted(value: Any, draw: random.Random) -> Any:
    """Return a value with one part replaced, left out or added."""
    if isinstance(value, dict) and value and draw.random() < 0.7:
        key = draw.choice(list(value))
        if draw.random() < 0.2:
            return {k: v for k, v in value.items() if k != key}
        if draw.random() < 0.1:
            return {**value, "more": 1}
        return {**value, key: corrupted(value[key], draw)}
    if isinstance(value, list) and value and draw.random() < 0.7:
        at = draw.randrange(len(value))
        return [*value[:at], corrupted(value[at], draw), *value[at + 1 :]]
    return draw.choice([None, True, 0, 6, 1.5, "", "x" * 500, [], {}, [1, "a"], {"text": 3}, value])


PARTS: list[dict[str, Any]] = [
    {"type": "integer", "minimum": 1, "maximum": 5},
    {"type": "string", "minLength": 1, "maxLength": 8},
    {"enum": ["a", "b", 1, None]},
    {"const": "a"},
    {"type": ["string", "null"], "maxLength": 3},
    {"type": "string", "maxLength": 5, "pattern": "^[a-z]*$"},
    {"anyOf": [{"type": "integer", "minimum": 2}, {"type": "boolean"}]},
    {"oneOf": [{"type": "number", "minimum": 0}, {"type": "integer"}]},
    {"not": {"type": "string"}},
    {"type": "array", "items": {"type": "integer", "maximum": 3}, "minItems": 1, "maxItems": 3},
    {"type": "array", "prefixItems": [{"type": "integer"}], "items": {"type": "string"}, "maxItems": 3},
    {"type": "array", "items": False, "maxItems": 2},
    {
        "type": "object", "properties": {"text": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["text"], "additionalProperties": False,
    },
]  # fmt: skip


def test_the_lean_checks_say_what_jsonschema_says() -> None:
    from jsonschema import Draft202012Validator

    draw = random.Random(0)
    said: Counter[bool] = Counter()
    for number in range(3000):
        names = [f"k{n}" for n in range(draw.randrange(1, 5))]
        schema = {
            "type": "object", "properties": {name: draw.choice(PARTS) for name in names},
            "required": names[:2], "additionalProperties": False,
        }  # fmt: skip
        start: Any = {
            name: draw.choice(["a", 1, 2, [1], ["a"], {"text": "x"}, None]) for name in names
        }
        value = corrupted(start, draw) if number % 3 else start
        expected = Draft202012Validator(schema).is_valid(value)
        said[expected] += 1
        assert (read_reply(json.dumps(value), schema).error is None) == expected, (schema, value)
    assert min(said.values()) > 100
