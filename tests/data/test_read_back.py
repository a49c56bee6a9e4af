"""What the student is trained to say is read back as the right answer, for rows of every kind, or the row is bad."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.tasks import TASKS
from engine.tasks.protocol import Task, readable
from tests.plan.small_recipe import said, write

CONTEXT = "Ann lives at\n12 Elm Road\nOldtown\nand likes it."
SPAN = "12 Elm Road\nOldtown"


def extraction() -> tuple[Any, Task]:
    kind = TASKS["extraction"]
    return kind, Task((), kind.params(context="ctx"))  # type: ignore[call-arg]


def test_a_span_over_two_lines_is_said_on_one_and_read_from_either() -> None:
    kind, one = extraction()
    inputs = {"q": "Where?", "ctx": CONTEXT}
    right = kind.reference(inputs, SPAN, one.params)
    assert right == (SPAN, ("12 Elm Road Oldtown",))
    assert kind.completion(inputs, SPAN, one.params) == "12 Elm Road Oldtown"
    for text in (SPAN, "12 Elm Road Oldtown", "12  Elm Road\n\nOldtown\n\nQuestion: who?"):
        assert kind.read(text, inputs, one) == "12 Elm Road Oldtown"
    assert kind.read("Newtown\nbecause", inputs, one) == "Newtown"
    assert kind.malformed(inputs, SPAN, one) is None


def test_a_text_that_looks_like_a_letter_is_the_option_it_names() -> None:
    kind = TASKS["multiple_choice"]
    params = kind.params(options="opts")  # type: ignore[call-arg]
    inputs = {"opts": "A. the\nB. a\nC. an"}
    assert kind.reference(inputs, "a", params).target == "B"
    assert kind.reference(inputs, "an", params).target == "C"
    assert kind.reference(inputs, "A", params).target == "A"
    assert kind.reference(inputs, "(c)", params).target == "C"
    swapped = {"opts": "A. B\nB. A"}
    with pytest.raises(ValueError, match="the letter of one option and the text of another"):
        kind.reference(swapped, "A", params)
    assert kind.reference(swapped, "(A)", params).target == "A"


def test_options_that_differ_in_punctuation_alone_are_told_apart() -> None:
    kind = TASKS["multiple_choice"]
    one = Task((), kind.params(say="text"))  # type: ignore[call-arg]
    inputs = {"text": "A. 5\nB. 5."}
    assert [kind.read(text, inputs, one) for text in ("5", "5.")] == ["A", "B"]


BAD: list[tuple[dict[str, Any], list[dict[str, Any]], str]] = [
    (
        {"kind": "classification", "params": {"many": True}},
        [{"q": "a", "a": []}, {"q": "b", "a": ["none"]}, {"q": "c", "a": ["x", "none"]}],
        "'none' is read as '[\"none\"]', not as '[]'",
    ),
    (
        {"kind": "classification", "params": {"answer": "generation"}},
        [{"q": "a", "a": "yes"}, {"q": "b", "a": "yes "}],
        "'yes ' is read as 'yes', not as 'yes '",
    ),
]


@pytest.mark.parametrize(("task", "rows", "why"), BAD)
def test_a_row_whose_answer_is_read_as_another_is_bad(
    task: dict[str, Any], rows: list[dict[str, Any]], why: str, tmp_path: Path
) -> None:
    recipe = write(tmp_path, {**task, "input": ["q"], "target": "a"}, rows)
    faults = said(recipe, "read-back")
    assert len(faults) == 3
    assert all(why in fault and "on_bad_row: drop" in fault for fault in faults)


def test_likelihoods_tell_apart_what_reading_does_not(tmp_path: Path) -> None:
    rows = [{"q": "a", "a": "yes"}, {"q": "b", "a": "yes "}]
    task = {"kind": "classification", "input": ["q"], "target": "a"}
    assert said(write(tmp_path, task, rows), "read-back") == []
    served = {"backend": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
    models = {
        role: {"backend": "scripted", "model": role} for role in ("teacher", "judge", "embedder")
    }
    none = {"models": {"student": served, **models}, "train": {"method": "none"}}
    assert len(said(write(tmp_path, task, rows, **none), "read-back")) == 3


GOOD: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [
    ({"kind": "generation"}, [{"q": "a", "a": " hello \n"}, {"q": "b", "a": "<think>x</think> y"}]),
    ({"kind": "numeric"}, [{"q": "a", "a": "<think>3</think> it is\n#### 1 234"}]),
    (
        {"kind": "extraction", "params": {"context": "q"}},
        [{"q": CONTEXT, "a": [SPAN, " Oldtown"]}, {"q": "Ben  sings", "a": "Ben sings"}],
    ),
    ({"kind": "multiple_choice"}, [{"q": "x\nA. the\nB. a\nC. an", "a": "a"}]),
    (
        {"kind": "multiple_choice", "params": {"say": "text"}},
        [{"q": "x\nA. Answer is B\nB. a", "a": text} for text in ("Answer is B", "a")],
    ),
]


@pytest.mark.parametrize(("task", "rows"), GOOD, ids=[str(each[0]) for each in GOOD])
def test_a_row_whose_answer_is_read_back_is_good(
    task: dict[str, Any], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    recipe = write(tmp_path, {**task, "input": ["q"], "target": "a"}, rows)
    assert said(recipe, "read-back") == said(recipe, "data") == []


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<think>\nhm\n</think>\n\nbilling", "billing"),
        ("hm, a label\n</think>\nbilling", "billing"),
        ("<THINKING>a</THINKING><think>b</think>c", "c"),
        ("<think>cut in its", ""),
        ("a < b", "a < b"),
        ("see <think>x</think>", "see <think>x</think>"),
    ],
)
def test_thoughts_are_no_part_of_an_answer(text: str, left: str) -> None:
    assert readable(text) == left
