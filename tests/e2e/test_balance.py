"""The balance of rows finds each kind of row that is lost or made up."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from engine import gate
from engine.store import FILE
from tests.e2e import batch_project
from tests.e2e.balance import RULES, Rule, assert_balanced, unbalanced
from tests.e2e.runs import pada_here, rows

METRICS = (
    "metrics: [accuracy, macro_f1]",
    "metrics: [accuracy, {name: tone, judge: {rubric: How friendly it is, scale: [1, 5]}}]\nslices: [kind]",
)
ANY = "WHERE rowid = (SELECT min(rowid) FROM {})"
TESTED = (
    "INSERT INTO pattern_test BY NAME SELECT node, run, seed, round, 0 AS position, 'another' AS pattern,"
    " 'weak' AS verdict, true AS funded, '' AS detail, 3 AS asked, 0 AS failed, 0 AS failed_under, 0 AS passed,"
    " 0 AS passed_under, 0 AS diagnosed FROM pattern LIMIT 1"
)
"""A test that was never made."""
MINED = "UPDATE node SET stage = 'mine' WHERE stage = 'generate'"
"""Candidates that were never on a shortlist."""
TAMPERED = {
    "rows of the data = rows after mending + drops": "UPDATE node SET stage = 'mend' WHERE stage = 'decide'",
    "a split holds no example twice": (
        "UPDATE example SET split = 'train', id = (SELECT id FROM example WHERE split = 'train' LIMIT 1)"
        " WHERE rowid = (SELECT min(rowid) FROM example WHERE split = 'test')"
    ),
    "examples = predictions": "DELETE FROM prediction " + ANY.format("prediction"),
    "answers x metrics with a rubric = ratings": "DELETE FROM rating " + ANY.format("rating"),
    "predictions x metrics = scores + drops": "DELETE FROM score " + ANY.format("score"),
    "failures are predictions, none of them on test": "UPDATE failure SET split = 'test'",
    "the parts of a slice hold all rows of their split": "UPDATE metric_slice SET n = n + 1",
    "failures of the sources = failures drawn, those of a log apart": (
        "DELETE FROM drawn_failure " + ANY.format("drawn_failure")
    ),
    "failures of a log that are drawn are in it": (
        "UPDATE drawn_failure SET split = 'logged' " + ANY.format("drawn_failure")
    ),
    "failures drawn for diagnosis = diagnoses + drops": (
        "DELETE FROM diagnosis " + ANY.format("diagnosis")
    ),
    "suspected rows = rows whose label may be wrong, each dropped": (
        "UPDATE diagnosis SET suspect = true " + ANY.format("diagnosis")
    ),
    "diagnoses = members + drops": "DELETE FROM cluster_member " + ANY.format("cluster_member"),
    "members of clusters = members of patterns, each of its cluster or of a part of it, + misfits": (
        "DELETE FROM pattern_member " + ANY.format("pattern_member")
    ),
    "misfits are members of clusters": (
        "INSERT INTO \"drop\" BY NAME SELECT node, run, seed, round, 0 AS position, 'name' AS stage,"
        " 'another' AS item, 'misfit' AS reason, '' AS detail FROM pattern LIMIT 1"
    ),
    "members = sizes of the patterns": "UPDATE pattern SET size = size + 1",
    "patterns = tests of patterns": TESTED,
    "rows on which patterns are tested = answers + drops": TESTED,
    "patterns that rows are written against = strategies": (
        "DELETE FROM strategy " + ANY.format("strategy")
    ),
    "patterns = shares + those excluded": (
        "DELETE FROM pattern_share " + ANY.format("pattern_share")
    ),
    "usable replies are candidates": "UPDATE candidate SET call = 'another'",
    "candidates are of a strategy of their pattern": "UPDATE candidate SET strategy = 'another'",
    "rows of the pool = those on the shortlist + those left out": (
        "INSERT INTO pool_count BY NAME SELECT node, run, seed, round, 0 AS position, 'shortlist' AS stage,"
        " 'read' AS reason, 3 AS rows, '' AS detail FROM candidate LIMIT 1"
    ),
    "rows on the shortlist = candidates + those left out": MINED,
    "candidates that were mined say where they come from": MINED,
    "candidates = findings of the gates": "DELETE FROM gating " + ANY.format("gating"),
    "candidates that pass the gates = those verified + drops": (
        "DELETE FROM verification WHERE candidate = (SELECT min(candidate) FROM verification)"
    ),
    "candidates that pass the gates = those that the student answers + drops": (
        "DELETE FROM pass_rate " + ANY.format("pass_rate")
    ),
    "anchors that were judged = those that the calibration counts": (
        "DELETE FROM judge_anchor " + ANY.format("judge_anchor")
    ),
    "training rows suspected by a judge that decides = rows whose label may be wrong": (
        "UPDATE judge_anchor SET suspect = NOT suspect " + ANY.format("judge_anchor")
    ),
    "candidates = verdicts": "DELETE FROM verdict " + ANY.format("verdict"),
    "accepted = selected + drops": "DELETE FROM selected " + ANY.format("selected"),
    "selected = new training examples": "UPDATE selected SET example = 'another'",
    "training examples + selected of earlier rounds = rows trained on + drops": (
        "UPDATE model SET rows = rows + 1"
    ),
    "patterns of earlier rounds = patterns tracked, with all their members": (
        "UPDATE pattern_status SET before = before + 1"
    ),
    "rows that fall under a pattern = rows of its status": (
        "DELETE FROM pattern_row " + ANY.format("pattern_row")
    ),
    "rows that broke are right in round 0 and fail now": (
        "INSERT INTO regression BY NAME SELECT node, run, seed, round, 0 AS position, 'another' AS example,"
        " true AS fails FROM regression_suite LIMIT 1"
    ),
    "rows that broke = those that the suite counts": "UPDATE regression_suite SET broken = broken + 1",
    "pairs found = pairs tuned with + pairs left out": (
        "UPDATE node SET stage = CASE stage WHEN 'score' THEN 'pair' ELSE 'prefer' END"
        " WHERE stage IN ('score', 'decide')"
    ),
    "one decision at each gate": "DELETE FROM decision " + ANY.format("decision"),
}
"""Rule -> what breaks it."""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the whole loop once: the judge rates a metric, and more fails and is accepted than is taken."""
    folder = tmp_path_factory.mktemp("balance")
    recipe = batch_project.write(folder, seeds="[0]")
    text = recipe.read_text("utf-8")
    for old, new in (
        METRICS,
        ("diagnose: 30", "diagnose: 10"),
        ("control: false", "control: true"),
        ("rows_per_round: 12", "rows_per_round: 4\n  oversample: 3"),
        ("quality:\n", "quality:\n  verify: {samples: 2}\n  pass_rate: {keep: [0.0, 0.9999]}\n"),
    ):
        assert old in text
        text = text.replace(old, new)
    recipe.write_text(text, "utf-8")
    ended = pada_here("run", recipe, "--state", folder / "state")
    assert ended.code == 0, ended.out + ended.errors
    return folder / "state"


