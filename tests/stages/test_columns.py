"""What the student sees of a row: its turns, and the rows that are shown before it."""

from typing import Any

import pytest
from engine.stages.columns import StudentPrompts

from engine.rows import Example
from engine.spec.package_data import shipped
from engine.spec.prompts import PromptLibrary

NAME = "tasks/classification.md"
PROMPT = PromptLibrary(shipped("recipes")).get(NAME)
ROWS = [
    Example(f"{split}{n}", split, {"text": f"{split} text {n}"}, "ab"[n % 2], {}, "data", n + 1)
    for split in ("train", "validation", "test")
    for n in range(6)
]  # fmt: skip


def _prompts(shots: dict[str, Any] | None) -> StudentPrompts:
    params = {
        "kind": "classification", "labels": None, "description": "Sort it.", "prompt": NAME,
        **({"shots": shots} if shots else {}),
    }  # fmt: skip
    return StudentPrompts(params, PROMPT, ROWS)


def test_without_shots_a_row_stands_alone() -> None:
    turns = _prompts(None)(ROWS[0])
    assert [turn.role for turn in turns] == ["system", "user"]


@pytest.mark.parametrize("row", [ROWS[7], ROWS[13]], ids=["validation", "test"])
def test_shots_are_training_rows_answered_before_with_one_system_turn(row: Example) -> None:
    turns = _prompts({"n": 4, "seed": 0})(row)
    assert [turn.role for turn in turns] == ["system", *["user", "assistant"] * 4, "user"]
    known = {e.inputs["text"]: e.target for e in ROWS if e.split == "train"}
    shown = list(zip(turns[1:-1:2], turns[2:-1:2], strict=True))
    assert [known[asked.content.strip()] for asked, _ in shown] == [
        said.content for _, said in shown
    ]
    # Targets in turn.
    assert sorted(said.content for _, said in shown) == ["a", "a", "b", "b"]
    assert turns[-1].content.strip() == row.inputs["text"]


def test_a_training_row_is_never_shown_before_itself() -> None:
    prompts = _prompts({"n": 6, "seed": 0})
    for row in ROWS[:6]:
        said = [turn.content.strip() for turn in prompts(row) if turn.role == "user"]
        assert said.count(row.inputs["text"]) == 1
        assert len(said) == 6


def test_which_rows_are_shown_goes_by_their_seed() -> None:
    drawn = [_prompts({"n": 2, "seed": seed})(ROWS[7])[1].content for seed in range(6)]
    assert len(set(drawn)) > 1
    assert drawn[0] == _prompts({"n": 2, "seed": 0})(ROWS[8])[1].content
