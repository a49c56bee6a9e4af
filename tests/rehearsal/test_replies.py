"""What stands in for replies: it fits the schema, and holds one item for each that was asked about."""

from __future__ import annotations

from dataclasses import replace

from engine.backends.protocol import Message, Request
from engine.backends.structured import read_reply
from engine.fingerprint import canonical
from engine.rehearsal.replies import ids_in, invented, none_usable

ITEM = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "maxLength": 8},
        "cause": {"type": "string", "minLength": 1, "maxLength": 60},
    },
    "required": ["id", "cause"],
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "properties": {"failures": {"type": "array", "items": ITEM, "minItems": 1, "maxItems": 12}},
    "required": ["failures"],
    "additionalProperties": False,
}


def asked(text: str) -> Request:
    return Request((Message("user", text),), SCHEMA, 100, 0.0, "m")


def test_ids_are_a_letter_with_the_numbers_from_one_on() -> None:
    assert ids_in("f1: it broke\nf2: seat a7\nf3: b1 or b2") == ["f1", "f2", "f3"]
    assert ids_in("row f2 alone, and 1a") == []
    assert ids_in("") == []


def test_there_is_one_item_for_each_id_and_it_fits_the_schema() -> None:
    request = asked("Say why of f1 (late), f2 (broken) and f3 (rude).")
    reply = invented(request)
    assert [item["id"] for item in reply.value["failures"]] == ["f1", "f2", "f3"]  # type: ignore[index]
    assert read_reply(canonical(reply.value), SCHEMA).error is None
    assert invented(request) == reply, "the same each time"


def test_none_is_an_error_as_a_model_makes_it() -> None:
    assert none_usable(asked("x")).value is None
    assert none_usable(asked("x")).error


def test_a_list_that_may_be_left_out_is_left_out() -> None:
    """Of rows that are written and skipped at once nothing would come."""
    properties = {**SCHEMA["properties"], "skipped": SCHEMA["properties"]["failures"]}  # type: ignore[dict-item,index]
    request = asked("Say why of f1 (late) and f2 (broken).")
    reply = invented(replace(request, schema={**SCHEMA, "properties": properties}))
    assert reply.value is not None
    assert list(reply.value) == ["failures"]
