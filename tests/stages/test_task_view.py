"""What the student sees of a row: its turns, and the rows that are shown before it."""

import pytest

from engine.rows import Example
from engine.spec.package_data import shipped
from engine.spec.prompts import PromptLibrary
from engine.stages.task_view import PromptedTask, Shots, StudentPrompts
from tests.stages.views import view

NAME = "tasks/classification.md"
PROMPT = PromptLibrary(shipped("recipes")).get(NAME)
ROWS = [
    Example(f"{split}{n}", split, {"text": f"{split} text {n}"}, "ab"[n % 2], {}, "data", n + 1)
    for split in ("train", "validation", "test")
    for n in range(6)
]  # fmt: skip


def _prompts(shots: Shots | None) -> StudentPrompts:
    task = view("classification", description="Sort it.")
    return StudentPrompts(PromptedTask(task=task, prompt=NAME, shots=shots), PROMPT, ROWS)


def test_without_shots_a_row_stands_alone() -> None:
    turns = _prompts(None)(ROWS[0])
    assert [turn.role for turn in turns] == ["system", "user"]


@pytest.mark.parametrize("row", [ROWS[7], ROWS[13]], ids=["validation", "test"])
def test_shots_are_training_rows_answered_before_with_one_system_turn(row: Example) -> None:
    turns = _prompts(Shots(n=4))(row)
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
    prompts = _prompts(Shots(n=6))
    for row in ROWS[:6]:
        said = [turn.content.strip() for turn in prompts(row) if turn.role == "user"]
        assert said.count(row.inputs["text"]) == 1
        assert len(said) == 6


def test_which_rows_are_shown_goes_by_their_seed() -> None:
    drawn = [_prompts(Shots(n=2, seed=seed))(ROWS[7])[1].content for seed in range(6)]
    assert len(set(drawn)) > 1
    assert drawn[0] == _prompts(Shots(n=2))(ROWS[8])[1].content


def test_labels_are_the_declared_ones_or_those_of_the_training_rows() -> None:
    assert view("classification").labels_among(ROWS) == ["a", "b"]
    assert view("classification", labels=("c", "a")).labels_among(ROWS) == ["c", "a"]
    # Targets that are no labels make none.
    assert view("generation").labels_among(ROWS) == []
    several = [Example("e", "train", {"text": "x"}, '["b", "a"]', {}, "data", 1)]
    assert view("classification", many=True).labels_among(several) == ["a", "b"]
