"""The store as a run uses it: everything goes to the spool at once, and from there into DuckDB when its file is free.

One process at a time writes (the run lock). One thread makes the spool durable every quarter of a second, another
ingests it; nothing else writes DuckDB's file while the run works, so a client that holds the file open delays what
others can see and never the run.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import RunError, StoreError
from engine.gate import check_state, own_state
from engine.rows import Call, Row
from engine.store import lock, reading
from engine.store.columns import (
    NodeRow,
    RecipeRow,
    RunNodeRow,
    RunRow,
    line,
    values_of,
)
from engine.store.file import FILE, Busy, Notice, opened, translated
from engine.store.ingest import calls_in, ingest_or_set_aside, outputs_in
from engine.store.migrate import check, create
from engine.store.origins import Sighting, sightings
from engine.store.reading import Spent
from engine.store.spool import Segment, Spool, remove, segments

_log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.25
"""How often the spool is made durable: half of what is promised."""
INGEST_SECONDS = 5.0
"""Least pause before ingesting again; more when it takes long, so that the file stays free nearly always."""
INGEST_PAUSE = 5
"""The least pause before ingesting again, as a multiple of the time it took last."""
SEGMENTS_AT_ONCE = 4
"""Segments per transaction: bounds its memory, and how long a backlog keeps others from the file."""
PATIENCE = 10.0
"""Seconds that opening waits for a process that holds DuckDB's file."""
REMEMBERED = 200_000
"""Rows of this run's nodes kept in memory, so that reading them back needs no file."""


class NodeInfo(NamedTuple):
    """What the store keeps about a finished node, besides its rows; times are UTC without a time zone."""

    id: str
    name: str
    stage: str
    seed: int
    round: int
    attempt: int
    identity: Mapping[str, Any]
    started: datetime
    ended: datetime


def now() -> datetime:
    """Return the time as the store keeps it: UTC, without a time zone."""
    return datetime.now(UTC).replace(tzinfo=None)


