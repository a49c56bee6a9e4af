"""Every operator of the engine is whole, for every pack: a new folder gets these tests for free."""

from __future__ import annotations

import json
import re
from dataclasses import replace
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
    brings_target,
    find_operators,
    itemised,
    read_rows,
    reply_schema,
    variables_of,
)
from engine.rows import Candidate, Example
from engine.stages.quality import seed_rules
from engine.stages.schemas import token_limit
from engine.tasks import TASKS
from tests.stages.quality.rows import judged
from tests.stages.scripted_context import embed_words

TRAIN = [
    Example(f"e{i}", "train", {"text": f"row {i}"}, label, {}, "f", i)
    for i, label in enumerate("aabbc")
]
ALL = list(find_operators(None).values())
EVERY = pytest.mark.parametrize("operator", ALL, ids=lambda operator: operator.name)
OPERATORS = pytest.mark.parametrize(
    "operator", [one for one in ALL if one.make is None], ids=lambda operator: operator.name
)
PACKS = pytest.mark.parametrize("pack", ["small", "standard", "frontier"])
LABELLED = pytest.mark.parametrize("labelled", [True, False], ids=["labels", "free"])


def assignment(operator: Operator, count: int, *, labelled: bool) -> Assignment:
    target = None
    if not brings_target(operator, labelled=labelled):
        target = "b" if operator.label == "change" else "a"
    own = {name: values[0] for name, values in operator.varied(operator.params()).items()}
    vary = {**own, "tone": "calm"}
    rows = [RowSpec(f"r{i}", TRAIN[i % 2], target, None, "it", vary) for i in range(count)]
    known = KnownRow({"text": "known"}, "a", "No good.")
    return Assignment(
        rows, TRAIN[2:], task="the task", pattern="pattern", about="about it", includes=["in"], excludes=["out"],
        strategy="strategy", must=["must"], must_not=["never"], accepted=[known], rejected=[known],
        labelled=labelled,
    )  # fmt: skip


@OPERATORS
@PACKS
@LABELLED
def test_it_renders_its_prompt_and_reads_its_reply(
    operator: Operator, pack: str, labelled: bool
) -> None:
    if not any(TASKS[kind].labelled == labelled for kind in operator.kinds):
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
    assert 0 < token_limit(schema) < 9000
    reply = {"rows": [_row(schema, spec.id, i) for i, spec in enumerate(asked.rows)]}
    assert read_reply(json.dumps(reply), schema).error is None
    whole = operator.definition.writes == "row"
    read = read_rows(reply, asked, items=items, whole=whole)
    new = [row for row in read if isinstance(row, NewRow)]
    seeds = [spec.seed.inputs["text"] for spec in asked.rows]
    assert [row.inputs["text"] for row in new] == (
        [f"new {i}" for i in range(len(asked.rows))] if whole else seeds
    )
    assert {row.target for row in new} == {"t" if brings else asked.rows[0].target}


def _row(schema: Any, name: str, number: int) -> dict[str, str]:
    written = {
        "id": name, "plan": "p", "text": f" new {number} ", "rationale": "r", "target": "t", "translation": "t",
    }  # fmt: skip
    return {key: written[key] for key in schema["properties"]["rows"]["items"]["properties"]}


@OPERATORS
def test_a_prompt_for_several_rows_says_all_that_is_asked_of_each(operator: Operator) -> None:
    labelled = any(TASKS[kind].labelled for kind in operator.kinds)
    asked = assignment(operator, 3, labelled=labelled)
    text = operator.prompt("frontier").render(variables_of(operator, asked, operator.params()))[-1][
        1
    ]
    for spec in asked.rows:
        line = next(line for line in text.splitlines() if line.startswith(f"- {spec.id}:"))
        told = json.dumps(spec.seed.target if spec.target is None else spec.target)
        blind = operator.definition.votes is not None
        assert (told in line) == (not blind)
        plain = operator.label == "change" or operator.name in ("explain", "entity_swap", "relabel")
        assert ("tone: calm" in line) == (not plain)
        assert all(str(spec.vary[name]) in line for name in operator.definition.vary)
        assert ('{"text": "row ' in line) == operator.made_from
    assert ("No good." in text) == ("rejected" in operator.definition.sees)
    assert "the task" in text


@EVERY
def test_it_says_where_it_is_from_what_it_changes_and_what_stays_with_an_example(
    operator: Operator,
) -> None:
    rule = operator.definition
    assert rule.source
    assert rule.changes.endswith(".")
    assert rule.stays.endswith(".")
    assert rule.example is not None
    assert (rule.example.before is not None) == operator.made_from
    assert rule.example.kind in operator.kinds
    assert all(one.description.endswith(".") for one in rule.params.values())


@EVERY
def test_its_example_keeps_what_it_promises(operator: Operator) -> None:
    example = operator.definition.example
    rules = seed_rules([operator])
    if example is None or example.before is None or not rules:
        return
    before, after = (
        Example(
            name,
            "train",
            {k: v for k, v in row.items() if k != "target"},
            row["target"],
            {},
            "f",
            1,
        )
        for name, row in (("train seed", example.before), ("after", example.after))
    )
    kind = TASKS[example.kind]
    seed = replace(
        before, references=kind.reference(before.inputs, before.target, kind.params()).references
    )
    made = Candidate(
        "c", seed.id, "p", "s", operator.name, 1, after.inputs, after.target, "", "", ""
    )
    (result,) = judged(
        [made], [seed], embed_words, kind=example.kind, only=["promise"], seed_rules=rules,
        labels=[before.target, after.target] if kind.labelled else None,
    )  # fmt: skip
    assert result.detail == ""


@OPERATORS
def test_its_prompts_say_what_they_are_given(operator: Operator) -> None:
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
