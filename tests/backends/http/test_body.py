from typing import Any, get_args

import orjson
import pytest

from engine.backends.http.body import Mode, Shape, structure
from engine.backends.protocol import Message, Request

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "minLength": 5, "maxLength": 60},
        "maxLength": {"type": "integer", "minimum": 1, "maximum": 5},
    },
    "required": ["text", "maxLength"],
    "additionalProperties": False,
}


def sent(mode: Mode) -> dict[str, Any]:
    request = Request((Message("user", "Hi"),), SCHEMA, 100, 0.0, "m")
    shape = Shape(mode, "m", {})
    body: dict[str, Any] = orjson.loads(shape.body(request, shape.turns(request), 100))
    return body


def test_the_schema_stands_where_each_kind_of_server_looks_for_it() -> None:
    body = sent("json_schema")["response_format"]
    assert (body["type"], body["json_schema"]["schema"]) == ("json_schema", SCHEMA)
    assert sent("object_schema")["response_format"] == {"type": "json_object", "schema": SCHEMA}
    assert sent("json_object")["response_format"] == {"type": "json_object"}
    assert "response_format" not in sent("prompt")
    assert (
        SCHEMA["properties"]
        == sent("structured_outputs")["structured_outputs"]["json"]["properties"]
    )


@pytest.mark.parametrize("mode", get_args(Mode))
def test_the_schema_stands_in_the_words_where_nothing_else_says_it(mode: Mode) -> None:
    first = sent(mode)["messages"][0]["content"]
    assert ("maxLength" in first) == (mode in {"json_object", "prompt"})


def test_a_loose_schema_has_no_bounds_but_all_properties() -> None:
    loose = structure("loose_schema", SCHEMA)["response_format"]["json_schema"]["schema"]
    assert loose["properties"] == {"text": {"type": "string"}, "maxLength": {"type": "integer"}}
    assert loose["required"] == SCHEMA["required"]
