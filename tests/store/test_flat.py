"""What is laid flat shows the rows that joining the tables of the nodes shows, whatever came when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from engine import rows as r
from engine.store import Store, rows
from engine.store.cleaning import plan_removal, remove
from engine.store.file import FILE
from engine.store.flat import lay_all
from tests.store.small import call, example, info, make, start

pytestmark = pytest.mark.runs

JOINED = (
    "failures",
    "training_rows",
    "lineage",
    "rejected_rows",
    "payoff",
    "spend",
    "funnel",
    "confusion",
    "proposed_categories",
    "pattern_price",
)
DEFINITIONS = Path(__file__).with_name("joined.sql")
AT: dict[str, tuple[str, ...]] = {
    "score": ("failures", "confusion"),
    "diagnose": ("proposed_categories",),
    "cluster": ("failures", "proposed_categories"),
    "name": ("failures", "proposed_categories"),
    "generate": ("lineage",),
    "judge": ("lineage",),
    "select": JOINED,
}
"""What is looked at after a stage's node: the joins take long to plan."""


def _columns(view: str) -> str:
    # What the views of the latest runs are told by is no column of theirs.
    return (
        f"SELECT * EXCLUDE (latest) FROM {view}" if view == "all_training_rows" else f"FROM {view}"
    )


def differences(state: Path, views: Sequence[str] = JOINED) -> dict[str, list[Any]]:
    """Return the rows that a view and the joins it stands for do not both have, by view."""
    found = {}
    with duckdb.connect(str(state / FILE)) as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE SCHEMA joined")
        connection.execute(DEFINITIONS.read_text("utf-8"))
        for view in views:
            for one, other in (
                (f"all_{view}", f"joined.{view}"),
                (f"joined.{view}", f"all_{view}"),
            ):
                sql = f"({_columns(one)}) EXCEPT ALL ({_columns(other)})"
                if extra := connection.execute(sql).fetchall():
                    found[one] = extra
        connection.execute("ROLLBACK")
    return found


def parts(state: Path) -> tuple[int, int]:
    """Return how many parts there are, and how many rows the flat tables have."""
    with duckdb.connect(str(state / FILE), read_only=True) as connection:
        tables = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'flat%'"
        ).fetchall()
        counts = [
            connection.execute(f"SELECT count(*) FROM {t}").fetchall()[0][0] for (t,) in tables
        ]
        return connection.execute("SELECT count(*) FROM flat_part").fetchall()[0][0], sum(counts)


def write(state: Path, work: Callable[[Store, str], None]) -> str:
    """Do something in a run of its own."""
    store = Store.open(state)
    with store.lock_run():
        run = start(store)
        work(store, run)
        store.end_run(run, "done")
    return run


def take_over(store: Store, run: str, *, without: str = "-") -> None:
    for row in rows(store.state, "SELECT node, name, position FROM run_node WHERE run = 'r0001'"):
        if not row["node"].startswith(without):
            store.link_node(run, row["node"], row["name"], row["position"], "cached")


def verdict(candidate: str) -> r.Verdict:
    return r.Verdict(candidate, False, "leak", "", "", None, None, None, None, None, None, None)


def done(
    store: Store, run: str, node: str, stage: str, kept: list[r.Row], attempt: int = 0
) -> None:
    store.write_node(run, info(node, stage, round=0, attempt=attempt), kept, f"content-{node}")
    store.link_node(run, node, node, 50, "done")


def test_runs_that_share_nodes_share_parts(tmp_path: Path) -> None:
    make(tmp_path)
    before = parts(tmp_path)
    write(tmp_path, take_over)
    assert parts(tmp_path) == before
    assert differences(tmp_path) == {}
    assert len(rows(tmp_path, "FROM all_failures")) == 8
    assert len(rows(tmp_path, "FROM all_lineage")) == 6
    with duckdb.connect(str(tmp_path / FILE)) as connection:
        lay_all(connection)
    assert parts(tmp_path) == before, "the same parts when everything is laid anew"


