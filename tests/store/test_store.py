from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from engine import gate
from engine import rows as r
from engine.errors import RunError, StoreError
from engine.store import Store, lock, migrate, rows, unseen
from engine.store import store as store_module
from engine.store.columns import is_stage_table, record_types
from engine.store.file import translated
from engine.store.ingest import ingest
from engine.store.schema import migrations, newest
from engine.store.spool import segments
from tests.store.small import EVERY_ROW, call, example, info, start

pytestmark = pytest.mark.runs

LAY_OUT = migrate.lay_out
"""What lays a store out; tests copy one that was laid out once."""


def test_every_row_class_comes_back_as_it_was_and_in_order(tmp_path: Path) -> None:
    given = {type(row).table for row in EVERY_ROW}
    assert given == {table for table in record_types() if is_stage_table(table)}, (
        "the list must name every class"
    )
    store = Store.open(tmp_path)
    with store.lock_run():
        run = start(store)
        store.write_node(run, info("all"), EVERY_ROW, "c")
    assert Store.open(tmp_path).load_output("all") == list(EVERY_ROW)


def test_rows_come_back_from_the_spool_before_they_are_ingested(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(store_module, "REMEMBERED", 0)
    store = Store.open(tmp_path)
    with store.lock_run():
        run = start(store)
        store.write_node(run, info("all"), EVERY_ROW, "c")
        store.write_node(run, info("other"), [example(1)], "c")
        store.record_calls([call(1, run)])
        assert segments(tmp_path / "spool")
        assert store.load_output("all") == list(EVERY_ROW)
        assert set(store.replies([f"{1:024x}"])) == {f"{1:024x}"}


def test_tables_have_the_columns_of_their_row_classes(tmp_path: Path) -> None:
    Store.open(tmp_path)
    found: dict[str, list[str]] = {}
    for row in rows(
        tmp_path, "SELECT table_name, column_name FROM duckdb_columns() ORDER BY column_index"
    ):
        found.setdefault(row["table_name"], []).append(row["column_name"])
    from engine.store.columns import table_columns

    for table in record_types():
        assert found[table] == [column.name for column in table_columns(table)], table


def test_unusable_text_becomes_usable_and_nan_is_null(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    odd = r.Example(
        "e", "train", {"text": "a\ud800b\U0001f600"}, "\udfff", {"x": float("nan")}, "f", 1
    )
    with store.lock_run():
        run = start(store)
        score = r.Score("e", "train", "f1", float("nan"))
        store.write_node(run, info("n"), [odd, score], "c")
    back = Store.open(tmp_path).load_output("n")
    clean = r.Example("e", "train", {"text": "a\ufffdb\U0001f600"}, "\ufffd", {"x": None}, "f", 1)
    assert back == [clean, r.Score("e", "train", "f1", None)]


def test_only_usable_replies_are_served_and_the_latest_try_counts(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with store.lock_run():
        run = start(store)
        store.record_calls(
            [call(1, run, error="schema"), call(2, run, error="refusal"), call(3, run)]
        )
        store.record_calls([call(1, run)])
        ids = [f"{n:024x}" for n in (1, 2, 3, 4)]
        assert set(store.replies(ids)) == {ids[0], ids[2]}
        store.ingest(force=True)
        assert set(store.replies(ids)) == {ids[0], ids[2]}
    later = Store.open(tmp_path).replies(ids)
    assert set(later) == {ids[0], ids[2]}
    # What was sent stays in the store: it is most of a call, and nobody who is served a reply asks for it.
    assert later[ids[2]] == replace(call(3, run), created=later[ids[2]].created, messages=[])
    assert rows(tmp_path, "SELECT count(*) AS n FROM llm_call")[0]["n"] == 4


def test_a_node_done_again_replaces_its_rows(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with store.lock_run():
        run = start(store)
        store.write_node(run, info("n"), [example(1), example(2)], "old")
        store.write_node(run, info("n"), [example(3)], "new")
    with store.lock_run():
        run = start(store)
        store.write_node(run, info("n"), [example(4)], "newest")
    again = Store.open(tmp_path)
    assert again.load_output("n") == [example(4)]
    assert again.finished(["n", "m"]) == {"n": "newest"}
    assert rows(tmp_path, "SELECT id FROM example") == [{"id": "e4"}]


def test_rows_of_a_node_without_its_node_line_never_arrive(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with store.lock_run():
        run = start(store)
        store.record_calls([call(1, run)])
        store.write_node(run, info("whole"), [example(1)], "c")
        store.flush()
        segment = segments(tmp_path / "spool")[-1].path
        store.ingest(force=True)
    torn = tmp_path / "spool" / "r0001" / "000009-00000000.jsonl"
    torn.parent.mkdir(parents=True, exist_ok=True)
    torn.write_bytes(
        b'["example","cut","r0001",0,0,0,"e7","train","{}","t","{}","f",1]\n'
        b'["llm_call","'
        + b"f"
        * 24
        + b'","r0001","cut","teacher","m","[]","{}",1,0.0,0,"{}","stop",1,1,0.1,"m",null,"",'
        b'"2026-01-01T00:00:00"]\n'
        b'["node","cut","na'
    )
    assert not segment.exists()
    again = Store.open(tmp_path)
    assert again.finished(["cut", "whole"]) == {"whole": "c"}
    assert rows(tmp_path, "SELECT id FROM example") == [{"id": "e1"}]
    assert set(again.replies(["f" * 24])) == {"f" * 24}, "a reply before the torn line counts"
    assert not segments(tmp_path / "spool")


def test_pages_that_never_reached_the_disk_end_a_segment(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    spooled = tmp_path / "spool" / "r0001" / "000001-00000000.jsonl"
    spooled.parent.mkdir(parents=True)
    row = b'["example","n","r0001",0,0,0,"e7","train","{}","t","{}","f",1]\n'
    mark = b'["node","n","n","load",0,0,0,"{}","r0001","2026-01-01","2026-01-01","c","{\\"example\\":1}"]\n'
    spooled.write_bytes(row[:20] + b"\0" * 30 + row[50:] + mark)
    store = Store.open(tmp_path)
    assert store.finished(["n"]) == {}
    spooled.parent.mkdir(exist_ok=True)
    spooled.with_name("000002-00000000.jsonl").write_bytes(row + mark)
    assert Store.open(tmp_path).finished(["n"]) == {"n": "c"}


def test_texts_and_numbers_arrive_exactly(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    text = 'zero \0, quotes "\'\\, lines \n\r\u2028, \x7f, \U0001f600, {"a": [1]}'
    numbers = [5e-324, 1.7976931348623157e308, -0.0, 0.1, 1e22, 2.0, 1 / 3]
    calls = [
        replace(call(at), reply=text, seconds=number, prompt_tokens=2**31 - 1)
        for at, number in enumerate(numbers)
    ]
    with store.lock_run():
        start(store)
        store.record_calls(calls)
    found = rows(tmp_path, "SELECT reply, seconds, prompt_tokens FROM llm_call ORDER BY id")
    assert [repr(each["seconds"]) for each in found] == [repr(float(each)) for each in numbers]
    assert {(each["reply"], each["prompt_tokens"]) for each in found} == {(text, 2**31 - 1)}


def test_a_kill_between_commit_and_deletion_doubles_nothing(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with store.lock_run():
        run = start(store)
        store.record_calls([call(1, run)])
        store.write_node(run, info("n"), [example(1)], "c")
        store.flush()
        with duckdb.connect(str(tmp_path / "store.duckdb")) as connection:
            found = segments(tmp_path / "spool")
            assert ingest(connection, found, present=found) == 5
            assert ingest(connection, found, present=found) == 0
            assert ingest(connection, [], present=found) == 0
            assert ingest(connection, found, present=found) == 0
    assert rows(
        tmp_path, "SELECT (SELECT count(*) FROM llm_call) AS c, (SELECT count(*) FROM example) AS e"
    ) == [{"c": 1, "e": 1}]
    assert not segments(tmp_path / "spool")


def test_a_second_run_is_refused_and_names_the_first(tmp_path: Path) -> None:
    first = Store.open(tmp_path)
    with first.lock_run():
        start(first)
        code = (
            "import sys; from pathlib import Path; from engine.store import Store\n"
            "store = Store.open(Path(sys.argv[1]), patience=5)\n"
            "with store.lock_run(): pass"
        )
        found = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert f"a run (r0001) is going on in {tmp_path}, in process {os.getpid()}" in found.stderr
        with pytest.raises(RunError):
            Store.open(tmp_path).lock_run().__enter__()
    with Store.open(tmp_path).lock_run():
        pass


def test_a_run_whose_process_died_is_called_killed_by_the_next(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with store.lock_run():
        start(store)
    with store.lock_run():
        assert start(store) == "r0002"
    found = rows(tmp_path, "SELECT id, status FROM run ORDER BY id")
    assert found == [{"id": "r0001", "status": "killed"}, {"id": "r0002", "status": "running"}]


def test_a_newer_store_is_refused_with_both_versions(tmp_path: Path) -> None:
    Store.open(tmp_path)
    with duckdb.connect(str(tmp_path / "store.duckdb")) as connection:
        connection.execute("INSERT INTO schema_version VALUES (99, now()::TIMESTAMP)")
    with pytest.raises(
        StoreError, match=f"schema version 99, this engine knows up to {newest()}"
    ) as caught:
        Store.open(tmp_path)
    assert "update pada-engine" in caught.value.hint
    with pytest.raises(StoreError, match="99"):
        rows(tmp_path, "SELECT 1")


def write_first_version(state: Path) -> None:
    gate.own_state(state)
    with duckdb.connect(str(state / "store.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied TIMESTAMP NOT NULL)"
        )
        connection.execute(migrations()[1])
        connection.execute("INSERT INTO schema_version VALUES (1, now()::TIMESTAMP)")
        connection.execute("INSERT INTO recipe VALUES ('x', 'kept', '', '', '{}')")


def test_an_older_store_is_read_as_it_is(tmp_path: Path) -> None:
    write_first_version(tmp_path)
    spooled = tmp_path / "spool" / "r0001" / "000001-00000000.jsonl"
    spooled.parent.mkdir(parents=True)
    spooled.write_bytes(b'["run"]\n["run_node"]\n')
    assert rows(tmp_path, "SELECT name FROM recipe") == [{"name": "kept"}]
    assert unseen(tmp_path).rows == 2
    with pytest.raises(StoreError, match="leaderboard") as caught:
        rows(tmp_path, "FROM leaderboard")
    assert "an earlier engine wrote this store" in caught.value.hint


def test_an_older_store_is_not_changed_under_a_run_of_the_engine_that_wrote_it(
    tmp_path: Path,
) -> None:
    write_first_version(tmp_path)
    with lock.hold(tmp_path), pytest.raises(RunError, match="a run is going on"):
        Store.open(tmp_path)
    assert rows(tmp_path, "SELECT max(version) AS v FROM schema_version") == [{"v": 1}]


def test_an_older_store_is_brought_up_to_date(tmp_path: Path) -> None:
    write_first_version(tmp_path)
    Store.open(tmp_path)
    assert rows(tmp_path, "SELECT name FROM recipe") == [{"name": "kept"}]
    assert rows(tmp_path, "SELECT max(version) AS v FROM schema_version") == [{"v": newest()}]
    assert rows(tmp_path, "FROM leaderboard") == []


def test_views_of_an_older_store_give_way_to_those_of_today(tmp_path: Path) -> None:
    """A view is written down where it is made last, so an earlier engine's store may have one of its name already."""
    gate.own_state(tmp_path)
    with duckdb.connect(str(tmp_path / "store.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied TIMESTAMP NOT NULL)"
        )
        connection.execute(migrations()[1])
        connection.execute("INSERT INTO schema_version VALUES (1, now()::TIMESTAMP)")
        names = {
            name
            for sql in migrations().values()
            for name in re.findall(r"^CREATE (?:OR REPLACE )?VIEW (\w+)", sql, re.MULTILINE)
        }
        names |= {name.removeprefix("all_") for name in names}
        for name in names:
            connection.execute(f"CREATE VIEW {name} AS SELECT 1 AS earlier")
    Store.open(tmp_path)
    for name in sorted(names):
        assert rows(tmp_path, f"FROM {name}") == [], name


def test_an_older_store_that_cannot_be_brought_up_to_date_is_told_and_stays(tmp_path: Path) -> None:
    write_first_version(tmp_path)
    with duckdb.connect(str(tmp_path / "store.duckdb")) as connection:
        connection.execute("CREATE TABLE failures (mine INTEGER)")
    with pytest.raises(
        StoreError, match="is of schema version 1 and cannot be brought to"
    ) as caught:
        Store.open(tmp_path)
    assert "nothing was changed" in caught.value.hint
    assert rows(tmp_path, "SELECT max(version) AS v FROM schema_version") == [{"v": 1}]


@pytest.mark.parametrize("content", [b"", b"hello" * 1000], ids=["empty", "text"])
def test_what_is_no_duckdb_file_is_left_alone(tmp_path: Path, content: bytes) -> None:
    gate.own_state(tmp_path)
    (tmp_path / "store.duckdb").write_bytes(content)
    with pytest.raises(StoreError, match="is not a DuckDB file"):
        Store.open(tmp_path)
    assert (tmp_path / "store.duckdb").read_bytes() == content


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    gate.own_state(tmp_path)
    with duckdb.connect(str(tmp_path / "store.duckdb")) as connection:
        connection.execute("CREATE TABLE mine (a INTEGER)")
    with pytest.raises(StoreError, match="not a store of this engine"):
        Store.open(tmp_path)


def test_a_missing_store_is_made_only_when_asked(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        Store.open(tmp_path / "state", create_missing=False)
    with pytest.raises(StoreError, match="there is no store"):
        rows(tmp_path / "state", "SELECT 1")
    assert not (tmp_path / "state").exists()
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file"):
        Store.open(tmp_path / "file")


def test_a_full_disk_is_an_error_with_nothing_half_written(
    tmp_path: Path, monkeypatch: Any
) -> None:
    store = Store.open(tmp_path)
    write = os.write
    full = False

    def limited(file: int, data: Any) -> int:
        if full and len(data) > 100:
            return write(file, bytes(data[:100]))
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data)

    monkeypatch.setattr(os, "write", limited)
    with store.lock_run():
        run = start(store)
        store.write_node(run, info("n"), [example(1)], "c")
        full = True
        with pytest.raises(StoreError, match="the disk is full") as caught:
            store.write_node(run, info("m"), [example(2)], "c")
        assert "pada clean" in caught.value.hint
        full = False
        store.write_node(run, info("o"), [example(3)], "c")
    again = Store.open(tmp_path)
    assert again.finished(["n", "m", "o"]) == {"n": "c", "o": "c"}
    assert again.load_output("o") == [example(3)]


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of a file's size to set")
def test_a_store_that_had_no_room_while_it_was_made_is_made_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    monkeypatch.setattr(migrate, "lay_out", LAY_OUT)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (700 * 1024, before[1]))
    try:
        with pytest.raises(StoreError):
            Store.open(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [file.name for file in tmp_path.iterdir()] == ["id"]
    assert Store.open(tmp_path).finished(["n"]) == {}


def test_a_full_disk_is_called_so_whichever_way_duckdb_says_it(tmp_path: Path) -> None:
    for said in (
        'IO Error: Could not write file "x": No space left on device',
        "Fatal: not enough space",
    ):
        assert "the disk is full" in str(translated(Exception(said), tmp_path))


def test_rows_come_to_the_disk_by_themselves(tmp_path: Path, monkeypatch: Any) -> None:
    # How soon: tests/benchmarks/durability.py.
    synced = threading.Event()
    sync = os.fsync
    store = Store.open(tmp_path)
    with store.lock_run():
        run = start(store)
        store.flush()

        def noted(file: int) -> None:
            sync(file)
            synced.set()

        monkeypatch.setattr(os, "fsync", noted)
        store.record_calls([call(1, run)])
        assert synced.wait(60)


def test_what_goes_wrong_in_the_background_is_raised_at_the_next_write(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(store_module, "INGEST_SECONDS", 0.01)
    ingesting = threading.Event()

    def broken(*_: Any, **__: Any) -> int:
        ingesting.set()
        raise RuntimeError("a bug")

    store = Store.open(tmp_path)
    with store.lock_run(), monkeypatch.context() as patch:
        patch.setattr(store_module, "ingest_or_set_aside", broken)
        run = start(store)
        assert ingesting.wait(60)
        until = time.monotonic() + 60
        while store._trouble is None and time.monotonic() < until:
            time.sleep(0.01)
        with pytest.raises(RuntimeError, match="a bug"):
            store.record_calls([call(1, run)])
        # Undone before the end of the run, which ingests what is left.
        patch.undo()


def test_the_latest_identity_of_a_name_is_found(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with store.lock_run():
        run = start(store)
        store.write_node(run, info("a"), [], "c")
        later = info("b", "score")._replace(name="place/a", ended=store_module.now())
        store.write_node(run, later, [], "c")
    found = Store.open(tmp_path).last_identities(["place/a", "place/z"])
    assert found == {"place/a": {"stage": "score"}}


def test_writing_outside_the_run_lock_is_a_bug(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with pytest.raises(RuntimeError):
        store.record_calls([call(1)])
    with pytest.raises(RuntimeError):
        start(store)


def test_many_ids_are_all_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.store import reading

    monkeypatch.setattr(reading, "_LOOSE", 100)
    ids = reading.Ids([["0" * 24, "1" * 24]])
    given = [f"{number:024x}" for number in range(2, 1000)]
    for start_at in range(0, len(given), 7):
        ids.add(given[start_at : start_at + 7])
    assert all(each in ids for each in [*given, "0" * 24, "1" * 24])
    assert "f" * 24 not in ids
    assert "2" not in ids


def test_a_file_in_the_place_of_the_state_folder_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("", "utf-8")
    for place in (tmp_path / "state", tmp_path / "state" / "below"):
        with pytest.raises(StoreError, match="a file stands where a folder is needed"):
            Store.open(place)


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    import fcntl

    def no_locks(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    store = Store.open(tmp_path)
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(StoreError, match="its file system has no locks") as caught:
        store.lock_run().__enter__()
    assert "--state" in caught.value.hint
