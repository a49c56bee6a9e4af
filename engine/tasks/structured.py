"""Structured: the answer is a JSON object that fits the recipe's JSON Schema: slot filling, function calls.

Constrained while the student writes where the recipe says so; else what it writes is read as JSON, and whether it fits
the schema is for the metrics to say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field

from engine import json_text
from engine.backends.structured import invalid_schema, read_reply, unbounded, unresolved
from engine.fingerprint import short
from engine.tasks.protocol import Reference, Task, TaskKind, TaskParams
from engine.tasks.wrong_answers import wrong_objects

_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?```\s*", re.S | re.I)
"""A reply that is a code block, as chat models like to write them."""


class Params(TaskParams):
    """Parameters of `structured`."""

    json_schema: dict[str, Any]
    """JSON Schema of the answer. It must bound every string and array: a model may go on for ever."""
    constrained: bool = False
    """Whether the student can write nothing else."""
    max_tokens: int = Field(default=256, ge=1, le=4096)
    """Most tokens of an answer."""


class Structured(TaskKind):
    """A JSON object that fits a schema."""

    name = "structured"
    version = 2
    sentence = "A text is turned into a JSON object."
    prompt = "tasks/structured.md"
    params = Params
    derived = True
    metrics = ("field_f1", "json_valid")
    failure = "field_f1 < 1"
    agreement = "field_f1"

    def problems(self, params: Params) -> list[str]:
        """Return what is wrong with the schema: not JSON Schema, or without bounds."""
        schema = params.json_schema
        if lost := unresolved(schema):
            return [f"json_schema has a $ref to what is not in it: {place}" for place in lost]
        if why := invalid_schema(schema):
            return [f"json_schema is no JSON Schema: {why}"]
        return [
            f"json_schema lets an answer grow without end: {place}" for place in unbounded(schema)
        ]

    def nested(self, params: Params, target: str) -> frozenset[str]:
        """Return the target: an object, or its text."""
        return frozenset({target})

    def reference(self, inputs: Mapping[str, str], value: Any, params: Params) -> Reference:
        """Return the object in its canonical form; raises ValueError where it does not fit the schema."""
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        reply = read_reply(text, params.json_schema)
        if reply.error is not None:
            raise ValueError(f"the target does not fit the schema: {reply.detail}")
        target = canonical(reply.value)
        return Reference(target, (target,))

    def answer_form(self, task: Task) -> str:
        """Return the object's schema."""
        return "a JSON object that fits this JSON Schema: " + json.dumps(
            task.params.json_schema, ensure_ascii=False
        )

    def constraint(self, task: Task) -> Mapping[str, Any] | None:
        """Return the recipe's schema where the student can write nothing else."""
        params: Params = task.params
        return params.json_schema if params.constrained else None

    def read(self, text: str, inputs: Mapping[str, str], task: Task) -> str | None:
        """Return the JSON that the student wrote, in a code block or not, in canonical form."""
        fenced = _FENCED.fullmatch(text)
        try:
            return canonical(json_text.parse(fenced[1] if fenced else text))
        except ValueError:
            return None

    def fault(self, inputs: Mapping[str, str], target: str, task: Task) -> str | None:
        """Return why a row does not fit the task: its target does not fit the schema."""
        reply = read_reply(target, task.params.json_schema)
        return f"the target does not fit the schema: {reply.detail}" if reply.error else None

    def target_schema(self, task: Task, longest: int) -> Mapping[str, Any]:
        """Return the recipe's schema."""
        schema: Mapping[str, Any] = task.params.json_schema
        return schema

    def as_written(self, target: str, params: Params) -> Any:
        """Return the object itself."""
        return json.loads(target)

    def kept(self, target: str, params: Params) -> str:
        """Return the object: what it takes from the inputs must still be there."""
        return f"all that is needed for {target}"

    def fixed(
        self, inputs: Mapping[str, str], target: str, params: Params
    ) -> Mapping[str, tuple[str, ...]]:
        """Return the texts of the object, as far as they stand in a column."""
        texts = [text for text in _texts(json.loads(target)) if text.strip()]
        return {
            column: tuple(
                match[0]
                for text in texts
                for match in re.finditer(re.escape(text), value, re.IGNORECASE)
            )
            for column, value in inputs.items()
        }

    def corrupted(
        self, inputs: Mapping[str, str], target: str, others: Sequence[str], task: Task
    ) -> str | None:
        """Return the object with one mistake: a key moved or missing, a neighbouring value, a span cut by a word."""
        right, known = _object(target), [_object(other) for other in others]
        text, turn = "\n".join(inputs.values()), int(short([dict(inputs), target], 8), 16)
        for wrong in wrong_objects(right, text, known, turn):
            said = canonical(wrong)
            if said != target and self.fault(inputs, said, task) is None:
                return said
        return None


def _object(target: str) -> dict[str, Any]:
    """Return a target as an object; one without keys where the schema allows another value."""
    value = json.loads(target)
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a JSON value, keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(part)


def canonical(value: Any) -> str:
    """Return a JSON value as answers and targets hold it: keys in order, plain characters."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
