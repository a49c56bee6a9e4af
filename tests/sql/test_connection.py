"""Connections for users' expressions: closed off, and nothing of one is left for the next."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from engine.sql.connection import closed_off
from engine.sql.evaluation import evaluate_condition, evaluate_value


def test_what_is_registered_on_one_connection_no_other_sees() -> None:
    with closed_off() as first, closed_off() as second:
        first.register("rows", pa.table({"a": [1]}))
        assert first.execute("SELECT a FROM rows").fetchall() == [(1,)]
        second.register("rows", pa.table({"a": [2]}))
        assert first.execute("SELECT a FROM rows").fetchall() == [(1,)]
    with closed_off() as third, pytest.raises(duckdb.Error, match="does not exist"):
        third.execute("SELECT a FROM rows")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{file}')", "COPY (SELECT 1) TO '{file}'", "ATTACH '{file}' AS other",
        "SET enable_external_access = true", "SET TimeZone = 'Asia/Tokyo'", "SET threads = 4",
    ],
)  # fmt: skip
def test_files_and_settings_are_out_of_reach(sql: str, tmp_path: Path) -> None:
    file = tmp_path / "secret.txt"
    file.write_text("secret", "utf-8")
    with closed_off() as connection, pytest.raises(duckdb.Error):
        connection.execute(sql.format(file=file))
    assert file.read_text("utf-8") == "secret"


def test_times_are_in_utc_on_every_connection() -> None:
    for _ in range(2):
        assert evaluate_value("hour('2020-01-01T00:30:00+02:00'::timestamptz)", [{}]) == ["22"]


def test_threads_evaluate_at_the_same_time() -> None:
    def evaluate(number: int) -> list[bool]:
        return evaluate_condition(f"n = {number}", [{"n": each} for each in range(50)])

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(evaluate, range(50)))
    assert found == [[each == number for each in range(50)] for number in range(50)]


@pytest.mark.models
def test_nothing_of_it_is_left_when_python_ends() -> None:
    """DuckDB's binding writes to stderr what is still there at the end, where it stood beside a run's summary."""
    code = (
        "import torch\n"
        "from engine.sql import evaluate_condition\n"
        "assert evaluate_condition('x > 1', [{'x': 2}]) == [True]\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
