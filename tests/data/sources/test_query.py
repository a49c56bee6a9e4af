"""SQL as a source: what it reads, in which order, and what it cannot reach."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from engine.data.reading import read_source
from engine.data.sources.query import resolve_query
from engine.errors import RecipeError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recipe's folder with data, and a file beside it that is none of its business."""
    base = tmp_path / "recipe"
    (base / "data").mkdir(parents=True)
    lines = [
        f'{{"text": "row {n}", "label": "{"ab"[n % 2]}", "tags": ["t{n}"]}}\n' for n in range(6)
    ]
    (base / "data" / "é x.jsonl").write_text("".join(lines), encoding="utf-8")
    (base / "data" / "one.csv").write_text("text,label\nx,1\n", encoding="utf-8")
    (base / "data" / "two.csv").write_text("text,label\ny,2\n", encoding="utf-8")
    (tmp_path / "secret.csv").write_text("text,label\nsecret,1\n", encoding="utf-8")
    with duckdb.connect(str(base / "data.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE rows AS SELECT 'd' || i AS text, i AS n FROM range(3) t(i)"
        )
        connection.execute(f"CREATE VIEW spy AS SELECT * FROM read_csv('{tmp_path}/secret.csv')")
    lite = sqlite3.connect(base / "data.sqlite")
    lite.execute("CREATE TABLE rows (text TEXT, n INTEGER, raw BLOB)")
    lite.executemany("INSERT INTO rows VALUES (?, ?, ?)", [("s0", 0, b"\x00"), ("s1", 1, None)])
    lite.commit()
    lite.close()
    return base


def rows(sql: str, base: Path, database: str | None = None) -> list[dict[str, Any]]:
    return [r.values for r in read_source(resolve_query(sql, base, database)).records]


def complaint(sql: str, base: Path, database: str | None = None) -> str:
    with pytest.raises(RecipeError) as caught:
        rows(sql, base, database)
    return str(caught.value)


def test_files_count_from_the_recipes_folder_and_values_stay_nested(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    sql = """
    -- 'é' moves bytes against characters
    WITH own AS (SELECT 'é' AS x, * FROM 'data/é x.jsonl' AS d WHERE d.label = 'a')
    SELECT text, tags, (SELECT count(*) FROM read_csv('data/*.csv')) AS n FROM own ORDER BY text DESC
    """
    place = resolve_query(sql, folder, None)
    assert {file.name for file in place.files} == {"é x.jsonl", "one.csv", "two.csv"}
    found = read_source(place).records
    assert [(r.line, r.values["text"], r.values["tags"], r.values["n"]) for r in found] == [
        (1, "row 4", ["t4"], 2),
        (2, "row 2", ["t2"], 2),
        (3, "row 0", ["t0"], 2),
    ]


def test_values_come_as_json_has_them(folder: Path) -> None:
    sql = "SELECT 1.5 AS d, DATE '2020-01-02' AS day, {'x': [2.5]} AS s, 'nan'::double AS n, 1::hugeint AS h"
    expected = {"d": 1.5, "day": "2020-01-02", "s": {"x": [2.5]}, "n": None, "h": 1}
    assert rows(sql, folder) == [expected]


def test_databases_of_both_kinds_are_read(folder: Path) -> None:
    sql = "SELECT text, n FROM rows ORDER BY n"
    assert rows(sql, folder, "data.duckdb") == [{"text": f"d{n}", "n": n} for n in range(3)]
    assert rows(sql, folder, "data.sqlite") == [{"text": f"s{n}", "n": n} for n in range(2)]
    assert rows("SELECT raw FROM rows WHERE n = 0", folder, "data.sqlite") == [{"raw": "AA=="}]
    joined = "SELECT r.text, c.label FROM rows r, 'data/one.csv' c WHERE r.n = c.label"
    assert rows(joined, folder, "data.duckdb") == [{"text": "d1", "label": 1}]


def test_the_digest_is_of_the_rows(folder: Path) -> None:
    def digest() -> str:
        return resolve_query("FROM rows ORDER BY n", folder, "data.duckdb").digest()

    before = digest()
    with duckdb.connect(str(folder / "data.duckdb")) as connection:
        connection.execute("CREATE TABLE other AS SELECT 1 AS x")
    assert digest() == before
    with duckdb.connect(str(folder / "data.duckdb")) as connection:
        connection.execute("INSERT INTO rows VALUES ('new', 9)")
    assert digest() != before


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT * FROM read_text('data/one.csv')", "table function 'read_text' is not allowed"),
        ("SELECT * FROM glob('/etc/*')", "table function 'glob' is not allowed"),
        ("SELECT * FROM read_csv('/etc/' || 'passwd')", "must be named as it is"),
        ("SELECT * FROM query('SELECT 1')", "table function 'query' is not allowed"),
        ("SELECT * FROM 'https://example.org/x.csv'", "is not a file on this machine"),
        ("SELECT * FROM 'data/on.csv'", "did you mean 'one.csv'"),
        ("SELECT * FROM nowhere", "no such file"),
        ("COPY (SELECT 1) TO 'x.csv'", "not one SELECT"),
        ("ATTACH 'x.duckdb'", "not one SELECT"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("SUMMARIZE 'data/one.csv'", "give no rows of data"),
        ("SELECT a FORM b c", "not valid SQL"),
        ("", "the query is empty"),
        ("SELECT random() AS r FROM 'data/one.csv'", "function 'random' is not allowed"),
        ("SELECT * FROM 'data/one.csv' USING SAMPLE 1", "SAMPLE is not allowed"),
        ("SELECT text, text FROM 'data/one.csv'", "two columns are called 'text'"),
        ("SELECT nope FROM 'data/one.csv'", 'column "nope" not found'),
        ("SELECT text, CURRENT_DATE AS d FROM 'data/one.csv'", "CURRENT_DATE is not allowed here"),
    ],
)  # fmt: skip
def test_what_a_query_may_not_do_is_said(sql: str, said: str, folder: Path) -> None:
    assert said in complaint(sql, folder)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", '{"n": 1}\n' * 3000 + '{"n":\n{"n": 2}\n', "a.jsonl:3001:1: error: this is not valid JSON"),
        ("a.json", '[{"n": 1},\n{"n" 2}]', "a.json:2:6: error: this is not valid JSON"),
        ("a.csv", "n,b\n" + "1,2\n" * 30 + "1,2,3\n", "a.csv:32:1: error: this row has 3 fields"),
        ("a.csv", "n,b\n" + "1,2\n" * 30000 + "x,2\n", "a.csv:30002:1: Error when converting column"),
        ("a.jsonl", '{"n": 1}\n' * 30000 + '{"n": "x"}\n', "a.jsonl:30001:1: Failed to cast"),
    ],
)  # fmt: skip
def test_what_is_broken_in_a_querys_file_is_named_by_its_line(
    name: str, text: str, said: str, folder: Path
) -> None:
    (folder / name).write_text(text, encoding="utf-8")
    assert said in complaint(f"SELECT n FROM '{name}'", folder)


