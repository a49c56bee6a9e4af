"""Writing how far a run is: what it tells its observer and what becomes of its nodes, into one file that is replaced.

A thread of its own writes, at most twice a second and only where something has changed: the run counts, and waits for
nothing. What cannot be written (a full disk, a folder that was removed) is let go: the run does not depend on it.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.errors import Interrupted
from engine.plan.graph import Node, Plan
from engine.run.progress import Advance, Reporter
from engine.run.watching.processes import Process
from engine.store import Spent, now

FOLDER = "running"
"""Of the state folder: what is said of the run that goes on, and what runs print that nobody waits for."""
LIVE = "live.json"
EVERY = 0.5
"""Seconds between two writings, at least."""
SIGN = 5.0
"""Seconds after which it is written all the same: so that one knows when a run was killed."""
LINES = 60
"""Lines that are kept of what the run told last."""
LONGEST = 2_000
"""Characters of one of them."""
FEW = 2
"""Items after the first that must be through before anything is said of the time that is left."""


class Watched:
    """Hands on what a run reports, and writes it down for those who look from outside."""

    def __init__(self, file: Path, run: str, recipe: str, watcher: Reporter) -> None:
        """Take the file, what the run is called, and who watches it already."""
        self._file, self._watcher = file, watcher
        self._head = {
            "run": run,
            "recipe": recipe,
            "process": Process.this().stored,
            "began": _time(),
        }
        self._nodes = "[]"
        """As JSON: it is most of the file, and stays as it is."""
        self._states: dict[str, str] = {}
        self._places: dict[str, str] = {}
        self._works: dict[str, _Work] = {}
        self._told: deque[tuple[str, str, str]] = deque(maxlen=LINES)
        self._warned: deque[tuple[str, str, str]] = deque(maxlen=LINES)
        self._spent: Callable[[], tuple[Spent, int]] = lambda: (Spent(0, 0, 0.0), 0)
        self._budget: Mapping[str, Any] = {}
        self._ended: Mapping[str, Any] | None = None
        self._serial = 0
        self._lock = threading.Lock()
        self._handing = threading.RLock()
        """Whoever watches is told one thing at a time, whatever goes on side by side."""
        self._changed, self._over = threading.Event(), threading.Event()

    # What a run reports, as `Reporter` has it.

    def say(self, text: str) -> None:
        """Keep one line, and hand it on."""
        self._keep(self._told, "line", text)
        with self._handing:
            self._watcher.say(text)

    def warn(self, text: str) -> None:
        """Keep a warning, and hand it on."""
        self._keep(self._told, "warning", text)
        self._keep(self._warned, "warning", text)
        with self._handing:
            self._watcher.warn(text)

    def open(self, what: str, total: int) -> Advance:
        """Begin a piece of work."""
        with self._handing:
            inner = self._watcher.open(what, total)
        work = _Work(inner, total, self._changed, self._handing)
        with self._lock:
            self._works[what] = work
        return work

    # What becomes of its nodes.

    def planned(
        self, plan: Plan, budget: Mapping[str, Any], spent: Callable[[], tuple[Spent, int]]
    ) -> None:
        """Take what is to be done, what may be spent, and what says how much was, and how many calls are under way."""
        nodes = json.dumps([_drawn(node) for node in plan.nodes.values()])
        with self._lock:
            self._nodes, self._budget, self._spent = nodes, budget, spent
        self._changed.set()

    def node(self, name: str, state: str, where: str = "") -> None:
        """Note what becomes of a node: running | waiting | done | cached | skipped; and who else works on it."""
        with self._lock:
            self._states[name] = state
            self._places.pop(name, None)
            if where:
                self._places[name] = where
            if state != "running":
                self._works.pop(name, None)
        self._changed.set()

    def ended(self, status: str, note: str, waits_for: list[dict[str, Any]] | None = None) -> None:
        """Note how the run ended: what is written last."""
        self._ended = {"at": _time(), "status": status, "note": note, "waits_for": waits_for or []}

    @contextlib.contextmanager
    def written(self) -> Iterator[Watched]:
        """Keep the file up to date for the block, and write how it ended."""
        thread = threading.Thread(target=self._write_regularly, name="live file", daemon=True)
        thread.start()
        try:
            yield self
        except BaseException as error:
            status = (
                "interrupted" if isinstance(error, Interrupted | KeyboardInterrupt) else "failed"
            )
            note = error.message if isinstance(error, Interrupted) else str(error)
            self.ended(status, note or type(error).__name__)
            raise
        finally:
            self._over.set()
            self._changed.set()
            thread.join()
            self._write()

    def _keep(self, lines: deque[tuple[str, str, str]], kind: str, text: str) -> None:
        with self._lock:
            lines.append((_time(), kind, text[:LONGEST]))
        self._changed.set()

    def _write_regularly(self) -> None:
        while not self._over.is_set():
            self._changed.wait(SIGN)
            self._changed.clear()
            self._write()
            self._over.wait(EVERY)

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            part = self._file.with_suffix(".part")
            self._file.parent.mkdir(mode=0o700, exist_ok=True)
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "wb") as stream:
                stream.write(self._content())
            # Not flushed to the disk: after a crash of the machine nobody asks how far the run was.
            part.replace(self._file)

    def _content(self) -> bytes:
        spent, in_flight = self._spent()
        with self._lock:
            self._serial += 1
            works = {what: work.shown() for what, work in self._works.items() if not work.is_done}
            # Not orjson, which refuses halves of characters, as in names of files: the run must not end by them.
            said = json.dumps(
                {
                    **self._head,
                    "serial": self._serial,
                    "written": _time(),
                    "states": self._states,
                    "places": self._places,
                    "works": works,
                    "spent": {**spent._asdict(), "in_flight": in_flight},
                    "budget": self._budget,
                    "told": list(self._told),
                    "warned": list(self._warned),
                    "ended": self._ended,
                },
                default=str,
            )
            return f'{said[:-1]}, "nodes": {self._nodes}}}'.encode()


class _Work:
    """One piece of work; what is counted is read by the thread that writes."""

    def __init__(
        self, inner: Advance, total: int, changed: threading.Event, handing: threading.RLock
    ) -> None:
        self._inner, self._total, self._changed, self._handing = inner, total, changed, handing
        self._done = 0
        self._first: tuple[float, int] | None = None
        """When the first items were through, and how many: before it, weights are loaded, too.

        Those of an earlier process come first, in one call; what is told of nothing more says that work begins now.
        """
        self._last = self._began = time.monotonic()
        self.note = ""

    def __call__(self, finished: int) -> None:
        self._done += finished
        self._last = time.monotonic()
        if self._first is None or self._done == self._first[1]:
            self._first = self._last, self._done
        if not self._changed.is_set():
            self._changed.set()
        with self._handing:
            self._inner.note = self.note
            self._inner(finished)

    @property
    def is_done(self) -> bool:
        return self._done >= self._total

    def shown(self) -> dict[str, Any]:
        """Return how far it is; rate and time left are null before a few items."""
        began, first = self._first or (self._last, 0)
        counted, seconds = self._done - first, self._last - began
        rate = counted / seconds if counted >= FEW and seconds > 0 else None
        left = None if rate is None else max(0, self._total - self._done) / rate
        worked = time.monotonic() - self._began
        return {
            "done": self._done, "total": self._total, "note": self.note, "rate": rate, "left": left,
            "seconds": worked,
        }  # fmt: skip


def _drawn(node: Node) -> dict[str, Any]:
    """Return what a graph shows of a node."""
    return {
        "name": node.name,
        "stage": node.stage,
        "seed": node.seed,
        "round": node.round,
        "attempt": node.attempt,
        "inputs": list(dict.fromkeys(node.inputs.values())),
    }


def _time() -> str:
    return now().isoformat(sep=" ", timespec="milliseconds")


def watching(
    state: Path, run: str, recipe: str, watcher: Reporter
) -> contextlib.AbstractContextManager[Watched]:
    """Hand on what a run reports for a block, and write it down in its state folder for those who look from outside."""
    return Watched(state / FOLDER / LIVE, run, recipe, watcher).written()
