"""Every operator of the engine is whole: a new folder gets these tests for free."""

from __future__ import annotations

import json
import re

import pytest

from engine.backends.structured import read_reply, unbounded
from engine.operators import (
    Operator,
    Seed,
    find_operators,
    read_rows,
    reply_schema,
    row_count,
    target_of,
    variables_of,
)
from engine.rows import Example
from engine.stages.schemas import token_limit

TRAIN = [
    Example(f"e{i}", "train", {"text": f"row {i}"}, label, {}, "f", i)
    for i, label in enumerate("aabbc")
]
SEED = Seed(
    row=TRAIN[0], keep="", pattern="pattern", strategy="strategy", labels=("a", "b"),
    task_labels=("a", "b", "c"), train=TRAIN, feedback="feedback", draw=3, description="",
)  # fmt: skip
OPERATORS = pytest.mark.parametrize(
    "operator", find_operators(None).values(), ids=lambda operator: operator.name
)


@OPERATORS
def test_it_renders_its_prompt_and_reads_its_reply(operator: Operator) -> None:
    params = operator.params()
    turns = operator.prompt("small").render(variables_of(operator, SEED, params))
    assert turns[-1][0] == "user"
    assert any("row 0" in text for _, text in turns)
    written = {"type": "string", "maxLength": 20}
    schema = reply_schema(operator, params, ["text"], 80, written)
    assert not unbounded(schema)
    assert 0 < token_limit(schema) < 2000
    brings = operator.label == "written"
    count = row_count(operator, params)
    value = {
        "rows": [
            {"text": f" new {i} ", **({"target": "t"} if brings else {})} for i in range(count)
        ]
    }
    assert read_reply(json.dumps(value), schema).error is None
    new = read_rows(operator, value, SEED)
    assert [row.inputs["text"] for row in new] == [f"new {i}" for i in range(count)]
    assert {row.target for row in new} == ({"t"} if brings else {target_of(operator, SEED)})


@OPERATORS
def test_its_rows_carry_the_target_that_its_label_promises(operator: Operator) -> None:
    target = target_of(operator, SEED)
    match operator.label:
        case "keep":
            assert target == "a"
        case "change":
            assert target == "b"
        case "written":
            assert target is None


@OPERATORS
def test_it_names_its_source_and_its_prompts_say_what_they_are_given(operator: Operator) -> None:
    assert operator.definition.source
    for prompt in operator.prompts.values():
        text = prompt.path.read_text("utf-8")
        assert text.startswith("{# purpose:")
        declared = text.split("variables:", 1)[1].split(";")[0]
        assert set(re.findall(r"\w+", declared)) == prompt.variables


@OPERATORS
def test_it_asks_for_nothing_that_its_prompt_does_not_use(operator: Operator) -> None:
    used = {name for prompt in operator.prompts.values() for name in prompt.variables}
    assert set(operator.definition.sees) <= used
    assert operator.definition.examples is None or "examples" in used