@pytest.mark.runs
def test_times_with_a_zone_are_the_same_on_every_machine(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"t": "2020-01-01T00:30:00+02:00"}\n', encoding="utf-8")
    program = """
import pathlib, sys
from engine.sql.evaluation import evaluate_value
from engine.data.sources.query import resolve_query
from engine.data.reading import read_source
query = "SELECT t, t::varchar AS s, hour(t) AS h FROM 't.jsonl'"
found = read_source(resolve_query(query, pathlib.Path(sys.argv[1]), None))
print(found.records[0].values, evaluate_value("hour('2020-01-01T00:30:00+02:00'::timestamptz)", [{}]))
"""
    for zone in ("UTC", "Asia/Tokyo"):
        command = [sys.executable, "-c", program, str(tmp_path)]
        said = subprocess.run(
            command, env={**os.environ, "TZ": zone}, check=True, capture_output=True, text=True
        ).stdout
        assert said.strip() == (
            "{'t': '2019-12-31T22:30:00+00:00', 's': '2019-12-31 22:30:00+00', 'h': 22} ['22']"
        )


def test_a_view_cannot_read_what_the_query_does_not_name(folder: Path) -> None:
    assert "secret.csv" in complaint("FROM spy", folder, "data.duckdb")
    assert "Permission" in complaint("FROM spy", folder, "data.duckdb") or "disabled" in complaint(
        "FROM spy", folder, "data.duckdb"
    )


@pytest.mark.parametrize(
    "sql",
    ["ATTACH 'x.db' AS x", "DELETE FROM rows", "PRAGMA user_version = 3", "CREATE TABLE t (a)",
     "SELECT random() AS r FROM rows", "SELECT current_timestamp AS t FROM rows",
     "SELECT load_extension('x')", "SELECT 1; SELECT 2"],
)  # fmt: skip
def test_sqlite_reads_and_nothing_else(sql: str, folder: Path) -> None:
    before = (folder / "data.sqlite").read_bytes()
    assert "this SQL does not work" in complaint(sql, folder, "data.sqlite")
    assert (folder / "data.sqlite").read_bytes() == before


def test_a_database_that_is_not_there_or_is_none_is_said(folder: Path) -> None:
    assert "there is no such database" in complaint("SELECT 1 AS a", folder, "no.duckdb")
    assert "does not work" in complaint("SELECT 1 AS a", folder, "data/one.csv")
