"""What an operator is asked for, row by row, and how its reply is read.

The one interpreter of all operators: what differs between them is in their folders. A prompt that uses `rows` is given
several rows to write, each with an id, and its reply names them; any other is given one seed row, and its reply is the
rows alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from engine.operators.operator import (
    PACK,
    SKIPPED,
    TARGET,
    Assignment,
    KnownRow,
    NewRow,
    Operator,
    OperatorParams,
    RowSpec,
    Unread,
)
from engine.operators.shared import SHARED_LINES
from engine.rows import Example
from engine.spec.prompts import Prompt

_DEFINITIONS = ("$defs", "definitions")
_ID_LENGTH, _PLAN_LENGTH, _RATIONALE_LENGTH, _WHY_LENGTH = 8, 300, 600, 120
_WRONG_TARGET, _NOT_POSSIBLE = "wrong_target", "not_possible"
_SPARE = 2
"""Rows that a reply may hold beyond those asked for: one given twice is a drop, and no reason to lose the others."""


def itemised(prompt: Prompt) -> bool:
    """Return whether a call with this prompt may ask for rows of several seeds, each under an id."""
    return "rows" in prompt.variables


def brings_target(operator: Operator, *, labelled: bool) -> bool:
    """Return whether each row brings its own target."""
    return operator.label == "written" or (operator.label == "given" and not labelled)


def rows_per_seed(operator: Operator, params: OperatorParams) -> int:
    """Return how many rows are written from one seed row."""
    return _number(operator.definition.rows, params, 1)


def rows_per_call(operator: Operator, params: OperatorParams, prompt: Prompt, pack: int) -> int:
    """Return the most rows that one call asks for; `pack` is the pack's number."""
    return max(rows_per_seed(operator, params), pack if itemised(prompt) else 1)


def samples_per_call(operator: Operator, params: OperatorParams) -> int:
    """Return how often each call is asked."""
    votes = operator.definition.votes
    return 1 if votes is None else _number(votes.samples, params, 1)


def example_count(operator: Operator, params: OperatorParams, pack: int) -> int:
    """Return the most training rows that a prompt shows as examples; `pack` is the pack's number."""
    rule = operator.definition.examples
    return 0 if rule is None else _number(rule.count, params, pack)


def variables_of(operator: Operator, asked: Assignment, params: OperatorParams) -> dict[str, Any]:
    """Return what the prompt is given: what the definition lets it see, and no more."""
    first = asked.rows[0]
    sights: dict[str, Any] = {
        "task": asked.task,
        "row": dict(asked.inputs_as_written(first.seed.inputs)),
        "label": asked.as_written(first.seed.target),
        "target": _written(asked, first.target),
        "near": _written(asked, first.near),
        "keep": first.keep,
        "vary": dict(first.vary),
        "pattern": asked.pattern,
        "about": asked.about,
        "includes": list(asked.includes),
        "excludes": list(asked.excludes),
        "strategy": asked.strategy,
        "must": list(asked.must),
        "must_not": list(asked.must_not),
        "contrast": asked.contrast,
        "kinds": [kind._asdict() for kind in asked.kinds],
        "accepted": [_known(asked, row) for row in asked.accepted],
        "rejected": [{**_known(asked, row), "why": row.why} for row in asked.rejected],
    }
    variables: dict[str, Any] = {name: sights[name] for name in operator.definition.sees}
    if operator.definition.examples is not None:
        variables["examples"] = _examples(operator, asked)
    return variables | {
        "rows": [_item(asked, row, operator) for row in asked.rows],
        # A plain mapping: what is rendered in a process of its own is sent there.
        "shared": dict(SHARED_LINES),
        "params": params.model_dump(),
        "count": len(asked.rows),
        "longest": asked.longest,
        "usual": asked.usual,
        "description": asked.description,
        "kind": asked.kind,
        "labelled": asked.labelled,
        "derived": asked.derived,
    }


