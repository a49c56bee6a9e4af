"""Labels that differ in their spelling alone: each is told with its rows, and made one where the recipe says so."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.data.labels import differences, folded, visible
from engine.errors import Problem
from engine.plan.compile import compile_plan
from engine.plan.resources import gather, task_prompt
from engine.plan.validate import examine
from engine.spec.loader import LoadedRecipe, load
from tests.plan.test_validate import GOOD

PLAIN = ["billing", "delivery", "refund"]


def written(tmp_path: Path, labels: Mapping[str, Sequence[Any]], task: str = "") -> LoadedRecipe:
    """Return a recipe whose splits have these labels, a row each."""
    (tmp_path / "data").mkdir(exist_ok=True)
    for split in ("train", "validation", "test"):
        rows = [
            {"text": f"{split} message number {n}", "label": label}
            for n, label in enumerate(labels.get(split, PLAIN))
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / "data" / f"{split}.jsonl").write_text(text, encoding="utf-8")
    path = tmp_path / "recipe.yaml"
    text = GOOD.replace(", sample: {n: 1, per: label}", "")
    text = text.replace(', where: "length(text) > 3"', "")
    assert "target: label" in text
    path.write_text(text.replace("target: label", f"target: label{task}"), encoding="utf-8")
    return load(path)


def told(loaded: LoadedRecipe) -> list[Problem]:
    return [p for p in examine(loaded).problems if p.code == "label-spelling"]


def labels_of(loaded: LoadedRecipe, split: str) -> Counter[str]:
    splits = examine(loaded).splits
    splits.read()
    return Counter(str(record.values["label"]) for record in splits.rows[split].records)


@pytest.mark.parametrize(
    ("odd", "shown", "fold", "words"),
    [
        ("billing ", "billing ", "space", "white space"),
        ("billing\u00a0", "billing\\u00a0", "space", "white space"),
        ("Billing", "Billing", "case", "upper and lower case"),
        ("bill\u200bing", "bill\\u200bing", "unicode", "invisible characters"),
        ("\ufeffbilling", "\\ufeffbilling", "unicode", "invisible characters"),
    ],
)
def test_each_spelling_is_told_with_its_rows_and_one_setting_makes_them_one(
    tmp_path: Path, odd: str, shown: str, fold: str, words: str
) -> None:
    rows = {"train": [*PLAIN, odd, "billing"], "validation": [*PLAIN, odd]}
    loaded = written(tmp_path, rows)
    [problem] = told(loaded)
    assert problem.level == "warning"
    assert problem.where.file.endswith("train.jsonl")
    assert problem.where.line == 4
    train = tmp_path / "data" / "train.jsonl"
    assert problem.message.startswith(
        f"the labels '{shown}' (2 rows, the first here) and 'billing' (4 rows, the first at {train}:1)"
    )
    assert words in problem.message
    assert f"fold_labels: [{fold}]" in problem.hint

    folding = written(tmp_path, rows, f", fold_labels: [{fold}]")
    assert told(folding) == []
    assert labels_of(folding, "train") == {"billing": 3, "delivery": 1, "refund": 1}
    assert labels_of(folding, "validation") == {"billing": 2, "delivery": 1, "refund": 1}


def test_composed_and_decomposed_accents_are_told_apart_by_their_characters(tmp_path: Path) -> None:
    loaded = written(tmp_path, {"train": [*PLAIN, "caf\u00e9", "cafe\u0301", "cafe\u0301"]})
    [problem] = told(loaded)
    assert "'caf\u00e9' (1 row, the first here) and 'cafe\\u0301' (2 rows" in problem.message
    assert "how accents are encoded" in problem.message


def test_several_differences_are_told_together(tmp_path: Path) -> None:
    loaded = written(tmp_path, {"train": [*PLAIN, "Billing ", "BILLING", "billing"]})
    [problem] = told(loaded)
    assert "'Billing ' (1 row, the first here), 'BILLING' (1 row" in problem.message
    assert "they count as 3 labels" in problem.message
    assert "fold_labels: [case, space]" in problem.hint
    # Half of it folded: what is left is told, with what to add.
    [rest] = told(
        written(tmp_path, {"train": [*PLAIN, "Billing ", "billing "]}, ", fold_labels: [space]")
    )
    assert "fold_labels: [space, case]" in rest.hint


def test_labels_that_differ_in_more_are_left_alone(tmp_path: Path) -> None:
    assert (
        told(written(tmp_path, {"train": [*PLAIN, "bill ing", "re-fund", "Bluete", "Blume"]})) == []
    )


@pytest.mark.parametrize(
    ("usual", "odd"),
    [
        ("R\u00fcckgabe", "Rueckgabe"),
        ("R\u00fcckgabe", "ruckgabe"),
        ("caf\u00e9", "cafe"),
        ("Stra\u00dfe's", "Strasse's"),
        ("K\u00f8benhavn", "Kobenhavn"),
    ],
)
def test_umlauts_and_accents_that_are_written_otherwise_are_told_with_the_way_out(
    usual: str, odd: str, tmp_path: Path
) -> None:
    train = [*PLAIN, usual, usual, odd]
    loaded = written(tmp_path, {"train": train, "validation": PLAIN, "test": PLAIN})
    [problem] = told(loaded)
    assert (problem.level, problem.where.line) == ("warning", len(train))
    if folded(usual, ["case"]) == folded(odd, ["case"]):
        return  # `ß` is `ss` where case makes no difference.
    assert f"'{odd}' (1 row, the first here) and '{usual}' (2 rows" in problem.message
    sql = f"replace(label, '{odd}', '{usual}')"
    assert sql in problem.hint
    path = tmp_path / "recipe.yaml"
    made = path.read_text("utf-8").replace(
        "train.jsonl", f'train.jsonl, columns: {{label: "{sql}"}}'
    )
    path.write_text(made, encoding="utf-8")
    assert told(load(path)) == []
    assert labels_of(load(path), "train")[usual] == 3


def test_three_ways_to_write_a_label_are_told_together(tmp_path: Path) -> None:
    train = [*PLAIN, "R\u00fcck", "R\u00fcck", "Rueck", "Ruck", "R\u00dcCK"]
    problems = told(written(tmp_path, {"train": train, "validation": PLAIN, "test": PLAIN}))
    assert len(problems) == 3  # by case, and each of the two ways with the umlaut
    assert sum("umlauts" in problem.message for problem in problems) == 2


def test_a_label_of_validation_that_is_only_spelled_otherwise_is_told_the_right_one(
    tmp_path: Path,
) -> None:
    loaded = written(tmp_path, {"validation": [*PLAIN, "Refund"]})
    [problem] = [p for p in examine(loaded).problems if p.level == "error"]
    assert "the label 'Refund' is in no training row" in problem.message
    assert "'refund' is" in problem.hint
    assert not [
        p
        for p in examine(
            written(tmp_path, {"validation": [*PLAIN, "Refund"]}, ", fold_labels: [case]")
        ).problems
        if p.level == "error"
    ]


def test_the_declared_spelling_counts_and_two_that_are_one_are_an_error(tmp_path: Path) -> None:
    rows = {split: ["billing", "billing", "refund"] for split in ("train", "validation", "test")}
    loaded = written(tmp_path, rows, ", labels: [Billing, refund], fold_labels: [case]")
    assert labels_of(loaded, "test") == {"Billing": 2, "refund": 1}
    both = written(tmp_path, rows, ", labels: [Billing, billing, refund], fold_labels: [case]")
    [problem] = [p for p in examine(both).problems if p.level == "error"]
    assert "'Billing' and 'billing', which are one label by task.fold_labels" in problem.message


def test_labels_in_lists_are_folded_one_by_one(tmp_path: Path) -> None:
    rows = {
        split: [["billing", "refund"], ["Billing"], ["delivery", "refund", "Refund"], ["billing"]]
        for split in ("train", "validation", "test")
    }
    many = ", params: {many: true}"
    assert len(told(written(tmp_path, rows, many))) == 2
    loaded = written(tmp_path, rows, f"{many}, fold_labels: [case]")
    assert told(loaded) == []
    assert labels_of(loaded, "train") == {
        '["billing", "refund"]': 1,
        '["billing"]': 2,
        '["delivery", "refund"]': 1,
    }


def test_folding_decides_rows_and_is_in_the_fingerprint(tmp_path: Path) -> None:
    def load_node(task: str = "") -> str:
        loaded = written(tmp_path, {}, task)
        splits = examine(loaded).splits
        plan = compile_plan(loaded.recipe, gather(loaded, splits), task_prompt(loaded), None)
        return plan.nodes["load"].id

    assert load_node() != load_node(", fold_labels: [case]")


def test_folds() -> None:
    assert folded(" A\u00a0 b ", ["space"]) == "A b"
    assert folded("Stra\u00dfe", ["case"]) == "strasse"
    assert folded("e\u0301\u200d\ufe0f", ["unicode"]) == "\u00e9"
    assert folded("A ", []) == "A "
    assert differences(["a", "A "]) == ("case", "space")
    assert (
        visible("\u0939\u093f\u0928\u094d\u0926\u0940 x")
        == "\u0939\u093f\u0928\u094d\u0926\u0940 x"
    )
