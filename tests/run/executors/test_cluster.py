"""A Ray cluster of several machines, on this one: the same rows as here, a worker that is killed, what is said before.

What needs a cluster is marked `long`: one takes a minute to start.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.errors import EngineError
from engine.project import Project
from engine.rows import Drop, Example
from engine.run.executors import checking
from engine.run.executors.arrow import decoded, encoded
from engine.run.progress import Event
from engine.spec.recipe import Executor
from engine.stages.outputs import Loaded
from engine.version import versions
from tests.e2e.runs import answered_twice, results, rows, start
from tests.e2e.scripted_project import write_project
from tests.run.executors.ray_cluster import machines

HERE = {**versions(), "python": ".".join(versions()["python"].split(".")[:2])}
CHANGES: dict[str, Any] = {
    "SEEDS": "[0, 1]",
    "PATTERNS": "{cluster: {k: 3}, diagnose: 6}",
    "ROWS": "4",
}


def refused(spec: dict[str, Any], state: Path) -> str:
    with pytest.raises(EngineError) as caught:
        checking.check(Executor.model_validate(spec), state)
    assert caught.value.hint
    return str(caught.value)


def test_more_than_this_machine_has_is_refused_before_anything_is_begun(tmp_path: Path) -> None:
    assert "and this machine has" in refused({"slots": 1000, "threads": 1000}, tmp_path)
    recipe = write_project(tmp_path / "project")
    many = {"executor": {"slots": 1000, "threads": 1000}}
    with pytest.raises(EngineError, match="and this machine has"):
        Project.open(recipe, tmp_path / "state", settings=many).run()
    assert rows(tmp_path / "state", "SELECT id FROM run") == []


def test_more_graphics_cards_than_there_are_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "_cards", lambda: 1)
    assert "asks for 2 graphics cards, and torch sees 1" in refused({"gpus": 2}, tmp_path)
    checking.check(Executor(gpus=1), tmp_path)


def test_without_ray_it_is_said_how_to_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install 'pada-engine[ray]'" in refused({"kind": "ray"}, tmp_path)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:{free}", "nobody answers at executor.address 127.0.0.1:"),
        ("head", "is no HOST:PORT"),
        ("127.0.0.1:99999999", "nobody answers"),
    ],
)
def test_an_address_that_nobody_answers_at_is_named(address: str, said: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        with pytest.raises(EngineError) as caught:
            checking._require_answer(address.format(free=taken.getsockname()[1]))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("differs", "said"),
    [
        ({"torch": "1.0"}, "torch is 1.0 on worker-1 (abcdef)"),
        ({"pada-engine": "9.9"}, "pada-engine is 9.9 on worker-1"),
        ({"transformers": None}, "transformers is not installed on worker-1"),
    ],
)
def test_a_machine_with_other_versions_is_named_with_both(
    differs: dict[str, str | None], said: str, tmp_path: Path
) -> None:
    found = {name: value for name, value in {**HERE, **differs}.items() if value is not None}
    with pytest.raises(EngineError) as caught:
        checking._check_machine("abcdef0123", "worker-1", found, "", state=tmp_path)
    assert said in str(caught.value)
    checking._check_machine("abcdef0123", "worker-1", HERE, "", state=tmp_path)


def test_a_machine_that_does_not_see_the_state_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        checking._check_machine("abcdef0123", "worker-1", HERE, "No such file", state=tmp_path)
    assert f"does not see the state folder {tmp_path}" in str(caught.value)


class Fake:
    """A cluster that has what is said."""

    def __init__(self, *machines: dict[str, float]) -> None:
        self._machines = machines

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": machine} for machine in self._machines]


def test_tasks_fit_on_the_machines_or_it_is_said_how_many_do() -> None:
    two = Fake({"CPU": 4.0, "GPU": 1.0}, {"CPU": 2.0})
    for spec, slots in (
        ({}, 2),
        ({"threads": 4}, 1),
        ({"gpus": 1}, 1),
        ({"slots": 3, "threads": 2}, 3),
    ):
        assert checking.places(two, Executor.model_validate({"kind": "ray", **spec})) == slots
    for spec, said in (
        (
            {"slots": 7},
            "7 slots with 1 of CPUs each need 7, and the Ray cluster of 2 machines has 6",
        ),
        ({"gpus": 2}, "has 1"),
        ({"slots": 2, "threads": 3}, "no more than 1 slots with 3 CPUs"),
        ({"threads": 5}, "0 slots with 5 CPUs"),
    ):
        with pytest.raises(EngineError) as caught:
            checking.places(two, Executor.model_validate({"kind": "ray", **spec}))
        assert said in str(caught.value)


def test_rows_come_back_from_arrow_as_they_went() -> None:
    odd = {"text": "half \ud800 of a character", "more": "\u0000"}
    written = Loaded(
        (
            Example("a", "train", odd, "t", {}, "file", 3),
            Drop("load", "b", "duplicate", "again"),
            Example("c", "test", {"text": ""}, "t", {"x": "y"}, "file", 4, ("u",)),
        )
    )
    table = encoded(written)
    assert (table.num_rows, table.column("table").to_pylist()[1]) == (3, Drop.table)
    again = decoded(table)
    assert type(again) is Loaded
    assert again == written
    assert decoded(encoded(Loaded())) == Loaded()


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Three machines of one CPU each; gives the head's address."""
    pytest.importorskip("ray")
    with machines(3) as address:
        yield address


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serial")
    project(folder, {"kind": "serial"}).run()
    return folder / "state"


