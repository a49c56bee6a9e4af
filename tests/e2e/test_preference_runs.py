"""Preference tuning in whole runs, and its benchmark: pairs are stored and counted, arms are equal in steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks import preference
from tests.e2e.runs import pada_here, rows
from tests.e2e.tiny_project import write_project

pytestmark = pytest.mark.long


def dpo_project(folder: Path, *, scripted: bool) -> Path:
    recipe = write_project(folder, scripted=scripted)
    text = recipe.read_text("utf-8").replace(
        "train: {r: 4,", "train: {objective: dpo, preference: {min_pairs: 2, share: 0.5}, r: 4,"
    )
    recipe.write_text(text.replace("rounds: 2", "rounds: 1"), "utf-8")
    return recipe


def test_a_run_stores_its_pairs_and_the_report_counts_them(tmp_path: Path) -> None:
    recipe, state = dpo_project(tmp_path, scripted=True), tmp_path / "state"
    ended = pada_here("run", recipe, "--state", state)
    assert ended.code == 0, ended.errors
    (counted,) = rows(
        state, "SELECT count(*) AS n, bool_and(used) AS used FROM preference_pairs WHERE round = 1"
    )
    (tuning,) = rows(state, "SELECT pairs, steps, supervised_steps FROM preference_tuning")
    assert counted == {"n": tuning["pairs"], "used": True}
    assert tuning["pairs"] >= 2
    assert (tuning["steps"], tuning["supervised_steps"]) == (4, 4)
    said = " ".join(ended.out.split())
    assert (
        f"Preference tuning, round 1: {counted['n']} pairs of a right and a wrong answer"
        f" ({counted['n']} wrong answers of the student), 4 of 8 optimizer steps." in said
    )
    students = rows(state, "SELECT round, steps FROM model WHERE NOT interim ORDER BY round")
    assert students == [{"round": 0, "steps": 8}, {"round": 1, "steps": 8}]
    # No row of another split is in a pair.
    assert not rows(
        state,
        "SELECT p.inputs FROM preference_pairs p JOIN example e ON e.inputs = p.inputs AND e.split <> 'train'",
    )


@pytest.mark.models
@pytest.mark.long
def test_a_real_student_is_tuned_and_asked(tmp_path: Path) -> None:
    recipe, state = dpo_project(tmp_path, scripted=False), tmp_path / "state"
    ended = pada_here("run", recipe, "--state", state)
    assert ended.code == 0, ended.errors
    (tuning,) = rows(state, "SELECT tuned, final_loss, accuracy FROM preference_tuning")
    assert tuning["tuned"]
    assert tuning["final_loss"] < 0.8
    asked = rows(state, "SELECT DISTINCT m.weights FROM model m WHERE m.round = 1")
    assert len(asked) == 2, "the tuned student is another one than before its tuning"


def test_the_benchmark_measures_every_arm_once_at_equal_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, given = write_project(tmp_path / "p", scripted=True), tmp_path / "rows.jsonl"
    given.write_text(
        json.dumps({"inputs": {"text": "red balon comer"}, "target": "number"}) + "\n", "utf-8"
    )
    out = tmp_path / "found.jsonl"
    command = ["--set", "tiny", str(recipe), str(given), "--out", str(out), "--seeds", "0", "1"]
    preference.main([*command, "--arms", "min_pairs=1", "min_pairs=99"])
    found = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert {line["steps"] for line in found} == {8}
    tuned = [line for line in found if line["arm"].endswith("min_pairs=1")]
    assert all(line["pair_steps"] == 2 and line["pairs"] for line in tuned)
    (few, _) = [line for line in found if line["arm"].endswith("min_pairs=99")]
    assert "min_pairs is 99" in few["reason"]
    with out.open("a") as stream:
        stream.write('{"torn')
    capsys.readouterr()
    preference.main(command)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2 + 4, "nothing is trained again"
    assert said[2].startswith(f"| tiny | {preference.PLAIN} | 2 | 1 | 8 | 0 | 0 |")
    assert said[3].endswith("| +0.0 (+0.0 to +0.0) |")
