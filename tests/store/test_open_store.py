"""The store read from Python: relations that hold nothing open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from engine.errors import StoreError
from engine.store import FILE, Store, open_store
from tests.store.small import EVERY_ROW, call, example, info, make, start

pytestmark = pytest.mark.runs


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    make(folder)
    return folder


def test_rows_come_as_a_relation(state: Path) -> None:
    patterns = open_store(str(state)).sql("SELECT id, name, size FROM pattern ORDER BY id")
    assert patterns.columns == ["id", "name", "size"]
    assert patterns.fetchall() == [("p1", "negation", 2), ("p2", "slang", 1)]
    assert patterns.filter("size > 1").fetchall() == [("p1", "negation", 2)]
    assert patterns.arrow().read_all().num_rows == 2
    assert list(patterns.df()["name"]) == ["negation", "slang"]
    larger = duckdb.sql("SELECT name FROM patterns WHERE size > 1")
    assert larger is not None
    assert larger.fetchall() == [("negation",)]


def test_parameters_stand_for_question_marks(state: Path) -> None:
    found = open_store(state).sql("SELECT name FROM pattern WHERE id = ?", ["p2"])
    assert found.fetchall() == [("slang",)]


@pytest.mark.runs
def test_every_table_and_view_can_be_read(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with store.lock_run():
        run = start(store)
        store.write_node(run, info("all"), EVERY_ROW, "c")
        store.record_calls([call(1, run)])
    reading = open_store(tmp_path)
    names = reading.sql("SELECT table_name FROM information_schema.tables").fetchall()
    assert len(names) > 30
    # In one query, because each opens the file anew.
    counting = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM \"{name}\"" for (name,) in names)
    for name, count in reading.sql(counting).fetchall():
        assert len(reading.sql(f'FROM "{name}"').fetchall()) == count, name


def test_a_relation_keeps_no_run_waiting_and_stays_as_it_was(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    reading = open_store(tmp_path)
    with store.lock_run():
        run = start(store)
        store.write_node(run, info("one"), [example(1)], "c")
        assert reading.unseen().rows == 4
        assert reading.unseen().run == run
        store.ingest(force=True)
        before = reading.sql("FROM example")
        store.write_node(run, info("two"), [example(2)], "c")
        assert store.ingest(), "nothing holds the file"
        assert len(before.fetchall()) == 1
        assert len(reading.sql("FROM example").fetchall()) == 2
    with duckdb.connect(str(tmp_path / FILE)) as connection:
        connection.execute("DELETE FROM example")
    assert len(before.fetchall()) == 1


def test_what_a_notebook_holds_outlives_the_store_object(state: Path) -> None:
    assert open_store(state).sql("SELECT 1 AS one").fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("DELETE FROM run", "DELETE is not possible"),
        ("SELECT 1; SELECT 2", "2 statements at once"),
        ("SELECT * FROM read_text('pyproject.toml')", "no other file"),
        ("FROM leaderbord", "leaderbord does not exist"),
    ],
)
def test_the_rules_of_pada_sql_hold(state: Path, query: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        open_store(state).sql(query)


def test_a_column_of_the_data_is_told_where_it_is(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with store.lock_run():
        row = replace(example(1), columns={"wert": 3, "it's": "x"})
        store.write_node(start(store), info("one"), [row], "c")
    reading = open_store(tmp_path)
    for name, written in (("wert", "columns ->> 'wert'"), ("it's", "columns ->> 'it''s'")):
        with pytest.raises(StoreError) as caught:
            reading.sql(f'SELECT id, "{name}" FROM example')
        assert caught.value.hint is not None
        assert caught.value.hint.endswith(f"under `columns`: {written}")
        assert len(reading.sql(f"SELECT id, {written} FROM example").fetchall()) == 1
    with pytest.raises(StoreError) as caught:
        reading.sql("SELECT e.wert FROM example e")
    assert "columns ->> 'wert'" in str(caught.value.hint)
    with pytest.raises(StoreError) as caught:
        reading.sql("SELECT nothing FROM example")
    assert "->>" not in str(caught.value.hint)


def test_a_missing_store_is_said_at_once_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store at"):
        open_store(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []
