"""load: what is redacted is gone before the stage returns anything."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from engine.errors import RecipeError, RunError
from engine.rows import Drop, Example
from engine.spec.recipe import Redaction
from engine.spec.recipe_data import SplitFrom
from engine.sql.sources import resolve_path
from engine.stages.load import LoadInputs, LoadParams, Origin, example_id, load
from engine.stages.outputs import Loaded
from engine.stages.task_view import TaskView
from tests.stages.scripted_context import ScriptedContext
from tests.stages.views import view

SPLITS = ("train", "validation", "test")
ROWS: list[dict[str, Any]] = [
    {"text": "call Jane at 555-1234", "label": "a", "customer": "Jane", "note": {"by": "Jane"}},
    {"text": "call Joan at 555-9876", "label": "a", "customer": "Joan", "note": None},
    {"text": "where is my card", "label": "b", "customer": "Anna", "note": None},
]


def loaded(folder: Path, redact: Sequence[Redaction] = (), limit: int | None = None) -> Loaded:
    write(folder, "rows.jsonl", [json.dumps(row) for row in ROWS])
    sources = dict.fromkeys(SPLITS, at("rows.jsonl"))
    task = view("classification")
    return run_load(folder, sources, task, ["text"], redact=redact, limit=limit)


def rule(pattern: str, replacement: str) -> Redaction:
    return Redaction.model_validate({"pattern": pattern, "with": replacement})


RULES = [rule(r"555-\d{4}", "[phone]"), rule("Jane|Joan", "[name]")]


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
    found = loaded(tmp_path, redact=[rule("card", "")], limit=1)
    assert not [d for d in found.of(Drop) if d.reason == "redacted"]


def test_a_limit_keeps_the_first_rows_where_targets_are_no_labels(tmp_path: Path) -> None:
    answers = ["zebra", "yak", "ant", "bee"]
    write(tmp_path, "a.jsonl", [json.dumps({"q": a.upper(), "a": a}) for a in answers])
    sources = {split: at("a.jsonl") for split in SPLITS}
    free = run_load(tmp_path, sources, limit=2).of(Example)
    assert [e.target for e in free if e.split == "test"] == ["zebra", "yak"]
    labelled = run_load(tmp_path, sources, limit=2, task=LABELS).of(Example)
    assert [e.target for e in labelled if e.split == "test"] == ["ant", "bee"]


def test_without_rules_rows_stay_as_they_are(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert [dict(e.inputs) for e in found.of(Example) if e.split == "test"] == [
        {"text": row["text"]} for row in ROWS
    ]
    assert not found.of(Drop)


def write(folder: Path, name: str, lines: list[str]) -> None:
    (folder / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")


FREE, LABELS = view("generation", target="a"), view("classification", target="a")


def at(path: str, **chosen: Any) -> Origin:
    """Return a file as the origin of a split, with what is chosen of it."""
    return Origin(name=path, digest="digest", **chosen)


def run_load(
    folder: Path,
    sources: Mapping[str, Origin],
    task: TaskView = FREE,
    columns: Sequence[str] = ("q",),
    *,
    limit: int | None = None,
    redact: Sequence[Redaction] = (),
    on_bad_row: Literal["stop", "drop"] = "stop",
) -> Loaded:
    """Load splits from files of `folder`, each named by its origin."""
    params = LoadParams(
        task=task,
        input=tuple(columns),
        sources=sources,
        places={
            split: resolve_path(origin.name, folder)
            for split, origin in sources.items()
            if origin.split_from is None
        },
        limit=limit,
        redact=tuple(redact),
        on_bad_row=on_bad_row,
    )
    return load(params, LoadInputs(), ScriptedContext())


QA = [
    json.dumps({"q": f"question {n}", "a": [f"answer {n}", f"the answer {n}"]}) for n in range(20)
]
TAKEN = Origin(name="", digest=None, split_from=SplitFrom(share=0.2))


def test_splits_take_rows_and_keep_their_file_and_line(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", QA[:10])
    write(tmp_path, "b.jsonl", ["", *QA[10:]])
    sources = {
        "train": at("*.jsonl", columns={"first": "a[1]"}),
        "validation": TAKEN,
        "test": TAKEN,
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
    found = run_load(tmp_path, {s: at("a.jsonl") for s in SPLITS})
    example = found.of(Example)[0]
    assert example.target == "answer 0"
    assert example.columns == {"golds": ["answer 0", "the answer 0"]}
    assert example.id == example_id({"q": "question 0"}, "answer 0")


LABELLED = ['{"q": "x", "a": "1"}', "broken", '{"q": "y", "a": "2"}', '{"q": null, "a": "1"}']


def test_bad_rows_are_dropped_with_file_line_and_fault(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", LABELLED)
    write(tmp_path, "t.jsonl", ['{"q": "x", "a": "1"}', '{"q": "z", "a": "3"}'])
    sources = {
        "train": at("a.jsonl"),
        "validation": at("a.jsonl"),
        "test": at("t.jsonl"),
    }
    with pytest.raises(RecipeError) as caught:
        run_load(tmp_path, sources, task=LABELS)
    assert [problem.where.line for problem in caught.value.problems] == [2, 4]
    found = run_load(tmp_path, sources, task=LABELS, on_bad_row="drop")
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
        "train": at("a.jsonl"),
        "validation": at("a.jsonl"),
        "test": at("t.jsonl"),
    }
    with pytest.raises(RecipeError, match=r"t\.jsonl:1:1: error: the label '3'"):
        run_load(tmp_path, sources, task=LABELS)


def test_a_split_without_rows_stops_a_run(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", QA)
    sources = {split: at("a.jsonl") for split in ("train", "validation")}
    with pytest.raises(RunError, match=r"data\.test has no rows"):
        run_load(tmp_path, {**sources, "test": at("a.jsonl", where="q = ''")})


SPANS: list[dict[str, Any]] = [
    {"c": "The clerk is Frau Meier of Bonn.", "a": ["Meier", "Frau Meier"]},
    {"c": "The city is Bonn.", "a": "Bonn"},
    {"c": "The clerk is away.", "a": "Frau Kunze"},
]


def spans(
    folder: Path, rows: list[dict[str, Any]], on_bad_row: Literal["stop", "drop"] = "stop"
) -> Loaded:
    write(folder, "a.jsonl", [json.dumps(row) for row in rows])
    task = view("extraction", target="a", context="c")
    hidden = [rule(r"Frau \w+", "[name]")]
    sources = dict.fromkeys(SPLITS, at("a.jsonl"))
    return run_load(folder, sources, task, ["c"], redact=hidden, on_bad_row=on_bad_row)


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
    sources = {split: at("a.jsonl") for split in SPLITS}
    with pytest.raises(RecipeError, match="the column 'golds' would hide"):
        run_load(tmp_path, sources)
    renamed = dict.fromkeys(SPLITS, at("a.jsonl", rename={"more": "golds"}))
    assert run_load(tmp_path, renamed).of(Example)[0].columns == {"more": ["2"]}


def test_no_training_rows_are_said_before_the_labels_that_they_lack(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", LABELLED[:1])
    sources = {split: at("a.jsonl") for split in ("validation", "test")}
    with pytest.raises(RunError, match=r"data\.train has no rows"):
        run_load(
            tmp_path,
            {"train": at("a.jsonl", where="q = ''"), **sources},
            task=LABELS,
        )
