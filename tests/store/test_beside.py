"""Other processes beside the store: clients that hold the file, and kills at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.errors import StoreError
from engine.store import Busy, Store, rows, unseen
from engine.store import store as store_module
from engine.store.file import FILE
from tests.store.small import call, example, info, start

pytestmark = pytest.mark.runs

PATIENCE = 240.0
"""Seconds: longer than anything takes that does not wait, on the busiest machine."""
HOLD = """
import sys, time, duckdb
connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read")
connection.execute("SELECT count(*) FROM run").fetchall()
print("held", flush=True)
sys.stdin.read()
"""
WRITE = """
import sys
from pathlib import Path
from engine.store import Store, store as module
from tests.store.small import call, example, info, start
module.INGEST_SECONDS, module.INGEST_PAUSE = 0.01, 0
first = int(sys.argv[2])
store = Store.open(Path(sys.argv[1]))
with store.lock_run():
    run = start(store)
    for i in range(first, first + 100_000):
        store.record_calls([call(10 * i + k, run, f"n{i}") for k in range(10)])
        store.flush()
        print("calls", i, flush=True)
        store.write_node(run, info(f"n{i}"), [example(n) for n in range(5)], f"c{i}")
        store.link_node(run, f"n{i}", f"n{i}", i, "done")
        print("node", i, flush=True)
"""


@contextmanager
def held_from_outside(state: Path, how: str) -> Iterator[int]:
    """Hold the store's file in another process for the block; yield its pid."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state / FILE), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process.pid
        finally:
            process.stdin.close()
            process.wait()


@pytest.mark.parametrize("how", ["read", "write"])
def test_a_client_that_holds_the_file_neither_stalls_nor_breaks_a_run(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "INGEST_SECONDS", 0.05)
    store = Store.open(tmp_path, patience=PATIENCE)
    with store.lock_run():
        run = start(store)
        store.write_node(run, info("before"), [example(0)], "c")
        store.ingest(force=True)

        def work() -> None:
            for number in range(1, 41):
                store.write_node(run, info(f"n{number}"), [example(number)], "c")
                store.record_calls([call(number, run)])
                assert store.load_output(f"n{number}") == [example(number)]
                assert len(store.replies([f"{number:024x}"])) == 1
                assert store.replies([f"{10**6:024x}"]) == {}
                time.sleep(0.01)

        with held_from_outside(tmp_path, how), ThreadPoolExecutor(1) as worker:
            # Whatever waited for the file would wait as long as the store's patience.
            worker.submit(work).result(timeout=PATIENCE / 2)
            assert store.ingest() is False
            if how == "read":
                assert unseen(tmp_path).rows == 120
                assert unseen(tmp_path)[1:] == (run, os.getpid())
        assert store.ingest() is True
        assert unseen(tmp_path).rows == 0
        store.end_run(run, "done")
    assert rows(tmp_path, "SELECT count(DISTINCT id) AS n, count(*) AS m FROM example") == [
        {"n": 41, "m": 41}
    ]
    assert rows(tmp_path, "SELECT count(*) AS n FROM llm_call") == [{"n": 40}]
    assert rows(tmp_path, "SELECT status FROM run") == [{"status": "done"}]


def test_a_run_that_ends_while_the_file_is_held_leaves_its_rows_to_the_next(tmp_path: Path) -> None:
    said: list[str] = []
    store = Store.open(tmp_path, patience=0.2, notice=said.append)
    with store.lock_run():
        run = start(store)
        holding = held_from_outside(tmp_path, "read")
        pid = holding.__enter__()
        store.write_node(run, info("n"), [example(1)], "c")
        store.end_run(run, "done")
    assert any(f"held open by process {pid}" in text for text in said)
    assert rows(tmp_path, "FROM node") == []
    holding.__exit__(None, None, None)
    assert Store.open(tmp_path).load_output("n") == [example(1)]
    assert rows(tmp_path, "SELECT status FROM run") == [{"status": "done"}]


def test_opening_and_querying_name_the_process_that_holds_the_file(tmp_path: Path) -> None:
    Store.open(tmp_path)
    with held_from_outside(tmp_path, "write") as pid:
        with pytest.raises(Busy, match=f"held open by process {pid}") as caught:
            Store.open(tmp_path, patience=0.1)
        assert caught.value.pid == pid
        with pytest.raises(StoreError, match=f"held open by process {pid}"):
            rows(tmp_path, "SELECT 1", wait=0.1)


def test_a_query_waits_while_ingesting_has_the_file(tmp_path: Path) -> None:
    Store.open(tmp_path)
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            HOLD.replace("sys.stdin.read()", "time.sleep(1)"),
            str(tmp_path / FILE),
            "write",
        ],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert rows(tmp_path, "SELECT 1 AS one") == [{"one": 1}]


def _write_until_killed(state: Path, first: int, seconds: float) -> list[str]:
    """Run a writer that ingests all the time, kill it, return what it had been told was safe."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(state), str(first)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = [process.stdout.readline()]
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    said += process.stdout.readlines()
    process.stdout.close()
    process.wait()
    return [text.strip() for text in said if text.endswith("\n")]


def _check(state: Path, safe: list[str]) -> None:
    store = Store.open(state)
    with store.lock_run():
        numbers = {
            kind: [int(t.split()[1]) for t in safe if t.startswith(kind)]
            for kind in ("calls", "node")
        }
        asked = [f"{10 * i + k:024x}" for i in numbers["calls"] for k in range(10)]
        assert set(store.replies(asked)) == set(asked)
        assert set(store.finished(f"n{i}" for i in numbers["node"])) == {
            f"n{i}" for i in numbers["node"]
        }
    per_node = "SELECT node, count(*) AS n FROM example GROUP BY node HAVING n <> 5"
    assert rows(state, per_node) == []
    assert rows(state, "SELECT node FROM example ANTI JOIN node ON node.id = example.node") == []
    assert rows(
        state, "SELECT count(DISTINCT node) - (SELECT count(*) FROM node) AS n FROM example"
    ) == [{"n": 0}]
    assert rows(state, "SELECT id FROM llm_call GROUP BY id HAVING count(*) > 1") == []


def _kill_often(state: Path, moments: list[float]) -> None:
    safe: list[str] = []
    for turn, seconds in enumerate(moments):
        safe += _write_until_killed(state, 100_000 * turn, seconds)
        _check(state, safe)
    assert len(safe) > len(moments)


def test_kill_at_any_moment_loses_nothing_safe_and_doubles_nothing(tmp_path: Path) -> None:
    _kill_often(tmp_path, [0.05, 0.31, 0.6, 0.97])


@pytest.mark.long
def test_twenty_kills_lose_nothing_safe_and_double_nothing(tmp_path: Path) -> None:
    _kill_often(tmp_path, [0.02 + 0.137 * turn % 1.9 for turn in range(20)])
