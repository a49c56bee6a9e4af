"""load: what is redacted is gone before the stage returns anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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
        "input": ["text"], "target": "label", "limit": None, "labelled": True, "labels": None,
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


def test_without_rules_rows_stay_as_they_are(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert [dict(e.inputs) for e in found.of(Example) if e.split == "test"] == [
        {"text": row["text"]} for row in ROWS
    ]
    assert not found.of(Drop)