def tampered(state: Path, folder: Path, sql: str) -> Path:
    """Copy a state folder and change its store; return the copy."""
    folder.mkdir()
    gate.own_state(folder)
    shutil.copy(state / FILE, folder / FILE)
    with duckdb.connect(str(folder / FILE)) as connection:
        [(changed,)] = connection.execute(sql).fetchall()
        assert changed, "there is such a row"
    return folder


def test_a_whole_run_is_balanced(state: Path) -> None:
    assert unbalanced(state) == []


@pytest.mark.runs
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_row_that_is_lost_or_made_up_is_found(rule: Rule, state: Path, tmp_path: Path) -> None:
    copy = tampered(state, tmp_path / "state", TAMPERED[rule.name])
    assert [fault for fault in unbalanced(copy, [rule]) if fault.startswith(f"{rule.name}: ")]


@pytest.mark.runs
def test_a_drop_that_is_missing_is_found(state: Path, tmp_path: Path) -> None:
    sql = "DELETE FROM \"drop\" WHERE stage = 'select'"
    assert any(
        "+ drops: " in fault for fault in unbalanced(tampered(state, tmp_path / "state", sql))
    )


@pytest.mark.runs
def test_rows_of_no_node_and_nodes_without_their_rows_are_found(
    state: Path, tmp_path: Path
) -> None:
    copy = tampered(state, tmp_path / "state", "UPDATE decision SET node = 'another'")
    with pytest.raises(AssertionError) as caught:
        assert_balanced(copy)
    decisions = rows(state, "SELECT count(*) AS n FROM decision")[0]["n"]
    assert f"decision: node another wrote None rows, {decisions} are there" in str(caught.value)
    assert "wrote 1 rows, None are there" in str(caught.value)


def test_a_folder_without_a_store_has_nothing_to_balance(tmp_path: Path) -> None:
    assert_balanced(tmp_path)
