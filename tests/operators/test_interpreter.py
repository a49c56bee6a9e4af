"""What an operator does with a seed row, by the rules that its definition names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.backends.structured import read_reply, unbounded
from engine.operators import (
    Operator,
    Seed,
    read_rows,
    reply_schema,
    row_count,
    target_of,
    usable,
    variables_of,
)
from engine.operators.folder import read_operator
from engine.rows import Example
from tests.operators.test_folder import ROWS
from tests.operators.writing import changed, write_operator

TRAIN = [
    Example(f"e{i}", "train", {"text": f"row {i}"}, label, {}, "f", i)
    for i, label in enumerate("aabbccab")
]
SEED = Seed(
    row=TRAIN[0], keep="the names", pattern="late cards", strategy="Be late.", labels=("b", "a", "gone"),
    task_labels=("a", "b", "c"), train=TRAIN, feedback="Too long.", draw=0, description="What customers write.",
)  # fmt: skip
ALL = ["row", "label", "target", "keep", "pattern", "strategy", "feedback"]
CHANGE = ("label: keep", "label: change\ntasks: labelled")


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """Return what writes and reads an operator with changes in its definition."""

    def read(*changes: tuple[str, str], schema: str | None = None) -> Operator:
        prompt = "{# purpose: none; variables: none #}\n[[user]]\nx\n"
        text = changed(*changes)
        return read_operator(write_operator(tmp_path, text, prompt=prompt, schema=schema), own=True)

    return read


def test_the_prompt_is_given_what_the_definition_lets_it_see_and_no_more(make: Any) -> None:
    operator = make()
    params = operator.params(words=7)
    assert variables_of(operator, SEED, params) == {
        "row": {"text": "row 0"}, "feedback": "Too long.", "count": 2, "description": "What customers write.",
        "params": {"variants": 2, "words": 7, "style": "plain"},
    }  # fmt: skip


def test_everything_can_be_seen(make: Any) -> None:
    operator = make(("[row, feedback]", json.dumps(ALL)))
    shown = variables_of(operator, SEED, operator.params())
    assert {name: shown[name] for name in ALL} == {
        "row": {"text": "row 0"}, "label": "a", "target": "a", "keep": "the names", "pattern": "late cards",
        "strategy": "Be late.", "feedback": "Too long.",
    }  # fmt: skip


@pytest.mark.parametrize(("rule", "targets"), [("pattern", "bgbg"), ("task", "bcbc")])
def test_another_label_is_taken_in_turn(rule: str, targets: str, make: Any) -> None:
    operator = make(CHANGE, ("rows:", f"target: {rule}\nrows:"))
    got = [target_of(operator, SEED._replace(draw=draw)) for draw in range(4)]
    assert [target[0] for target in got if target] == list(targets)


def test_an_operator_that_changes_labels_is_of_no_use_without_another_label(make: Any) -> None:
    alone = SEED._replace(labels=("a",))
    assert not usable(make(CHANGE), alone)
    assert not usable(make(CHANGE), SEED._replace(labels=()))
    assert usable(make(CHANGE, ("rows:", "target: task\nrows:")), alone)
    assert usable(make(), alone)
    assert usable(make(("label: keep", "label: written")), alone)


def shown(operator: Operator, seed: Seed = SEED, **params: int) -> list[Any]:
    """Return the texts of the examples, or (text, target) where targets are shown."""
    rows = variables_of(operator, seed, operator.params(**params))["examples"]
    return [(row["text"], row["target"]) if "target" in row else row["text"] for row in rows]


def examples(rule: str) -> tuple[str, str]:
    return ("sees:", f"examples: {rule}\nsees:")


@pytest.mark.parametrize(
    ("of", "texts"),
    [
        ("target", ["row 1", "row 6"]),
        ("other", ["row 2", "row 3", "row 4", "row 5", "row 7"]),
        ("any", [f"row {i}" for i in range(1, 8)]),
    ],
)
def test_examples_are_of_the_rows_that_the_rule_names_and_never_the_seed(
    of: str, texts: list[str], make: Any
) -> None:
    assert shown(make(examples(f"{{of: {of}, count: 9}}"))) == texts


def test_examples_of_another_target_follow_the_rows_to_write(make: Any) -> None:
    operator = make(CHANGE, examples("{of: target, count: 2}"))
    assert shown(operator) == ["row 2", "row 3"]


@pytest.mark.parametrize(
    ("advance", "windows"),
    [("row", ["123", "234", "345", "456", "567"]), ("window", ["123", "456", "712", "345", "671"])],
)
def test_the_window_moves_on_and_round(advance: str, windows: list[str], make: Any) -> None:
    operator = make(examples(f"{{of: any, count: 3, advance: {advance}}}"))
    seen = [shown(operator, SEED._replace(draw=draw)) for draw in range(5)]
    assert ["".join(text[-1] for text in texts) for texts in seen] == windows


def test_the_seed_may_be_shown_among_them_with_targets(make: Any) -> None:
    first = make(examples("{of: other, count: 1, with_target: true, seed: first}"))
    assert shown(first) == [("row 0", "a"), ("row 2", "b")]
    last = make(examples("{of: other, count: 1, seed: last}"))
    assert shown(last) == ["row 2", "row 0"]


def test_how_many_are_shown_may_be_a_parameter(make: Any) -> None:
    operator = make(examples("{of: any, count: words}"))
    assert len(shown(operator, words=1)) == 1
    assert len(shown(operator)) == 5
    nothing = make(examples("{of: any, count: 0, seed: last}"))
    assert shown(nothing) == ["row 0"]
    assert shown(nothing, SEED._replace(train=TRAIN[:1])) == ["row 0"]


@pytest.mark.parametrize(("rows", "count"), [("variants", 4), ("7", 7)])
def test_the_rows_of_a_call_are_a_parameter_or_a_number(rows: str, count: int, make: Any) -> None:
    operator = make(("rows: variants", f"rows: {rows}"))
    params = operator.params(variants=4)
    assert row_count(operator, params) == count
    schema = reply_schema(operator, params, ["text"], 80, {})
    listed = schema["properties"]["rows"]
    assert (listed["minItems"], listed["maxItems"]) == (count, count)
    assert variables_of(operator, SEED, params)["count"] == count


def test_a_written_target_is_part_of_the_reply_and_of_the_row(make: Any) -> None:
    operator = make(("label: keep", "label: written"))
    params = operator.params()
    assert target_of(operator, SEED) is None
    written = {"$ref": "#/$defs/word", "$defs": {"word": {"type": "string", "maxLength": 9}}}
    schema = reply_schema(operator, params, ["text"], 80, written)
    assert not unbounded(schema)
    value = {"rows": [{"text": " one ", "target": "x"}, {"text": "two", "target": "y"}]}
    assert read_reply(json.dumps(value), schema).error is None
    rows = read_rows(operator, value, SEED)
    assert [(row.inputs, row.target) for row in rows] == [
        ({"text": "one"}, "x"),
        ({"text": "two"}, "y"),
    ]
    assert read_reply('{"rows": [{"text": "a"}, {"text": "b"}]}', schema).error == "schema"


def test_a_kept_target_is_not_asked_for(make: Any) -> None:
    operator = make()
    schema = reply_schema(operator, operator.params(), ["text"], 80, {"type": "string"})
    assert "target" not in schema["properties"]["rows"]["items"]["properties"]
    assert [row.target for row in read_rows(operator, {"rows": [{"text": "x"}]}, SEED)] == ["a"]


def test_what_an_own_schema_asks_for_stands_before_the_columns(make: Any) -> None:
    operator = make(("label: keep", "label: written"), schema=ROWS)
    schema = reply_schema(
        operator, operator.params(variants=1), ["title", "text"], 80, {"const": "x"}
    )
    assert list(schema["properties"]) == ["plan", "rows"]
    item = schema["properties"]["rows"]["items"]
    assert list(item["properties"]) == item["required"] == ["why", "title", "text", "target"]
    assert not unbounded(schema)
    value = {"plan": "p", "rows": [{"why": "w", "title": "t", "text": "u", "target": "x"}]}
    assert read_reply(json.dumps(value), schema).error is None


def test_everything_follows_from_seed_and_parameters(make: Any) -> None:
    operator = make(CHANGE, examples("{of: any, count: words}"), ("[row, feedback]", "[target]"))
    params = operator.params()
    assert variables_of(operator, SEED, params) == variables_of(operator, SEED, params)


def test_a_parameter_out_of_bounds_is_refused(make: Any) -> None:
    operator = make()
    for wrong in ({"words": 21}, {"variants": 0}, {"style": "loud"}, {"word": 1}, {"words": "5"}):
        with pytest.raises(ValueError, match="validation error"):
            operator.params.model_validate(wrong)


def test_a_number_and_a_switch_and_a_text_are_parameters_too(make: Any) -> None:
    operator = make(
        (
            "rows: variants",
            "  heat: {type: number, default: 0.5, minimum: 0, maximum: 1, description: How wild.}\n"
            "  loud: {type: boolean, default: false, description: Whether it shouts.}\n"
            '  tone: {type: text, default: "", max_length: 20, description: How it sounds.}\n'
            "rows: variants",
        )
    )
    params = operator.params(heat=1, loud=True, tone="calm")
    assert params.model_dump() == {
        "variants": 2, "words": 5, "style": "plain", "heat": 1.0, "loud": True, "tone": "calm",
    }  # fmt: skip
    with pytest.raises(ValueError, match="at most 20 characters"):
        operator.params.model_validate({"tone": "x" * 21})
