import contextlib
import json
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from engine.backends.scripting.values import instance
from engine.backends.structured import invalid_schema, read_reply, unbounded
from tests.plan.fake_resources import reply_schema_of

NAMES = st.sampled_from(["a", "b", "é", "name", "more"])

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
        ('{"name": "x", "name": "y"}', "the key 'name' is given twice"),
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


# The verdicts of jsonschema-rs, which decides, against those of jsonschema, which says why.

SCALARS = (
    st.none() | st.booleans() | st.integers(-3, 6) | st.sampled_from([10**30, 2**53 + 1, 2**63, -(2**64)])
    | st.sampled_from([0.0, -0.0, 1.0, 1.5, 2.0, float(2**53), 1e30, 1e-320]) | st.text("aé😀\u0301\x00 ", max_size=7)
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(NAMES, parts, max_size=4),
    max_leaves=6,
)


def bounds(keywords: Sequence[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(keywords, values))


def merged(*parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(lambda found: {k: v for part in found for k, v in part.items()})


LIMITS = st.sampled_from([-1, 0, 1, 2.0, 1.5, 10**30, 2**53])
LEAVES = (
    merged(st.just({"type": "string"}), bounds(["minLength", "maxLength"], st.integers(0, 4)))
    | merged(
        st.sampled_from([{"type": "integer"}, {"type": "number"}]),
        bounds(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"], LIMITS),
    )
    | st.sampled_from(
        [
            {"type": "boolean"}, {"type": "null"}, {"type": ["string", "null"], "maxLength": 3},
            {"type": ["integer", "boolean"], "minimum": 1}, {"$ref": "#/$defs/shared"}, {}, True, False,
        ]
    )
    | st.fixed_dictionaries({"enum": st.lists(VALUES, min_size=1, max_size=4)})
    | st.fixed_dictionaries({"const": VALUES})
)  # fmt: skip


def nested(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    array = merged(
        st.fixed_dictionaries({"type": st.just("array"), "items": parts}),
        bounds(["minItems", "maxItems"], st.integers(0, 3)),
        bounds(["uniqueItems"], st.booleans()),
        bounds(["prefixItems"], st.lists(parts, min_size=1, max_size=2)),
    )
    fields = merged(
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(NAMES, parts, max_size=3)}
        ),
        bounds(["required"], st.lists(NAMES, max_size=2, unique=True)),
        bounds(["additionalProperties"], st.booleans()),
    )
    several = st.lists(parts, min_size=1, max_size=3)
    choice = st.one_of(
        *(st.fixed_dictionaries({key: several}) for key in ("anyOf", "oneOf", "allOf"))
    )
    return array | fields | choice | st.fixed_dictionaries({"not": parts})


SCHEMAS = st.recursive(LEAVES, nested, max_leaves=6)


def altered(value: Any, draw: Random) -> Any:
    """Return a value with one part replaced, left out or added."""
    if isinstance(value, dict) and value and draw.random() < 0.7:
        key = draw.choice(list(value))
        if draw.random() < 0.2:
            return {k: v for k, v in value.items() if k != key}
        if draw.random() < 0.1:
            return {**value, "more": 1}
        return {**value, key: altered(value[key], draw)}
    if isinstance(value, list) and value and draw.random() < 0.7:
        at = draw.randrange(len(value))
        return [*value[:at], altered(value[at], draw), *value[at + 1 :]]
    return draw.choice([None, True, 0, 6, 1.0, 1.5, "", "x" * 5, "😀" * 4, [], {}, [1, "a"], value])


@settings(max_examples=3 * settings().max_examples)
@given(SCHEMAS, SCHEMAS, VALUES, st.randoms(use_true_random=False), st.booleans())
def test_both_validators_say_the_same(
    schema: Any, shared: Any, value: Any, draw: Random, near: bool
) -> None:
    whole = {"$defs": {"shared": shared}, "anyOf": [schema]}
    assume("$ref" not in repr(shared))
    if near:
        with contextlib.suppress(Exception):  # not every schema has a value
            value = altered(
                instance({"$defs": {"shared": shared}} | dict(schema), draw, ["a", "é"]), draw
            )
    says = Draft202012Validator(whole).is_valid(value)
    reply = read_reply(json.dumps(value), whole)
    assert (reply.error is None) == (says and value is not None), (whole, value)
    assert reply.error is not None or repr(reply.value) == repr(value)


@pytest.mark.parametrize("name", ["diagnosis", "pattern", "strategy", "verdict"])
@pytest.mark.parametrize("seed", range(20))
def test_both_validators_say_the_same_of_the_engines_own_schemas(name: str, seed: int) -> None:
    draw, schema = Random(seed), reply_schema_of(name)
    for step in range(20):
        value = instance(schema, draw, ["the", "wrong", "label"])
        for _ in range(step % 3):
            value = altered(value, draw)
        says = Draft202012Validator(schema).is_valid(value)
        assert (read_reply(json.dumps(value), schema).error is None) == says, value
        assert says or step % 3


@pytest.mark.parametrize(
    ("schema", "text", "error", "detail"),
    [
        # As JSON Schema wants them, not as Python's floats and regular expressions would have them.
        ({"multipleOf": 0.1}, "0.3", None, ""),
        ({"multipleOf": 0.3}, str(10**400), "schema", "$: 1"),
        ({"pattern": "^a$"}, '"a\\n"', "schema", '$: "a\\n" does not match'),
        ({"pattern": "^\\p{Lu}$"}, '"É"', None, ""),
        ({"properties": {"a": {"items": {"pattern": "^\\p{Lu}$"}}}}, '{"a": ["É", "e"]}', "schema", "$.a[1]: "),
    ],
)  # fmt: skip
def test_numbers_and_patterns_are_jsons_own(
    schema: dict[str, Any], text: str, error: str | None, detail: str
) -> None:
    reply = read_reply(text, schema)
    assert reply.error == error, reply
    assert reply.detail.startswith(detail)


def test_a_failed_reply_is_told_in_jsonschemas_words() -> None:
    schema = {"anyOf": [BOUNDED, {"type": "null"}]}
    reply = read_reply('{"name": "x", "scores": [1, 2, 3, 4]}', schema)
    assert reply.detail == "$.scores: [1, 2, 3, 4] is too long"


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "text"}, "$.type: "),
        ({"properties": {"a": {"pattern": "^(a$"}}}, "$.properties.a.pattern: "),
        ({"properties": [1]}, "$.properties: "),
        ({"maxLength": -1}, "$.maxLength: "),
        ({"$ref": "http://127.0.0.1:9/x"}, "$: "),
        ({"$schema": "http://127.0.0.1:9/x", "type": "integer"}, None),
        (BOUNDED, None),
    ],
)
def test_what_is_no_schema_is_told_and_nothing_is_fetched(
    schema: dict[str, Any], why: str | None
) -> None:
    told = invalid_schema(schema)
    assert told is None if why is None else (told or "").startswith(why), told
