"""Runs that mine: what of a pool is taken, who labels it, what is left out, and what the store says of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.runs import pada_here, rows
from tests.e2e.scripted_project import write_project

pytestmark = pytest.mark.runs

WORDS = (
    "meadow",
    "fern",
    "brook",
    "cedar",
    "pebble",
    "willow",
    "thistle",
    "clover",
    "heron",
    "moss",
)


def _first(folder: Path, split: str) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(
        (folder / f"{split}.jsonl").read_text("utf-8").splitlines()[0]
    )
    return line


def pool_of(folder: Path) -> list[dict[str, Any]]:
    """Return a pool of 24 fresh rows, and one of each kind that is left out."""
    fresh = [
        {
            "text": f"{('colour', 'number')[n % 2]} {WORDS[n % 10]} {WORDS[(3 * n + 1) % 10]} pool{n}",
            "kind": ("colour", "number")[n % 2],
        }
        for n in range(24)
    ]
    return [
        *fresh,
        {"text": _first(folder, "test")["text"].upper(), "kind": "colour"},
        {"text": _first(folder, "train")["text"] + " !", "kind": "colour"},
        {"text": fresh[0]["text"].replace(" ", ", "), "kind": "colour"},
        {"text": "?!", "kind": "colour"},
    ]


def project(folder: Path, mine: str, pool: Sequence[Mapping[str, Any]] | None = None) -> Path:
    recipe = write_project(folder, OPERATORS="", VERIFY="{samples: 0}", JUDGE="off")
    lines = pool_of(folder) if pool is None else pool
    (folder / "pool.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    text = recipe.read_text("utf-8")
    text = text.replace(
        "  test: {path: test.jsonl}\n", "  test: {path: test.jsonl}\n  pool: {path: pool.jsonl}\n"
    )
    text = text.replace("augment: {", f"augment: {{mine: {mine}, ")
    recipe.write_text(text, "utf-8")
    return recipe


def run(recipe: Path) -> Path:
    state = recipe.parent / "state"
    ended = pada_here("run", recipe, "--state", state)
    assert ended.code == 0, ended.errors
    return state


def test_rows_are_mined_labelled_by_neighbours_and_trained_on_without_a_call(
    tmp_path: Path,
) -> None:
    state = run(project(tmp_path, "{sure: 0.4}"))
    counts = {
        row["reason"]: row["rows"] for row in rows(state, "SELECT reason, rows FROM pool_count")
    }
    assert counts["read"] == 28
    left_out = ("evaluation", "training", "duplicate", "empty")
    assert {reason: counts[reason] for reason in left_out} == dict.fromkeys(left_out, 1)
    trained = rows(
        state,
        "SELECT inputs ->> 'text' AS text, target, label_source, verified, source, origin FROM training_rows"
        " WHERE round = 1 AND origin <> 'original'",
    )
    assert len(trained) == 12
    for row in trained:
        assert row["text"].split()[0] == row["target"]
        assert (row["label_source"], row["verified"], row["source"], row["origin"]) == (
            "neighbours", False, "pool.jsonl", "mined",
        )  # fmt: skip
    asked = rows(state, "SELECT DISTINCT n.stage FROM llm_call c JOIN node n ON n.id = c.node")
    assert {row["stage"] for row in asked} <= {"diagnose", "name", "strategy"}
    # The pool's own labels are nowhere: they were not asked for.
    assert rows(state, "SELECT count(*) AS n FROM pool_row WHERE target <> ''") == [{"n": 0}]


@pytest.mark.long
def test_a_person_labels_what_waits_and_the_next_run_takes_it(tmp_path: Path) -> None:
    pool = [
        row
        for row in pool_of(tmp_path_of(tmp_path))
        if row["text"].startswith(("colour", "number"))
    ]
    for row in pool[6:]:
        row["kind"] = None
    pool[0]["kind"] = "shape"
    recipe = project(tmp_path, "{label: column, by: []}", pool)
    state = run(recipe)
    counted = "SELECT reason, rows FROM pool_count WHERE reason = 'unknown_label'"
    assert rows(state, counted) == [{"reason": "unknown_label", "rows": 1}]
    waiting = rows(state, "SELECT line FROM mined WHERE candidate IS NULL ORDER BY line")
    drops = rows(
        state, "SELECT reason, count(*) AS n FROM \"drop\" WHERE stage = 'mine' GROUP BY ALL"
    )
    assert drops == [{"reason": "awaits_label", "n": len(waiting)}]
    assert len(waiting) >= 7
    taken = "SELECT DISTINCT label_source, verified FROM training_rows WHERE origin = 'mined'"
    assert rows(state, taken) == [{"label_source": "column", "verified": True}]


def tmp_path_of(folder: Path) -> Path:
    write_project(folder)
    return folder


@pytest.mark.long
def test_several_answers_of_the_teacher_must_agree(tmp_path: Path) -> None:
    recipe = project(tmp_path, "{label: teacher, samples: 2, by: [uncertain, diverse]}")
    answers = [
        {"match": word, "reply": {"answers": [{"id": "r1", "reasoning": "", "answer": answer, "second": None}]}}
        for word, answer in (("pool3\n", None), ("colour ", "colour"), ("number ", "number"))
    ]  # fmt: skip
    replies = tmp_path / "replies.jsonl"
    replies.write_text(
        replies.read_text("utf-8") + "".join(json.dumps(line) + "\n" for line in answers), "utf-8"
    )
    state = run(recipe)
    found = rows(
        state,
        "SELECT c.target, m.confidence FROM mined m JOIN candidate c ON c.id = m.candidate",
    )
    assert found
    assert {row["confidence"] for row in found} == {1.0}
    assert rows(state, "SELECT count(*) AS n FROM pool_answer") == [{"n": 24}]
    paid = "SELECT DISTINCT l.id FROM llm_call l JOIN node n ON n.id = l.node WHERE n.stage = 'mine_by_teacher'"
    assert rows(state, f"{paid} ORDER BY 1") == rows(
        state, "SELECT DISTINCT call AS id FROM row_call WHERE operator = 'mine' ORDER BY 1"
    )
    assert rows(state, "SELECT DISTINCT verified FROM training_rows WHERE origin = 'mined'") == [
        {"verified": True}
    ]


@pytest.mark.parametrize(
    ("pool", "said"),
    [
        ([], "the pool has no rows"),
        ([{"message": "colour fern"}], "has a column 'text'"),
    ],
    ids=["empty", "columns"],
)
def test_a_pool_that_is_no_pool_is_refused_before_the_run(
    tmp_path: Path, pool: list[dict[str, str]], said: str
) -> None:
    ended = pada_here("validate", project(tmp_path, "{}", pool))
    assert ended.code == 2
    assert said in ended.out + ended.errors
