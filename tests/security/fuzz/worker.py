"""Tries inputs in processes that are forked for a few of them each, and watches what they take."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import psutil

LONGEST = 20.0
"""Seconds of work that one input may take."""
IDLE = 15 * LONGEST
"""Seconds after which it hangs, whatever it does: on a machine with much else to do, work takes its time."""
MOST_BYTES = 2 * 1024**3
"""Memory that a process may take."""
BATCH = 25
"""Inputs per process."""


class Finding(NamedTuple):
    """An input that did not end as it should."""

    number: int
    how: str
    """Which kind of failure: where a traceback ended, a hang, …"""
    detail: str


Attempt = Callable[[int, Random, Path], str]
"""Tries an input in an empty folder; returns how it ended. What it raises is a finding."""


class Wrong(Exception):
    """An input did not end as it should."""

    def __init__(self, how: str, detail: str) -> None:
        """Take a word or two to tell kinds apart, and what happened."""
        super().__init__(f"{how}\n{detail}")
        self.how, self.detail = how, detail


def tried(
    attempt: Attempt, kind: str, seed: int, count: int, number: int = 0
) -> Iterator[str | Finding]:
    """Yield how each of the inputs up to `count` ended."""
    while number < count:
        for number, ended in _batch(attempt, kind, seed, number, min(count, number + BATCH)):  # noqa: B007, B020
            yield ended
        number += 1


def _batch(
    attempt: Attempt, kind: str, seed: int, first: int, end: int
) -> Iterator[tuple[int, str | Finding]]:
    """Yield the number and the end of inputs, until the process that tries them ends."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _work(attempt, kind, seed, range(first, end), writer)
    os.close(writer)
    watched = psutil.Process(child)
    number, began, worked = first, time.monotonic(), 0.0
    with os.fdopen(reader, "rb", buffering=0) as lines:
        try:
            while True:
                if not select.select([lines], [], [], 0.25)[0]:
                    busy = sum(watched.cpu_times()[:2]) - worked
                    if busy > LONGEST or time.monotonic() - began > IDLE:
                        yield number, Finding(number, "hang", _stack(watched))
                        return
                    if watched.memory_info().rss > MOST_BYTES:
                        yield number, Finding(number, "memory", "more than 2 GB")
                        return
                    continue
                line = lines.readline()
                if not line:
                    break
                told: dict[str, Any] = json.loads(line)
                if "how" in told:
                    yield number, Finding(number, told["how"], told["detail"])
                else:
                    yield number, told["ended"]
                number, began = number + 1, time.monotonic()
                worked = sum(watched.cpu_times()[:2])
        finally:
            if watched.is_running() and watched.status() != psutil.STATUS_ZOMBIE:
                os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
    if number < end:
        yield number, Finding(number, f"process ended: {status}", "")


def _stack(process: psutil.Process) -> str:
    """Return where a process hangs, as it writes it into its file on SIGUSR1."""
    os.kill(process.pid, signal.SIGUSR1)
    time.sleep(0.5)
    file = Path(tempfile.gettempdir(), f"fuzz-stack-{process.pid}")
    text = file.read_text("utf-8", "replace") if file.exists() else ""
    file.unlink(missing_ok=True)
    return text


def _work(attempt: Attempt, kind: str, seed: int, numbers: range, writer: int) -> None:
    import faulthandler

    stack = Path(tempfile.gettempdir(), f"fuzz-stack-{os.getpid()}")
    with stack.open("w", encoding="utf-8") as file:
        faulthandler.register(signal.SIGUSR1, file)
        home = Path.cwd()
        for number in numbers:
            with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
                os.chdir(folder)
                try:
                    told = {
                        "ended": attempt(number, Random(f"{kind}-{seed}-{number}"), Path(folder))
                    }
                except Wrong as wrong:
                    told = {"how": wrong.how, "detail": wrong.detail}
                except BaseException as error:
                    told = {"how": place_of(error), "detail": traceback.format_exc()}
                os.chdir(home)
            os.write(writer, json.dumps(told).encode() + b"\n")
    stack.unlink(missing_ok=True)
    os._exit(0)


def place_of(error: BaseException) -> str:
    """Return what tells kinds of tracebacks apart: the error and the last line of the engine that it passed."""
    last = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if f"{os.sep}engine{os.sep}" in frame.filename:
            last = (
                f"{frame.filename.split(f'{os.sep}engine{os.sep}')[-1]}:{frame.lineno} {frame.name}"
            )
    return f"{type(error).__name__} in {last}"


def say(text: str) -> None:
    """Print at once, whatever the text holds."""
    sys.stdout.write(text.encode("ascii", "backslashreplace").decode() + "\n")
    sys.stdout.flush()
