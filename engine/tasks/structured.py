"""Structured: the answer is a JSON object that fits the recipe's JSON Schema: slot filling, function calls.

Constrained while the student writes where the recipe says so; else what it writes is read as JSON, and whether it fits
the schema is for the metrics to say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from engine.backends.protocol import Progress, Student
from engine.backends.structured import parse_json, read_reply, unbounded, unresolved
from engine.tasks.protocol import Answer, Asked, PlainRows, Reference, Task, TaskParams, empty_input
from engine.tasks.writing import written_answers

_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?```\s*", re.S | re.I)
"""A reply that is a code block, as chat models like to write them."""


class Params(TaskParams):
    """Parameters of `structured`."""

    json_schema: dict[str, Any]
    """JSON Schema of the answer. It must bound every string and array: a model may go on for ever."""
    constrained: bool = False
    """Whether the student can write nothing else."""
    max_tokens: int = Field(default=256, ge=1, le=4096)
    """Longest answer."""


class Structured(PlainRows):
    """A JSON object that fits a schema."""

    name = "structured"
    version = 2
    prompt = "tasks/structured.md"
    params: type[TaskParams] = Params
    metrics: tuple[str, ...] = ("field_f1", "json_valid")
    failure = "field_f1 < 1"

    def problems(self, params: Params) -> list[str]:
        """Return what is wrong with the schema: not JSON Schema, or without bounds."""
        from jsonschema import Draft202012Validator, SchemaError

        schema, formats = params.json_schema, Draft202012Validator.FORMAT_CHECKER
        try:
            # The formats are those of the schema's own texts: a pattern must be a regular expression.
            Draft202012Validator.check_schema(schema, format_checker=formats)
        except SchemaError as problem:
            return [f"json_schema is no JSON Schema: {problem.json_path}: {problem.message[:200]}"]
        if lost := unresolved(schema):
            return [f"json_schema has a $ref to what is not in it: {place}" for place in lost]
        return [
            f"json_schema lets an answer grow without end: {place}"
            for place in unbounded(params.json_schema)
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
        found = canonical(reply.value)
        return Reference(found, (found,))

    def answer(
        self,
        student: Student,
        asked: Sequence[Asked],
        task: Task,
        adapter: Path | None,
        progress: Progress | None = None,
    ) -> list[Answer]:
        """Return what the student writes, in canonical form where it is JSON."""
        params: Params = task.params
        schema = params.json_schema if params.constrained else None
        return written_answers(student, asked, params.max_tokens, adapter, progress, _read, schema)

    def kept(self, target: str, params: Params) -> str:
        """Return the object: what it takes from the inputs must still be there."""
        return f"all that is needed for {target}"

    def malformed(self, inputs: Mapping[str, str], target: str, task: Task) -> str | None:
        """Return why a row is unusable: something is empty, or the target does not fit the schema."""
        if why := empty_input(inputs):
            return why
        reply = read_reply(target, task.params.json_schema)
        return f"the target does not fit the schema: {reply.detail}" if reply.error else None

    def target_schema(self, task: Task, longest: int) -> Mapping[str, Any]:
        """Return the recipe's schema."""
        schema: Mapping[str, Any] = task.params.json_schema
        return schema


def canonical(value: Any) -> str:
    """Return a JSON value as answers and targets hold it: keys in order, plain characters."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _read(text: str) -> str | None:
    fenced = _FENCED.fullmatch(text)
    try:
        return canonical(parse_json(fenced[1] if fenced else text))
    except ValueError:
        return None
