"""How far a run is, for those who look from outside: a file that is whole, and a process that is the one meant."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Interrupted, RunError, StoreError
from engine.gate import own_state
from engine.identity import Params
from engine.plan.graph import Node, Plan
from engine.run.progress import Callback
from engine.run.watching import Process, Watched, live_file, standing
from engine.run.watching.control import command_of, stop
from engine.run.watching.standing import is_stopping
from engine.store import Spent, lock
from engine.system import platforms

LIVE = Path("running", "live.json")


def node(name: str, **inputs: str) -> Node:
    return Node(name, name.rpartition("/")[2], Params(), {}, name, inputs)


PLAN = Plan([node("load"), node("seed-0/round-0/predict", load="load")])


def read(state: Path) -> dict[str, Any]:
    return dict(json.loads((state / LIVE).read_text("utf-8")))


def told(state: Path, work: Any = lambda watched: None) -> dict[str, Any]:
    """Return what is written of a run that does `work` and ends."""
    with Watched(state / LIVE, "r0001", "tiny", Callback()).written() as watched:
        watched.planned(PLAN, {"calls": 9}, lambda: (Spent(3, 100, 0.5), 2))
        work(watched)
        watched.ended("done", "all of it")
    return read(state)


def test_it_says_what_is_planned_done_spent_and_told_and_how_the_run_ended(tmp_path: Path) -> None:
    def work(watched: Watched) -> None:
        watched.node("load", "done")
        watched.node("seed-0/round-0/predict", "running")
        watched.say("one line")
        watched.warn("beware")
        watched.open("seed-0/round-0/predict", 10)(4)

    found = told(tmp_path, work)
    assert [one["name"] for one in found["nodes"]] == ["load", "seed-0/round-0/predict"]
    assert found["nodes"][1]["inputs"] == ["load"]
    assert found["states"] == {"load": "done", "seed-0/round-0/predict": "running"}
    assert found["works"]["seed-0/round-0/predict"]["done"] == 4
    assert found["spent"] == {"calls": 3, "tokens": 100, "cost": 0.5, "in_flight": 2}
    assert [line[1:] for line in found["told"]] == [["line", "one line"], ["warning", "beware"]]
    assert [line[2] for line in found["warned"]] == ["beware"]
    assert (found["ended"]["status"], found["ended"]["note"]) == ("done", "all of it")
    assert (tmp_path / LIVE).stat().st_mode & 0o077 == 0


def test_what_was_reported_reaches_the_one_who_watches_anyway(tmp_path: Path) -> None:
    seen: list[str] = []

    def work(watched: Watched) -> None:
        advance = watched.open("predict", 2)
        advance.note = "2 in flight"
        advance(2)

    watcher = Callback(lambda event: seen.append(f"{event.text} {event.done} {event.note}"))
    with Watched(tmp_path / LIVE, "r0001", "tiny", watcher).written() as watched:
        work(watched)
    assert seen == ["predict 2 2 in flight"]
    assert read(tmp_path)["works"] == {}


def test_a_node_that_is_over_has_no_work_left(tmp_path: Path) -> None:
    def work(watched: Watched) -> None:
        watched.open("load", 10)(1)
        watched.node("load", "done")

    assert told(tmp_path, work)["works"] == {}


def test_what_an_earlier_process_did_says_nothing_of_how_fast_this_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    work = live_file._Work(Callback().open("train", 100), 100, threading.Event(), threading.RLock())
    # Told at once where it goes on, told again once the weights are there, and then two steps.
    for seconds, finished in ((1.0, 60), (20.0, 0), (5.0, 1), (5.0, 1)):
        assert work.shown()["rate"] is None
        clock[0] += seconds
        work(finished)
    shown = work.shown()
    assert (shown["done"], shown["rate"], shown["left"]) == (62, 0.2, 190.0)


@pytest.mark.parametrize(
    ("error", "status"), [(Interrupted("stopped"), "interrupted"), (RunError("broken"), "failed")]
)
def test_a_run_that_ends_otherwise_says_so(tmp_path: Path, error: Exception, status: str) -> None:
    def work(watched: Watched) -> None:
        raise error

    with pytest.raises(type(error)):
        told(tmp_path, work)
    assert read(tmp_path)["ended"]["status"] == status


def test_halves_of_characters_and_what_is_no_number_end_no_run(tmp_path: Path) -> None:
    def work(watched: Watched) -> None:
        watched.say("a file called \udcff.yaml")
        watched.node("\udcff", "running")
        watched.open("\udcff", 3).note = "\udcff"

    assert told(tmp_path, work)["told"][0][2] == "a file called \udcff.yaml"


def test_where_nothing_can_be_written_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "running").write_text("a file in its place", "utf-8")
    with Watched(tmp_path / LIVE, "r0001", "tiny", Callback()).written() as watched:
        watched.say("one line")
    gone = tmp_path / "gone" / LIVE
    with Watched(gone, "r0001", "tiny", Callback()).written() as watched:
        watched.say("one line")
    assert not gone.exists()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "open", full)
    with Watched(tmp_path / "other" / LIVE, "r0001", "tiny", Callback()).written() as watched:
        watched.say("one line")


def test_it_is_written_while_the_run_works_and_a_sign_of_life_without_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_file, "EVERY", 0.01)
    monkeypatch.setattr(live_file, "SIGN", 0.01)
    with Watched(tmp_path / LIVE, "r0001", "tiny", Callback()).written() as watched:
        watched.node("load", "running")
        seen = set[int]()
        while len(seen) < 3:
            if (tmp_path / LIVE).exists():
                seen.add(read(tmp_path)["serial"])
        assert read(tmp_path)["ended"] is None


def mine(tmp_path: Path) -> Path:
    state = tmp_path / "state"
    own_state(state)
    (state / "running").mkdir()
    return state


def write_live(state: Path, process: Process, ended: Any = None) -> None:
    live = {"process": process.stored, "run": "r0001", "ended": ended, "written": "2026-11-27"}
    (state / LIVE).write_text(json.dumps(live), "utf-8")


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "600"])


def test_where_nothing_ran_nothing_is_said(tmp_path: Path) -> None:
    assert standing(tmp_path / "nowhere").state == "none"
    assert standing(mine(tmp_path)).state == "none"
    (tmp_path / "state" / LIVE).write_text('{"process": {"pid": "x"', "utf-8")
    assert standing(tmp_path / "state").state == "none"
    (tmp_path / "state" / LIVE).write_bytes(b"\xff\x00")
    assert standing(tmp_path / "state").state == "none"


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "running").mkdir()
    with pytest.raises(StoreError, match="was not made here by you"):
        standing(tmp_path)


def test_whether_a_run_works_is_told_by_its_lock(tmp_path: Path) -> None:
    state = mine(tmp_path)
    write_live(state, Process.this())
    assert standing(state).state == "killed"
    with lock.hold(state) as held:
        held.name("r0001")
        found = standing(state)
        assert (found.state, found.holder and found.holder.run) == ("running", "r0001")
    write_live(state, Process.this(), ended={"status": "done"})
    assert standing(state).state == "ended"


def test_a_run_that_is_gone_on_with_is_known_while_its_process_starts(tmp_path: Path) -> None:
    state = mine(tmp_path)
    write_live(state, Process.this(), ended={"status": "interrupted"})
    with sleeper() as other:
        try:
            process = Process.of(other.pid, ("run", "x"), str(tmp_path))
            for run, seen in (("r0001", "r0001"), ("r0002", None), ("", None)):
                started = {"process": process.stored, "log": "x.log", "run": run}
                (state / "running" / "started.json").write_text(json.dumps(started), "utf-8")
                found = standing(state)
                assert (found.state, found.live.get("run")) == ("starting", seen)
                assert found.live.get("ended") is None
        finally:
            other.kill()


def test_a_process_that_is_not_the_one_meant_is_not_signalled(tmp_path: Path) -> None:
    state = mine(tmp_path)
    with sleeper() as other:
        try:
            meant = Process.of(other.pid, ("run", "x"), str(tmp_path))
            reused = meant._replace(began=meant.began - 100)
            write_live(state, reused)
            with pytest.raises(RunError, match="no run is going on"):
                stop(state, other.pid)
            with lock.hold(state):
                # Somebody wrote a number into the lock's file: it is that of another process.
                (state / "run.lock").write_text(json.dumps({"pid": other.pid, "note": ""}), "utf-8")
                with pytest.raises(RunError, match="is not the run that goes on"):
                    stop(state, other.pid)
                write_live(state, meant._replace(is_pada=False))
                with pytest.raises(RunError, match="started by a program of yours"):
                    stop(state, other.pid)
                with pytest.raises(RunError, match="is not the run that goes on"):
                    stop(state, os.getpid())
                assert other.poll() is None
                write_live(state, meant)
                stop(state, other.pid)
                other.wait(timeout=60)
                assert is_stopping(state, meant)
                assert not is_stopping(state, reused)
        finally:
            other.kill()
    # Who runs the tests in the background ignores SIGINT, and children inherit that.
    assert other.returncode in (-signal.SIGINT, -signal.SIGTERM)


def test_a_run_is_told_to_stop_once(tmp_path: Path) -> None:
    state = mine(tmp_path)
    patient = "import signal, time; signal.signal(signal.SIGINT, lambda *_: None); print(flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", patient], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        write_live(state, Process.of(other.pid, ("run", "x"), str(tmp_path)))
        try:
            with lock.hold(state):
                (state / "run.lock").write_text(json.dumps({"pid": other.pid, "note": ""}), "utf-8")
                stop(state, other.pid)
                with pytest.raises(RunError, match="was told to stop already"):
                    stop(state, other.pid)
                stop(state, other.pid, kill=True)
                assert other.wait(timeout=60) == -signal.SIGKILL
        finally:
            other.kill()


def test_one_that_hears_no_ctrl_c_is_ended_as_a_process_manager_does(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        if not platforms.ignores(other.pid, signal.SIGINT):
            pytest.skip("this system does not say what a process ignores")
        Process.of(other.pid, (), "").interrupt()
        assert other.wait(timeout=60) == -signal.SIGTERM


def test_a_process_that_has_ended_does_not_live() -> None:
    with sleeper() as other:
        process = Process.of(other.pid, (), "")
        before = process.lives
        assert before
        other.kill()
        while process.lives:
            time.sleep(0.01)
    with pytest.raises(ProcessLookupError):
        process.interrupt()


def test_the_same_command_goes_on_where_it_was_one_that_runs_a_recipe() -> None:
    run = Process(1, 0.0, ("run", "recipe.yaml", "--limit", "3"), "/", is_pada=True)
    assert command_of(run) == ["run", "recipe.yaml", "--limit", "3"]
    assert command_of(run._replace(argv=("--allow", "/", "run", "x"))) == []
    assert command_of(run._replace(argv=("clean",))) == []
    assert command_of(run._replace(is_pada=False)) == []
