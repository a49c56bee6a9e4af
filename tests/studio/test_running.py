"""Plans, and runs that are started, watched, stopped and gone on with from pages; processes and recipes are real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine.errors import RunError
from engine.gate import own_state
from engine.run.progress import Callback
from engine.run.watching import Watched, control, standing
from engine.store import lock
from engine.studio.settings import Settings
from tests.e2e import batch_project, tiny_project
from tests.e2e.runs import ROOT, answered_twice, pada_here, results
from tests.studio.conftest import Studio, opened

PATIENCE = 120.0
"""Seconds; a guard against what hangs."""
HOSTILE = "$(touch stolen)`touch stolen`; touch stolen #.yaml"


def write(folder: Path, delay_ms: int) -> Path:
    recipe = tiny_project.write_project(folder, scripted=True, delay_ms=delay_ms)
    recipe.write_text(recipe.read_text("utf-8").replace("rounds: 2", "rounds: 1"), "utf-8")
    return recipe


def until(look: Callable[[], Any], done: Callable[[Any], bool]) -> Any:
    """Return what is seen once it is as wanted."""
    end = time.monotonic() + PATIENCE
    while not done(found := look()):
        if time.monotonic() > end:
            pytest.fail(f"it hangs: {found}")
        time.sleep(0.05)
    return found


def seen(studio: Studio) -> Any:
    return studio.get("running", whole=1)


def at_work(found: Any) -> bool:
    """Whether a run asks models: it has replies that would be lost if they were not kept."""
    assert found["state"] in ("none", "starting", "running"), found
    return bool(found["state"] == "running") and (found["spent"] or {}).get("calls", 0) > 0


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


@pytest.fixture
def studio(project: Path) -> Iterator[Studio]:
    """A studio over an own project; what runs in it is ended."""
    state = project / ".pada"
    yield opened(Settings(state, project))
    found = standing(state)
    if found.process is not None and found.process.lives and found.process.pid != os.getpid():
        found.process.kill()


def test_a_plan_says_what_is_to_be_done_why_and_what_it_takes(
    studio: Studio, project: Path
) -> None:
    write(project, 0)
    asked = {"recipe": "recipe.yaml"}
    plan = studio.post("running/plan", asked).json()
    nodes = {node["name"]: node for node in plan["nodes"]}
    assert {node["state"] for node in nodes.values()} == {"pending"}
    assert nodes["seed-0/round-0/diagnose"]["price"]["calls"][1] > 0
    assert nodes["seed-0/round-0/train"]["price"]["steps"] > 0
    assert nodes["seed-0/round-0/cluster"]["price"] is None
    assert "load" in nodes["untuned/predict"]["inputs"]
    highest = [node["price"]["calls"][1] for node in nodes.values() if node["price"]]
    assert plan["total"]["calls"][1] == pytest.approx(sum(highest), abs=len(highest))
    assert plan["said"][0].startswith(f"estimate: {plan['total']['calls'][0]:,} to ")
    assert set(plan["stages"]) == {node["stage"] for node in nodes.values()}
    assert plan["stages"]["diagnose"] == "The teacher says why an answer is wrong."
    assert plan["missing"] == []
    assert plan["command"] == "pada run recipe.yaml"
    assert not (project / ".pada").exists()


def test_problems_and_consent_that_are_missing_are_said_before(
    studio: Studio, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = write(project, 0)
    text = recipe.read_text("utf-8")
    wrong = project / "wrong.yaml"
    wrong.write_text(text.replace("failure: accuracy < 1", "failure: acuracy < 1"), "utf-8")
    plan = studio.post("running/plan", {"recipe": "wrong.yaml"}).json()
    assert plan["nodes"] == []
    assert any("acuracy" in one["message"] for one in plan["problems"])
    hosted = "{backend: openai, model: m, base_url: 'https://models.example/v1', size: 1B, api_key: {env: THE_KEY}}"
    scripted = "{backend: scripted, model: teacher, replies: replies.jsonl, delay_ms: 0}"
    assert scripted in text
    recipe.write_text(text.replace(scripted, hosted), "utf-8")
    (missing,) = studio.post("running/plan", {"recipe": "recipe.yaml"}).json()["missing"]
    assert "THE_KEY" in missing["what"]
    assert "is not set" in missing["what"]
    monkeypatch.setenv("THE_KEY", "s3cret")
    answer = studio.post("running/plan", {"recipe": "recipe.yaml"})
    (missing,) = answer.json()["missing"]
    assert "you have not consented to that" in missing["what"]
    assert "pada trust --key" in missing["how"]
    assert "s3cret" not in answer.text


@pytest.mark.runs
def test_a_run_is_started_watched_by_another_server_stopped_gone_on_with_and_then_planned_as_done(
    studio: Studio, project: Path
) -> None:
    recipe = write(project, 15)
    state = project / ".pada"
    straight = project.parent / "straight"
    few = ["--limit", "12"]
    assert pada_here("run", recipe, "--state", straight, "--quiet", *few).code == 0
    answer = studio.post("running/start", {"recipe": "recipe.yaml", "limit": 12})
    assert answer.status_code == 200, answer.text
    pid = answer.json()["pid"]
    again = studio.post("running/start", {"recipe": "recipe.yaml"})
    assert again.status_code == 400
    assert "going on in" in again.json()["error"]
    assert f"process {pid}" in again.json()["error"]

    restarted = opened(Settings(state, project))
    found = until(lambda: seen(restarted), at_work)
    assert (found["pid"], found["recipe"], found["can_stop"]) == (pid, "tiny", True)
    assert found["states"]["load"] == "done"
    assert len(found["nodes"]) == found["total"] > found["over"] > 0
    assert found["stages"]["predict"].startswith("The student answers every row")
    assert found["told"]
    known = restarted.get("running", whole=1, seen=seen(restarted)["mark"])
    assert known.get("same") in (True, False)

    assert restarted.post("running/stop", {"pid": pid + 1}).status_code == 400
    assert restarted.post("running/stop", {"pid": pid}).json() == {"pid": pid}
    found = until(lambda: seen(restarted), lambda now: now["state"] != "running")
    assert (found["state"], found["ended"]["status"]) == ("ended", "interrupted")
    assert found["can_go_on"]
    until(lambda: standing(state).process, lambda process: not process.lives)
    assert any("run the same command again" in line for line in seen(restarted)["log"])
    refused = restarted.post("running/stop", {"pid": pid})
    assert "no run is going on" in refused.json()["error"]

    assert restarted.post("running/again", {}).status_code == 200
    found = until(lambda: seen(restarted), lambda now: (now["ended"] or {}).get("status") == "done")
    assert not found["can_go_on"] or found["state"] == "running"
    until(lambda: standing(state), lambda now: now.state == "ended" and not now.process.lives)
    assert results(state) == results(straight)
    assert answered_twice(state) == []
    assert [run["facts"]["status"] for run in restarted.get("runs")["runs"]] == ["done"]

    asked: dict[str, Any] = {"recipe": "recipe.yaml", "limit": 12}
    plan = restarted.post("running/plan", asked).json()
    assert {node["state"] for node in plan["nodes"]} == {"cached"}
    assert plan["said"] == ["nothing left to ask or to train"]
    plan = restarted.post("running/plan", asked | {"settings": ["train.steps=9"]}).json()
    nodes = {node["name"]: node for node in plan["nodes"]}
    changed = nodes["seed-0/round-0/train"]
    assert (changed["state"], changed["because"]) == ("changed", "train.steps: 8 -> 9")
    assert nodes["load"]["state"] == "cached"
    assert nodes["seed-0/round-0/predict"]["because"] == "input changed: seed-0/round-0/train"


@pytest.mark.runs
def test_a_run_of_a_terminal_is_seen_and_one_that_was_killed_is_said(
    studio: Studio, project: Path
) -> None:
    write(project, 30)
    command = [sys.executable, "-m", "engine.cli", "run", "recipe.yaml", "--limit", "16"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [*command, "--state", ".pada"], cwd=project, env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as terminal:  # fmt: skip
        try:
            found = until(lambda: seen(studio), at_work)
            assert found["pid"] == terminal.pid
            assert found["command"] == "pada run recipe.yaml --limit 16 --state .pada"
            with pytest.raises(RunError, match="is going on"):
                control.start(["run"], project / ".pada", project)
            asked = {"pid": terminal.pid, "kill": True}
            assert studio.post("running/stop", asked).status_code == 200
            assert terminal.wait(timeout=PATIENCE) == -signal.SIGKILL
        finally:
            terminal.kill()
    found = seen(studio)
    assert (found["state"], found["ended"], found["can_go_on"]) == ("killed", None, True)
    assert found["written"] > found["began"]
    assert found["folder"] == str(project)


@pytest.mark.runs
def test_a_run_that_waits_names_its_files_and_the_commands_that_go_on(
    studio: Studio, project: Path
) -> None:
    recipe = batch_project.with_batch(batch_project.write(project, seeds="[0]", rounds=1))
    plan = studio.post("running/plan", {"recipe": recipe.name}).json()
    assert {one["role"] for one in plan["asked"] if one["later"]} == {"teacher", "judge"}
    state = project / ".pada"
    assert pada_here("run", recipe, "--state", state, "--limit", 12).code == 75
    found = seen(studio)
    assert (found["state"], found["ended"]["status"]) == ("ended", "waiting")
    (file,) = found["ended"]["waits_for"]
    assert Path(file["file"]) == state / "batch" / "r0001" / "requests.jsonl"
    assert file["requests"] > 0
    assert found["import_command"] == f"pada batch import RESULTS --state {state}"
    assert found["can_go_on"]
    assert "waiting" in found["states"].values()


def test_text_of_a_run_that_is_no_text_is_answered(studio: Studio, project: Path) -> None:
    own_state(project / ".pada")
    live = project / ".pada" / "running" / "live.json"
    with Watched(live, "r0001", "\u202e\udcff", Callback()).written() as watched:
        watched.warn("\udcff\u202e" + "x" * 100_000)
    found = seen(studio)
    assert (found["state"], found["ended"]) == ("killed", None)
    assert "\u202e" not in found["warned"][0][2]
    assert len(found["warned"][0][2]) < 3_000


def test_what_is_worked_on_side_by_side_is_told_while_it_is(studio: Studio, project: Path) -> None:
    state = project / ".pada"
    own_state(state)
    live = state / "running" / "live.json"
    with lock.hold(state), Watched(live, "r0001", "tiny", Callback()).written() as watched:
        for name, place in (("seed-0/train", "slot 1"), ("seed-1/train", "slot 2"), ("load", "")):
            watched.node(name, "running", place)
        watched.node("seed-1/train", "done")
        found = until(lambda: seen(studio), lambda now: now["states"].get("seed-1/train") == "done")
        assert found["places"] == {"seed-0/train": "slot 1"}
    assert seen(studio)["places"] == {}


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is started in Python's place: it writes its arguments, a line each, and waits."""
    program, out = tmp_path / "python", tmp_path / "arguments"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {out}\nexec sleep 600\n', "utf-8")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    return out