class Store:
    """A project's store. Open it with `Store.open`; write to it inside `lock_run` and nowhere else."""

    def __init__(self, state: Path, notice: Notice | None, patience: float) -> None:
        """Take the state folder; use `Store.open`."""
        self.state, self.path = state, state / FILE
        self._notice, self._patience = notice, patience
        # Without somebody to tell, it goes where libraries' warnings go: to the terminal, or a program's own log.
        self._warn: Notice = notice or _log.warning
        self._finished: dict[str, tuple[str, str]] = {}
        """Content hash, and the run that did the work."""
        self._usable = reading.Ids()
        self._spool: Spool | None = None
        self._lock: lock.RunLock | None = None
        self._runs: dict[str, RunRow] = {}
        self._latest_run = 0
        """Number of the latest run, also of one that `pada clean` removed: its replies are still there."""
        self._memory: dict[str, tuple[Row, ...]] = {}
        self._ingesting = threading.RLock()
        self._stop = threading.Event()
        self._trouble: Exception | None = None
        self._ingest_took = 0.0

    @classmethod
    def open(
        cls,
        state: Path,
        *,
        create_missing: bool = True,
        notice: Notice | None = None,
        patience: float = PATIENCE,
    ) -> Store:
        """Open the store of a state folder (`.pada`), make or migrate it where needed.

        Waits up to `patience` seconds for a process that holds the file. What a killed run left in the spool is
        ingested first. `notice` is told when something must be waited for.

        Raises:
            StoreError: there is none and it may not be made; it is newer than the engine; it is something else; its
                folder is not this user's; it cannot be written; or the file is held open (the message names the
                process).
        """
        store = cls(state, notice, patience)
        if create_missing:
            own_state(state)
        else:
            check_state(state)
        if not store.path.exists():
            if not create_missing:
                raise StoreError(
                    f"there is no store at {store.path}",
                    "`pada run RECIPE` makes one; --state names its folder",
                )
            create(store.path)
        check(store.path, patience)
        if segments(state / "spool") and lock.holder(state) is None:
            # A run that starts at this very moment ingests them itself.
            with contextlib.suppress(RunError), lock.hold(state):
                store._ingest_all(patience)
        store._load()
        return store

    def _load(self) -> None:
        with opened(self.path, write=False, wait=self._patience, notice=self._notice) as connection:
            self._finished = reading.finished(connection)
            self._usable = reading.usable_calls(connection)
            self._runs = {run.id: run for run in reading.runs(connection)}
            self._latest_run = reading.latest_run(connection)

    @contextlib.contextmanager
    def lock_run(self) -> Iterator[None]:
        """Be the one writer for the block; raises RunError naming the process that is.

        At the end everything is ingested, waiting up to `patience` seconds for the file; what cannot be ingested then
        stays in the spool until the next run.
        """
        with lock.hold(self.state) as held:
            self._ingest_all(self._patience)
            self._load()
            self._mark_killed_runs()
            self._lock = held
            self._stop.clear()
            threads = [
                threading.Thread(target=work, daemon=True)
                for work in (self._flush_regularly, self._ingest_regularly)
            ]
            for thread in threads:
                thread.start()
            try:
                yield
            finally:
                self._stop.set()
                for thread in threads:
                    thread.join()
                try:
                    self._end()
                finally:
                    self._lock = self._spool = None

    def _end(self) -> None:
        if self._spool is None:
            return
        self._spool.close()
        self._spool = None
        try:
            self._ingest_all(self._patience)
        except StoreError as error:
            if self._notice is not None:
                self._notice(
                    f"not everything is in the store yet, the next run puts it there: {error.message}"
                )

    def _mark_killed_runs(self) -> None:
        dead = [run for run in self._runs.values() if run.status == "running"]
        if not dead:
            return
        # A reader in the way is no reason not to start: `pada runs` sees by the lock that they are dead.
        with (
            contextlib.suppress(Busy),
            opened(self.path, write=True, wait=1.0, notice=self._notice) as connection,
        ):
            connection.execute("UPDATE run SET status = 'killed' WHERE status = 'running'")

    # Writing: all of it goes to the spool.

    def start_run(
        self,
        *,
        recipe: str,
        name: str,
        path: str,
        source: str,
        effective: Mapping[str, Any],
        versions: Mapping[str, str],
        row_limit: int | None = None,
        estimate: Mapping[str, Any] | None = None,
        plan: str = "",
    ) -> str:
        """Write down a new run and its recipe (`recipe` is the effective recipe's hash); return its id (`r0001`).

        `estimate` is what it is expected to take, `plan` the hash of the recipe's name and the plan's nodes.
        """
        held = self._held()
        run = f"r{self._latest_run + 1:04d}"
        self._latest_run += 1
        row = RunRow(run, recipe, "running", now(), None, None, versions, row_limit, estimate, plan)
        self._spool = Spool(self.state / "spool" / run)
        held.name(run)
        self._runs[run] = row
        self._append([RecipeRow(recipe, name, path, source, effective), row])
        return run

    def unfinished_run(self, plan: str, versions: Mapping[str, str]) -> str | None:
        """Return the latest run of the same plan and versions where it is not done; else None."""
        wanted = (plan, versions)
        same = [run for run in self._runs.values() if (run.plan, run.versions) == wanted]
        latest = max(same, key=lambda run: run.resumed or run.started, default=None)
        return latest.id if latest is not None and latest.status != "done" else None

    def resume_run(
        self,
        run: str,
        *,
        recipe: str,
        name: str,
        path: str,
        source: str,
        effective: Mapping[str, Any],
    ) -> None:
        """Go on with a run that is not done: it stays the same run, however often it stops and waits.

        Its recipe is the one that it goes on with, which may have another budget or call a server otherwise.
        """
        was = self._runs[run]
        began = was.resumed or was.started
        ended = was.ended
        if ended is None:
            # Its process died, and could not say when.
            with self._reading() as connection:
                ended = reading.last_sign(connection, run) or began
        worked = was.worked + max(0.0, (ended - began).total_seconds())
        row = replace(
            was,
            recipe=recipe,
            status="running",
            ended=None,
            note=None,
            resumed=now(),
            worked=worked,
        )
        self.reopen_run(run)
        self._runs[run] = row
        self._append([RecipeRow(recipe, name, path, source, effective), row])

    def reopen_run(self, run: str) -> None:
        """Write more for a run that has ended: replies that came after it. How it ended stays as it is."""
        self._spool = Spool(self.state / "spool" / run)
        self._held().name(run)

    def end_run(self, run: str, status: str, note: str | None = None) -> None:
        """Write down how a run ended: done, interrupted, stopped, failed or waiting."""
        was = self._runs[run]
        row = replace(was, status=status, ended=now(), note=note)
        self._runs[run] = row
        self._append([row])
        self.flush()

    def note(self, rows: Sequence[Row]) -> None:
        """Write down what no step makes, such as where a pattern was first seen, or what the run is made of."""
        self._append(rows)

    def record_calls(self, calls: Sequence[Call]) -> None:
        """Add ledger entries, good and bad; on disk within half a second."""
        self._append(calls)
        self._usable.add(call.id for call in calls if call.error is None)

    def write_node(self, run: str, info: NodeInfo, rows: Sequence[Row], content: str) -> None:
        """Write a node's rows and mark it done, all or nothing; rows of a node that is done again are replaced."""
        spool = self._spooling()
        provenance = [info.id, run, info.seed, info.round]
        mark = NodeRow(
            info.id, info.name, info.stage, info.seed, info.round, info.attempt, info.identity, run,
            info.started, info.ended, content, dict(Counter(row.table for row in rows)),
        )  # fmt: skip
        lines = (
            line(row.table, [*provenance, position, *values_of(row)])
            for position, row in enumerate(rows)
        )
        spool.append(chain(lines, [line(mark.table, values_of(mark))]), node=info.id)
        spool.flush()
        self._finished[info.id] = (content, run)
        self._remember(info.id, tuple(rows))

    def _remember(self, node: str, rows: tuple[Row, ...]) -> None:
        self._memory.pop(node, None)
        self._memory[node] = rows
        while sum(map(len, self._memory.values())) > REMEMBERED and len(self._memory) > 1:
            self._memory.pop(next(iter(self._memory)))

    def link_node(self, run: str, node: str, name: str, position: int, status: str) -> None:
        """Record a node's position in a run; `status` is done, cached or skipped.

        What the run did itself before it was gone on with stays done.
        """
        if status == "cached" and self._finished.get(node, ("", ""))[1] == run:
            status = "done"
        self._append([RunNodeRow(run, node, name, position, status)])

    def _append(self, rows: Sequence[Row]) -> None:
        self._spooling().append([line(row.table, values_of(row)) for row in rows])

    def _held(self) -> lock.RunLock:
        if self._lock is None:
            raise RuntimeError("the store is written inside `lock_run` only")
        return self._lock

    def _spooling(self) -> Spool:
        if self._trouble is not None:
            trouble, self._trouble = self._trouble, None
            raise trouble
        if self._spool is None:
            raise RuntimeError("the store is written after `start_run` only")
        return self._spool

    def flush(self) -> None:
        """Make everything written so far durable now; raises StoreError."""
        if self._spool is not None:
            self._spool.flush()

    # Reading.

    def run_row(self, run: str) -> RunRow:
        """Return what is known of a run; raises KeyError."""
        return self._runs[run]

    def sightings(self, recipe: str, run: str) -> list[Sighting]:
        """Return the patterns of the runs before `run` of recipes of that name, each as it was last seen."""
        with self._reading() as connection:
            return sightings(connection, recipe, run)

    def finished(self, nodes: Iterable[str]) -> dict[str, str]:
        """Return the content hash of those nodes that are done. No file is opened."""
        return {node: self._finished[node][0] for node in nodes if node in self._finished}

    def has_reply(self, request: str) -> bool:
        """Return whether a request has a usable reply. No file is opened."""
        return request in self._usable

    def replies(self, requests: Iterable[str]) -> dict[str, Call]:
        """Return the usable reply of those requests that have one, without what was sent.

        Opens the file only where one has.
        """
        wanted = [request for request in requests if request in self._usable]
        return self._look_up(wanted, calls_in, reading.calls) if wanted else {}

    def failures(self, requests: Iterable[str]) -> dict[str, list[Call]]:
        """Return the unusable replies that earlier runs got to those requests, oldest first."""
        with self._reading() as connection:
            return reading.failures(connection, list(requests))

    def spent(self, nodes: Iterable[str]) -> Spent:
        """Return what earlier runs asked of LLMs for these nodes, and what it cost."""
        with self._reading() as connection:
            return reading.spent(connection, list(nodes))

    def load_output(self, node: str) -> list[Row]:
        """Return a finished node's rows in the order in which it made them; raises KeyError if it is not done."""
        if node not in self._finished:
            raise KeyError(node)
        if node in self._memory:
            return list(self._memory[node])
        rows: list[Row] = self._look_up([node], outputs_in, reading.outputs)[node]
        return rows

    def last_identities(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return what the latest finished node of each name was made of; names without one are left out."""
        with self._reading() as connection:
            return reading.last_identities(connection, list(names))

    def _look_up(
        self,
        wanted: list[str],
        spooled: Callable[[Segment, set[str]], dict[str, Any]],
        stored: Callable[[Any, list[str]], dict[str, Any]],
    ) -> dict[str, Any]:
        """Look in the spool first, then in DuckDB; nothing is ingested in between, so nothing is missed."""
        with self._ingesting:
            values: dict[str, Any] = {}
            for segment in segments(self.state / "spool"):
                values.update(spooled(segment, set(wanted)))
            rest = [identity for identity in wanted if identity not in values]
            if rest:
                with self._reading() as connection:
                    values.update(stored(connection, rest))
        return values

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Any]:
        # Without end: a run that needs an old reply cannot go on without it, and says what it waits for.
        wait = float("inf") if self._lock is not None else self._patience
        with opened(self.path, write=False, wait=wait, notice=self._notice) as connection:
            yield connection

    # Ingesting.

    def ingest(self, force: bool = False) -> bool:
        """Put spooled rows into DuckDB and return whether all are there now.

        Tries once; with `force` it waits up to `patience` seconds and raises Busy.
        """
        try:
            self._ingest_all(self._patience if force else 0.0)
        except Busy:
            if force:
                raise
            return False
        return True

    def _ingest_all(self, wait: float) -> None:
        import duckdb

        with self._ingesting:
            spool = self._spool
            closed = spool.closed() if spool is not None else segments(self.state / "spool")
            for first in range(0, len(closed), SEGMENTS_AT_ONCE):
                part = closed[first : first + SEGMENTS_AT_ONCE]
                with opened(
                    self.path, write=True, wait=wait, notice=self._notice if wait else None
                ) as connection:
                    started = time.monotonic()
                    try:
                        aside = ingest_or_set_aside(connection, part, closed, self.state)
                    except duckdb.Error as error:
                        raise translated(error, self.path) from error
                for each in aside:
                    self._warn(str(each))
                self._ingest_took = time.monotonic() - started
                remove(part, in_use=spool.folder if spool is not None else None)

    def _flush_regularly(self) -> None:
        """Make the spool durable until told to stop; what goes wrong is raised at the next write."""
        while not self._stop.wait(FLUSH_SECONDS):
            try:
                self.flush()
            except StoreError as error:
                self._trouble = error

    def _ingest_regularly(self) -> None:
        """Ingest until told to stop; apart from flushing, which must not wait for it."""
        while not self._stop.wait(max(INGEST_SECONDS, INGEST_PAUSE * self._ingest_took)):
            spool = self._spool
            if spool is None or not (spool.waiting or segments(spool.folder.parent)):
                continue
            # Somebody reads the file for this run, perhaps waiting for it: there will be a next time.
            if not self._ingesting.acquire(blocking=False):
                continue
            try:
                self.ingest()
            except Exception as error:
                self._trouble = error
            finally:
                self._ingesting.release()

    def close(self) -> None:
        """Forget what was read. Nothing stays open between calls, so nothing else is to be closed."""
        self._finished, self._memory = {}, {}
        self._usable = reading.Ids()
