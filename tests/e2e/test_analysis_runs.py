"""A whole run with a large teacher: every failure of its analysis ends somewhere, and all that was said is stored."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import engine.operators
from tests.e2e.runs import pada_here, rows
from tests.e2e.scripted_project import FAILING, write_project

pytestmark = pytest.mark.long

UNREAL = "words that stand in no row"


def said(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"f{number}", "evidence": "", "reasoning": "It goes by the word.",
        "root_cause": "A named kind is taken for the kind.", "scenario": "Another kind is named.",
        "skill": "To read on.", "category": "named kind", "suspect": False, "suspect_reason": "", "convention": "",
        "mendable": True, "confidence": 4, **changes,
    }  # fmt: skip


REPLIES: dict[str, Any] = {
    # Six failures a call, four in the last.
    "# Rows that the student gets wrong": {
        "diagnoses": [
            said(1, suspect=True, suspect_reason="It is the other kind."),
            said(2, mendable=False),
            said(3), said(3),
            said(4),
            said(5, evidence=UNREAL),
        ]
    },
    "# One cluster": {
        "reasoning": "All of them name it.", "name": "Kind named in passing",
        "description": "A kind is named that is not meant.", "includes": ["a kind in passing"],
        "excludes": [], "coherent": True,
    },
    "# The weakness": {
        "reasoning": "The word is enough for it.", "strategy": "Name the other kind in passing.",
        "must": [{"rule": "both kinds", "labels": ["number"]}], "must_not": [],
        "attributes": [{"name": "length", "values": ["3", "9"]}],
        "pairs": [{"right": "number", "wrong": "colour", "share": 0.4}, {"right": "x", "wrong": "y", "share": 0.6}],
        "difficulty": {"easy": 0, "medium": 0.25, "hard": 0.75},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run an analysis, whose rows an operator of the recipe's own writes."""
    folder = tmp_path_factory.mktemp("analysis")
    recipe = write_project(
        folder, PATTERNS="{cluster: {k: 1}}", TRAIN="{method: none}",
        OPERATORS="{name: reword, params: {variants: 2}}", JUDGE="off",
    )  # fmt: skip
    text = recipe.read_text("utf-8")
    recipe.write_text(text.replace("model: teacher,", "model: teacher, pack: standard,"), "utf-8")
    entries = [{"match": match, "reply": reply} for match, reply in REPLIES.items()]
    replies = "".join(json.dumps(entry) + "\n" for entry in entries)
    (folder / "replies.jsonl").write_text(replies, "utf-8")
    operator = folder / "operators" / "reword"
    operator.mkdir(parents=True)
    ours = Path(engine.operators.__file__).parent / "paraphrase"
    definition = (ours / "operator.yaml").read_text("utf-8")
    (operator / "operator.yaml").write_text(
        definition.replace("name: paraphrase", "name: reword"), "utf-8"
    )
    shutil.copy(ours / "small.md", operator / "prompt.md")
    ended = pada_here("run", recipe, "--state", folder / "state")
    assert ended.code == 0, ended.out + ended.errors
    return folder / "state"


def test_every_failure_of_several_a_call_ends_as_a_member_or_a_drop(state: Path) -> None:
    dropped = rows(
        state, "SELECT reason, count(*) AS n FROM \"drop\" WHERE stage = 'diagnose' GROUP BY 1"
    )
    counts = {row["reason"]: row["n"] for row in dropped}
    parts = {"not_asked": 1, "evidence_not_found": 2}
    ends = {"label_suspect": 3, "not_mendable": 3, "twice_in_reply": 3, "missing_in_reply": 2}
    assert counts == {**parts, **ends}
    members = rows(state, "SELECT count(*) AS n FROM pattern_member")[0]["n"]
    assert members == FAILING - sum(ends.values()) == 5


def test_rows_whose_label_may_be_wrong_are_listed(state: Path) -> None:
    found = rows(state, "SELECT DISTINCT split, reason, confidence FROM label_suspect")
    assert found == [{"split": "validation", "reason": "It is the other kind.", "confidence": 4}]


def test_all_that_was_said_is_stored(state: Path) -> None:
    assert rows(
        state, "SELECT DISTINCT evidence, reasoning, skill, category, proposed, confidence FROM diagnosis"
    ) == [
        {"evidence": "", "reasoning": "It goes by the word.", "skill": "To read on.",
         "category": None, "proposed": "named kind", "confidence": 4}
    ]  # fmt: skip
    (pattern,) = rows(state, "SELECT name, includes, excludes, coherent, guard, size FROM pattern")
    assert pattern == {
        "name": "Kind named in passing", "includes": ["a kind in passing"], "excludes": [],
        "coherent": True, "guard": None, "size": 5,
    }  # fmt: skip
    (strategy,) = rows(
        state,
        "SELECT text, must, rule_labels, attributes, pairs, operators, difficulty FROM strategy",
    )
    assert strategy["text"] == "Name the other kind in passing."
    assert strategy["must"] == ["both kinds"]
    assert json.loads(strategy["rule_labels"]) == {"must": {"both kinds": ["number"]}}
    stored = {
        key: json.loads(strategy[key]) for key in ("attributes", "pairs", "operators", "difficulty")
    }
    assert stored["attributes"] == {"length": ["3", "9"]}
    assert stored["pairs"] == [{"right": "number", "wrong": "colour", "share": 1.0}]
    assert stored["operators"] == {}  # one operator: there is nothing to share out
    assert stored["difficulty"] == {"medium": 0.25, "hard": 0.75}
