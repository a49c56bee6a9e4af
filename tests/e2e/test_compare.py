"""`pada compare` in whole: arms share what they do alike, one that waits holds up no other, and it goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.backends.files.requests import request_files
from tests.e2e import batch_project
from tests.e2e.balance import assert_balanced
from tests.e2e.batch_project import Person
from tests.e2e.runs import pada_here, rows
from tests.e2e.scripted_project import write_project

pytestmark = pytest.mark.runs


def test_arms_are_run_once_and_share_what_they_do_alike(tmp_path: Path) -> None:
    recipe, state = write_project(tmp_path / "project", ROWS="6"), tmp_path / "state"
    out = tmp_path / "found.json"
    command = (
        "compare", recipe, "--methods", "auggpt,random", "--seeds", "3,4", "--state", state,
        "--baseline", "random", "--out", out,
    )  # fmt: skip
    ended = pada_here(*command)
    assert ended.code == 0, ended.out + ended.errors
    assert "arm 1 of 2: auggpt" in ended.out
    assert (
        "No arm differs beyond chance from random on test (accuracy, 2 seeds, 8 test rows)."
        in ended.out
    )
    # The second arm finds the first one's students of round 0.
    shared = rows(
        state, "SELECT name FROM run_node WHERE run = 'r0002' AND status = 'cached' ORDER BY name"
    )
    assert {"seed-3/round-0/train", "seed-4/round-0/score"} <= {row["name"] for row in shared}
    found = json.loads(out.read_text("utf-8"))
    assert [(arm["name"], arm["run"]) for arm in found["arms"]] == [
        ("auggpt", "r0001"), ("random", "r0002"),
    ]  # fmt: skip
    assert found["seeds"] == [3, 4]
    for arm in found["arms"]:
        trained = rows(
            state,
            "SELECT avg(m.rows) - 24 AS n FROM model m JOIN run_node r ON r.node = m.node"
            " WHERE r.run = ? AND m.round = 1",
            arm["run"],
        )
        assert arm["rows"] == trained[0]["n"]
        assert arm["tokens"] > 0
        assert {student["round"] for student in arm["students"]} == {1}
    # Once more: nothing is run again, and the same is said.
    again = pada_here(*command, "--student", "chosen")
    assert again.code == 0
    assert "arm 2 of 2: random: done before, run r0002" in again.out
    assert rows(state, "SELECT count(*) AS n FROM run") == [{"n": 2}]
    assert json.loads(out.read_text("utf-8"))["student"] == "chosen"
    assert_balanced(state)
    # What cannot be compared is one message.
    refused = pada_here("compare", recipe, "--methods", "vanilla,random", "--baseline", "pada")
    assert refused.code == 2
    assert refused.errors.startswith("error: no arm is called 'pada', which is to be the baseline")


def test_an_arm_that_waits_holds_up_no_other_and_goes_on(tmp_path: Path) -> None:
    recipe = batch_project.with_batch(batch_project.write(tmp_path / "project", seeds="[0, 1]"))
    state, person = tmp_path / "state", Person(recipe.parent)
    command = ("compare", recipe, "--methods", "auggpt,vanilla", "--state", state)
    first = pada_here(*command)
    assert first.code == 75, first.out + first.errors
    flowing = " ".join(first.out.split())
    assert "Nothing has been compared with vanilla yet." in flowing
    assert "Not finished: auggpt: waiting:" in flowing
    assert f"pada compare {recipe} --methods auggpt,vanilla --state {state}" in flowing
    trips = 0
    ended = first
    while ended.code == 75:
        answers = person.answer(request_files(state)[trips], tmp_path / "answers.jsonl")
        assert pada_here("batch", "import", answers, "--state", state).code == 0
        ended, trips = pada_here(*command), trips + 1
        assert trips < 5
    assert ended.code == 0
    assert "No arm differs beyond chance from vanilla" in ended.out
    assert "arm 2 of 2: vanilla: done before" in ended.out
