"""Runs that look at logged traffic: which of it fails, what is left out, and what the teacher sees of it."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.runs import ROOT, pada_here, rows
from tests.e2e.test_taxonomies import project, said

pytestmark = pytest.mark.runs

WRONG = {"text": "number meadow thistle on the phone", "kind": "colour", "output": "number"}
REJECTED = {"text": "colour pebble willow by letter", "output": "colour", "thumb_down": True}


def reply_to(count: int, **first: Any) -> dict[str, Any]:
    """Return a reply to a call about so many failures, or up to two fewer."""
    told = [said(number, **(first if number == 1 else {})) for number in range(1, count + 1)]
    for one in told:
        # An open taxonomy has nothing beside which a name is proposed.
        del one["proposed"]
    return {"diagnoses": told}


def log_of(folder: Path) -> list[dict[str, Any]]:
    """Return a log with two failures, a row that is right, and one of each kind that is left out."""
    test, validation = (
        json.loads((folder / f"{split}.jsonl").read_text("utf-8").splitlines()[0])
        for split in ("test", "validation")
    )
    return [
        {**WRONG, "output": "<think>A colour?</think>\nnumber", "time": "2026-03-01", "version": "a"},
        {**REJECTED, "time": "2026-03-02", "version": "b"},
        {"text": "colour brook stone by mail", "kind": "colour", "output": "colour"},
        {**WRONG, "time": "2026-03-03"},
        {"text": "colour that nobody judged", "output": "colour"},
        {"text": test["text"], "kind": test["kind"], "output": "neither"},
        {"text": validation["text"], "kind": validation["kind"], "output": "neither"},
        {"text": "colour fern moss by hand", "kind": "colour", "output": "colour", "thumb_down": True},
        {"text": "shape of the moon", "kind": "shape", "output": "colour"},
    ]  # fmt: skip


def logged_project(
    folder: Path,
    log: Sequence[Mapping[str, Any]] | None = None,
    source: str = "logged",
    reply: Mapping[str, Any] | None = None,
    more: str = "",
) -> Path:
    recipe = project(folder, "{mode: open}", dict(reply or reply_to(3)))
    lines = log_of(folder) if log is None else log
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    text = recipe.read_text("utf-8")
    recipe.write_text(f"{text}failures: {{source: {source}, path: log.jsonl{more}}}\n", "utf-8")
    return recipe


def run(recipe: Path) -> Path:
    state = recipe.parent / "state"
    ended = pada_here("run", recipe, "--state", state)
    assert ended.code == 0, ended.errors
    return state


def test_logged_failures_are_diagnosed_in_place_of_those_of_validation(tmp_path: Path) -> None:
    state = run(logged_project(tmp_path))
    failures = rows(
        state,
        "SELECT e.inputs ->> 'text' AS text, f.answer, f.target FROM failure f"
        " JOIN example e ON e.id = f.example AND e.split = f.split WHERE f.split = 'logged' ORDER BY f.target",
    )
    assert failures == [
        {"text": REJECTED["text"], "answer": "colour", "target": ""},
        {"text": WRONG["text"], "answer": "number", "target": "colour"},
    ]
    drops = rows(state, "SELECT reason FROM \"drop\" WHERE stage = 'logged' ORDER BY reason")
    assert [d["reason"] for d in drops] == [
        "contradiction", "duplicate", "duplicate", "leak", "no_verdict", "unknown_label",
    ]  # fmt: skip
    assert rows(state, "SELECT DISTINCT split, part FROM drawn_failure") == [
        {"split": "logged", "part": "diagnose"}
    ]
    assert rows(state, "SELECT count(*) AS n FROM diagnosis") == [{"n": 2}]
    asked = rows(state, "SELECT messages FROM llm_call WHERE role = 'teacher'")
    seen = str([a["messages"] for a in asked])
    assert WRONG["text"] in seen
    assert "not known; a user rejected" in seen
    pairs = rows(state, "SELECT pairs FROM strategy")
    assert '""' not in str(pairs)


def test_logged_failures_stand_beside_those_of_validation(tmp_path: Path) -> None:
    state = run(logged_project(tmp_path, source="[validation, logged]"))
    drawn = rows(
        state, "SELECT split, count(*) AS n FROM drawn_failure GROUP BY split ORDER BY split"
    )
    assert drawn == [{"split": "logged", "n": 2}, {"split": "validation", "n": 16}]


def test_failures_on_training_rows_are_a_source_too(tmp_path: Path) -> None:
    recipe = project(tmp_path, "{mode: open}", reply_to(6))
    recipe.write_text(recipe.read_text("utf-8") + "failures: {source: train}\n", "utf-8")
    state = run(recipe)
    assert rows(state, "SELECT DISTINCT split FROM drawn_failure") == [{"split": "train"}]
    assert rows(state, "SELECT count(*) > 0 AS some FROM diagnosis") == [{"some": True}]


def test_labels_that_the_teacher_suspects_are_set_aside(tmp_path: Path) -> None:
    reply = reply_to(3, suspect=True, suspect_reason="The output is right.")
    log = [{**WRONG, "text": f"number meadow thistle {n}"} for n in "abc"]
    state = run(logged_project(tmp_path, log, reply=reply))
    assert rows(state, "SELECT split, reason FROM label_suspect") == [
        {"split": "logged", "reason": "The output is right."}
    ]
    assert rows(state, "SELECT count(*) AS n FROM pattern_member") == [{"n": 2}]


def test_a_log_may_be_a_table_whose_columns_are_made_by_sql(tmp_path: Path) -> None:
    recipe = logged_project(tmp_path)
    with (tmp_path / "log.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["asked", "said", "rating"])
        table.writerows([[WRONG["text"], "number", "-1"], ["colour of a stone", "colour", "1"]])
    made = "rename: {text: asked, output: said}, columns: {thumb_down: \"rating = '-1'\"}"
    text = recipe.read_text("utf-8").replace("path: log.jsonl", f"path: log.csv, {made}")
    recipe.write_text(text, "utf-8")
    state = run(recipe)
    assert rows(state, "SELECT count(*) AS n FROM diagnosis") == [{"n": 1}]


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ([{"text": "colour", "output": "colour"}], "neither a right answer ('kind') nor a thumb down"),
        ([], "has no rows"),
        ([{"text": "colour", "kind": "colour"}], "has a column 'output'"),
        ([{**REJECTED, "thumb_down": "yes"}], "the column 'thumb_down' must be true or false"),
    ],
)  # fmt: skip
def test_a_log_that_says_nothing_is_refused(
    tmp_path: Path, log: Sequence[Mapping[str, Any]], message: str
) -> None:
    recipe = logged_project(tmp_path, log)
    ended = pada_here("validate", recipe)
    assert (ended.code, message in ended.errors + ended.out) == (2, True), ended


def test_a_time_that_is_no_time_is_a_warning(tmp_path: Path) -> None:
    recipe = logged_project(
        tmp_path, [{**WRONG, "time": "yesterday"}, {**REJECTED, "time": "2026-03-01"}]
    )
    ended = pada_here("validate", recipe)
    assert ended.code == 0, ended.errors
    assert (
        "1 of 2 values of the log's column 'time' are not times, such as 'yesterday'"
        in ended.errors
    )


def test_a_log_in_which_nothing_failed_ends_the_run(tmp_path: Path) -> None:
    log = [{"text": "colour brook stone by mail", "kind": "colour", "output": "colour"}]
    recipe = logged_project(tmp_path, log)
    ended = pada_here("run", recipe, "--state", tmp_path / "state")
    assert (ended.code, "none of the 1 rows of the log" in ended.errors) == (2, True), ended


def test_what_is_redacted_of_a_log_is_seen_by_nobody(tmp_path: Path) -> None:
    recipe = logged_project(tmp_path, [{**WRONG, "text": "number call 555-1234 now"}])
    text = recipe.read_text("utf-8") + 'privacy: {redact: [{pattern: "[0-9]{3}-[0-9]{4}"}]}\n'
    recipe.write_text(text, "utf-8")
    state = run(recipe)
    (example,) = rows(state, "SELECT inputs ->> 'text' AS text FROM example WHERE split = 'logged'")
    assert "555" not in example["text"]
    assert "555" not in str(rows(state, "SELECT messages FROM llm_call"))


def test_a_method_that_looks_at_no_failures_takes_no_source(tmp_path: Path) -> None:
    recipe = logged_project(tmp_path)
    text = recipe.read_text("utf-8").replace("loop: {", "loop: {method: random, ")
    recipe.write_text(text, "utf-8")
    ended = pada_here("validate", recipe)
    assert "the method 'random' looks at no failures" in ended.errors + ended.out
    assert ended.code == 2


def test_of_rejected_outputs_alone_a_pattern_is_made_without_label_pairs(tmp_path: Path) -> None:
    log = [{**REJECTED, "text": f"colour pebble willow {n}"} for n in "abc"]
    state = run(logged_project(tmp_path, log))
    assert rows(state, "SELECT size FROM pattern") == [{"size": 3}]
    assert str(rows(state, "SELECT pairs FROM strategy")) in (
        "[{'pairs': '[]'}]",
        "[{'pairs': []}]",
    )


def test_later_rounds_ask_again_what_has_a_right_answer(tmp_path: Path) -> None:
    # An earlier model had this one wrong; the student of this run has it right.
    mended = {"text": "colour pond reed by hand", "kind": "colour", "output": "number"}
    log = [*log_of_failures(4), mended, REJECTED]
    recipe = logged_project(tmp_path, log, reply=reply_to(6))
    text = recipe.read_text("utf-8").replace("rounds: 1", "rounds: 2")
    recipe.write_text(text.replace("{method: none}", "{r: 1, steps: 1}"), "utf-8")
    state = run(recipe)
    ids = {
        row["text"]: row["id"]
        for row in rows(
            state, "SELECT id, inputs ->> 'text' AS text FROM example WHERE split = 'logged'"
        )
    }
    drawn = {
        number: {
            row["example"]
            for row in rows(state, "SELECT example FROM drawn_failure WHERE round = ?", number)
        }
        for number in (0, 1)
    }
    assert drawn[0] == set(ids.values())
    assert drawn[0] - drawn[1] == {ids[mended["text"]], ids[str(REJECTED["text"])]}
    # What the untuned student would say is not asked; -1 is what was logged.
    asked = rows(
        state,
        "SELECT round, count(*) AS n FROM prediction WHERE split = 'logged' GROUP BY round ORDER BY round",
    )
    assert [(a["round"], a["n"]) for a in asked] == [(-1, 6), (0, 5), (1, 5), (2, 5)]
    scored = rows(
        state, "SELECT DISTINCT round, value, n FROM metric WHERE split = 'logged' ORDER BY round"
    )
    assert [(s["round"], s["value"], s["n"]) for s in scored] == [(r, 0.2, 5) for r in (0, 1, 2)]
    shown = rows(
        state,
        "SELECT round, count(*) AS n, count(DISTINCT example) AS d, count(pattern) AS p FROM failures"
        " WHERE split = 'logged' GROUP BY round ORDER BY round",
    )
    # Round 0 shows the log as it is; later ones what was answered anew, and the rejected row.
    assert [(s["round"], s["n"], s["d"]) for s in shown if s["round"] >= 0] == [
        (0, 6, 6),
        (1, 5, 5),
        (2, 5, 5),
    ]
    assert [s["p"] for s in shown if s["round"] in (0, 1)] == [6, 4]
    page = (ROOT / "docs" / "logged.md").read_text("utf-8")
    queries = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    assert len(queries) == 2
    assert all(rows(state, query) for query in queries)
    drift = pada_here("patterns", "slices", recipe, "--state", state, "--min-size", 5)
    assert "the log: 5 of 5 rows with a right answer fail, 100%" in drift.out
    assert "1 more were rejected, and nobody knows what is right: no rate" in drift.out
    (suite,) = rows(
        state, "SELECT logged, logged_broken, detail FROM regression_suite WHERE round = 2"
    )
    assert (suite["logged"], suite["logged_broken"]) == (1, 0)
    assert "of 4 logged rows that round 0 had wrong, 0 are right" in suite["detail"]
    under = rows(
        state,
        "SELECT DISTINCT p.example FROM pattern_row p WHERE p.part = 'member' AND p.round = 1",
    )
    assert {row["example"] for row in under} == set(ids.values()) - {ids[str(REJECTED["text"])]}


def log_of_failures(count: int) -> list[dict[str, Any]]:
    return [{**WRONG, "text": f"number meadow thistle {n}"} for n in "abcdefgh"[:count]]
