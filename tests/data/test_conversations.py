"""Files of conversations: rows as the run has them, faults by line and turn, columns that SQL can use."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from engine.data.profile import profile
from engine.data.splits import read_splits
from engine.plan.validate import examine
from engine.spec.loader import load
from engine.tasks import TASKS

RECIPE = """\
recipe: 1
name: desk
task: {kind: chat, input: [messages], target: answer}
data:
  train: {path: train.jsonl}
  validation: {path: train.jsonl, where: "length(messages) = 3"}
  test: {path: train.jsonl}
models:
  student: {backend: scripted, model: student}
  teacher: {backend: scripted, model: teacher}
  judge: {backend: scripted, model: judge}
  embedder: {backend: scripted, model: embedder}
slices: [has_tools, {name: long, sql: turns > 2}, {name: calls, sql: "target like '[call]%'"}]
augment: {rows_per_round: 4, operators: [{name: paraphrase}]}
"""
TOOL = {
    "name": "find",
    "input_schema": {"type": "object", "properties": {"title": {"type": "string"}}},
}
ASKED = [{"role": "system", "content": "One desk."}, {"role": "user", "content": "Is it in?"}]
CALLS = {
    "role": "assistant",
    "tool_calls": [{"function": {"name": "find", "arguments": '{"title": "Emma"}'}}],
}
ROWS: list[dict[str, Any]] = [
    {"messages": [*ASKED, CALLS], "tools": [TOOL]},
    {"messages": [*ASKED, {"role": "assistant", "content": "What title?"}]},
]  # fmt: skip


def write(folder: Path, rows: list[Any]) -> Path:
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, "utf-8")
    return folder / "recipe.yaml"


def test_messages_become_rows_of_both_kinds(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, ROWS))
    found = examine(loaded, read_splits(loaded))
    assert [p for p in found.problems if p.level == "error"] == []
    first, second = (record.values for record in found.splits.rows["train"].records)
    assert first["messages"].endswith("\n[system] One desk.\n[user] Is it in?")
    assert (first["answer"], second["answer"]) == (
        '[call] {"name": "find", "arguments": {"title": "Emma"}}',
        "What title?",
    )
    assert (first["has_tools"], second["has_tools"], second["turns"]) == (True, False, 1)
    # Rows that share their system turn alone are not alike.
    assert TASKS["chat"].text_of({"messages": first["messages"]}) == "Is it in?"
    assert profile(loaded, found.splits).splits[0].rows == 2


def test_faults_are_told_with_line_and_turn(tmp_path: Path) -> None:
    wrong = [*ROWS, {"messages": [*ASKED, {"role": "bot", "content": "x"}]}, {"messages": ASKED}]
    loaded = load(write(tmp_path, wrong))
    said = [str(p) for p in read_splits(loaded).problems if p.level == "error"]
    assert any("train.jsonl:3:1" in one and "turn 3: there is no role 'bot'" in one for one in said)
    assert any(
        "train.jsonl:4:1" in one and "does not end on an assistant's turn" in one for one in said
    )


def test_a_chat_has_one_input_and_says_where_tools_are_found(tmp_path: Path) -> None:
    path = write(tmp_path, ROWS)
    path.write_text(RECIPE.replace("[messages]", "[messages, tools]"), "utf-8")
    loaded = load(path)
    said = [p.message for p in examine(loaded).problems if p.level == "error"]
    assert any("a chat has one input" in one for one in said)
    assert not any("no row has a column 'answer'" in one for one in said)


def test_rows_that_end_on_a_call_are_no_shots(tmp_path: Path) -> None:
    path = write(tmp_path, ROWS)
    shots = RECIPE.replace("target: answer", "target: answer, shots: {n: 1}")
    path.write_text(shots, "utf-8")
    said = [str(p) for p in examine(load(path)).problems if p.level == "error"]
    assert len(said) == 1
    assert re.search(r"train\.jsonl:1:1 cannot be shown .*: its right answer calls a tool", said[0])
    assert "recipe.yaml:3" in said[0]
    words = write(tmp_path, ROWS[1:])
    words.write_text(shots, "utf-8")
    assert not any("cannot be shown" in p.message for p in examine(load(words)).problems)