def test_hostile_names_and_settings_are_arguments_and_no_shell_reads_them(
    studio: Studio, project: Path, stub: Path
) -> None:
    (project / HOSTILE).write_text(write(project, 0).read_text("utf-8"), "utf-8")
    settings = ["train.steps=$(touch stolen)", "--state=/elsewhere"]
    asked = {"recipe": HOSTILE, "limit": 5, "settings": settings}
    assert studio.post("running/start", asked).status_code == 200
    said = until(
        lambda: stub.read_text("utf-8") if stub.exists() else "",
        lambda text: text.endswith("yaml\n"),
    ).splitlines()
    assert said[:4] == ["-P", "-u", "-m", "engine.cli"]
    assert said[4:] == [
        "run", f"--state={project / '.pada'}", f"--set={settings[0]}", f"--set={settings[1]}", "--limit=5", "--",
        str(project / HOSTILE),
    ]  # fmt: skip
    assert not (project / "stolen").exists()


@pytest.mark.parametrize(
    "asked",
    [
        {"recipe": "../recipe.yaml"},
        {"recipe": "/etc/passwd"},
        {"recipe": "data.jsonl"},
        {"recipe": "recipe.yaml", "limit": 0},
        {"recipe": "recipe.yaml", "limit": "x"},
        {"recipe": "recipe.yaml", "settings": "train.steps=1"},
        {"recipe": "recipe.yaml", "settings": ["no assignment"]},
        {"recipe": "recipe.yaml", "settings": ["a=b\0c"]},
        {"recipe": 5},
    ],
    ids=str,
)
def test_what_is_no_recipe_or_no_setting_starts_nothing(
    studio: Studio, project: Path, stub: Path, asked: dict[str, Any]
) -> None:
    write(project, 0)
    answer = studio.post("running/start", asked)
    assert answer.status_code == 400, answer.text
    assert not stub.exists()
    assert studio.bugs == []


