"""Evaluation on rows in memory, against plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.errors import RunError
from engine.sql import (
    column_types,
    evaluate_aggregate,
    evaluate_condition,
    evaluate_conditions,
    evaluate_value,
)

ROWS: list[dict[str, Any]] = [
    {"text": "a", "n": 1, "score": 0.0},
    {"text": "bbbb", "n": 2, "score": 1.0},
    {"text": None, "n": 3, "score": None, "late": "x"},
]


def test_null_counts_as_false_and_order_is_kept() -> None:
    assert evaluate_condition("score < 1", ROWS) == [True, False, False]
    assert evaluate_condition("length(text) > 2 or n = 3", ROWS) == [False, True, True]
    assert evaluate_condition("true", ROWS) == [True] * 3
    assert evaluate_condition("true", []) == []
    assert evaluate_conditions(["score < 1", "true"], ROWS) == [[True, False, False], [True] * 3]
    assert evaluate_conditions(["score < 1", "true"], []) == [[], []]
    with pytest.raises(RunError, match=r"`text \+ 1` cannot be used"):
        evaluate_conditions(["score < 1", "text + 1"], ROWS)


def test_values_are_text_and_null_stays_null() -> None:
    assert evaluate_value("n % 2", ROWS) == ["1", "0", "1"]
    assert evaluate_value("text", ROWS) == ["a", "bbbb", None]
    assert evaluate_value("n = 1", ROWS) == ["true", "false", "false"]
    assert evaluate_value("text", []) == []
    with pytest.raises(RunError, match="not valid SQL"):
        evaluate_value("1) from rows --", ROWS)


def test_a_column_that_only_later_rows_have_is_there() -> None:
    assert evaluate_condition("late = 'x'", ROWS) == [False, False, True]


def test_mixed_types_become_text_and_empty_columns_fit_everything() -> None:
    rows: list[dict[str, Any]] = [{"m": "x", "e": None}, {"m": 3, "e": None}]
    assert evaluate_condition("m = '3'", rows) == [False, True]
    assert evaluate_condition("e is null and coalesce(e > 1, length(e) > 1, true)", rows) == [
        True,
        True,
    ]
    assert evaluate_aggregate("avg(e)", rows) is None


def test_aggregates_are_numbers_or_none() -> None:
    assert evaluate_aggregate("avg(score)", ROWS) == 0.5
    assert evaluate_aggregate("count(*)", ROWS) == 3.0
    assert evaluate_aggregate("bool_or(n = 3)", ROWS) == 1.0
    assert evaluate_aggregate("sum(n) / 0", ROWS) is None
    assert evaluate_aggregate("count(*)", []) is None


def test_draws_agree_with_one_evaluation_per_draw() -> None:
    rng = np.random.default_rng(0)
    rows = [{"text": "x" * int(k), "score": float(k % 2)} for k in rng.integers(0, 9, 40)]
    draws = rng.integers(0, 40, (25, 40))
    sql = "sum(score * length(text)) / nullif(sum(score), 0)"
    one_by_one = [evaluate_aggregate(sql, [rows[i] for i in draw]) for draw in draws]
    assert evaluate_aggregate(sql, rows, draws=draws) == one_by_one


def test_draws_in_several_goes_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = np.random.default_rng(1).integers(0, 3, (10, 3))
    whole = evaluate_aggregate("sum(n)", ROWS, draws=draws)
    monkeypatch.setattr("engine.sql.evaluation._PICKS_AT_ONCE", 6)
    assert evaluate_aggregate("sum(n)", ROWS, draws=draws) == whole


@pytest.mark.parametrize(
    "sql",
    ["text::int > 1", "nope = 1", "text", "(select true)", "true; select true", "random() < 1",
     "true from read_csv('x.csv')"],
)  # fmt: skip
def test_what_cannot_be_evaluated_is_an_error_that_shows_the_sql(sql: str) -> None:
    with pytest.raises(RunError, match="cannot be used") as caught:
        evaluate_condition(sql, ROWS)
    assert sql in caught.value.message


def test_each_of_many_rows_gets_its_own_result() -> None:
    # How long a hundred thousand rows take: tests/benchmarks/data_checks.py.
    rows = [{"text": "x" * (i % 40), "score": float(i % 2)} for i in range(10_000)]
    chosen = evaluate_condition("score < 1 and length(text) > 30", rows)
    assert [i for i, holds in enumerate(chosen) if holds] == [
        i for i in range(10_000) if i % 2 == 0 and i % 40 > 30
    ]


def test_column_types() -> None:
    rows: list[dict[str, Any]] = [
        {"a": "x", "b": 1, "c": 1.5, "d": True, "e": None, "f": 1},
        {"f": "x"},
    ]
    assert column_types(rows) == {
        "a": "VARCHAR", "b": "BIGINT", "c": "DOUBLE", "d": "BOOLEAN", "e": '"NULL"', "f": '"NULL"',
    }  # fmt: skip