def test_a_run_that_shares_some_nodes_shows_its_own(tmp_path: Path) -> None:
    make(tmp_path)

    def judged_anew(store: Store, run: str) -> None:
        take_over(store, run, without="judge")
        done(store, run, "judge9", "judge", [verdict("c1"), verdict("c2")], attempt=1)

    other = write(tmp_path, judged_anew)
    assert differences(tmp_path, ("lineage", "rejected_rows")) == {}
    reasons = "SELECT candidate, reason FROM all_lineage WHERE run = ? ORDER BY candidate"
    assert [row["reason"] for row in rows(tmp_path, reasons, [other])] == ["leak", "leak", None]
    assert [row["reason"] for row in rows(tmp_path, reasons, ["r0001"])] == [
        "accepted",
        "similarity",
        "accepted",
    ]


def test_a_round_shows_what_there_is_of_it_at_every_moment(tmp_path: Path) -> None:
    failing = r.Prediction("e11", "validation", "pin", "pin", "ok", 0.9, "h")
    untold = r.Prediction("e12", "validation", "?", None, "unparsable", None, "h")
    similar = r.Candidate(
        "c1", "e1", "p1", "s1", "similar", 1, {"text": "x"}, "card", "h", "m", "k"
    )
    steps: list[tuple[str, list[r.Row], int]] = [
        ("load", [example(1), example(11, "validation"), example(12, "validation")], 0),
        ("predict", [failing, untold], 0),
        ("score", [r.Failure("e11", "validation", "pin", "card", "p"), r.Failure("e1", "train", None, "card", "p")], 0),
        ("diagnose", [r.Diagnosis("d1", "e11", "cause", "when", "c", proposed="Slang "),
                      r.Diagnosis("d2", "e12", "cause", "why", "c", proposed="slang"),
                      r.Diagnosis("d3", "e13", "cause", "why", "c", proposed="Slang"),
                      r.Diagnosis("d4", "e14", "cause", "why", "c", proposed="slang", suspect=True)], 0),
        ("cluster", [r.PatternMember("p1", "e11", "d1", 0.1, None), r.PatternMember("p1", "e1", "d1", 0.1, None),
                     r.PatternMember("category:x", "e13", "d3", 0.1, None)], 0),
        ("name", [r.Pattern("p1", "negation", "", None, 1, (1.0,), None, None, None, split_from="p0")], 0),
        ("generate", [similar, r.Drop("generate", "e1", "prompt_leak", "")], 1),
        ("judge", [verdict("c1")], 1),
        ("select", [r.Drop("select", "c1", "over_quota", "")], 0),
    ]  # fmt: skip
    store = Store.open(tmp_path)
    with store.lock_run():
        run = start(store)
        for stage, kept, attempt in steps:
            done(store, run, stage, stage, kept, attempt)
            store.ingest(force=True)
            if stage in AT:
                assert differences(tmp_path, AT[stage]) == {}, stage
    assert len(rows(tmp_path, "FROM all_rejected_rows")) == 1
    assert [row["pattern_name"] for row in rows(tmp_path, "FROM all_failures ORDER BY split")] == [
        None,
        "negation",
    ]
    assert parts(tmp_path)[0] == 4, "one of each kind"
    assert [row["split_from"] for row in rows(tmp_path, "FROM all_lineage")] == ["p0"]
    proposed = (
        "SELECT name, failures, description FROM all_proposed_categories WHERE source = 'diagnosis'"
    )
    assert [list(row.values()) for row in rows(tmp_path, proposed)] == [["Slang", 2, "when"]]