def test_of_two_that_start_at_once_one_is_refused(project: Path, stub: Path) -> None:
    state = project / ".pada"

    def begin(_: int) -> str:
        try:
            return str(control.start(["run", "x"], state, project).process.pid)
        except RunError as refused:
            return refused.message

    with ThreadPoolExecutor(4) as threads:
        said = list(threads.map(begin, range(4)))
    (pid,) = [one for one in said if one.isdecimal()]
    assert {f"process {pid}" in one for one in said if not one.isdecimal()} == {True}
    found = standing(state)
    assert (found.state, found.process and found.process.pid) == ("starting", int(pid))
    control.stop(state, int(pid))
    until(lambda: standing(state).state, lambda now: now == "not begun")


def test_what_a_run_said_that_never_began_is_kept(studio: Studio, project: Path) -> None:
    recipe = write(project, 0)
    recipe.write_text(recipe.read_text("utf-8") + "no_such_key: 1\n", "utf-8")
    assert studio.post("running/start", {"recipe": "recipe.yaml"}).status_code == 200
    found = until(lambda: seen(studio), lambda now: now["state"] == "not begun")
    assert any("no_such_key" in line for line in found["log"])


def test_a_studio_for_looking_starts_and_stops_nothing(
    studio: Studio, project: Path, stub: Path
) -> None:
    write(project, 0)
    looking = opened(Settings(project / ".pada", project, read_only=True))
    for path in ("running/start", "running/again", "running/stop"):
        answer = looking.post(path, {"recipe": "recipe.yaml"})
        assert answer.status_code == 400
        assert "for looking only" in answer.json()["error"]
    assert not stub.exists()
    assert looking.post("running/plan", {"recipe": "recipe.yaml"}).status_code == 200


def test_where_nothing_ran_there_is_nothing_to_go_on_with(studio: Studio) -> None:
    assert seen(studio)["state"] == "none"
    assert "not started by `pada run`" in studio.post("running/again", {}).json()["error"]
    assert "no run is going on" in studio.post("running/stop", {"pid": 1}).json()["error"]


def test_a_disk_without_room_starts_nothing(
    studio: Studio, project: Path, stub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project, 0)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(control, "_process", full)
    answer = studio.post("running/start", {"recipe": "recipe.yaml"})
    assert "No space left on device" in answer.json()["error"]
    assert seen(studio)["state"] == "none"
