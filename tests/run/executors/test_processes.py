"""Workers: processes that do work for the run, die with it, and whose death costs the work that they were at."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import psutil
import pytest

from engine.errors import BackendError, EngineError, InternalError, Interrupted, ModelError
from engine.project import Project
from engine.run.executors import Shared, Work, Worked
from engine.run.executors.messages import Failure, Rows
from engine.run.executors.processes import Processes
from engine.run.progress import Callback, Event
from engine.stages import STAGES
from engine.stages.outputs import Loaded, Predicted
from engine.stages.protocol import Context
from tests.e2e.scripted_project import write_project

pytestmark = pytest.mark.runs


class Prepared(NamedTuple):
    shared: Shared
    work: Work


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("processes")
    plan, resources = Project.open(write_project(folder / "project"), folder / "state")._compiled
    load, node = plan.nodes["load"], plan.nodes["untuned/predict"]
    rows = STAGES["load"].run(load.params, STAGES["load"].inputs(), cast(Context, None))
    return Prepared(
        Shared(resources.prompts, resources.models, folder / "state"),
        Work(node, STAGES["predict"], {"load": rows}),
    )


@pytest.fixture
def workers(prepared: Prepared) -> Iterator[tuple[Processes, queue.SimpleQueue[Any], list[Event]]]:
    happened: queue.SimpleQueue[Any] = queue.SimpleQueue()
    told: list[Event] = []
    processes = Processes(prepared.shared, Callback(told.append), happened.put, slots=1, threads=1)
    yield processes, happened, told
    processes.close(5)
    assert not _children()


def _children() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children(recursive=True):
        # One that has just ended has no command line any more.
        with contextlib.suppress(psutil.Error):
            if "engine.run.executors.child" in child.cmdline():
                found.append(child)
    return found


def until(found: Callable[[], Any], seconds: float = 60) -> Any:
    """Return what is found, as soon as there is something."""
    ends = time.monotonic() + seconds
    while not (value := found()):
        if time.monotonic() > ends:
            raise TimeoutError("nothing came")
        time.sleep(0.01)
    return value


def result(happened: queue.SimpleQueue[Any]) -> Any:
    began, worked = happened.get(timeout=120), happened.get(timeout=120)
    assert (began.where, type(worked)) == ("slot 1", Worked)
    return worked.result


def kill_next(known: set[int]) -> None:
    (child,) = until(lambda: [one for one in _children() if one.pid not in known])
    known.add(child.pid)
    os.kill(child.pid, signal.SIGKILL)


def test_work_whose_process_is_killed_is_done_again_in_another_one(
    prepared: Prepared, workers: tuple[Processes, queue.SimpleQueue[Any], list[Event]]
) -> None:
    processes, happened, told = workers
    processes.submit(prepared.work)
    kill_next(set())
    rows = result(happened)
    assert isinstance(rows, Predicted), rows
    assert len(rows.predictions) == len(prepared.work.sources["load"].rows)
    assert [one.text for one in told if one.kind == "warning"] == [
        "untuned/predict: its process (slot 1) was killed (signal 9); the work is done again"
    ]
    # The process stays, and has the rows already.
    (child,) = _children()
    processes.submit(prepared.work)
    assert result(happened) == rows
    assert _children() == [child]


def test_work_whose_processes_are_killed_again_and_again_ends_the_run_in_words(
    prepared: Prepared, workers: tuple[Processes, queue.SimpleQueue[Any], list[Event]]
) -> None:
    processes, happened, _ = workers
    processes.submit(prepared.work)
    known: set[int] = set()
    kill_next(known)
    kill_next(known)
    error = result(happened)
    assert isinstance(error, ModelError)
    assert "untuned/predict" in error.message
    assert "ran out of memory" in error.message
    assert "executor.slots" in error.hint


def test_work_that_is_told_to_end_ends_and_is_not_done_again(
    prepared: Prepared, workers: tuple[Processes, queue.SimpleQueue[Any], list[Event]]
) -> None:
    processes, happened, told = workers
    processes.submit(prepared.work)
    until(_children)
    processes.close(60)
    assert isinstance(result(happened), Interrupted)
    assert told == []


def test_rows_that_a_worker_has_are_not_sent_again(prepared: Prepared) -> None:
    there, here = Rows(), Rows()
    work = prepared.work
    for sent in (["load"], []):
        order = there.order(work)
        assert list(order.new) == sent
        assert here.work(order).sources == work.sources
    other = Work(work.node, work.stage, {"load": Loaded()})
    assert list(there.order(other).new) == ["load"]


def test_errors_are_the_same_on_the_other_side_and_a_bug_says_where_it_is() -> None:
    for error in (ModelError("what", "do"), BackendError("b"), Interrupted("stopped")):
        again = Failure.of(error).error
        assert (type(again), str(again)) == (type(error), str(error))
    assert isinstance(Failure.of(KeyboardInterrupt()).error, Interrupted)
    assert isinstance(Failure.of(MemoryError()).error, EngineError)
    full = Failure.of(OSError(28, "No space left on device", "/x")).error
    assert isinstance(full, EngineError)
    assert "/x: No space left" in str(full)
    try:
        raise KeyError("a row's words")
    except KeyError as error:
        bug = Failure.of(error).error
    assert isinstance(bug, InternalError)
    assert __file__ in bug.__notes__[0]
