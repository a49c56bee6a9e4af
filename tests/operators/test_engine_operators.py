"""Every operator of the engine is whole, for every pack: a new folder gets these tests for free."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from engine.backends.structured import read_reply, unbounded
from engine.operators import (
    SHARED,
    Assignment,
    KnownRow,
    NewRow,
    Operator,
    RowSpec,
    find_operators,
    itemised,
    read_rows,
    reply_schema,
    shows_seed,
    variables_of,
)
from engine.rows import Example
from engine.stages.schemas import token_limit

TRAIN = [
    Example(f"e{i}", "train", {"text": f"row {i}"}, label, {}, "f", i)
    for i, label in enumerate("aabbc")
]
OPERATORS = pytest.mark.parametrize(
    "operator", find_operators(None).values(), ids=lambda operator: operator.name
)
PACKS = pytest.mark.parametrize("pack", ["small", "standard", "frontier"])
LABELLED = pytest.mark.parametrize("labelled", [True, False], ids=["labels", "free"])


def assignment(operator: Operator, count: int, *, labelled: bool) -> Assignment:
    target = {"keep": "a", "change": "b"}.get(operator.label, "a" if labelled else None)
    rows = [
        RowSpec(f"r{i}", TRAIN[i % 2], target, None, "it", {"tone": "calm"}) for i in range(count)
    ]
    known = KnownRow({"text": "known"}, "a", "No good.")
    return Assignment(
        rows, TRAIN[2:], task="the task", pattern="pattern", about="about it", includes=["in"], excludes=["out"],
        strategy="strategy", must=["must"], must_not=["never"], accepted=[known], rejected=[known],
    )  # fmt: skip


@OPERATORS
@PACKS
@LABELLED
def test_it_renders_its_prompt_and_reads_its_reply(
    operator: Operator, pack: str, labelled: bool
) -> None:
    if operator.label == "change" and not labelled:
        return
    prompt = operator.prompt(pack)
    items = itemised(prompt)
    assert items == (pack != "small")
    asked = assignment(operator, 3 if items else 1, labelled=labelled)
    turns = prompt.render(variables_of(operator, asked, operator.params()))
    assert turns[-1][0] == "user"
    assert any("row 0" in text or "row 2" in text for _, text in turns)
    brings = asked.rows[0].target is None
    written = {"type": "string", "maxLength": 20} if brings else None
    schema = reply_schema(
        operator, ["text"], 80, written, len(asked.rows), items=items, derived=True
    )
    assert not unbounded(schema)
    assert 0 < token_limit(schema) < 6000
    reply = {"rows": [_row(schema, spec.id, i) for i, spec in enumerate(asked.rows)]}
    assert read_reply(json.dumps(reply), schema).error is None
    new = [row for row in read_rows(reply, asked, items=items) if isinstance(row, NewRow)]
    assert [row.inputs["text"] for row in new] == [f"new {i}" for i in range(len(asked.rows))]
    assert {row.target for row in new} == {"t" if brings else asked.rows[0].target}


def _row(schema: Any, name: str, number: int) -> dict[str, str]:
    written = {"id": name, "plan": "p", "text": f" new {number} ", "rationale": "r", "target": "t"}
    return {key: written[key] for key in schema["properties"]["rows"]["items"]["properties"]}


@OPERATORS
def test_a_prompt_for_several_rows_says_all_that_is_asked_of_each(operator: Operator) -> None:
    asked = assignment(operator, 3, labelled=True)
    text = operator.prompt("frontier").render(variables_of(operator, asked, operator.params()))[-1][
        1
    ]
    for spec in asked.rows:
        line = next(line for line in text.splitlines() if line.startswith(f"- {spec.id}:"))
        assert json.dumps(spec.target) in line
        assert ("tone: calm" in line) == (operator.label != "change")
        assert ("row " in line) == shows_seed(operator)
    assert "No good." in text
    assert "the task" in text


@OPERATORS
def test_it_names_its_source_and_its_prompts_say_what_they_are_given(operator: Operator) -> None:
    assert operator.definition.source
    assert set(operator.prompts) == {"small", SHARED}
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
