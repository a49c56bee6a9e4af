"""load: what is redacted is gone before the stage returns anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import RecipeError, RunError
from engine.rows import Drop, Example
from engine.sql.sources import resolve_path
from engine.stages.load import example_id, load
from engine.stages.protocol import Inputs, Output

ROWS: list[dict[str, Any]] = [
    {"text": "call Jane at 555-1234", "label": "a", "customer": "Jane", "note": {"by": "Jane"}},
    {"text": "call Joan at 555-9876", "label": "a", "customer": "Joan", "note": None},
    {"text": "where is my card", "label": "b", "customer": "Anna", "note": None},
]


def loaded(folder: Path, **params: Any) -> Output:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    source = {"name": "rows.jsonl", "where": None, "sample": None}
    splits = ("train", "validation", "test")
    given = {
        "sources": dict.fromkeys(splits, source),
        "places": dict.fromkeys(splits, resolve_path("rows.jsonl", folder)),
        "input": ["text"], "target": "label", "limit": None, "kind": "classification", "labels": None,
    }  # fmt: skip
    return load({**given, **params}, Inputs({}), None)  # type: ignore[arg-type]


RULES = [
    {"pattern": r"555-\d{4}", "with": "[phone]"},
    {"pattern": "Jane|Joan", "with": "[name]"},
]


def test_what_is_redacted_is_in_no_row_and_each_changed_row_says_where(tmp_path: Path) -> None:
    found = loaded(tmp_path, redact=RULES)
    text = repr(found.rows)
    assert not [word for word in ("Jane", "Joan", "555-") if word in text]
    assert "Anna" in text
    train = [e for e in found.of(Example) if e.split == "train"]
    assert [e.inputs["text"] for e in train] == ["call [name] at [phone]", "where is my card"]
    assert train[0].columns == {"customer": "[name]", "note": {"by": "[name]"}}
    assert train[0].id == example_id({"text": "call [name] at [phone]"}, "a")
    drops = [d for d in found.of(Drop) if d.reason == "redacted"]
    assert [d.item for d in drops] == [train[0].id] * 3
    assert {d.detail for d in drops} == {"in text, customer, note"}


def test_rows_that_redaction_makes_equal_count_once(tmp_path: Path) -> None:
    found = loaded(tmp_path, redact=RULES)
    again = [d for d in found.of(Drop) if d.reason == "duplicate"]
    assert [d.detail for d in again] == ["rows.jsonl:2 repeats an earlier row"] * 3


def test_rows_left_out_by_the_limit_are_not_counted_as_redacted(tmp_path: Path) -> None:
    found = loaded(tmp_path, redact=[{"pattern": "card", "with": ""}], limit=1)
    assert not [d for d in found.of(Drop) if d.reason == "redacted"]


def test_a_limit_keeps_the_first_rows_where_targets_are_no_labels(tmp_path: Path) -> None:
    answers = ["zebra", "yak", "ant", "bee"]
    write(tmp_path, "a.jsonl", [json.dumps({"q": a.upper(), "a": a}) for a in answers])
    sources = {split: {"path": "a.jsonl"} for split in ("train", "validation", "test")}
    free = run_load(tmp_path, sources, limit=2).of(Example)
    assert [e.target for e in free if e.split == "test"] == ["zebra", "yak"]
    labelled = run_load(tmp_path, sources, limit=2, kind="classification").of(Example)
    assert [e.target for e in labelled if e.split == "test"] == ["ant", "bee"]


def test_without_rules_rows_stay_as_they_are(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert [dict(e.inputs) for e in found.of(Example) if e.split == "test"] == [
        {"text": row["text"]} for row in ROWS
    ]
    assert not found.of(Drop)


def write(folder: Path, name: str, lines: list[str]) -> None:
    (folder / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def run_load(folder: Path, sources: dict[str, dict[str, Any]], **params: Any) -> Output:
    """Load splits from files of `folder`; a source is `{path: …}` with what is chosen, or `{split_from: …}`."""
    given = {
        "sources": {split: {"name": source.get("path", ""), **source} for split, source in sources.items()},
        "places": {s: resolve_path(sources[s]["path"], folder) for s in sources if "path" in sources[s]},
        "input": ["q"], "target": "a", "limit": None, "kind": "generation", "labels": None,
    }  # fmt: skip
    return load({**given, **params}, Inputs({}), None)  # type: ignore[arg-type]


QA = [
    json.dumps({"q": f"question {n}", "a": [f"answer {n}", f"the answer {n}"]}) for n in range(20)
]
TAKEN = {"split": "train", "share": 0.2, "rows": None, "seed": 0}


def test_splits_take_rows_and_keep_their_file_and_line(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", QA[:10])
    write(tmp_path, "b.jsonl", ["", *QA[10:]])
    sources: dict[str, dict[str, Any]] = {
        "train": {"path": "*.jsonl", "columns": {"first": "a[1]"}},
        "validation": {"split_from": TAKEN},
        "test": {"split_from": TAKEN},
    }
    examples = run_load(tmp_path, sources).of(Example)
    assert {s: sum(e.split == s for e in examples) for s in sources} == {
        "train": 12, "validation": 4, "test": 4,
    }  # fmt: skip
    assert {(e.source, e.line) for e in examples} == {
        *(("a.jsonl", n) for n in range(1, 11)), *(("b.jsonl", n) for n in range(2, 12)),
    }  # fmt: skip
    assert len({e.inputs["q"] for e in examples}) == 20
    assert run_load(tmp_path, sources).rows == tuple(run_load(tmp_path, sources).rows)


def test_of_a_list_of_answers_the_first_is_the_target_and_the_list_a_column(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", QA[:1])
    found = run_load(tmp_path, {s: {"path": "a.jsonl"} for s in ("train", "validation", "test")})
    example = found.of(Example)[0]
    assert example.target == "answer 0"
    assert example.columns == {"golds": ["answer 0", "the answer 0"]}
    assert example.id == example_id({"q": "question 0"}, "answer 0")


LABELLED = ['{"q": "x", "a": "1"}', "broken", '{"q": "y", "a": "2"}', '{"q": null, "a": "1"}']


def test_bad_rows_are_dropped_with_file_line_and_fault(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", LABELLED)
    write(tmp_path, "t.jsonl", ['{"q": "x", "a": "1"}', '{"q": "z", "a": "3"}'])
    sources = {
        "train": {"path": "a.jsonl"},
        "validation": {"path": "a.jsonl"},
        "test": {"path": "t.jsonl"},
    }
    with pytest.raises(RecipeError) as caught:
        run_load(tmp_path, sources, kind="classification")
    assert [problem.where.line for problem in caught.value.problems] == [2, 4]
    found = run_load(tmp_path, sources, kind="classification", on_bad_row="drop")
    assert [(e.split, e.line) for e in found.of(Example)] == [
        ("train", 1), ("train", 3), ("validation", 1), ("validation", 3), ("test", 1),
    ]  # fmt: skip
    drops = [
        drop.detail.replace(f"{tmp_path}/", "")
        for drop in found.of(Drop)
        if drop.reason == "bad-row"
    ]
    assert drops[:2] == [
        "train: a.jsonl:2:1: this is not valid JSON: unexpected character, expected a JSON value",
        "train: a.jsonl:4:1: the column 'q' has no value",
    ]
    assert drops[4:] == ["test: t.jsonl:2:1: the label '3' is in no training row"]


def test_labels_that_were_never_seen_stop_a_run_by_default(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", LABELLED[:1])
    write(tmp_path, "t.jsonl", ['{"q": "z", "a": "3"}'])
    sources = {
        "train": {"path": "a.jsonl"},
        "validation": {"path": "a.jsonl"},
        "test": {"path": "t.jsonl"},
    }
    with pytest.raises(RecipeError, match=r"t\.jsonl:1:1: error: the label '3'"):
        run_load(tmp_path, sources, kind="classification")


def test_a_split_without_rows_stops_a_run(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", QA)
    sources = {split: {"path": "a.jsonl"} for split in ("train", "validation")}
    with pytest.raises(RunError, match=r"data\.test has no rows"):
        run_load(tmp_path, {**sources, "test": {"path": "a.jsonl", "where": "q = ''"}})


SPANS: list[dict[str, Any]] = [
    {"c": "The clerk is Frau Meier of Bonn.", "a": ["Meier", "Frau Meier"]},
    {"c": "The city is Bonn.", "a": "Bonn"},
    {"c": "The clerk is away.", "a": "Frau Kunze"},
]


def spans(folder: Path, rows: list[dict[str, Any]], **params: Any) -> Output:
    write(folder, "a.jsonl", [json.dumps(row) for row in rows])
    given: dict[str, Any] = {
        "kind": "extraction", "task_params": {"context": "c"}, "input": ["c"],
        "redact": [{"pattern": r"Frau \w+", "with": "[name]"}],
    }  # fmt: skip
    sources = {split: {"path": "a.jsonl"} for split in ("train", "validation", "test")}
    return run_load(folder, sources, **given, **params)


def test_a_span_that_redaction_took_out_of_its_context_is_a_bad_row(tmp_path: Path) -> None:
    found = spans(tmp_path, SPANS, on_bad_row="drop")
    assert {e.target for e in found.of(Example)} == {"Bonn"}
    said = [drop.detail for drop in found.of(Drop) if drop.detail.startswith("train")]
    assert [text.replace(f"{tmp_path}/", "") for text in said] == [
        "train: a.jsonl:3:1: the answer '[name]' does not occur in c",
        "train: a.jsonl:1:1: after privacy.redact the row's inputs do not fit its answer any more",
    ]
    assert not [word for word in ("Meier", "Kunze") if word in repr(found.rows)]


def test_an_error_that_stops_a_run_quotes_nothing_that_is_redacted(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"the answer '\[name\]' does not occur"):
        spans(tmp_path, SPANS)
    with pytest.raises(RecipeError, match="inputs do not fit its answer") as caught:
        spans(tmp_path, SPANS[:2])
    assert "Meier" not in str(caught.value)


def test_a_column_of_the_data_never_passes_for_the_acceptable_answers(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", ['{"q": "x", "a": "1", "golds": ["2"]}'])
    sources = {split: {"path": "a.jsonl"} for split in ("train", "validation", "test")}
    with pytest.raises(RecipeError, match="the column 'golds' would hide"):
        run_load(tmp_path, sources)
    renamed = {split: {**source, "rename": {"more": "golds"}} for split, source in sources.items()}
    assert run_load(tmp_path, renamed).of(Example)[0].columns == {"more": ["2"]}


def test_no_training_rows_are_said_before_the_labels_that_they_lack(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", LABELLED[:1])
    sources = {split: {"path": "a.jsonl"} for split in ("validation", "test")}
    with pytest.raises(RunError, match=r"data\.train has no rows"):
        run_load(
            tmp_path,
            {"train": {"path": "a.jsonl", "where": "q = ''"}, **sources},
            kind="classification",
        )
