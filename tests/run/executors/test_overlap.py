"""What goes on at the same time in one run, and that its results are those of one thing after the other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.backends import scripted
from engine.backends.protocol import Completion
from engine.errors import BackendError, ModelError
from engine.project import Project
from engine.run.progress import Event
from engine.run.session import Session
from tests.e2e.runs import answered_twice, results, rows
from tests.e2e.scripted_project import write_project

pytestmark = pytest.mark.runs

LONGEST = 60.0
"""Seconds after which a test that hangs fails."""


def project(folder: Path, executor: str = "") -> Project:
    changed: dict[str, Any] = {
        "SEEDS": "[0, 1]",
        "PATTERNS": "{cluster: {k: 3}, diagnose: 6}",
        "ROWS": "4",
    }
    recipe = write_project(folder / "project", **changed)
    settings = {"executor": {"kind": executor}} if executor else {}
    return Project.open(recipe, folder / "state", settings=settings)


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of a run that does one thing after the other, in the plan's order."""
    folder = tmp_path_factory.mktemp("serial")
    told: list[Event] = []
    assert project(folder, "serial").run(told.append).status == "done"
    ended = [one.text.split()[0] for one in told if one.kind == "line" and " rows " in one.text]
    stages = [name.removeprefix("seed-0/") for name in ended if not name.startswith("seed-1")]
    assert stages[:4] == ["load", "untuned/predict", "untuned/score", "round-0/train"]
    return folder / "state"


def trains(monkeypatch: pytest.MonkeyPatch, work: Any) -> None:
    """Have `work` called at the beginning of each fine-tune."""
    trainer = Session.trainer

    def watched(self: Session) -> Any:
        train = trainer(self)
        return lambda job, progress: work(job) or train(job, progress)

    monkeypatch.setattr(Session, "trainer", watched)


def test_a_server_answers_while_another_seed_is_trained_and_the_rows_are_those_of_the_serial_run(
    serial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answered = threading.Event(), threading.Event()
    complete = scripted.ScriptedGenerator.complete_many
    found: list[bool] = []

    def train(job: Any) -> None:
        if job.seed == 1 and not found:
            # The first seed's failures are being diagnosed, and are diagnosed before this training goes on.
            found.append(asked.wait(LONGEST) and answered.wait(LONGEST))

    def answer(self: Any, *given: Any, **named: Any) -> Iterator[list[Completion]]:
        asked.set()
        yield from complete(self, *given, **named)
        answered.set()

    trains(monkeypatch, train)
    monkeypatch.setattr(scripted.ScriptedGenerator, "complete_many", answer)
    assert project(tmp_path).run().status == "done"
    assert found == [True]
    assert results(tmp_path / "state") == results(serial)
    assert answered_twice(tmp_path / "state") == []
    asked_for = "SELECT DISTINCT id FROM llm_call ORDER BY id"
    assert rows(tmp_path / "state", asked_for) == rows(serial, asked_for)


def test_an_error_ends_what_goes_on_beside_it_and_is_the_one_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[int] = []

    def train(job: Any) -> None:
        trained.append(job.seed)
        if job.seed == 1:
            raise ModelError("the second seed cannot be trained", "choose another one")

    trains(monkeypatch, train)
    with pytest.raises(ModelError, match="the second seed"):
        project(tmp_path).run()
    assert rows(tmp_path / "state", "SELECT status FROM run") == [{"status": "failed"}]
    assert trained == [0, 1]
    monkeypatch.undo()
    # What was paid is kept: the run goes on, and asks nothing again.
    assert project(tmp_path).run().status == "done"
    assert answered_twice(tmp_path / "state") == []


def test_a_server_that_fails_ends_the_run_though_nobody_waits_for_it_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = threading.Event()

    def fail(self: Any, *given: Any, **named: Any) -> Iterator[list[Completion]]:
        failing.set()
        if given:
            raise BackendError("the server is gone")
        yield []

    trains(monkeypatch, lambda job: job.seed == 1 and failing.wait(LONGEST) and None)
    monkeypatch.setattr(scripted.ScriptedGenerator, "complete_many", fail)
    with pytest.raises(BackendError, match="the server is gone"):
        project(tmp_path).run()
    assert rows(tmp_path / "state", "SELECT status FROM run") == [{"status": "failed"}]
