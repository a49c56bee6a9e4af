"""Work in processes of this machine, one for each slot: they die with this one, and each keeps its student loaded.

A process that is killed, such as by the kernel where memory runs out, costs what it was at: that is done once more in
another one. What comes of work depends on nothing that runs beside it: each process has the threads that the recipe
says, or those that the work would have in this one.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextvars import copy_context
from multiprocessing.connection import Connection
from pathlib import Path
from socket import socketpair

from engine.errors import EngineError, Interrupted, ModelError, RunError
from engine.run.executors.hearing import Hearing
from engine.run.executors.messages import Failure, Rows, Told
from engine.run.executors.performing import Shared
from engine.run.executors.protocol import Began, Lacks, Post, Work, Worked
from engine.run.progress import Reporter
from engine.stages.outputs import Output
from engine.system import platforms

TRIES = 2
"""How often work is done whose process dies each time."""


class Processes:
    """Slots of this machine."""

    beside = True

    def __init__(
        self,
        shared: Shared,
        reporter: Reporter,
        post: Post,
        slots: int,
        threads: int | None = None,
        gpus: int | None = None,
    ) -> None:
        """Take what all work needs, who watches, who is told what happens, and what each slot may use."""
        self.slots = slots
        self._slots = [
            _Slot(shared, reporter, post, f"slot {number + 1}", _environment(threads, gpus, number))
            for number in range(slots)
        ]

    def submit(self, work: Work) -> None:
        """Begin work in a slot that is free; one that has loaded a student already comes first."""
        free = [slot for slot in self._slots if not slot.busy]
        next((slot for slot in free if slot.started), free[0]).begin(work)

    def close(self, patience: float = 0.0) -> None:
        """Tell all work to end, wait for it, and end the processes; a second Ctrl-C does not wait."""
        for slot in self._slots:
            slot.tell_to_end()
        with contextlib.suppress(KeyboardInterrupt):
            for slot in self._slots:
                slot.join(patience)
        for slot in self._slots:
            slot.kill()


def _environment(threads: int | None, gpus: int | None, number: int) -> Mapping[str, str]:
    package = str(Path(__file__).resolve().parents[3])
    paths = [package, os.environ.get("PYTHONPATH", "")]
    environment = {
        # As for trainings: threads that spin while they wait take the cores from those that work beside.
        "OMP_WAIT_POLICY": "PASSIVE",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "TOKENIZERS_PARALLELISM": "false",
    }
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    if gpus is not None:
        given = os.environ.get("CUDA_VISIBLE_DEVICES")
        cards = given.split(",") if given else [str(card) for card in range(gpus)]
        environment["CUDA_VISIBLE_DEVICES"] = cards[number % gpus]
    return environment


class _Slot:
    """One process and the thread that talks to it: it must outlive the process, which is killed when it ends."""

    def __init__(
        self,
        shared: Shared,
        reporter: Reporter,
        post: Post,
        where: str,
        environment: Mapping[str, str],
    ) -> None:
        self._shared, self._reporter, self._post = shared, reporter, post
        self._where, self._environment = where, environment
        self._waiting: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._rows, self._hearing = Rows(), Hearing(reporter)
        self._ending = False
        self.busy = False

    @property
    def started(self) -> bool:
        return self._process is not None

    def begin(self, work: Work) -> None:
        self.busy = True
        if self._thread is None:
            self._thread = threading.Thread(
                target=copy_context().run, args=(self._work,), name=self._where, daemon=True
            )
            self._thread.start()
        self._waiting.put(work)

    def tell_to_end(self) -> None:
        self._ending = True
        self._waiting.put(None)
        process = self._process
        if self.busy and process is not None and process.poll() is None:
            # What a script put into the background ignores SIGINT, and so does a worker until it has begun.
            deaf = platforms.ignores(process.pid, signal.SIGINT)
            process.send_signal(signal.SIGTERM if deaf else signal.SIGINT)

    def join(self, patience: float) -> None:
        if self._thread is not None:
            self._thread.join(patience)

    def kill(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()

    def _work(self) -> None:
        try:
            while (work := self._waiting.get()) is not None:
                self._post(Began(work.node.name, self._where))
                try:
                    result = self._done(work)
                except BaseException as error:
                    result = error
                self.busy = False
                self._post(Worked(work.node.name, result))
        finally:
            self._end()

    def _done(self, work: Work) -> Output | Lacks | BaseException:
        code = 0
        for attempt in range(1, TRIES + 1):
            try:
                return self._asked(work)
            except (EOFError, OSError):
                code = self._end()
                if self._ending:
                    return Interrupted("stopped")
            if attempt < TRIES:
                self._reporter.warn(
                    f"{work.node.name}: its process ({self._where}) {_how(code)}; the work is done again"
                )
        return _lost(work.node.name, code)

    def _asked(self, work: Work) -> Output | Lacks | BaseException:
        """Send work and hand on what is reported, until there is a result; raises EOFError where the process dies."""
        pipe = self._pipe or self._start()
        pipe.send(self._rows.order(work))
        while True:
            answer = pipe.recv()
            if isinstance(answer, Told):
                self._hearing.take(answer)
                continue
            self._hearing.forget()
            return answer.error if isinstance(answer, Failure) else answer

    def _start(self) -> Connection:
        if self._ending:
            raise EOFError
        ours, theirs = socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    # -P: the working folder's files never pass for modules.
                    [
                        *(sys.executable, "-P", "-m", "engine.run.executors.child"),
                        *(str(os.getpid()), str(theirs.fileno())),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=self._environment,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # Ctrl-C reaches only this process, which tells it in its own way
                )
            except OSError as error:
                ours.close()
                raise RunError(
                    f"no process can be started for {self._where}: {error.strerror}"
                ) from None
        self._pipe, self._rows = Connection(ours.detach()), Rows()
        self._pipe.send(self._shared)
        return self._pipe

    def _end(self) -> int:
        """End the process, where it has not ended; return how it did."""
        pipe, process = self._pipe, self._process
        self._pipe = self._process = None
        self._hearing.forget()
        if pipe is not None:
            pipe.close()
        if process is None:
            return 0
        try:
            return process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def _how(code: int) -> str:
    return f"was killed (signal {-code})" if code < 0 else f"ended (exit code {code})"


def _lost(name: str, code: int) -> EngineError:
    if code == -signal.SIGKILL:
        return ModelError(
            f"{name}: the process that worked on it was killed (signal 9), and so was a second one: most likely the "
            "machine ran out of memory",
            "set executor.slots lower, lower the batch size, choose a smaller student, or close other programs",
        )
    return RunError(
        f"{name}: the process that worked on it {_how(code)}, and so did a second one",
        "run it with `--set executor.kind=serial` to see what goes wrong",
    )
