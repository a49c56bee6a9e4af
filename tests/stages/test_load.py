"""load: rows become examples; what is redacted is in none of them, what is left out is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.data.splits import read_splits
from engine.errors import RecipeError
from engine.rows import SPLITS, Drop, Example
from engine.spec.loader import LoadedRecipe
from engine.spec.loader import load as load_recipe
from engine.stages.load import example_id
from engine.stages.outputs import Loaded
from tests.stages.loading import run_load

TAIL = """\
models:
  student: {backend: transformers, model: embedded/smollm2-135m-instruct}
  teacher: {backend: transformers, model: embedded/smollm2-135m-instruct}
  judge: {backend: transformers, model: embedded/smollm2-135m-instruct}
  embedder: {backend: sentence-transformers, model: embedded/all-minilm-l6-v2}
augment: {operators: [{name: paraphrase}]}
"""
LABELS: dict[str, Any] = {"kind": "classification", "input": ["q"], "target": "a"}
FREE: dict[str, Any] = {"kind": "generation", "input": ["q"], "target": "a"}
ONE_FILE: dict[str, Any] = {split: {"path": "a.jsonl"} for split in SPLITS}


def recipe(
    folder: Path, task: dict[str, Any], data: dict[str, Any], redact: Any = ()
) -> LoadedRecipe:
    lines = ["recipe: 1", "name: rows", f"task: {json.dumps(task)}", f"data: {json.dumps(data)}"]
    lines.append(f"privacy: {json.dumps({'redact': list(redact)})}")
    path = folder / "recipe.yaml"
    path.write_text("\n".join(lines) + "\n" + TAIL, encoding="utf-8")
    return load_recipe(path)


def write(folder: Path, name: str, lines: list[Any]) -> None:
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / name).write_text("".join(text + "\n" for text in texts), encoding="utf-8")


def loaded(
    folder: Path,
    task: dict[str, Any] = FREE,
    data: dict[str, Any] = ONE_FILE,
    limit: int | None = None,
    redact: Any = (),
) -> Loaded:
    return run_load(recipe(folder, task, data, redact), limit=limit)


CALLS: list[dict[str, Any]] = [
    {"text": "call Jane at 555-1234", "label": "a", "customer": "Jane", "note": {"by": "Jane"}},
    {"text": "call Joan at 555-9876", "label": "a", "customer": "Joan", "note": None},
    {"text": "where is my card", "label": "b", "customer": "Anna", "note": None},
]
CALL: dict[str, Any] = {"kind": "classification", "input": ["text"], "target": "label"}
RULES = [
    {"pattern": r"555-\d{4}", "with": "[phone]"},
    {"pattern": "Jane|Joan", "with": "[name]"},
]


def test_what_is_redacted_is_in_no_row_and_each_changed_row_says_where(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", CALLS)
    found = loaded(tmp_path, CALL, redact=RULES)
    text = repr(found.rows)
    assert not [word for word in ("Jane", "Joan", "555-") if word in text]
    assert "Anna" in text
    train = found.train
    assert [e.inputs["text"] for e in train] == ["call [name] at [phone]", "where is my card"]
    assert train[0].columns == {"customer": "[name]", "note": {"by": "[name]"}}
    assert train[0].id == example_id({"text": "call [name] at [phone]"}, "a")
    drops = [d for d in found.of(Drop) if d.reason == "redacted"]
    assert [d.item for d in drops] == [train[0].id] * 3
    assert {d.detail for d in drops} == {"in text, customer, note"}


def test_rows_that_redaction_makes_equal_count_once(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", CALLS)
    found = loaded(tmp_path, CALL, redact=RULES)
    again = [d for d in found.of(Drop) if d.reason == "duplicate"]
    assert [d.detail for d in again] == ["a.jsonl:2 repeats an earlier row"] * 3


def test_rows_left_out_by_the_limit_are_not_counted_as_redacted(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", CALLS)
    found = loaded(tmp_path, CALL, limit=1, redact=[{"pattern": "card", "with": ""}])
    assert not [d for d in found.of(Drop) if d.reason == "redacted"]


def test_a_limit_keeps_the_first_rows_where_targets_are_no_labels(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", [{"q": a.upper(), "a": a} for a in ("zebra", "yak", "ant", "bee")])
    free = loaded(tmp_path, limit=2).split("test")
    assert [e.target for e in free] == ["zebra", "yak"]
    labelled = loaded(tmp_path, LABELS, limit=2).split("test")
    assert [e.target for e in labelled] == ["ant", "bee"]


def test_without_rules_rows_stay_as_they_are(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", CALLS)
    found = loaded(tmp_path, CALL)
    assert [dict(e.inputs) for e in found.split("test")] == [{"text": r["text"]} for r in CALLS]
    assert not found.of(Drop)


def qa(n: int) -> dict[str, Any]:
    return {"q": f"question {n}", "a": [f"answer {n}", f"the answer {n}"]}


def test_splits_take_rows_and_keep_their_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    write(tmp_path, "parts/a.jsonl", [qa(n) for n in range(10)])
    write(tmp_path, "parts/b.jsonl", ["", *(qa(n) for n in range(10, 20))])
    taken = {"split_from": {"split": "train", "share": 0.2}}
    data = {"train": {"path": "parts/*.jsonl", "columns": {"first": "a[1]"}}}
    examples = loaded(tmp_path, data={**data, "validation": taken, "test": taken}).examples
    assert {s: sum(e.split == s for e in examples) for s in SPLITS} == {
        "train": 12, "validation": 4, "test": 4,
    }  # fmt: skip
    assert {(e.source, e.line) for e in examples} == {
        *(("a.jsonl", n) for n in range(1, 11)), *(("b.jsonl", n) for n in range(2, 12)),
    }  # fmt: skip
    assert len({e.inputs["q"] for e in examples}) == 20


def test_of_a_list_of_answers_the_first_is_the_target_and_all_are_references(
    tmp_path: Path,
) -> None:
    write(tmp_path, "a.jsonl", [qa(0), {"q": "x", "a": "y"}])
    several, single = loaded(tmp_path).train
    assert several.target == "answer 0"
    assert several.references == ("answer 0", "the answer 0")
    assert several.columns == {}
    assert several.id == example_id({"q": "question 0"}, "answer 0")
    assert single.references == ("y",)


def test_of_reasoning_the_number_is_the_reference(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", [{"q": "how many?", "a": "3 + 4 = 7\n#### 7"}])
    (example,) = loaded(tmp_path, {**FREE, "kind": "numeric"}).train
    assert (example.target, example.references) == ("3 + 4 = 7\n#### 7", ("7",))


@pytest.mark.parametrize("answer", ["1", ["1", "one"]])
def test_a_column_of_the_data_may_have_any_name(answer: Any, tmp_path: Path) -> None:
    others = {"golds": ["2"], "references": ["3"], "gold": 4}
    write(tmp_path, "a.jsonl", [{"q": "x", "a": answer, **others}])
    (example,) = loaded(tmp_path).train
    assert example.columns == others
    assert example.references == (tuple(answer) if isinstance(answer, list) else ("1",))


LABELLED = ['{"q": "x", "a": "1"}', "broken", '{"q": "y", "a": "2"}', '{"q": null, "a": "1"}']


def test_bad_rows_are_dropped_with_file_line_and_fault(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", LABELLED)
    write(tmp_path, "t.jsonl", ['{"q": "x", "a": "1"}', '{"q": "z", "a": "3"}'])
    data: dict[str, Any] = {**ONE_FILE, "test": {"path": "t.jsonl"}}
    with pytest.raises(RecipeError) as caught:
        loaded(tmp_path, LABELS, data)
    assert [problem.where.line for problem in caught.value.problems] == [2, 4]
    found = loaded(tmp_path, LABELS, {**data, "on_bad_row": "drop"})
    assert [(e.split, e.line) for e in found.examples] == [
        ("train", 1), ("train", 3), ("validation", 1), ("validation", 3), ("test", 1),
    ]  # fmt: skip
    drops = [drop.detail for drop in found.of(Drop) if drop.reason == "bad-row"]
    assert drops[:2] == [
        "train: a.jsonl:2:1: this is not valid JSON: unexpected character, expected a JSON value",
        "train: a.jsonl:4:1: the column 'q' has no value",
    ]
    assert drops[4:] == ["test: t.jsonl:2:1: the label '3' is in no training row"]


def test_rows_that_are_left_out_are_none_that_were_made(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", [{"q": "x", "a": "y"}, {"q": "x", "a": "y"}, {"q": "z", "a": "y"}])
    found = loaded(tmp_path)
    assert (found.made, len(found.drops), len(found.of(Example))) == (6, 3, 6)


def test_labels_that_were_never_seen_stop_a_run_by_default(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", LABELLED[:1])
    write(tmp_path, "t.jsonl", ['{"q": "z", "a": "3"}'])
    with pytest.raises(RecipeError, match=r"t\.jsonl:1:1: error: the label '3'"):
        loaded(tmp_path, LABELS, {**ONE_FILE, "test": {"path": "t.jsonl"}})


def test_a_split_without_rows_stops_a_run(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", [qa(0)])
    with pytest.raises(RecipeError, match=r"data\.test has no rows"):
        loaded(tmp_path, data={**ONE_FILE, "test": {"path": "a.jsonl", "where": "q = ''"}})


SPAN: dict[str, Any] = {
    "kind": "extraction", "params": {"context": "c"}, "input": ["c"], "target": "a",
}  # fmt: skip
SPANS: list[dict[str, Any]] = [
    {"c": "The clerk is Frau Meier of Bonn.", "a": ["Meier", "Frau Meier"]},
    {"c": "The city is Bonn.", "a": "Bonn"},
    {"c": "The clerk is away.", "a": "Frau Kunze"},
]
NAMES = [{"pattern": r"Frau \w+", "with": "[name]"}]


def test_a_span_that_redaction_took_out_of_its_context_is_a_bad_row(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", SPANS)
    found = loaded(tmp_path, SPAN, {**ONE_FILE, "on_bad_row": "drop"}, redact=NAMES)
    assert {e.target for e in found.of(Example)} == {"Bonn"}
    assert [drop.detail for drop in found.of(Drop) if drop.detail.startswith("train")] == [
        "train: a.jsonl:3:1: the answer '[name]' does not occur in c",
        "train: a.jsonl:1:1: after privacy.redact the row's inputs do not fit its answer any more",
    ]
    assert not [word for word in ("Meier", "Kunze") if word in repr(found.rows)]


def test_an_error_that_stops_a_run_quotes_nothing_that_is_redacted(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", SPANS)
    with pytest.raises(RecipeError, match=r"the answer '\[name\]' does not occur"):
        loaded(tmp_path, SPAN, redact=NAMES)
    write(tmp_path, "a.jsonl", SPANS[:2])
    with pytest.raises(RecipeError, match="inputs do not fit its answer") as caught:
        loaded(tmp_path, SPAN, redact=NAMES)
    assert "Meier" not in str(caught.value)


def test_no_training_rows_are_said_and_not_the_labels_that_they_lack(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", LABELLED[:1])
    data = {**ONE_FILE, "train": {"path": "a.jsonl", "where": "q = ''"}}
    with pytest.raises(RecipeError, match=r"data\.train has no rows") as caught:
        loaded(tmp_path, LABELS, data)
    assert len(caught.value.problems) == 1


def test_the_rows_are_taken_out_of_what_was_read_and_used_up(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", [{"q": f"row {n}", "a": f"{n}"} for n in range(30)])
    read = recipe(tmp_path, FREE, ONE_FILE)
    splits = read_splits(read)
    records = [rows.records for rows in splits.rows.values()]
    assert len(run_load(read, splits).examples) == 90
    assert splits.rows == {}
    assert records == [[], [], []]
    assert splits.counts == dict.fromkeys(SPLITS, 30)
