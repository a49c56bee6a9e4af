"""What an operator's prompt is given and how its reply is read, by the rules that its definition names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.backends.structured import read_reply, unbounded
from engine.operators import (
    SHARED_LINES,
    Assignment,
    KnownRow,
    NewRow,
    Operator,
    RowKind,
    RowSpec,
    Unread,
    brings_target,
    example_count,
    itemised,
    read_rows,
    reply_schema,
    rows_per_call,
    rows_per_seed,
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
REJECTED = KnownRow({"text": "old"}, "b", "Too long.")
ASKED = Assignment(
    rows=[
        RowSpec("r1", TRAIN[0], "a", "b", "the names", {"tone": "calm"}, "lost on the way"),
        RowSpec("r2", TRAIN[2], "b", contrast=True),
    ],
    examples=TRAIN[4:6], task="What it is.", description="What customers write.", pattern="late cards", about="Late.",
    includes=("delays",), excludes=("losses",), strategy="Be late.", must=("be short",), must_not=("be rude",),
    contrast="On time.", kinds=(RowKind("lost on the way", "It was sent."),),
    accepted=(KnownRow({"text": "good"}, "a"),), rejected=(REJECTED,), longest=90,
)  # fmt: skip
ALL = [
    "task", "row", "label", "target", "keep", "pattern", "about", "includes", "excludes", "strategy", "must",
    "must_not", "contrast", "kinds", "accepted", "rejected",
]  # fmt: skip
CHANGE = ("label: keep", "label: change\ntasks: labelled")
PROMPT = "{# purpose: none; variables: none #}\n[[user]]\nx\n"


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """Return what writes and reads an operator with changes in its definition."""

    def read(
        *changes: tuple[str, str], schema: str | None = None, prompt: str = PROMPT
    ) -> Operator:
        text = changed(*changes)
        return read_operator(write_operator(tmp_path, text, prompt=prompt, schema=schema), own=True)

    return read


def test_the_prompt_is_given_what_the_definition_lets_it_see_and_no_more(make: Any) -> None:
    operator = make()
    params = operator.params(words=7)
    rejected = [{"row": {"text": "old"}, "target": "b", "why": "Too long."}]
    shown = variables_of(operator, ASKED, params)
    assert {name: shown[name] for name in shown if name != "rows"} == {
        "row": {"text": "row 0"}, "rejected": rejected, "count": 2, "description": "What customers write.",
        "params": {"variants": 2, "words": 7, "style": "plain"}, "longest": 90, "usual": (5, 20),
        "kind": "", "labelled": False, "derived": False,
        "shared": SHARED_LINES,
    }  # fmt: skip


def test_everything_can_be_seen(make: Any) -> None:
    operator = make(("[row, rejected]", json.dumps(ALL)))
    shown = variables_of(operator, ASKED, operator.params())
    assert {name: shown[name] for name in ALL} == {
        "task": "What it is.", "row": {"text": "row 0"}, "label": "a", "target": "a", "keep": "the names",
        "pattern": "late cards", "about": "Late.", "includes": ["delays"], "excludes": ["losses"],
        "strategy": "Be late.", "must": ["be short"], "must_not": ["be rude"],
        "contrast": "On time.", "kinds": [{"name": "lost on the way", "description": "It was sent."}],
        "accepted": [{"row": {"text": "good"}, "target": "a"}],
        "rejected": [{"row": {"text": "old"}, "target": "b", "why": "Too long."}],
    }  # fmt: skip


def test_a_row_to_write_is_shown_with_its_seed_where_it_is_made_from_that(make: Any) -> None:
    first = {
        "id": "r1", "target": "a", "near": "b", "vary": {"tone": "calm"}, "wishes": {"tone": "calm"},
        "kind": "lost on the way", "contrast": False,
    }  # fmt: skip
    kept = variables_of(make(), ASKED, make().params())["rows"]
    assert kept[0] == {**first, "row": {"text": "row 0"}, "label": "a", "keep": "the names"}
    shown = make(("label: keep", "label: given\nseeded: true"))
    assert variables_of(shown, ASKED, shown.params())["rows"][0]["row"] == {"text": "row 0"}
    new = make(("label: keep", "label: given"), ("[row, rejected]", "[rejected]"))
    assert variables_of(new, ASKED, new.params())["rows"][0] == first


def test_targets_are_shown_as_they_would_be_written(make: Any) -> None:
    operator = make(
        ("[row, rejected]", "[target, label, accepted, rejected]"),
        examples("{of: any, count: 3, with_target: true}"),
    )
    row = Example("e", "train", {"text": "x"}, '{"n": 1}', {}, "f", 1)
    asked = Assignment(
        [RowSpec("r1", row, row.target)], [row], accepted=[KnownRow({"text": "y"}, '{"n": 2}')],
        rejected=[KnownRow({"text": "z"}, "no JSON", "Broken.")], as_written=json.loads,
    )  # fmt: skip
    shown = variables_of(operator, asked, operator.params())
    assert shown["target"] == shown["label"] == shown["rows"][0]["target"] == {"n": 1}
    assert shown["examples"] == [{"text": "x", "target": {"n": 1}}]
    assert shown["accepted"][0]["target"] == {"n": 2}
    assert shown["rejected"][0]["target"] == "no JSON"


@pytest.mark.parametrize(
    ("label", "labelled", "brings"),
    [
        ("keep", True, False),
        ("given", True, False),
        ("given", False, True),
        ("written", True, True),
    ],
)
def test_whether_a_row_brings_its_target(
    label: str, labelled: bool, brings: bool, make: Any
) -> None:
    operator = make(("label: keep", f"label: {label}"))
    assert brings_target(operator, labelled=labelled) == brings


def examples(rule: str) -> tuple[str, str]:
    return ("sees:", f"examples: {rule}\nsees:")


def test_the_seed_may_be_shown_among_the_examples(make: Any) -> None:
    def shown(rule: str) -> list[str]:
        operator = make(examples(rule))
        return [row["text"] for row in variables_of(operator, ASKED, operator.params())["examples"]]

    assert shown("{of: any, count: 2}") == ["row 4", "row 5"]
    assert shown("{of: any, count: 2, seed: first}") == ["row 0", "row 4", "row 5"]
    assert shown("{of: any, count: 2, seed: last}") == ["row 4", "row 5", "row 0"]


def test_how_many_are_shown_is_a_number_a_parameter_or_the_packs(make: Any) -> None:
    for rule, expected in (("2", 2), ("words", 5), ("pack", 6), ("0", 0)):
        operator = make(examples(f"{{of: any, count: {rule}}}"))
        assert example_count(operator, operator.params(), 6) == expected
    assert example_count(make(), make().params(), 6) == 0


@pytest.mark.parametrize(("rows", "count"), [("variants", 4), ("7", 7)])
def test_the_rows_of_a_seed_are_a_parameter_or_a_number(rows: str, count: int, make: Any) -> None:
    operator = make(("rows: variants", f"rows: {rows}"))
    params, prompt = operator.params(variants=4), operator.prompt("small")
    assert rows_per_seed(operator, params) == count
    assert not itemised(prompt)
    assert rows_per_call(operator, params, prompt, 10) == count


def test_a_prompt_that_lists_rows_is_asked_for_as_many_as_the_pack_says(make: Any) -> None:
    operator = make(prompt=PROMPT.replace("x\n", "{{ rows }}\n"))
    prompt = operator.prompt("small")
    assert itemised(prompt)
    assert rows_per_call(operator, operator.params(), prompt, 10) == 10
    assert rows_per_call(operator, operator.params(variants=4), prompt, 1) == 4


def test_a_written_target_is_part_of_the_reply_and_of_the_row(make: Any) -> None:
    operator = make(("label: keep", "label: written"))
    written = {"$ref": "#/$defs/word", "$defs": {"word": {"type": "string", "maxLength": 9}}}
    schema = reply_schema(operator, ["text"], 80, written, 2)
    assert not unbounded(schema)
    value = {"rows": [{"text": " one ", "target": "x"}, {"text": "two", "target": "y"}]}
    assert read_reply(json.dumps(value), schema).error is None
    asked = Assignment([RowSpec("r1", TRAIN[0], None), RowSpec("r2", TRAIN[0], None)])
    assert new_rows(value, asked) == [("one", "x"), ("two", "y")]
    assert read_reply('{"rows": [{"text": "a"}, {"text": "b"}]}', schema).error == "schema"


def new_rows(value: Any, asked: Assignment, *, items: bool = False) -> list[tuple[str, Any]]:
    return [
        (row.inputs["text"], row.target)
        for row in read_rows(value, asked, items=items)
        if isinstance(row, NewRow)
    ]


def test_a_kept_target_is_not_asked_for(make: Any) -> None:
    schema = reply_schema(make(), ["text"], 80, None, 1)
    assert list(schema["properties"]["rows"]["items"]["properties"]) == ["text"]
    asked = Assignment([RowSpec("r1", TRAIN[0], "a")])
    assert new_rows({"rows": [{"text": "x"}]}, asked) == [("x", "a")]


def test_rows_with_ids_have_a_plan_before_and_reasons_before_the_target(make: Any) -> None:
    operator = make(("label: keep", "label: given"))
    schema = reply_schema(operator, ["text"], 80, {"const": "x"}, 2, items=True, derived=True)
    item = schema["properties"]["rows"]["items"]
    assert (
        list(item["properties"])
        == item["required"]
        == ["id", "plan", "text", "rationale", "target"]
    )
    plain = reply_schema(operator, ["text"], 80, None, 2, items=True)
    assert list(plain["properties"]["rows"]["items"]["properties"]) == ["id", "plan", "text"]
    flips = reply_schema(make(CHANGE), ["text"], 80, None, 2, items=True)
    assert list(flips["properties"]["rows"]["items"]["properties"])[-1] == "rationale"


def test_every_id_comes_once_or_is_told(make: Any) -> None:
    asked = Assignment([RowSpec(f"r{i}", TRAIN[i], "a") for i in range(4)])
    rows = [
        {"id": name, "text": f"text {i}", "rationale": " why "}
        for i, name in enumerate(("r2", "r9", "r1", "r1", "r0"))
    ]
    read = read_rows({"rows": rows}, asked, items=True)
    assert [(row.spec.id, row.inputs["text"]) for row in read if isinstance(row, NewRow)] == [
        ("r2", "text 0"), ("r0", "text 4"),
    ]  # fmt: skip
    assert {row.rationale for row in read if isinstance(row, NewRow)} == {"why"}
    assert [(row.spec and row.spec.id, row.reason) for row in read if isinstance(row, Unread)] == [
        (None, "not_asked"), ("r1", "twice_in_reply"), ("r3", "missing_in_reply"),
    ]  # fmt: skip


def test_a_row_that_is_left_out_is_told_with_its_reason_even_if_all_are(make: Any) -> None:
    asked = Assignment([RowSpec(f"r{i}", TRAIN[i], "a") for i in range(3)])
    schema = reply_schema(make(), ["text"], 80, None, 3, items=True)
    assert not unbounded(schema)
    skipped = [
        {"id": name, "reason": reason, "why": " why "}
        for name, reason in (("r0", "wrong_target"), ("r1", "not_possible"), ("r9", "not_possible"))
    ]
    for rows in ([], [{"id": "r1", "plan": "p", "text": "t"}]):
        value = {"rows": rows, "skipped": skipped}
        assert read_reply(json.dumps(value), schema).error is None
        read = [row for row in read_rows(value, asked, items=True) if isinstance(row, Unread)]
        assert [(row.spec and row.spec.id, row.reason, row.wrong_target) for row in read] == [
            ("r0", "declined", True), ("r1", "declined", False), (None, "not_asked", False),
            ("r2", "missing_in_reply", False),
        ]  # fmt: skip
        assert read[0].detail == "why"
        assert not new_rows(value, asked, items=True)


def test_one_row_twice_or_too_many_does_not_break_the_reply(make: Any) -> None:
    schema = reply_schema(make(("label: keep", "label: given")), ["text"], 80, None, 3, items=True)
    rows = [{"id": name, "plan": "p", "text": "t"} for name in ("r1", "r1", "r2", "r9")]
    for part in (rows, rows[:1]):
        assert read_reply(json.dumps({"rows": part}), schema).error is None
    assert read_reply('{"rows": []}', schema).error == "schema"


def test_what_an_own_schema_asks_for_stands_before_the_columns(make: Any) -> None:
    operator = make(("label: keep", "label: written"), schema=ROWS)
    schema = reply_schema(operator, ["title", "text"], 80, {"const": "x"}, 1)
    assert list(schema["properties"]) == ["plan", "rows"]
    item = schema["properties"]["rows"]["items"]
    assert list(item["properties"]) == item["required"] == ["why", "title", "text", "target"]
    assert not unbounded(schema)
    value = {"plan": "p", "rows": [{"why": "w", "title": "t", "text": "u", "target": "x"}]}
    assert read_reply(json.dumps(value), schema).error is None


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
