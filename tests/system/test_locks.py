from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.system.locks import HeldError, Holder, hold, holder

HOLD = """
import sys, time
from pathlib import Path
from engine.system.locks import hold
with hold(Path(sys.argv[1]), 5) as lock:
    lock.describe("r0001")
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_elsewhere(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Hold the lock in another process until the block or the process ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.stdin.close()


def test_a_lock_is_held_by_one_process_which_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with held_elsewhere(path) as process:
        assert holder(path) == Holder(process.pid, "r0001")
        with pytest.raises(HeldError) as caught, hold(path, 0):
            pass
        assert caught.value.holder == Holder(process.pid, "r0001")
    assert holder(path) is None
    with hold(path, 0):
        assert holder(path) == Holder(os.getpid(), "")


def test_a_lock_is_gone_with_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with held_elsewhere(path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert holder(path) is None
        with hold(path, 0):
            pass


def test_a_waiter_gets_the_lock_when_the_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with held_elsewhere(path) as process:
        threading.Timer(0.3, process.kill).start()
        with hold(path, float("inf")):
            process.wait()
            assert holder(path) == Holder(os.getpid(), "")


def test_a_lock_excludes_others_of_its_own_process(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with hold(path, 0):
        with pytest.raises(HeldError), hold(path, 0.1):
            pass
        assert holder(path) == Holder(os.getpid(), ""), "the refused one took nothing away"


def test_a_process_that_a_holder_starts_does_not_hold_on_to_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with hold(path, 0):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert holder(path) is None
    finally:
        child.communicate(b"\n")


def test_those_who_ask_do_not_take_each_other_for_holders(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    # What a killed process leaves: its name in the file, and no lock.
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    path.write_text(f'{{"pid": {gone.stdout.strip()}, "note": "r0001"}}', "utf-8")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: holder(path), range(400)))
    assert set(answers) == {None}


def test_asking_makes_nothing(tmp_path: Path) -> None:
    assert holder(tmp_path / "nowhere" / "a.lock") is None
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_may_only_be_read_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.lock"
    open_file = os.open

    def read_only(file: Path | str, flags: int, *arguments: int, **named: int) -> int:
        if flags & (os.O_RDWR | os.O_WRONLY):
            raise PermissionError(errno.EACCES, "Permission denied")
        return open_file(file, flags, *arguments, **named)

    with held_elsewhere(path) as process:
        monkeypatch.setattr(os, "open", read_only)
        assert holder(path) == Holder(process.pid, "r0001")
        process.kill()
        process.wait()
        assert holder(path) is None


def test_what_stands_in_a_lock_is_always_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with hold(path, 0) as lock:
        for note in ("a long description of a run", "short"):
            lock.describe(note)
            assert holder(path) == Holder(os.getpid(), note)


def test_waiting_ends_after_the_time_that_was_given(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with hold(path, 0):
        begun = time.monotonic()
        with pytest.raises(HeldError), hold(path, 0.3):
            pass
        assert time.monotonic() - begun > 0.25
