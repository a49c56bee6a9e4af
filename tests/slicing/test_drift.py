"""Drift of a log: planted windows and versions are found, patterns that grew are named, chance proposes nothing."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from engine.slicing.log import LogRows, drift
from engine.slicing.search import candidates, search, stand_out
from engine.slicing.windows import times_in, windows
from engine.sql import evaluate_condition
from engine.sql.times import no_times, time_of

START = datetime.fromisoformat("2026-03-01")


def logged(count: int = 300, seed: int = 0) -> list[dict[str, Any]]:
    """Return rows over 60 days, of two versions that take turns."""
    draw = random.Random(seed)
    return [
        {
            "text": " ".join(draw.choices(["order", "card", "late", "door", "plan"], k=6))
            + f" {number}",
            "time": (START + timedelta(hours=number * 1440 / count)).isoformat(),
            "version": draw.choice(["2.0", "2.1"]),
            "target": draw.choice(["a", "b"]),
        }
        for number in range(count)
    ]


def test_a_window_that_fails_more_often_is_found_with_its_sql() -> None:
    rows, draw = logged(), random.Random(1)
    bad = ["2026-04-01" <= row["time"] < "2026-04-16" for row in rows]
    failed = [draw.random() < (0.7 if there else 0.1) for there in bad]
    found = search(rows, failed, labelled=True)
    first = found.slices[0]
    assert first.id.startswith("time-from-2026-0")
    assert first.sql.startswith("try_cast(time AS TIMESTAMP) >= TIMESTAMP '2026-0")
    holds = evaluate_condition(first.sql, rows)
    assert tuple(i for i, there in enumerate(holds) if there) == first.members
    both = sum(a and b for a, b in zip(holds, bad, strict=True))
    assert both / sum(a or b for a, b in zip(holds, bad, strict=True)) > 0.7


def test_failures_at_random_times_propose_no_window() -> None:
    tried, draw = candidates(logged(), True, 20), random.Random(0)
    assert any("TIMESTAMP" in one.predicate.sql for one in tried)
    drawn = [[draw.random() < 0.3 for _ in range(300)] for _ in range(40)]
    assert sum(bool(stand_out(tried, failed).slices) for failed in drawn) <= 5


def test_a_pattern_that_grew_is_named_with_when_and_others_are_not() -> None:
    rows, draw = logged(), random.Random(2)
    pattern_of = [
        "p-late"
        if row["time"] >= "2026-04-10" and draw.random() < 0.8
        else draw.choice(["p-a", "p-b"])
        for row in rows
    ]
    seen = LogRows(
        rows, [draw.random() < 0.2 for _ in rows], 4, [{k: r[k] for k in ("time", "version")} for r in rows],
        pattern_of, {"p-late": "Late", "p-a": "A", "p-b": "B"},
    )  # fmt: skip
    found = drift(seen, labelled=True, min_size=20, level=0.05, conditions=1)
    assert (found.unanswered, found.patterns, found.search.slices) == (4, 3, ())
    late = {grew.pattern: grew for grew in found.grown}["p-late"]
    assert late.name == "Late"
    assert late.search.slices[0].sql == "try_cast(time AS TIMESTAMP) >= TIMESTAMP '2026-04-06'" or (
        "2026-04" in late.search.slices[0].sql
    )


def test_a_version_that_fails_is_found_and_rows_without_answers_are_no_rate() -> None:
    rows, draw = logged(), random.Random(3)
    failed = [draw.random() < (0.6 if row["version"] == "2.1" else 0.1) for row in rows]
    found = drift(LogRows(rows, failed, 0, [], [], {}), True, 20, 0.05, 1)
    assert [one.sql for one in found.search.slices] == ["version = '2.1'"]
    alone = drift(LogRows([], [], 30, [], [], {}), True, 20, 0.05, 1)
    assert (alone.search.rows, alone.unanswered, alone.grown) == (0, 30, ())


@pytest.mark.parametrize(
    ("value", "time"),
    [
        ("2026-03-01", "2026-03-01T00:00"),
        ("2026-03-01T10:05:00.250+02:00", "2026-03-01T10:05:00.250"),
        ("2026-03-01 10:05Z", "2026-03-01T10:05"),
        ("2026-13-01", None),
        ("yesterday", None),
        (1_772_323_200, None),
        (None, None),
    ],
)
def test_what_is_read_as_a_time_is_what_sql_reads(value: Any, time: str | None) -> None:
    assert time_of(value) == (datetime.fromisoformat(time) if time else None)
    if isinstance(value, str):
        (read,) = evaluate_condition("try_cast(time AS TIMESTAMP) IS NOT NULL", [{"time": value}])
        assert read is (time is not None)


def test_a_time_that_is_no_time_falls_into_no_window_and_is_told() -> None:
    rows = logged(100)
    rows[3]["time"] = "yesterday"
    assert no_times(row["time"] for row in rows) == ["yesterday"]
    assert times_in([row["time"] for row in rows]) is not None
    assert times_in([*["yesterday"] * 20, rows[0]["time"]]) is None
    found = drift(
        LogRows(rows, [False] * 100, 0, [], [], {}, [row["time"] for row in rows]),
        True,
        20,
        0.05,
        1,
    )
    assert found.odd_times == (
        "1% of the values of 'time' are not times, such as 'yesterday': they fall into no window"
    )
    for window in windows([time for row in rows if (time := time_of(row["time"]))]):
        assert evaluate_condition(window.sql("time"), [rows[3]]) == [False]


def test_a_row_that_was_answered_and_diagnosed_is_one_row_of_odd_times() -> None:
    rows = logged(40)
    for row in rows[:10]:
        row["time"] = "yesterday"
    seen = LogRows(rows, [False] * 40, 0, rows[:10], ["p"] * 10, {"p": "P"}, [row["time"] for row in rows])  # fmt: skip
    assert drift(seen, True, 20, 0.05, 1).odd_times.startswith("25% of the values of 'time'")


def test_columns_that_differ_in_case_alone_are_left_out_for_drift_too() -> None:
    rows: list[dict[str, Any]] = [
        {"version": "b" if late else "a", "Version": late, "channel": "web" if late else "app"}
        for late in (n >= 40 for n in range(80))
    ]
    pattern_of = ["late" if row["Version"] else "early" for row in rows]
    seen = LogRows([], [], 0, rows, pattern_of, {"late": "Late", "early": "Early"}, [])
    found = drift(seen, True, 20, 0.05, 1)
    assert {one.sql for grew in found.grown for one in grew.search.slices} == {
        "channel = 'web'",
        "channel = 'app'",
    }
