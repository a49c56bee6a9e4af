"""Rows whose label may be wrong: once each, the surest first, in every form of the report."""

from __future__ import annotations

import json

import pytest

from engine.report.facts import collect
from engine.report.html import render_html
from engine.report.markdown import render_markdown
from engine.report.tables import suspect_table
from tests.report.invented import Invented

TITLE = "Rows whose label may be wrong"


@pytest.fixture
def store() -> Invented:
    store = Invented()
    store.recipe(metrics=["accuracy"], loop={"stop": {"metric": "accuracy"}})
    store.run()
    load = store.node("load", "load", -1)
    for number, text in enumerate(("where is it", "I was charged", "no parcel")):
        store.add(
            "example", **load, id=f"e{number}", split="validation", inputs={"text": text},
            target="billing", columns={}, source="data/validation.jsonl", line=number + 1,
        )  # fmt: skip
    return store


def suspect(
    store: Invented,
    node: dict[str, object],
    example: str,
    confidence: int | None,
    call: str = "c",
) -> None:
    store.add(
        "label_suspect", **node, example=example, split="validation", target="billing",
        answer="delivery", reason=f"It asks for a parcel ({confidence}).", confidence=confidence,
        call=call,
    )  # fmt: skip


def test_each_row_is_there_once_with_the_surest_reason(store: Invented) -> None:
    first = store.node("seed-0/round-0/diagnose", "diagnose", 0)
    second = store.node("seed-0/round-1/diagnose", "diagnose", 1)
    suspect(store, first, "e0", 3)
    suspect(store, second, "e0", 5, "d")
    # A reply that a later step takes over says nothing more.
    suspect(store, second, "e0", 5, "d")
    suspect(store, first, "e1", None)
    suspect(store, first, "e2", 4)
    report = collect(store.query, "r0001")
    assert [(s.source, s.confidence, s.times) for s in report.suspects] == [
        ("data/validation.jsonl:1", 5, 2),
        ("data/validation.jsonl:3", 4, 1),
        ("data/validation.jsonl:2", None, 1),
    ]
    assert suspect_table(report).rows[0] == (
        "data/validation.jsonl:1", "validation", "where is it", "billing", "delivery",
        "It asks for a parcel (5).", "5",
    )  # fmt: skip
    assert TITLE in render_markdown(report)
    assert TITLE in render_html(report)


def test_training_rows_that_the_judge_suspects_are_there_too(store: Invented) -> None:
    # Any node of the run will do: the one that loads is there already.
    judging = store.node("seed-0/round-0/judge-1", "judge", 0)
    store.add(
        "example", **judging, id="t0", split="train", inputs={"text": "the weather today"},
        target="billing", columns={}, source="data/train.jsonl", line=7,
    )  # fmt: skip
    store.add(
        "label_suspect", **judging, example="t0", split="train", target="billing", answer=None,
        reason="No answer fits.", confidence=None, call="c",
    )  # fmt: skip
    (row,) = suspect_table(collect(store.query, "r0001")).rows
    assert row == (
        "data/train.jsonl:7", "train", "the weather today", "billing", "–", "No answer fits.", "–",
    )  # fmt: skip


def test_of_a_conversations_tools_the_names_are_shown(store: Invented) -> None:
    judging = store.node("seed-0/round-0/judge-1", "judge", 0)
    tools = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
        for name in ("find", "now")
    ]
    talk = f"[tools] {json.dumps(tools)}\n[user] Emma?"
    store.add(
        "example", **judging, id="t0", split="train", inputs={"messages": talk}, target="billing",
        columns={}, source="data/train.jsonl", line=7,
    )  # fmt: skip
    store.add(
        "label_suspect", **judging, example="t0", split="train", target="billing", answer=None,
        reason="No answer fits.", confidence=None, call="c",
    )  # fmt: skip
    report = collect(store.query, "r0001")
    (row,) = suspect_table(report).rows
    assert row[2] == "[tools] find, now\n[user] Emma?"
    assert "parameters" not in render_html(report)


def test_without_any_there_is_no_table(store: Invented) -> None:
    report = collect(store.query, "r0001")
    assert report.suspects == ()
    assert TITLE not in render_markdown(report)
    assert TITLE not in render_html(report)