def project(folder: Path, executor: dict[str, Any]) -> Project:
    recipe = write_project(folder / "project", **CHANGES)
    return Project.open(recipe, folder / "state", settings={"executor": executor})


@pytest.mark.long
def test_a_worker_that_is_killed_costs_its_task_alone_and_rows_are_those_of_this_machine(
    cluster: str, serial: Path, tmp_path: Path
) -> None:
    told: list[Event] = []
    killed: list[int] = []

    def kill() -> None:
        until = time.monotonic() + 300
        while not killed and time.monotonic() < until:
            for one in psutil.process_iter(["name", "cmdline"]):
                # What a Ray worker is called while it has a task.
                if "".join(one.info["cmdline"] or ()).startswith("ray::perform"):
                    killed.append(one.pid)
                    os.kill(one.pid, signal.SIGKILL)
                    break
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    outcome = project(tmp_path, {"kind": "ray", "address": cluster}).run(told.append)
    killer.join()
    assert outcome.status == "done"
    assert killed
    assert results(tmp_path / "state") == results(serial)
    assert answered_twice(tmp_path / "state") == []
    lines = [one.text for one in told if one.kind == "line" and " rows " in one.text]
    trained = [line for line in lines if "/train " in line]
    assert trained
    assert all(f"  on {socket.gethostname()} (" in line for line in trained)
    assert not [line for line in lines if "/score " in line and "  on " in line]
    assert not list((tmp_path / "state" / "running").glob("seen-*"))


@pytest.mark.long
def test_after_a_driver_that_died_the_next_run_goes_on_from_what_is_committed(
    cluster: str, serial: Path, tmp_path: Path
) -> None:
    recipe = write_project(tmp_path / "project", **CHANGES)
    settings = ("--set", "executor.kind=ray", "--set", f"executor.address={cluster}")
    driver = start("run", str(recipe), "--state", str(tmp_path / "state"), *settings)
    assert driver.stdout is not None
    trained = next(line for line in driver.stdout if "/round-0/train " in line)
    driver.kill()
    driver.communicate()
    told: list[Event] = []
    again = Project.open(
        recipe, tmp_path / "state", settings={"executor": {"kind": "ray", "address": cluster}}
    )
    outcome = again.run(told.append)
    assert (outcome.status, outcome.run) == ("done", "r0001")
    assert outcome.cached > 0
    assert not [one for one in told if one.text.startswith(trained.split()[0] + " ")]
    assert results(tmp_path / "state") == results(serial)
    assert answered_twice(tmp_path / "state") == []


@pytest.mark.long
def test_what_the_cluster_lacks_is_said_before_a_run_begins(cluster: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="the Ray cluster of 3 machines has 3"):
        project(tmp_path, {"kind": "ray", "address": cluster, "slots": 50}).run()
    with pytest.raises(EngineError, match="graphics cards"):
        project(tmp_path, {"kind": "ray", "address": cluster, "gpus": 1}).run()
    assert rows(tmp_path / "state", "SELECT id FROM run") == []
    shutil.rmtree(tmp_path / "state")
