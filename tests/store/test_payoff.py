"""payoff, from what `track` writes to what SQL says: chance buys no points, and what really is mended does."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import rows as r
from engine.stages.outputs import Tracked
from engine.store import NodeInfo, Store, rows
from tests.stages.rounds.test_track import ROWS, clustered, fails, run
from tests.store.small import info, start

pytestmark = pytest.mark.runs

PATTERNS = ("p0", "p1", "p2", "p3")


def predictions() -> list[r.Row]:
    return [r.Prediction(e.id, "validation", "x", "x", "ok", 0.9, "h") for e in ROWS]


def failures(failing: set[int]) -> list[r.Row]:
    return [r.Failure(f"e{i}", "validation", "y", "x", "p") for i in sorted(failing)]


def write(state: Path, first: set[int], now: set[int], tracked: Tracked) -> None:
    """Write a run in which every pattern got one row that was trained on."""
    generated: list[r.Row] = [
        r.Candidate(f"c{p}", "t", p, f"s{p}", "similar", 1, {"text": p}, "x", "h", "m", f"call{p}")
        for p in PATTERNS
    ]
    verdicts: list[r.Row] = [
        r.Verdict(f"c{p}", True, "accepted", "", "", 4, 4, 4, True, None, None, None)
        for p in PATTERNS
    ]
    selected: list[r.Row] = [r.Selected(f"c{p}", f"new{p}") for p in PATTERNS]
    selected += [
        r.Example(f"new{p}", "train", {"text": p}, "x", {"candidate": f"c{p}"}, "generated", 1)
        for p in PATTERNS
    ]
    nodes: list[tuple[NodeInfo, list[r.Row]]] = [
        (info("load"), list(ROWS)),
        (info("predict0", "predict", round=0), predictions()),
        (info("score0", "score", round=0), failures(first)),
        (info("cluster0", "cluster", round=0), list(clustered(first).rows)),
        (
            info("name0", "name", round=0),
            [r.Pattern(p, p, "", None, 9, (1.0,), None, None, None) for p in PATTERNS],
        ),
        (
            info("strategy0", "strategy", round=0),
            [r.Strategy(f"s{p}", p, "write", (), None, None) for p in PATTERNS],
        ),
        (info("generate0", "generate", round=0, attempt=1), generated),
        (info("judge0", "judge", round=0, attempt=1), verdicts),
        (info("select0", "select", round=0), selected),
        (info("predict1", "predict", round=1), predictions()),
        (info("score1", "score", round=1), failures(now)),
        (info("track1", "track", round=1), list(tracked.rows)),
    ]
    store = Store.open(state)
    with store.lock_run():
        started = start(store)
        for position, (node, written) in enumerate(nodes):
            store.write_node(started, node, written, f"content-{node.id}")
            store.link_node(started, node.id, node.name, position, "done")
        store.end_run(started, "done")


PAYOFF = "SELECT pattern, status, points, round_change_unadjusted AS change FROM all_payoff ORDER BY pattern"


def test_a_student_whose_answers_are_random_buys_no_points(tmp_path: Path) -> None:
    first, now = fails("first"), fails("now")
    write(tmp_path, first, now, run(first, now, fails("control")))
    found = rows(tmp_path, PAYOFF)
    assert [(row["pattern"], row["points"]) for row in found] == [
        (pattern, None) for pattern in PATTERNS
    ]
    assert {row["status"] for row in found} <= {"open", "unclear"}
    counted = rows(tmp_path, "SELECT mended, members FROM all_payoff")
    assert all(row["mended"] > 0.4 * row["members"] for row in counted), "there is churn to credit"
    change = 100 * (len(first) - len(now)) / 240
    assert [row["change"] for row in found] == pytest.approx([change] * 4)


def test_without_a_control_nothing_is_bought_however_much_is_mended(tmp_path: Path) -> None:
    first = fails("first")
    write(tmp_path, first, set(), run(first, set(), None))
    assert {(row["status"], row["points"]) for row in rows(tmp_path, PAYOFF)} == {("unclear", None)}


def test_points_are_the_rows_that_fail_with_the_control_and_not_now(tmp_path: Path) -> None:
    first, control = fails("first"), fails("control")
    now = {i for i in fails("now") if i % 4}
    tracked = run(first, now, control)
    write(tmp_path, first, now, tracked)
    found = {row["pattern"]: (row["status"], row["points"]) for row in rows(tmp_path, PAYOFF)}
    assert {found[p] for p in PATTERNS[1:]} <= {("open", None), ("unclear", None)}
    under = [row for row in tracked.assigned if row.pattern == "p0"]
    spared = sum(bool(row.control_fails) for row in under)
    assert found["p0"] == ("fixed", pytest.approx(100 * spared / 240))
