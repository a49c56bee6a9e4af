"""What each kind does with answers given without the target, and how it makes a wrong target of a right one."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engine.metrics import METRICS, Answered
from engine.tasks import TASKS, Task

SLOTS = {
    "type": "object",
    "properties": {"people": {"type": "integer"}, "day": {"type": "string", "maxLength": 20}},
    "additionalProperties": False,
}
ROWS: dict[str, tuple[dict[str, Any], tuple[str, ...], dict[str, str], Any, Any, list[str]]] = {
    "classification": ({}, ("late", "rude"), {"text": "it is late"}, "late", "rude", ["late", "rude"]),
    "extraction": (
        {"context": "text"}, (), {"text": "a table for two people at eight"}, "two people", "eight",
        ["nine", "eight"],
    ),
    "generation": ({}, (), {"text": "hello"}, "hello to you", None, ["good night"]),
    "multiple_choice": (
        {}, (), {"text": "which is it\n(A) one\n(B) two\n(C) three"}, "B", "C", ["B", "A"],
    ),
    "numeric": ({}, (), {"text": "how many"}, "2 * 3 = <<2*3=6>>6\n#### 6", "7", ["#### 9"]),
    "structured": (
        {"json_schema": SLOTS}, (), {"text": "two on Monday"}, '{"day": "Monday", "people": 2}',
        {"day": "Monday", "people": 3}, ['{"people": 3}'],
    ),
}  # fmt: skip
"""Kind -> its parameters, labels, a row's inputs and target, another answer, and targets of other rows."""


def task_of(kind: str) -> Task:
    params, labels, *_ = ROWS[kind]
    return Task(labels, TASKS[kind].params.model_validate(params))


def test_only_a_free_text_has_no_one_answer() -> None:
    assert {name for name in ROWS if TASKS[name].agreement is None} == {"generation"}


@pytest.mark.parametrize("kind", [name for name in ROWS if name != "generation"])
def test_a_right_answer_agrees_with_the_target_and_another_does_less(kind: str) -> None:
    entry, task = TASKS[kind], task_of(kind)
    _, _, inputs, target, wrong, _ = ROWS[kind]
    right = {"numeric": "6", "structured": json.loads(target) if kind == "structured" else None}
    metric = METRICS[entry.agreement or ""]
    references = entry.reference(inputs, target, task.params).references

    def agrees(value: Any) -> float | None:
        Draft202012Validator(entry.blind_schema(task, 100)).validate(value)
        answer = entry.blind_answer(value, inputs, task)
        return metric.score(Answered(answer, references, ""), metric.params())

    assert agrees(right.get(kind) or target) == 1
    assert (agrees(wrong) or 0) < 1
    assert entry.blind_form(task)


@pytest.mark.parametrize("kind", ROWS)
def test_a_wrong_target_is_one_of_the_task_and_not_the_right_one(kind: str) -> None:
    entry, task = TASKS[kind], task_of(kind)
    _, _, inputs, target, _, others = ROWS[kind]
    wrong = entry.corrupted(inputs, target, others, task)
    assert wrong is not None
    assert wrong != target
    assert entry.malformed(inputs, wrong, task) is None, wrong


def test_wrong_targets_look_like_right_ones() -> None:
    def corrupted(kind: str, *others: str, target: str = "") -> str | None:
        _, _, inputs, right, _, _ = ROWS[kind]
        return TASKS[kind].corrupted(inputs, target or right, others, task_of(kind))

    assert corrupted("classification", "late", "rude") == "rude"
    assert corrupted("classification", "late") is None
    assert corrupted("numeric") == "2 * 3 = <<2*3=7>>7\n#### 7"
    assert corrupted("numeric", target="2 * 3 = 6") == "2 * 3 = 7"
    assert corrupted("numeric", target="half of 6 is 3\n#### 3") == "half of 6 is 3\n#### 4"
    assert corrupted("extraction", "eight", "a table") == "eight"
    assert corrupted("extraction", "two") == "a table", "words of the right one are not wrong"
    assert corrupted("extraction", target="a table for two people at eight") is None
    assert corrupted("structured") in ('{"people": 2}', '{"day": "Monday", "people": 3}')
    steps = "2 + 3 = 5\n5 * 4 = 20\nSo it is 20.\n#### 20"
    assert corrupted("numeric", target=steps) == "2 + 3 = 5\n#### 5", "it stops a step early"
    assert corrupted("numeric", target="4 - 2 = 2\n2 * 1 = 2\n#### 2") == (
        "4 - 2 = 2\n2 * 1 = 3\n#### 3"
    ), "a step before the last may come to the same"


def test_of_options_the_one_most_like_the_right_one_is_wrong() -> None:
    entry = TASKS["multiple_choice"]
    task = Task((), entry.params.model_validate({}))
    text = "Which?\n(A) a dog\n(B) a red cat\n(C) a bird\n(D) a red cow"
    assert entry.corrupted({"text": text}, "B", (), task) == "D"
    assert entry.corrupted({"text": text}, "A", (), task) == "C", "of equals the next"


def test_several_labels_are_compared_as_a_set() -> None:
    entry = TASKS["classification"]
    task = Task(("a", "b"), entry.params.model_validate({"many": True}))
    assert entry.blind_answer(["b", "a"], {}, task) == '["a", "b"]'
    assert entry.blind_answer([], {}, task) == "[]"
    assert not entry.chosen(task.params)


@pytest.mark.parametrize("column", [None, "options"])
def test_options_in_another_order_keep_their_letters_in_place(column: str | None) -> None:
    entry = TASKS["multiple_choice"]
    task = Task((), entry.params.model_validate({"options": column} if column else {}))
    lines = "A. one\nB. two\nC. three\nD. four"
    inputs = {"text": "E. this is no option", "options": lines}
    if column is None:
        inputs = {"text": f"Which is it?\n{lines}\nB. so it stands again"}
    orders = set()
    for seed in range(6):
        shown, was = entry.reordered(inputs, random.Random(seed), task)
        before, after = (_options(row[column or "text"]) for row in (inputs, shown))
        assert {was[letter]: text for letter, text in after.items()} == before
        assert "again" in shown["text"] or column
        orders.add(tuple(after.values()))
    assert len(orders) > 2


def _options(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        letter, _, option = line.partition(". ")
        if letter in "ABCD" and letter and letter not in found:
            found[letter] = option
    return found
