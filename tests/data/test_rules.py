"""What a task makes of rows where they are read: their form, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest

from engine.data.records import Record
from engine.data.rules import rules_for
from engine.spec.recipe import Task
from engine.sql.expressions import Fault

SLOTS = {
    "type": "object",
    "properties": {"people": {"type": "string", "maxLength": 20}},
    "additionalProperties": False,
}


def rules(kind: str, params: dict[str, Any] | None = None, **more: Any) -> Any:
    return rules_for(Task(kind=kind, input=["q"], target="a", params=params or {}, **more))


@pytest.mark.parametrize(
    ("kind", "params", "value", "target", "references"),
    [
        ("numeric", {}, 3.5, "3.5", ()),
        ("classification", {"many": True}, [], "[]", ()),
        ("classification", {"many": True}, ["b", "a"], '["a", "b"]', ()),
        ("structured", {"json_schema": SLOTS}, {"people": "5"}, '{"people": "5"}', ()),
        ("generation", {}, ["one", "two"], "one", ("one", "two")),
        ("numeric", {}, "3+4 = 7\n#### 7", "3+4 = 7\n#### 7", ("7",)),
    ],
)
def test_rows_take_their_tasks_form_where_they_are_read(
    kind: str, params: dict[str, Any], value: Any, target: str, references: tuple[str, ...]
) -> None:
    row: dict[str, Any] = {"q": "what?", "a": value, "golds": "a column"}
    assert rules(kind, params).check(row) == references
    assert row == {"q": "what?", "a": target, "golds": "a column"}


def test_a_row_that_is_none_of_its_task_is_named() -> None:
    for value, why in ({"x": 1}, "is a dict"), ("many", "no number is in the target"):
        fault = rules("numeric").check({"q": "what?", "a": value})
        assert isinstance(fault, Fault)
        assert why in fault.message
        assert "on_bad_row" in fault.hint


def test_parts_of_a_row_that_are_no_texts_are_named() -> None:
    choice = rules_for(
        Task(kind="multiple_choice", input=["q", "o"], target="a", params={"options": "o"})
    )
    for option, why in (None, "has no value"), ({"text": "x"}, "is a dict"):
        fault = choice.check({"q": "which?", "o": ["one", option], "a": "A"})
        assert isinstance(fault, Fault)
        assert why in fault.message
    fault = rules("classification", {"many": True}).check({"q": "what?", "a": ["x", None]})
    assert "a label has no value" in fault.message


def test_labels_are_those_that_a_target_names() -> None:
    assert list(rules("classification").labels("[1]")) == ["[1]"]
    assert list(rules("classification", {"many": True}).labels('["a", "b"]')) == ["a", "b"]
    assert rules("generation").labels is None


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("no such kind", {}),
        ("extraction", {}),
        ("extraction", {"context": "c"}),
        ("structured", {"json_schema": {"type": "string"}}),
    ],
)
def test_of_a_task_with_mistakes_columns_must_only_be_there(
    kind: str, params: dict[str, Any]
) -> None:
    check = rules(kind, params).check
    row: dict[str, Any] = {"q": [1], "a": {"x": 2}}
    assert check(row) == ()
    assert row == {"q": [1], "a": {"x": 2}}
    assert isinstance(check({"q": [1]}), Fault)


def test_a_row_that_redaction_changed_must_still_hold_all_its_answers() -> None:
    still = rules("extraction", {"context": "q"}).still
    good = Record(1, {"q": "it is Bonn", "a": "Bonn"}, references=("Bonn", "is Bonn"))
    assert still(good) is None
    fault = still(good._replace(values={"q": "it was Bonn", "a": "Bonn"}))
    assert "do not fit its answer" in fault.message
    assert "Bonn" not in fault.message
