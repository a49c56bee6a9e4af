"""Work in this process: while the driver waits for it, or in a thread beside it."""

from __future__ import annotations

import contextlib
import queue
import threading
from contextvars import copy_context

from engine.run.executors.performing import Performer, Shared
from engine.run.executors.protocol import Began, Post, Work, Worked
from engine.run.progress import Reporter
from engine.system import stopping


class InTurn:
    """One thing at a time: the driver does nothing else until the work has ended."""

    slots, beside = 1, False

    def __init__(self, shared: Shared, reporter: Reporter, post: Post) -> None:
        """Take what all work needs, who watches, and who is told what happens."""
        self._performer, self._post = Performer(shared, reporter), post

    def submit(self, work: Work) -> None:
        """Do the work; raises KeyboardInterrupt, all else is posted."""
        self._post(Began(work.node.name, ""))
        try:
            self._post(Worked(work.node.name, self._performer.perform(work)))
        except Exception as error:
            self._post(Worked(work.node.name, error))

    def close(self, patience: float = 0.0) -> None:
        """End what was started for work; nothing is under way."""
        self._performer.close()


class Beside:
    """A thread of its own: trainings are processes, and libraries of models compute without Python's lock."""

    slots, beside = 1, True

    def __init__(self, shared: Shared, reporter: Reporter, post: Post, stop: stopping.Stop) -> None:
        """Take what all work needs, who watches, who is told what happens, and what tells work to end."""
        self._performer, self._post, self._stop = Performer(shared, reporter), post, stop
        self._waiting: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, work: Work) -> None:
        """Begin the work."""
        if self._thread is None:
            # The limits and the log's fields that hold here hold there, too.
            self._thread = threading.Thread(
                target=copy_context().run, args=(self._work,), name="work", daemon=True
            )
            self._thread.start()
        self._waiting.put(work)

    def _work(self) -> None:
        with stopping.under(self._stop):
            while (work := self._waiting.get()) is not None:
                self._post(Began(work.node.name, ""))
                try:
                    result = self._performer.perform(work)
                except BaseException as error:
                    self._post(Worked(work.node.name, error))
                else:
                    self._post(Worked(work.node.name, result))

    def close(self, patience: float = 0.0) -> None:
        """Tell the work to end, and wait for it; a second Ctrl-C does not."""
        if self._thread is None:
            return
        self._waiting.put(None)
        self._stop.tell()
        with contextlib.suppress(KeyboardInterrupt):
            self._thread.join(patience)
        self._performer.close()
