"""What a run leaves is its user's alone to read, and what is temporary goes with it, however it ends."""

from __future__ import annotations

import logging
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.system.files import private, write_text
from engine.system.signals import ends_as_interrupts
from tests.security.test_gate import RECIPE, ROWS


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    """The usual umask: others may read what is new."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def opened_to_others(folder: Path) -> list[str]:
    return [
        f"{path.relative_to(folder)} {mode(path):o}"
        for path in [folder, *sorted(folder.rglob("*"))]
        if not path.is_symlink() and mode(path) & 0o077
    ]


def test_what_is_new_in_a_block_is_the_users_alone(tmp_path: Path) -> None:
    with private():
        (tmp_path / "folder").mkdir()
        write_text(tmp_path / "folder" / "a", "x")
        with private():
            (tmp_path / "folder" / "b").touch()
        (tmp_path / "folder" / "c").touch()
        subprocess.run(["sh", "-c", "echo > d"], cwd=tmp_path / "folder", check=True)
    assert opened_to_others(tmp_path / "folder") == []
    assert len(list((tmp_path / "folder").iterdir())) == 4
    (tmp_path / "after").touch()
    assert mode(tmp_path / "after") == 0o644


def test_a_block_that_fails_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(KeyError), private():
        raise KeyError
    (tmp_path / "after").touch()
    assert mode(tmp_path / "after") == 0o644


def test_blocks_of_several_threads_end_in_any_order(tmp_path: Path) -> None:
    begun, end = threading.Event(), threading.Event()

    def work() -> None:
        with private():
            begun.set()
            end.wait(10)

    thread = threading.Thread(target=work)
    with private():
        thread.start()
        assert begun.wait(10)
    (tmp_path / "while").touch()
    end.set()
    thread.join()
    (tmp_path / "after").touch()
    assert (mode(tmp_path / "while"), mode(tmp_path / "after")) == (0o600, 0o644)


@pytest.mark.long
def test_everything_that_a_run_leaves(tmp_path: Path) -> None:
    from engine.project import Project
    from engine.report.files import write_report

    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text(ROWS, "utf-8")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"{RECIPE}loop: {{rounds: 0, control: false}}\n", "utf-8")
    state = tmp_path / "deep" / "state"
    project = Project.open(recipe, state)
    outcome = project.run()
    files = project.report(outcome.run)
    write_report(state, outcome.run, tmp_path / "mine.html")
    assert opened_to_others(state) == []
    assert {path.name for path in state.iterdir()} >= {"store.duckdb", "reports", "models", "id"}
    assert mode(files.html) == mode(files.markdown) == 0o600
    # What the user names a place for is as they have it.
    assert mode(tmp_path / "mine.html") == mode(tmp_path / "mine.md") == 0o644


def test_a_folder_that_is_there_already_keeps_its_mode_and_hides_what_comes_in(
    tmp_path: Path,
) -> None:
    from engine.store import Store
    from engine.store.spool import Spool

    state = tmp_path / "state"
    state.mkdir()
    Store.open(state).close()
    Spool(state / "spool" / "r0001")
    assert opened_to_others(state) == [". 755"]


def test_the_stores_log(tmp_path: Path) -> None:
    from engine.store import Store
    from engine.store.file import FILE, opened

    Store.open(tmp_path).close()
    with opened(tmp_path / FILE, write=True, wait=5) as connection:
        connection.execute("CREATE TABLE one (two INTEGER)")
        assert mode(tmp_path / f"{FILE}.wal") == 0o600


@pytest.mark.parametrize("place", ["reports/r0001.html", "compare.csv", "deep/er/x.md"])
@pytest.mark.parametrize("inside", [True, False])
def test_reports(place: str, inside: bool, tmp_path: Path) -> None:
    from engine.report.files import write_files

    folder = tmp_path / ("state" if inside else "elsewhere")
    write_files("report", {folder / place: "x"}, tmp_path / "state")
    assert mode(folder / place) == (0o600 if inside else 0o644)
    assert bool(opened_to_others(folder)) != inside


def test_a_log_and_those_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.system import log_writing

    monkeypatch.setattr(log_writing, "MOST_BYTES", 200)
    with log_writing.log_to(tmp_path / "log", "info"):
        for _ in range(5):
            logging.getLogger("engine.test").info("%s", "x" * 100)
    names = {path.name for path in tmp_path.iterdir()}
    assert names >= {"log", "log.1"}
    assert all(mode(path) == 0o600 for path in tmp_path.iterdir())


PREVIEW = """
import pathlib, sys, tempfile, time
from engine.system.signals import ends_as_interrupts
with ends_as_interrupts(), tempfile.TemporaryDirectory(prefix="pada-preview-") as folder:
    pathlib.Path(folder, "store").write_text("rows")
    print(folder, flush=True)
    time.sleep(30)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_preview_goes_with_its_process(name: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PREVIEW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)}, preexec_fn=_with_usual_signals,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        folder = Path(child.stdout.readline().strip())
        assert mode(folder) == 0o700
        child.send_signal(getattr(signal, name))
        child.communicate(timeout=20)
    assert child.returncode != 0
    assert list(tmp_path.iterdir()) == []


def _with_usual_signals() -> None:
    for one in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(one, signal.default_int_handler if one == signal.SIGINT else signal.SIG_DFL)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_in_the_block_is_an_interrupt_and_the_handlers_come_back(name: str) -> None:
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(KeyboardInterrupt, match=name), ends_as_interrupts():
            signal.raise_signal(number)
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ends_as_interrupts():
            signal.raise_signal(signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_threads_hear_no_signals() -> None:
    done: list[bool] = []

    def work() -> None:
        with ends_as_interrupts():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


@pytest.mark.parametrize("verb", ["run_recipe", "preview_recipe"])
def test_runs_and_previews_are_such_blocks(verb: str) -> None:
    import inspect

    from engine.cli import compare, running

    assert "ends_as_interrupts()" in inspect.getsource(getattr(running, verb))
    assert "ends_as_interrupts()" in inspect.getsource(compare.compare_command)
