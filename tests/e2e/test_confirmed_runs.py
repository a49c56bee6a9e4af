"""A whole run in which patterns are tested: what is not real gets no strategy and no row, and it is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.runs import pada_here, rows
from tests.e2e.scripted_project import write_project

pytestmark = pytest.mark.runs


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run with one pattern under which, the judge says, every row falls: nothing tells failed rows by it."""
    folder = tmp_path_factory.mktemp("confirmed")
    recipe = write_project(
        folder, validation=60, PATTERNS="{cluster: {k: 1}, confirm: 40}", ROWS="4", VERIFY="{samples: 0}"
    )  # fmt: skip
    file = folder / "verdicts.jsonl"
    all_of_it = json.dumps({"match": "Kind: ", "reply": {"falls_under": True}})
    file.write_text(f"{all_of_it}\n{file.read_text('utf-8')}", "utf-8")
    ended = pada_here("run", recipe, "--state", folder / "state")
    assert ended.code == 0, ended.out + ended.errors
    assert "no pattern is real enough to write rows against (1 weak)" in " ".join(
        (ended.out + ended.errors).split()
    )
    return folder / "state"


def test_what_was_asked_and_what_follows_is_stored(state: Path) -> None:
    (test,) = rows(
        state,
        "SELECT verdict, funded, asked, failed, failed_under, passed, passed_under, diagnosed FROM pattern_test",
    )
    assert test == {
        "verdict": "weak", "funded": False, "asked": 40, "failed": 20, "failed_under": 20,
        "passed": 20, "passed_under": 20, "diagnosed": 20,
    }  # fmt: skip
    parts = rows(state, "SELECT part, count(*) AS n FROM pattern_test_row GROUP BY ALL ORDER BY 1")
    assert parts == [{"part": "diagnosed", "n": 20}, {"part": "passed", "n": 20}]
    asked = rows(
        state,
        "SELECT DISTINCT k.role FROM llm_call k JOIN node n ON n.id = k.node WHERE n.stage = 'confirm'",
    )
    assert asked == [{"role": "judge"}]


def test_its_budget_is_for_what_does_not_fail(state: Path) -> None:
    assert rows(state, "SELECT count(*) AS n FROM strategy") == [{"n": 0}]
    assert rows(state, "SELECT DISTINCT pattern FROM candidate") == [{"pattern": "coverage"}]
    (decision,) = rows(state, "SELECT reason FROM decision WHERE metric = 'selected'")
    assert decision["reason"].endswith("none of the round is real enough to get rows")
    (seen,) = rows(state, "SELECT verdict, funded, strategy FROM failure_patterns")
    assert seen == {"verdict": "weak", "funded": False, "strategy": None}
