"""The processes that compute, as the one that asks has them: started when needed, used again, killed at a limit."""

from __future__ import annotations

import atexit
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from engine.sandbox import wire
from engine.sandbox.limits import Overrun, current
from engine.system import platforms

T = TypeVar("T")

_PATIENCE = 10
"""Seconds on the clock for each second of computing, and at least: disks are slow, and other programs work, too."""
_LOOK = 0.1
"""Seconds between two looks at the clock, and at the memory where the system does not bound it."""
_INHERITED = (
    *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    *("VIRTUAL_ENV", "PYTHONHASHSEED", "PYTHONUTF8", "COVERAGE_PROCESS_START"),
)  # fmt: skip
"""Of the environment; what is computed for a recipe has no use for keys."""


class _Worker:
    """One process."""

    def __init__(self, *modules: str) -> None:
        package = str(Path(__file__).resolve().parents[2])
        paths = [package, os.environ.get("PYTHONPATH", "")]
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        self.process = subprocess.Popen(
            # -P: the working folder's files never pass for modules.
            [sys.executable, "-P", "-m", "engine.sandbox.child", str(os.getpid()), *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={
                **environment,
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                "HF_HUB_OFFLINE": "1",
            },
            bufsize=0,
            start_new_session=True,  # Ctrl-C reaches only this process, which kills it
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._asked, self._answers = self.process.stdin.fileno(), self.process.stdout.fileno()
        self.owner = os.getpid()
        self.size = 0
        """Bytes of the last answer."""

    def ask(self, ask: wire.Ask, text: str) -> tuple[str, Any]:
        """Return what the process answers, and raise what it raises; where it takes too much, it ends with Overrun."""
        try:
            wire.write(self._asked, wire.packed(ask))
            content = wire.read(self._waiting(ask, text))
        except (EOFError, BrokenPipeError):
            raise _died(self.end(), text) from None
        except BaseException:
            # Also Ctrl-C: whatever it was at, nobody waits for it any more.
            self.end()
            raise
        self.size = len(content)
        kind, what = wire.unpacked(content)
        if kind == "raised":
            raise Overrun(what.kind, text) if isinstance(what, Overrun) else what
        return kind, what

    def _waiting(self, ask: wire.Ask, text: str) -> Callable[[int], bytes]:
        """Return what reads, and does not wait for longer, or for more, than what is asked may take."""
        ready = select.poll()
        ready.register(self._answers, select.POLLIN)
        until = time.monotonic() + (1 + ask.seconds) * _PATIENCE

        def take(size: int) -> bytes:
            while not ready.poll(_LOOK * 1000):
                if time.monotonic() > until:
                    raise Overrun("seconds", text)
                if not platforms.memory_is_bounded() and self._holds() > ask.memory * 1e9:
                    raise Overrun("memory", text)
            return os.read(self._answers, size)

        return take

    def _holds(self) -> int:
        import psutil

        try:
            return int(psutil.Process(self.process.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def end(self) -> int:
        """Kill the process, if it still runs; return how it ended, as `Popen.returncode` has it."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        if self.owner != os.getpid():
            return 0  # of the process that this one is a fork of
        with suppress(subprocess.TimeoutExpired):
            # One that is ending by itself says why.
            return self.process.wait(0 if self.process.poll() is not None else 0.05)
        self.process.kill()
        return self.process.wait()

    @property
    def lives(self) -> bool:
        """Whether it can be asked."""
        return self.owner == os.getpid() and self.process.poll() is None


def _died(code: int, text: str) -> Overrun:
    """Return what is to be said of a process that ended in the midst of its work."""
    # Libraries that get no memory end with whatever signal; the kernel's own is sent at the deadline alone.
    return Overrun("seconds" if -code == platforms.DEADLINE else "memory", text)


_idle: list[_Worker] = []
_lock = threading.Lock()


def start(module: str) -> None:
    """Start a process that will be needed, unless one waits already: it loads a module while others work."""
    with _lock:
        if not _idle:
            _idle.append(_Worker(module))


def _taken() -> _Worker:
    with _lock:
        while _idle:
            worker = _idle.pop()
            if worker.lives:
                return worker
            worker.end()
    return _Worker()


def _given_back(worker: _Worker) -> None:
    with _lock:
        if worker.lives:
            _idle.append(worker)
        else:
            worker.end()


def _asked(kind: str, *more: Any) -> wire.Ask:
    limits = current()
    return wire.Ask(kind, limits.seconds, platforms.sure_memory(limits.memory), limits.rows, *more)


def call(
    function: Callable[..., T],
    *arguments: Any,
    text: str,
    prepare: Callable[[], object] | None = None,
) -> T:
    """Return what a function returns, computed in a process of its own; raises what it raises.

    Args:
        function: One of a module's own, by its name there. Arguments and result must pickle.
        arguments: Those by position.
        text: What the recipe says that is computed, for messages.
        prepare: What that process does first, before any limit holds, such as to load modules.

    Raises:
        Overrun: it takes more than the limits of the recipe at work let it.
    """
    worker = _taken()
    try:
        _, value = worker.ask(_asked("call", function, arguments, prepare), text)
        result: T = value
        return result
    finally:
        _given_back(worker)


def stream(
    function: Callable[..., Iterable[T]],
    *arguments: Any,
    text: str,
    prepare: Callable[[], object] | None = None,
) -> Generator[T]:
    """Yield what a generator yields, computed in a process of its own, as `call`: each value has all of the time.

    All values together may take as much memory as one may take to be made.
    """
    worker, size, most = _taken(), 0, current().memory * 1e9
    try:
        worker.ask(_asked("open", function, arguments, prepare), text)
        while True:
            kind, value = worker.ask(_asked("next"), text)
            size += worker.size
            if kind == "end":
                break
            if size > most:
                worker.end()
                raise Overrun("memory", text)
            yield value
    except GeneratorExit:
        # Nobody wants to have the rest.
        worker.end()
        raise
    finally:
        _given_back(worker)


@atexit.register
def end_all() -> None:
    """End all processes that wait for work."""
    with _lock:
        while _idle:
            _idle.pop().end()
