"""Microseconds to validate and to read a reply, by the engine and by jsonschema alone, in one run.

    python -m tests.benchmarks.replies

`validate`: jsonschema-rs, as `read_reply` uses it, against jsonschema; `read`: the whole of `read_reply` (strict JSON
and validation) against `json.loads` and jsonschema. The fastest of several repetitions counts, for both sides.
"""

from __future__ import annotations

import argparse
import json
import timeit
from collections.abc import Callable
from random import Random
from typing import Any

from jsonschema import Draft202012Validator

from engine.backends.scripting.values import instance
from engine.backends.structured import _compile, read_reply
from tests.plan.fake_resources import reply_schema_of

WORDS = ["I", "want", "to", "move", "my", "parcel", "to", "Friday", "and", "the", "app", "fails"]
CALLS = 2000
"""Of each repetition."""


def closed_object(**properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def microseconds(work: Callable[[Any], object], argument: Any, repeats: int) -> float:
    """Return the time of one call."""
    times = timeit.repeat(lambda: work(argument), number=CALLS, repeat=repeats)
    return 1e6 * min(times) / CALLS


def compare(name: str, schema: dict[str, Any], repeats: int) -> None:
    """Print what one schema's replies cost both sides."""
    value = instance(schema, Random(0), WORDS)
    text, peer = json.dumps(value), Draft202012Validator(schema)
    took = {
        "validate": (
            microseconds(_compile(schema).is_valid, value, repeats),
            microseconds(peer.is_valid, value, repeats),
        ),
        "read": (
            microseconds(lambda reply: read_reply(reply, schema), text, repeats),
            microseconds(lambda reply: peer.is_valid(json.loads(reply)), text, repeats),
        ),
    }
    for what, (ours, theirs) in took.items():
        print(
            f"{name:10} {what:9} engine {ours:6.2f} us, jsonschema {theirs:7.2f} us: "
            f"{theirs / ours:.0f} times as fast",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    for name in ("diagnosis", "pattern", "verdict"):
        compare(name, dict(reply_schema_of(name)), repeats)
    text = {"type": "string", "minLength": 1, "maxLength": 300}
    row = closed_object(text=text, context=text)
    rows = {"type": "array", "items": row, "minItems": 5, "maxItems": 5}
    compare("5 rows", closed_object(rows=rows), repeats)


if __name__ == "__main__":
    main()
