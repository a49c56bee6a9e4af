from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest

from engine.errors import StoreError
from engine.rows import Review
from engine.store import FILE, Store, add_reviews, now, rows
from engine.store.document import render
from engine.store.schema import Comments, add_comments, comments
from tests.store.small import call, info, make, start

pytestmark = pytest.mark.runs

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs: r0001 did all the work, r0002 took everything over and asked one thing more."""
    folder = tmp_path_factory.mktemp("store")
    make(folder)
    store = Store.open(folder)
    names = rows(folder, "SELECT node, name, position FROM run_node ORDER BY position")
    with store.lock_run():
        run = start(store)
        for row in names:
            store.link_node(run, row["node"], row["name"], row["position"], "cached")
        store.link_node(run, "never", "place/never", 99, "skipped")
        store.record_calls([call(9, run, "unfinished")])
        store.end_run(run, "done")
    return folder


@pytest.fixture(params=["r0001", "r0002"])
def run(request: pytest.FixtureRequest) -> str:
    return str(request.param)


NOT_IN_SMALL = {
    "all_deployment",
    "all_regressions",
    "all_reviews",
    "all_broken_rows",
    "all_pattern_origins",
    "all_preference_pairs",
}
"""Views of which the small store has nothing."""


def select(state: Path, sql: str, run: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in rows(state, sql, [run])]


def test_run_rows_name_who_did_the_work(state: Path) -> None:
    found = rows(
        state,
        "SELECT run, origin, made_by, count(*) AS n FROM all_run_rows GROUP BY ALL ORDER BY run",
    )
    assert found == [
        {"run": "r0001", "origin": "done", "made_by": "r0001", "n": 15},
        {"run": "r0002", "origin": "cached", "made_by": "r0001", "n": 15},
    ]


EVERY = [name for name in comments().tables if name.startswith("all_")]


@pytest.mark.parametrize("every", EVERY)
def test_what_runs_share_is_shown_once_and_for_every_run_by_a_name_of_its_own(
    state: Path, every: str
) -> None:
    latest = every.removeprefix("all_")
    both = rows(state, f"FROM {every}")
    said = [row.pop("latest", None) for row in both]
    assert set(said) <= {None} or said == [row["run"] == "r0002" for row in both]
    assert rows(state, "FROM last_runs") == [{"run": "r0002", "recipe": "small"}]
    assert {row["run"] for row in rows(state, f"FROM {latest}")} <= {"r0002"}
    shown = Counter(map(repr, rows(state, f"FROM {latest}")))
    assert shown == Counter(repr(row) for row in both if row["run"] == "r0002")
    assert bool(both) == (every not in NOT_IN_SMALL)


def test_the_engine_asks_of_one_run_and_never_of_the_latest_alone() -> None:
    """A view of the latest runs shows nothing of the run that a command names."""
    views = "|".join(name.removeprefix("all_") for name in EVERY)
    found = [
        f"{path.relative_to(ROOT)}: {asked[0]}"
        for path in (ROOT / "engine").rglob("*.py")
        for asked in re.finditer(rf"\b(?:FROM|JOIN) ({views})\b", path.read_text("utf-8"))
        # Examples in help texts are what people type.
        if path.name not in ("document.py", "help.py")
    ]
    assert found == []


def test_a_run_that_is_gone_on_with_is_the_latest_again(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with store.lock_run():
        first = start(store, plan="p")
        store.end_run(first, "waiting")
    with store.lock_run():
        second = start(store, plan="q")
        store.end_run(second, "done")
    assert rows(tmp_path, "FROM last_runs") == [{"run": second, "recipe": "small"}]
    with store.lock_run():
        assert store.unfinished_run("q", {}) is None, "done is done"
        assert store.unfinished_run("p", {"pada-engine": "9"}) is None
        assert store.unfinished_run("other", {}) is None
        assert store.unfinished_run("p", {}) == first
        store.resume_run(
            first, recipe="hash-again", name="small", path="small.yaml", source="", effective={}
        )
        store.end_run(first, "done")
    assert rows(tmp_path, "FROM last_runs") == [{"run": first, "recipe": "small"}]
    assert rows(tmp_path, "SELECT recipe FROM run ORDER BY id")[0] == {"recipe": "hash-again"}


def test_failures(state: Path, run: str) -> None:
    sql = (
        "SELECT round, example, inputs->>'text', target, answer, prediction, root_cause, pattern_name, category"
        " FROM all_failures WHERE run = ? ORDER BY round, example"
    )
    assert select(state, sql, run) == [
        (0, "e11", "text 11", "card", "pin", "pin", "cause", "negation", None),
        (0, "e12", "text 12", "card", "pin", "pin", "cause", "negation", None),
        (0, "e13", "text 13", "card", "pin", "pin", "cause", "slang", "style"),
        (1, "e13", "text 13", "card", "pin", "pin", None, None, None),
    ]


def test_failure_patterns(state: Path, run: str) -> None:
    sql = (
        "SELECT round, pattern, name, size, strategy, status, members, failing, rows, effect, low, tracked"
        " FROM all_failure_patterns WHERE run = ? ORDER BY pattern"
    )
    assert select(state, sql, run) == [
        (0, "p1", "negation", 2, "negate", "shrinking", 2, 0, 4, 0.5, 0.1, 1),
        (0, "p2", "slang", 1, "slang", "unclear", 1, 1, 1, None, None, 1),
    ]


def test_failure_patterns_say_which_are_real(state: Path, run: str) -> None:
    sql = (
        "SELECT pattern, split_from, verdict, funded, lift, lift_low, lift_high, precision, recall"
        " FROM all_failure_patterns WHERE run = ? ORDER BY pattern"
    )
    assert select(state, sql, run) == [
        ("p1", None, "confirmed", True, 2.5, 1.25, 3.0, 0.5, 0.5),
        ("p2", "p0", "weak", False, None, None, None, None, None),
    ]


def test_pattern_history(state: Path, run: str) -> None:
    sql = (
        "SELECT pattern, name, round, found, status, members, failing, rows, mended, control_mended, effect"
        " FROM all_pattern_history WHERE run = ? ORDER BY pattern, round"
    )
    assert select(state, sql, run) == [
        ("p1", "negation", 0, 2, "new", 2, 2, None, None, None, None),
        ("p1", "negation", 1, None, "shrinking", 2, 0, 4, 2, 0, 0.5),
        ("p2", "slang", 0, 1, "new", 1, 1, None, None, None, None),
        ("p2", "slang", 1, None, "unclear", 1, 1, 1, 0, None, None),
    ]


def test_training_rows(state: Path, run: str) -> None:
    sql = (
        "SELECT round, origin, example, made_in, candidate, parent, operator"
        " FROM all_training_rows WHERE run = ? ORDER BY round, example"
    )
    assert select(state, sql, run) == [
        (0, "original", "e1", None, None, None, None),
        (0, "original", "e2", None, None, None, None),
        (1, "original", "e1", None, None, None, None),
        (1, "original", "e2", None, None, None, None),
        (1, "generated", "e21", 0, "c1", "e1", "paraphrase"),
    ]


def test_what_people_say_of_a_row_counts_for_their_recipe_alone(tmp_path: Path) -> None:
    first = make(tmp_path)
    store = Store.open(tmp_path)
    found = rows(tmp_path, "SELECT node, name, position FROM run_node ORDER BY position")
    with store.lock_run():
        other = start(store, "other")
        for row in found:
            store.link_node(other, row["node"], row["name"], row["position"], "cached")
        store.end_run(other, "done")
    add_reviews(tmp_path, [_accepts("small", first, "e1"), _accepts("small", first, "e21")])
    sql = "SELECT DISTINCT example FROM all_training_rows WHERE run = ? AND label_source = 'person' ORDER BY 1"
    assert select(tmp_path, sql, first) == [("e1",), ("e21",)]
    assert select(tmp_path, sql, other) == []
    assert select(tmp_path, "SELECT count(*) FROM all_training_rows WHERE run = ?", first) == [(5,)]


def _accepts(recipe: str, run: str, example: str) -> Review:
    return Review(
        id=f"v-{example}", recipe=recipe, run=run, made=now(), reviewer="ada", queue="candidates", subject="candidate",
        example=example, candidate=None, verdict="accept", reason="", note="", inputs={"text": ""}, target="card",
        new_example=None, new_inputs=None, new_target=None, places=[], changes=False,
    )  # fmt: skip


def test_lineage_and_rejected_rows(state: Path, run: str) -> None:
    sql = (
        "SELECT candidate, parent_inputs->>'text', pattern_name, failures, strategy_text, accepted, reason, left_out,"
        " example, trained_in FROM all_lineage WHERE run = ? ORDER BY candidate"
    )
    assert select(state, sql, run) == [
        ("c1", "text 1", "negation", 2, "negate", True, "accepted", None, "e21", 1),
        ("c2", "text 1", "negation", 2, "negate", False, "similarity", None, None, None),
        ("c3", "text 2", "slang", 1, "slang", True, "accepted", "over_quota", None, None),
    ]
    sql = "SELECT candidate, stage, reason FROM all_rejected_rows WHERE run = ? ORDER BY candidate"
    assert select(state, sql, run) == [
        ("c2", "judge", "similarity"),
        ("c3", "select", "over_quota"),
    ]


def test_leaderboard(state: Path, run: str) -> None:
    sql = "SELECT recipe, round, split, value, n, gap FROM all_leaderboard WHERE run = ? ORDER BY round, split"
    assert select(state, sql, run) == [
        ("small", 0, "train", 1.0, 2, None),
        ("small", 0, "validation", 0.25, 4, 0.75),
        ("small", 1, "train", 1.0, 2, None),
        ("small", 1, "validation", 0.75, 4, 0.25),
    ]


def test_students_of_runs_stand_beside_one_another(tmp_path: Path) -> None:
    make(tmp_path)
    add = (
        "INSERT INTO metric SELECT * REPLACE ('test' AS split) FROM metric WHERE split = 'validation' UNION ALL"
        " SELECT * REPLACE ('gap_test' AS split) FROM metric WHERE split = 'gap_validation'"
    )
    Store.open(tmp_path).close()
    with duckdb.connect(str(tmp_path / FILE)) as connection:
        connection.execute(add)
    found = rows(tmp_path, "FROM comparison_students")
    (student,) = found
    told = ("run", "recipe", "round", "value", "gap", "generated", "mined")
    assert [student[name] for name in told] == ["r0001", "small", 1, 0.75, 0.25, 1, 0]


def test_payoff_shares_the_effect_among_the_selected_rows_and_gives_nothing_while_it_is_unclear(
    state: Path, run: str
) -> None:
    sql = (
        "SELECT pattern_name, operator, generated, accepted, selected, tokens, members, status, points,"
        " points_per_1000_tokens, round_change_unadjusted FROM all_payoff WHERE run = ? ORDER BY pattern"
    )
    # Calls have 500 tokens: c1 and c2 share a call; the judge's call is shared by three.
    tokens = 500 + 500 * 2 / 3
    per_thousand = pytest.approx(50 / tokens * 1000)
    assert select(state, sql, run) == [
        (
            "negation",
            "paraphrase",
            2,
            1,
            1,
            round(tokens),
            2,
            "shrinking",
            50.0,
            per_thousand,
            50.0,
        ),
        ("slang", "contrast_pair", 1, 1, 0, 667, 1, "unclear", None, None, 50.0),
    ]


def test_spend_tells_new_from_cached(state: Path) -> None:
    sql = "SELECT role, stage, origin, calls, failed, tokens FROM all_spend WHERE run = ? ORDER BY role DESC, stage"
    assert select(state, sql, "r0001") == [
        ("teacher", "diagnose", "new", 1, 0, 500),
        ("teacher", "generate", "new", 2, 0, 1000),
        ("judge", "judge", "new", 2, 1, 1000),
    ]
    assert select(state, sql, "r0002") == [
        ("teacher", "diagnose", "cached", 1, 0, 500),
        ("teacher", "generate", "cached", 2, 0, 1000),
        ("teacher", None, "new", 1, 0, 500),
        ("judge", "judge", "cached", 2, 1, 1000),
    ]


def test_funnel(state: Path, run: str) -> None:
    sql = "SELECT step, what, reason, rows FROM all_funnel WHERE run = ? ORDER BY step, reason"
    assert select(state, sql, run) == [
        (0, "not generated", "prompt_leak", 1),
        (1, "generated", None, 3),
        (2, "rejected", "similarity", 1),
        (3, "accepted", None, 2),
        (4, "left out", "over_quota", 1),
        (5, "selected", None, 1),
        (6, "trained on", None, 1),
    ]


def test_views_of_a_run_that_has_only_begun_are_empty(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with store.lock_run():
        run = start(store)
        store.write_node(run, info("load"), [], "c")
    for row in rows(tmp_path, "SELECT view_name FROM duckdb_views() WHERE NOT internal"):
        view = row["view_name"]
        assert bool(rows(tmp_path, f"FROM {view}")) == (view == "last_runs")


def test_docs_follow_the_sql() -> None:
    assert (ROOT / "docs" / "store.md").read_text("utf-8") == render(), (
        "run: python -m engine.store.document"
    )


def test_every_table_and_view_says_what_it_is(state: Path) -> None:
    found = rows(
        state,
        "SELECT view_name AS name, comment FROM duckdb_views() WHERE NOT internal"
        " UNION ALL SELECT table_name, comment FROM duckdb_tables()",
    )
    assert len(found) > 30
    assert [row["name"] for row in found if not row["comment"]] == []


def test_comments_name_only_columns_that_exist(state: Path) -> None:
    found = {
        (row["t"], row["c"])
        for row in rows(state, "SELECT table_name AS t, column_name AS c FROM duckdb_columns()")
    }
    assert set(comments().columns) <= found


def test_a_renamed_table_keeps_its_comments_or_gets_a_new_one() -> None:
    known = Comments({}, {})
    add_comments(known, "-- Old.\nCREATE TABLE a (\n  -- One.\n  x INTEGER\n);\n")
    add_comments(known, "ALTER TABLE a RENAME TO b;")
    assert known == ({"b": "Old."}, {("b", "x"): "One."})
    add_comments(known, "-- New.\nALTER TABLE b RENAME TO c;")
    assert known == ({"c": "New."}, {("c", "x"): "One."})


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("INSERT INTO run_node VALUES ('r', 'n', 'x', 0, 'done')", "INSERT is not possible"),
        ("DELETE FROM run", "DELETE is not possible"),
        ("CREATE TEMP TABLE x AS SELECT 1", "CREATE is not possible"),
        ("SELECT 1; DROP TABLE run", "2 statements at once"),
        ("ATTACH 'other.duckdb'", "ATTACH is not possible"),
        ("SET enable_external_access = true", "SET is not possible"),
        ("COPY run TO 'x.csv'", "COPY is not possible"),
        ("EXPLAIN ANALYZE DELETE FROM run", "read-only"),
        ("SELECT * FROM read_text('pyproject.toml')", "no other file"),
        ("SELECT * FROM 'pyproject.toml'", "does not exist"),
        ("SELECT statu FROM run", 'Referenced column "statu" not found'),
        ("SELECT * FROM leaderbord", "leaderbord does not exist"),
        ("selec 1", 'syntax error at or near "selec"'),
        ("", "no statement"),
    ],
)
def test_queries_change_nothing_and_say_what_is_wrong(state: Path, sql: str, message: str) -> None:
    with pytest.raises(StoreError, match=message) as caught:
        rows(state, sql)
    assert "Traceback" not in str(caught.value)
    if "leaderbord" in sql:
        assert 'Did you mean "leaderboard"?' in caught.value.hint
    assert len(rows(state, "FROM run")) == 2
