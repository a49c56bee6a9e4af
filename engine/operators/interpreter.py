"""What an operator does with a seed row: the target it goes for, what its prompt is given, how its reply is read.

The one interpreter of all operators: what differs between them is in their folders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.operators.definition import Examples
from engine.operators.operator import TARGET, NewRow, Operator, OperatorParams, Seed
from engine.rows import Example

_DEFINITIONS = ("$defs", "definitions")


def usable(operator: Operator, seed: Seed) -> bool:
    """Return whether the operator can start from a seed: one that changes the label needs another one."""
    return operator.label != "change" or bool(_other_labels(operator, seed))


def target_of(operator: Operator, seed: Seed) -> str | None:
    """Return the target that the rows from a usable seed will carry; None where each row brings its own."""
    match operator.label:
        case "keep":
            return seed.row.target
        case "change":
            others = _other_labels(operator, seed)
            return others[seed.draw % len(others)]
        case "written":
            return None


def row_count(operator: Operator, params: OperatorParams) -> int:
    """Return how many rows one call asks for."""
    return _number(operator.definition.rows, params)


def variables_of(operator: Operator, seed: Seed, params: OperatorParams) -> dict[str, Any]:
    """Return what the prompt is given for a usable seed: what the definition lets it see, and no more."""
    target = target_of(operator, seed)
    sights: dict[str, Any] = {
        "row": dict(seed.row.inputs),
        "label": seed.row.target,
        "target": target,
        "keep": seed.keep,
        "pattern": seed.pattern,
        "strategy": seed.strategy,
        "feedback": seed.feedback,
    }
    variables: dict[str, Any] = {name: sights[name] for name in operator.definition.sees}
    if operator.definition.examples is not None:
        variables["examples"] = _examples(operator.definition.examples, seed, target, params)
    return variables | {
        "params": params.model_dump(),
        "count": row_count(operator, params),
        "description": seed.description,
    }


def reply_schema(
    operator: Operator,
    params: OperatorParams,
    columns: Sequence[str],
    longest: int,
    written: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the JSON Schema of a reply: the operator's own, with the rows' columns and number.

    Args:
        operator: The operator.
        params: Its parameters.
        columns: The task's input columns, each a text.
        longest: Most characters of each text.
        written: Schema of the target that a row brings as its own; used where the operator's rows do.
    """
    schema = dict(operator.reply)
    base: Mapping[str, Any] = schema["properties"]["rows"]["items"]
    text = {"type": "string", "minLength": 1, "maxLength": longest}
    item: dict[str, Any] = {
        "type": "object",
        "properties": {**base.get("properties", {}), **dict.fromkeys(columns, text)},
        "required": [*base.get("required", ()), *columns],
        "additionalProperties": False,
    }
    if operator.label == "written":
        # A reference starts at the root of the whole schema, so definitions move there.
        schema |= {key: written[key] for key in _DEFINITIONS if key in written}
        item["properties"][TARGET] = {k: v for k, v in written.items() if k not in _DEFINITIONS}
        item["required"].append(TARGET)
    count = row_count(operator, params)
    rows = {"type": "array", "items": item, "minItems": count, "maxItems": count}
    schema["properties"] = {**schema["properties"], "rows": rows}
    return schema


def read_rows(operator: Operator, value: Any, seed: Seed) -> list[NewRow]:
    """Return the rows of a reply that fits `reply_schema`."""
    target = target_of(operator, seed)
    return [
        NewRow(
            {column: str(row.get(column, "")).strip() for column in seed.row.inputs},
            row.get(TARGET, "") if target is None else target,
        )
        for row in value["rows"]
    ]


def _number(number: int | str, params: OperatorParams) -> int:
    return number if isinstance(number, int) else int(getattr(params, number))


def _other_labels(operator: Operator, seed: Seed) -> list[str]:
    """Return the labels that rows from a seed may be given, each once."""
    labels = seed.task_labels if operator.definition.target == "task" else seed.labels
    return [label for label in labels if label != seed.row.target]


def _examples(
    rule: Examples, seed: Seed, target: str | None, params: OperatorParams
) -> list[dict[str, Any]]:
    rows = [row for row in seed.train if row.id != seed.row.id and _shown(rule, row, seed, target)]
    count = _number(rule.count, params)
    start = seed.draw * (1 if rule.advance == "row" else count) % max(len(rows), 1)
    window = (rows[start:] + rows[:start])[:count]
    if rule.seed == "first":
        window = [seed.row, *window]
    elif rule.seed == "last":
        window = [*window, seed.row]
    return [
        {**row.inputs, TARGET: row.target} if rule.with_target else dict(row.inputs)
        for row in window
    ]


def _shown(rule: Examples, row: Example, seed: Seed, target: str | None) -> bool:
    match rule.of:
        case "target":
            return row.target == target
        case "other":
            return row.target != seed.row.target
        case "any":
            return True
