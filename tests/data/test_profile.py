"""The data check's counts: repetitions, labels, types and overlap between splits."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from engine.cli.recipes import show_validation
from engine.data.overlap import Overlap, overlap, shared_rows
from engine.data.profile import ColumnProfile, profile
from engine.plan.validate import examine
from engine.spec.loader import load
from tests.plan.test_validate import GOOD

LONG = "please tell me where the parcel that I sent last week has gone"
TRAIN: list[dict[str, Any]] = [
    {"text": LONG, "label": "delivery", "age": 3},
    {"text": "I was charged twice", "label": "billing", "age": None},
    {"text": "I was charged twice", "label": "billing", "age": 4},
    {"text": " ", "label": "billing", "age": 1.5},
]
VALIDATION = [
    {"text": "PLEASE, tell me: where the parcel that I sent last week has gone!", "label": "delivery"},
    {"text": f"{LONG} again", "label": "delivery"},
    {"text": "the invoice is wrong", "label": "billing"},
]  # fmt: skip
TEST = [{"text": "charged twice, I was", "label": "billing"}, {"text": "no", "label": "delivery"}]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    for split, rows in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / "data" / f"{split}.jsonl").write_text(text, encoding="utf-8")
    path = tmp_path / "recipe.yaml"
    text = GOOD.replace(", sample: {n: 1, per: label}", "")
    path.write_text(text.replace(', where: "length(text) > 3"', ""), encoding="utf-8")
    return path


def test_rows_labels_and_types_are_counted(recipe: Path) -> None:
    loaded = load(recipe)
    found = profile(loaded, examine(loaded).splits)
    train, validation, test = found.splits
    assert (train.rows, train.repeated, train.blank, train.left_out) == (4, 1, 1, 0)
    assert train.labels == {"billing": 3, "delivery": 1}
    assert validation.overlaps == (Overlap("train", 1, 1),)
    assert test.overlaps == (Overlap("train", 0, 0), Overlap("validation", 0, 0))
    assert found.columns == (
        ColumnProfile("text", "text", 0, ()),
        ColumnProfile("label", "text", 0, ()),
        ColumnProfile("age", "number", 1, ("validation", "test")),
    )


def test_validate_shows_them_as_a_short_table(
    recipe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    show_validation(str(recipe), [])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[:7] == [
        "data rows labels repeated blank left out also in",
        "train 4 2 1 1 0",
        "validation 3 2 0 0 0 train: 1 same, 1 near",
        "test 2 2 0 0 0 train: 0 same, 0 near; validation: 0 same, 0 near",
        "columns: text (text), label (text), age (number, 1 empty, not in validation and test)",
        "training rows per label: from 1 (delivery) to 3 (billing)",
        "rows per label (train/validation/test): billing 3/1/1, delivery 1/2/1",
    ]


def brute(rows: list[str], others: list[str], n: int) -> int:
    from engine.wording import ngrams, words

    whole = {words(text) for text in others}
    fresh = [ngrams(text, n) for text in rows if words(text) not in whole]
    return sum(
        any(len(found & ngrams(other, n)) >= 0.8 * len(found) for other in others)
        for found in fresh
        if found
    )


def test_near_rows_are_those_that_comparing_every_pair_gives() -> None:
    draw = random.Random(0)
    words = [f"w{n}" for n in range(8)]
    base = [" ".join(draw.choices(words, k=draw.randint(1, 30))) for _ in range(60)]

    def changed(text: str) -> str:
        parts = text.split()
        for _ in range(draw.randint(0, 3)):
            parts[draw.randrange(len(parts))] = draw.choice(words)
        return " ".join(parts + draw.choices(words, k=draw.randint(0, 3)))

    rows = [changed(text) for text in base]
    for n in (2, 3, 5):
        found = overlap("train", shared_rows(rows, base, n))
        assert found.near == brute(rows, base, n)
        assert found.near


def test_rows_of_one_template_are_not_near_and_rows_with_a_long_common_beginning_are() -> None:
    # How long this takes with thousands of rows: tests/benchmarks/data_checks.py.
    rows = [f"what is the capital city of the country number {n} on this list" for n in range(200)]
    found = overlap("train", shared_rows(rows[:100], rows[100:], 5))
    assert (found.same, found.near) == (0, 0)
    beginning = " ".join(f"word{n}" for n in range(30))
    rows = [f"{beginning} {n} {n}" for n in range(200)]
    found = overlap("train", shared_rows(rows[:100], rows[100:], 5))
    assert (found.same, found.near) == (0, 100)


def test_rows_that_stand_in_two_splits_are_told_same_and_near(recipe: Path) -> None:
    problems = [p for p in examine(load(recipe)).problems if p.code in ("shared-row", "near-row")]
    assert [(p.code, p.where.line, p.level) for p in problems] == [
        ("shared-row", 1, "warning"),
        ("near-row", 2, "warning"),
    ]
    same, near = problems
    assert "this validation row is in train too" in same.message
    assert "this validation row is nearly one of train" in near.message
    assert "train.jsonl:1" in near.message


def test_what_the_check_calls_the_same_stays_on_one_side_of_a_split(tmp_path: Path) -> None:
    rows = [
        {"text": text, "label": "ab"[n % 2]}
        for n in range(30)
        for text in (f"row number {n}", f"Row  number {n}!", f"ROW NUMBER {n}?")
    ]
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), "utf-8")
    head, tail = GOOD[: GOOD.index("data:")], GOOD[GOOD.index("models:") :]
    data = (
        "data:\n  train: {path: all.jsonl}\n  validation: {split_from: {rows: 10}}\n"
        "  test: {split_from: {rows: 5, seed: 1}}\n"
    )
    path = tmp_path / "recipe.yaml"
    path.write_text(head + data + tail, encoding="utf-8")
    found, splits = examine(load(path))
    assert {split: len(r.records) for split, r in splits.rows.items()} == {
        "train": 45, "validation": 30, "test": 15,
    }  # fmt: skip
    assert not [problem for problem in found if problem.code in ("shared-row", "near-row")]


def test_near_rows_come_by_their_places_whatever_hashes_their_words_have() -> None:
    base = [f"the {n} clerk of the town hall asks for form {n} on paper twice" for n in range(9)]
    rows = [f"{text} again" for text in reversed(base)]
    near = shared_rows(rows, base, 3).near
    assert near is not None
    assert list(near) == sorted(near)
    assert len(near) == len(rows)