def test_the_first_round_shows_what_was_logged_and_later_ones_what_their_student_says(
    tmp_path: Path,
) -> None:
    def said(answers: dict[int, str]) -> list[r.Row]:
        return [
            r.Prediction(f"e{n}", "logged", f"{a}!", a, "ok", 0.9, "h") for n, a in answers.items()
        ]

    def wrong(answers: dict[int, str]) -> list[r.Row]:
        return [
            r.Failure(f"e{n}", "logged", a, "card", "p") for n, a in answers.items() if a != "card"
        ]

    # Wrong in the log: 21, which the student has right, 22, which it fails otherwise, and 24, which nobody can ask.
    log, first = {21: "pin", 22: "pin", 23: "card", 24: "pin"}, {21: "card", 22: "fee", 23: "fee"}
    then = {21: "fee", 22: "card", 23: "card"}
    members: list[r.Row] = [
        r.PatternMember("p1", f"e{n}", f"d{n}", 0.1, None) for n in (21, 22, 24)
    ]
    diagnoses: list[r.Row] = [
        r.Diagnosis(f"d{n}", f"e{n}", f"why {n}", "when", "c") for n in (21, 22, 24)
    ]
    steps: list[tuple[str, int, list[r.Row]]] = [
        ("load", -1, [example(1)]),
        ("logged", -1, [*(example(n, "logged") for n in log), *said(log), *wrong(log)]),
        ("predict", 0, said(first)),
        ("score", 0, wrong(first)),
        ("diagnose", 0, diagnoses),
        ("cluster", 0, members),
        ("predict", 1, said(then)),
        ("score", 1, wrong(then)),
    ]  # fmt: skip
    store = Store.open(tmp_path)
    with store.lock_run():
        run = start(store)
        for stage, round_, kept in steps:
            node = f"{stage}{round_}"
            store.write_node(run, info(node, stage, round=round_), kept, f"content-{node}")
            store.link_node(run, node, node, 50, "done")
    shown = "SELECT round, example, prediction, root_cause, pattern FROM all_failures ORDER BY round, example"
    assert [tuple(row.values()) for row in rows(tmp_path, shown)] == [
        (0, "e21", "pin!", "why 21", "p1"),
        (0, "e22", "pin!", "why 22", "p1"),
        (0, "e23", "fee!", None, None),
        (0, "e24", "pin!", "why 24", "p1"),
        (1, "e21", "fee!", None, None),
        (1, "e24", "pin!", None, None),
    ]
    assert differences(tmp_path, ("failures", "confusion")) == {}


def test_what_is_done_again_and_what_is_paid_later_are_laid_again(tmp_path: Path) -> None:
    make(tmp_path)

    def again(store: Store, run: str) -> None:
        take_over(store, run, without="judge")
        done(store, run, "judge0", "judge", [verdict("c3")], attempt=1)
        store.ingest(force=True)
        assert differences(tmp_path, ("lineage",)) == {}
        store.record_calls([call(3, run, "generate0", error="schema")])

    write(tmp_path, again)
    assert differences(tmp_path, ("payoff", "spend", "pattern_price")) == {}
    assert {row["reason"] for row in rows(tmp_path, "FROM all_lineage")} == {"leak", None}


def test_calls_about_adherence_are_in_the_price_of_their_patterns(tmp_path: Path) -> None:
    make(tmp_path)
    asked = f"{9:024x}"

    def judged(store: Store, run: str) -> None:
        take_over(store, run, without="judge")
        both = [replace(verdict(name), adherence_call=asked) for name in ("c2", "c3")]
        done(store, run, "judge9", "judge", [verdict("c1"), *both], attempt=1)
        store.record_calls([call(9, run, "judge9", role="judge")])

    run = write(tmp_path, judged)
    assert differences(tmp_path, ("payoff", "pattern_price")) == {}
    price = "SELECT pattern, calls, tokens FROM pattern_price WHERE run = ? AND what = 'judging' ORDER BY 1"
    assert [tuple(row.values()) for row in rows(tmp_path, price, [run])] == [
        ("p1", 1, 250.0),
        ("p2", 1, 250.0),
    ]
    paid = "SELECT pattern, sum(tokens) AS tokens FROM payoff WHERE run = ? GROUP BY 1 ORDER BY 1"
    assert [tuple(row.values()) for row in rows(tmp_path, paid, [run])] == [
        ("p1", 750),
        ("p2", 750),
    ]


def test_cleaning_leaves_no_part_behind(tmp_path: Path) -> None:
    make(tmp_path)
    write(tmp_path, lambda store, run: store.link_node(run, "load", "place/load", 0, "cached"))
    remove(tmp_path, plan_removal(tmp_path, keep=1))
    assert rows(tmp_path, "FROM all_failures") == []
    assert parts(tmp_path) == (0, 0)