def reply_schema(
    operator: Operator,
    columns: Sequence[str],
    longest: int,
    written: Mapping[str, Any] | None,
    count: int,
    *,
    items: bool = False,
    derived: bool = False,
    column: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the JSON Schema of a reply: the operator's own, with the rows' number and the columns that it writes.

    Args:
        operator: The operator.
        columns: The task's input columns, each a text.
        longest: Most characters of each text.
        written: Schema of the target that a row brings as its own; None where it brings none.
        count: Rows asked for.
        items: Whether each row names the id that it answers, after a short plan.
        derived: Whether such a row gives its reasons before its target.
        column: Schema of each column; a text of at most `longest` when left out.
    """
    schema = dict(operator.reply)
    base: Mapping[str, Any] = schema["properties"]["rows"]["items"]
    if operator.definition.writes == "target":
        columns = ()
    text = column or {"type": "string", "minLength": 1, "maxLength": longest}
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    if items:
        before = {"id": _text(_ID_LENGTH), "plan": _text(_PLAN_LENGTH)}
        if derived or operator.label == "change":
            after["rationale"] = _text(_RATIONALE_LENGTH)
    if written is not None:
        # A reference starts at the root of the whole schema, so definitions move there.
        schema |= {key: written[key] for key in _DEFINITIONS if key in written}
        after[TARGET] = {k: v for k, v in written.items() if k not in _DEFINITIONS}
    item: dict[str, Any] = {
        "type": "object",
        "properties": {
            **before,
            **base.get("properties", {}),
            **dict.fromkeys(columns, text),
            **after,
        },
        "required": list(dict.fromkeys([*before, *base.get("required", ()), *columns, *after])),
        "additionalProperties": False,
    }
    skips = items and operator.may_skip
    least, most = (0 if skips else 1, count + _SPARE) if items else (count, count)
    rows = {"type": "array", "items": item, "minItems": least, "maxItems": most}
    schema["properties"] = {**schema["properties"], "rows": rows}
    if skips:
        schema["properties"][SKIPPED] = _skipped_schema(count)
    return schema


def _skipped_schema(count: int) -> dict[str, Any]:
    properties = {
        "id": _text(_ID_LENGTH),
        "reason": {"enum": [_WRONG_TARGET, _NOT_POSSIBLE]},
        "why": _text(_WHY_LENGTH),
    }
    item = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return {"type": "array", "items": item, "maxItems": count}


def read_rows(
    value: Any, asked: Assignment, *, items: bool, whole: bool = True
) -> list[NewRow | Unread]:
    """Return the rows of a reply that fits `reply_schema`, and what became of the ids that do not come just once.

    Args:
        value: The reply.
        asked: What was asked for.
        items: Whether its rows name the ids that they answer.
        whole: Whether it brings whole rows, and not targets for the inputs of seed rows alone.
    """
    rows: Sequence[Mapping[str, Any]] = value["rows"]
    if not items:
        pairs = zip(asked.rows, rows, strict=True)
        return [_new(spec, row, asked, whole=whole) for spec, row in pairs]
    wanted = {spec.id: spec for spec in asked.rows}
    # A row that is written and left out all the same is left out: whoever says that it is wrong has thought twice.
    skipped = {str(one["id"]).strip(): one for one in value.get(SKIPPED, ())}
    named = [str(row["id"]).strip() for row in rows]
    times = Counter(named)
    read: list[NewRow | Unread] = []
    for name, row in zip(named, rows, strict=True):
        if name not in wanted:
            asked_for = f"the reply has a row '{name}', which was not asked for"
            read.append(Unread(None, "not_asked", asked_for))
        elif times[name] == 1 and name not in skipped:
            read.append(_new(wanted[name], row, asked, whole=whole))
    read += [_left_out(name, one, wanted.get(name)) for name, one in skipped.items()]
    for name, spec in wanted.items():
        if name in skipped:
            continue
        if times[name] == 0:
            read.append(Unread(spec, "missing_in_reply", f"the reply has no row '{name}'"))
        elif times[name] > 1:
            several = f"the reply has the row '{name}' {times[name]} times"
            read.append(Unread(spec, "twice_in_reply", several))
    return read


def _left_out(name: str, said: Mapping[str, Any], spec: RowSpec | None) -> Unread:
    if spec is None:
        why = f"the reply leaves out a row '{name}', which was not asked for"
        return Unread(None, "not_asked", why)
    return Unread(spec, "declined", str(said["why"]).strip(), said["reason"] == _WRONG_TARGET)


def _new(spec: RowSpec, row: Mapping[str, Any], asked: Assignment, *, whole: bool) -> NewRow:
    inputs = dict(spec.seed.inputs)
    if whole:
        inputs = asked.inputs_read(row, inputs)
    target = row.get(TARGET, "") if spec.target is None else spec.target
    return NewRow(spec, inputs, target, str(row.get("rationale", "")).strip())


def _text(longest: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": longest}


def _number(number: int | str, params: OperatorParams, pack: int) -> int:
    if isinstance(number, int):
        return number
    return pack if number == PACK else int(getattr(params, number))


def _written(asked: Assignment, target: str | None) -> Any:
    return None if target is None else asked.as_written(target)


def _item(asked: Assignment, row: RowSpec, operator: Operator) -> dict[str, Any]:
    """Return one row to write as a prompt sees it; its seed row too, where it is made from that."""
    item: dict[str, Any] = {
        "id": row.id,
        "target": _written(asked, row.target),
        "near": _written(asked, row.near),
        "vary": dict(row.vary),
        "wishes": {k: v for k, v in row.vary.items() if k not in operator.definition.vary},
        "kind": row.kind,
        "contrast": row.contrast,
    }
    if operator.made_from:
        seed = row.seed
        item |= {
            "row": dict(asked.inputs_as_written(seed.inputs)),
            "label": asked.as_written(seed.target),
            "keep": row.keep,
        }
    return item


def _known(asked: Assignment, row: KnownRow) -> dict[str, Any]:
    # A rejected target need not be one.
    try:
        target = asked.as_written(row.target)
    except ValueError:
        target = row.target
    return {"row": dict(asked.inputs_as_written(row.inputs)), "target": target}


def _examples(operator: Operator, asked: Assignment) -> list[dict[str, Any]]:
    rule = operator.definition.examples
    assert rule is not None
    shown: list[Example] = list(asked.examples)
    seed = asked.rows[0].seed
    if rule.seed == "first":
        shown = [seed, *shown]
    elif rule.seed == "last":
        shown = [*shown, seed]
    return [
        {**asked.inputs_as_written(row.inputs), TARGET: asked.as_written(row.target)}
        if rule.with_target
        else dict(asked.inputs_as_written(row.inputs))
        for row in shown
    ]
