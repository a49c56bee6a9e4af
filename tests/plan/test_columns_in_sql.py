"""Columns that SQL cannot tell apart, and columns called as the engine's own: refused, or right, in every place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.data.splits import read_splits
from engine.errors import RunError
from engine.rows import Example, Prediction
from engine.slicing.predicates import predicates
from engine.spec.loader import load
from engine.sql import evaluate_aggregate, evaluate_condition, evaluate_value
from engine.stages.task_view import sql_row
from tests.plan.small_recipe import said, write

TASK = {"kind": "classification", "input": ["text"], "target": "label"}
TWINS = [{"text": f"row {n}", "Text": "x", "label": label} for n, label in enumerate("abab")]
INNER = ("__row", "__draw", "__pick", "rows", "picks", "__one")


@pytest.mark.parametrize(
    "more",
    [
        {"failure": "accuracy < 1 and length(text) > 5"},
        {"metrics": ["accuracy", {"name": "own", "sql": "avg(length(TEXT))"}]},
        {"slices": ["text"]},
        {"slices": [{"name": "long", "sql": "length(text) > 5"}]},
        {"patterns": {"taxonomy": {"mode": "open", "categories": [{"id": "a", "where": "text > 'b'"}]}}},
    ],
)  # fmt: skip
def test_columns_that_differ_in_case_alone_are_refused_where_sql_names_them(
    more: dict[str, Any], tmp_path: Path
) -> None:
    code = "slice" if "slices" in more else "sql"
    (fault,) = said(write(tmp_path, TASK, TWINS, **more), code)
    assert "the columns 'text' and 'Text' differ in case only" in fault


def test_so_are_those_of_test_rows_alone(tmp_path: Path) -> None:
    plain = [{"text": row["text"], "label": row["label"]} for row in TWINS]
    rows = {"train": plain, "validation": plain, "test": TWINS}
    (fault,) = said(write(tmp_path, TASK, rows, slices=["text"]), "slice")
    assert "differ in case only" in fault


def test_nobody_minds_where_sql_names_none_of_them(tmp_path: Path) -> None:
    assert said(write(tmp_path, TASK, TWINS, failure="accuracy < 1"), "sql") == []


def test_a_run_refuses_them_as_well() -> None:
    rows = [{"text": "a"}, {"Text": "b"}]
    for evaluate in (evaluate_condition, evaluate_value):
        with pytest.raises(RunError, match="'text' and 'Text' differ in case only"):
            evaluate("text = 'b'", rows)
    with pytest.raises(RunError, match="differ in case only"):
        evaluate_aggregate("count(text)", rows)
    named = {
        one.sql for one in predicates([{"a": 1, "A": 2, "b": n % 2} for n in range(40)], False, 5)
    }
    assert named
    assert all("b" in sql for sql in named)


@pytest.mark.parametrize("column", INNER)
def test_a_column_called_as_the_engines_own_is_itself(column: str) -> None:
    rows = [{column: value, "n": n} for n, value in enumerate([9, 7, 8])]
    assert evaluate_condition(f"{column} > 7", rows) == [True, False, True]
    assert evaluate_value(column, rows) == ["9", "7", "8"]
    draws = np.array([[0, 0, 0], [1, 1, 2]])
    assert evaluate_aggregate(f"sum({column})", rows, draws) == [27.0, 22.0]


@pytest.mark.parametrize("column", INNER)
def test_so_it_is_where_rows_are_read(column: str, tmp_path: Path) -> None:
    rows = [{"text": f"{n}", "label": "ab"[n % 2], column: 10 - n} for n in range(6)]
    recipe = write(tmp_path, TASK, rows, slices=[{"name": "own", "sql": f"{column} > 5"}])
    recipe.write_text(
        recipe.read_text().replace(
            "path: train.jsonl",
            f"path: train.jsonl\n    columns: {{made: '{column} + 1'}}\n    where: '{column} + made > 12'",
        )
    )
    assert said(recipe, "sql") == said(recipe, "slice") == []
    taken = read_splits(load(recipe)).take()["train"].records
    assert [record.values["made"] for record in taken] == [11, 10, 9, 8, 7]


def test_a_target_column_with_a_capital_is_the_target(tmp_path: Path) -> None:
    task = {"kind": "classification", "input": ["text"], "target": "Target"}
    rows = [{"text": f"{n}", "Target": "ab"[n % 2]} for n in range(4)]
    recipe = write(tmp_path, task, rows, failure="target <> prediction", slices=["Target"])
    assert said(recipe, "sql") == said(recipe, "slice") == said(recipe, "reserved") == []
    example = Example("i", "train", {"text": "x"}, "a", {}, "s", 1, ("a",))
    prediction = Prediction("i", "train", "b", "b", "ok", None, "generation")
    row = sql_row(example, prediction, "Target", {})
    assert evaluate_condition("target <> prediction", [row]) == [True]


def test_a_column_that_hides_an_answer_is_found_in_any_spelling_and_split(tmp_path: Path) -> None:
    plain = [{"text": f"{n}", "label": "ab"[n % 2]} for n in range(4)]
    odd = [{**row, "Prediction": "x"} for row in plain]
    rows = {"train": plain, "validation": plain, "test": odd}
    (fault,) = said(write(tmp_path, TASK, rows), "reserved")
    assert "'Prediction', which in SQL means the student's answer" in fault