def replacing(number: int, round_: int, of: str) -> tuple[list[r.Row], list[r.Row]]:
    """Return what generate and select write where a row takes the place of another."""
    made = r.Candidate(
        f"c{number}", of, "p1", "s1", "relabel", 1, {"text": "x"}, "pin", "h", "m", call(9).id
    )
    columns = {"candidate": made.id, "replaces": of}
    row = r.Example(f"new{number}", "train", {"text": "x"}, "pin", columns, "generated", 1)
    return [made], [r.Selected(made.id, row.id), row]


@pytest.mark.parametrize("trained", ["elsewhere", "all", "latest"])
def test_rows_in_whose_place_others_came_are_trained_on_by_nobody(
    tmp_path: Path, trained: str
) -> None:
    """They stood in the view where training is done elsewhere, as did all rounds where the last alone counts."""

    def work(store: Store, run: str) -> None:
        def node(stage: str, round_: int, kept: list[r.Row], takes: Sequence[int] = ()) -> None:
            identity = {"inputs": {f"earlier.{n}": "x" for n in takes}}
            name = f"{stage}{round_}"
            made = info(name, stage, round=round_)._replace(identity=identity)
            store.write_node(run, made, kept, name)
            store.link_node(run, name, name, 50, "done")

        node("load", -1, [example(1), example(2), example(3)])
        for round_, of in enumerate(("e1", "e2") if trained != "elsewhere" else ("e1",)):
            made, selected = replacing(round_, round_, of)
            node("generate", round_, made)
            node("judge", round_, [replace(verdict(f"c{round_}"), accepted=True)])
            node("select", round_, selected)
        if trained != "elsewhere":
            node("train", 1, [], [0])
            node("train", 2, [], [0, 1] if trained == "all" else [1])

    write(tmp_path, work)
    assert differences(tmp_path, ("training_rows",)) == {}
    found = "SELECT round, list(example ORDER BY example) AS rows FROM all_training_rows GROUP BY round ORDER BY 1"
    first = {"round": 1, "rows": ["e2", "e3", "new0"]}
    then = ["e3", "new0", "new1"] if trained == "all" else ["e1", "e3", "new1"]
    assert rows(tmp_path, found) == [
        first,
        *([] if trained == "elsewhere" else [{"round": 2, "rows": then}]),
    ]


def test_every_call_that_asked_for_rows_is_in_the_price(tmp_path: Path) -> None:
    """Of several replies that vote one was paid for, and none of calls that brought nothing."""
    asked = [call(n).id for n in range(1, 6)]

    def work(store: Store, run: str) -> None:
        done(store, run, "load", "load", [example(1), example(2)])
        voted = [r.RowCall(one, "p1", "s1", "relabel", 1) for one in asked[:3]]
        silent = [r.RowCall(one, "p2", "s2", "explain", 4) for one in asked[3:4]]
        shared = [
            r.RowCall(asked[4], "p1", "s1", "mine", 3),
            r.RowCall(asked[4], "p2", "s2", "mine", 1),
        ]
        made = r.Candidate(
            "c1", "e1", "p1", "s1", "relabel", 1, {"text": "x"}, "pin", "h", "m", asked[0]
        )
        drop = r.Drop("generate", "e2", "schema", "")
        done(store, run, "generate", "generate", [made, drop, *voted, *silent, *shared], attempt=1)
        store.record_calls([call(n, run, "generate") for n in range(1, 6)])

    run = write(tmp_path, work)
    assert differences(tmp_path, ("payoff", "pattern_price", "lineage")) == {}
    paid = "SELECT pattern, operator, generated, tokens FROM all_payoff WHERE run = ? ORDER BY ALL"
    assert [tuple(row.values()) for row in rows(tmp_path, paid, [run])] == [
        ("p1", "mine", 0, 375), ("p1", "relabel", 1, 1500), ("p2", "explain", 0, 500), ("p2", "mine", 0, 125),
    ]  # fmt: skip
    price = "SELECT pattern, calls, tokens FROM pattern_price WHERE what = 'generating' ORDER BY 1"
    assert [tuple(row.values()) for row in rows(tmp_path, price)] == [
        ("p1", 4, 1875.0),
        ("p2", 2, 625.0),
    ]
