"""The file in which requests and replies lie while they are worked with: SQLite, whose memory has a limit.

`.pada/asked.sqlite`, made at the first request and removed when nothing that was asked is waited for any more. It is
for the one process that made it: what a kill leaves behind is removed unread by the next run, which has its replies
from the store. So nothing of it is flushed, and nothing rolled back.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from engine.errors import RunError

FILE = "asked.sqlite"
"""In the state folder."""
_FRESH = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY
_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
CREATE TABLE asked (place INTEGER PRIMARY KEY, ask INTEGER NOT NULL, id TEXT NOT NULL, body BLOB);
CREATE INDEX asked_id ON asked (id);
CREATE TABLE reply (id TEXT PRIMARY KEY, error TEXT, node TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE form (number INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE);
"""


class Scratch:
    """The tables `asked` (requests), `reply` and `form` (schemas of replies); used from several threads."""

    def __init__(self, state: Path) -> None:
        """Take the state folder."""
        self.path = state / FILE
        self._lock = threading.RLock()
        self._open: sqlite3.Connection | None = None
        self.place = 0
        """The last place that was given to a request: none is given twice, also not in another file."""
        self.ask = 0
        """The last number that was given to what a stage asked at once."""
        self.form = 0
        """The last number that was given to a schema, likewise."""
        self.files = 0
        """How many were removed: what is known of one does not hold for the next."""

    def clear(self) -> None:
        """Remove the file; the next request makes another."""
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None
            self.files += 1
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def at_once(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection for several statements that belong together.

        Raises:
            RunError: the file cannot be written or read.
        """
        with self._lock:
            try:
                if self._open is None:
                    self._open = self._made()
                if self._open.in_transaction:
                    # An interruption may come where nothing would end what it cut off, and replies come after it.
                    self._open.execute("COMMIT")
                try:
                    self._open.execute("BEGIN")
                    yield self._open
                finally:
                    # There is no journal to roll back by: what is half there has a place that nobody asks for.
                    if self._open.in_transaction:
                        self._open.execute("COMMIT")
            except (sqlite3.Error, OSError) as error:
                raise RunError(
                    f"{self.path}: {error}",
                    "free some space or make the folder writable, then start the run again: all replies are kept",
                ) from error

    def read(self, query: str, *values: Any) -> list[Any]:
        """Return the rows of a query, all of them: it says itself how many it wants; raises RunError."""
        with self.at_once() as connection:
            return connection.execute(query, values).fetchall()

    def number(self, query: str, *values: Any) -> int:
        """Return the one number that a query asks for; raises RunError."""
        return int(self.read(query, *values)[0][0])

    def _made(self) -> sqlite3.Connection:
        self.path.unlink(missing_ok=True)
        os.close(os.open(self.path, _FRESH, 0o600))
        # Not SQLite's own transactions: threads take turns by the lock.
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        connection.executescript(_TABLES)
        return connection


def listed(values: Sequence[Any]) -> str:
    """Return values as one parameter, for `IN (SELECT value FROM json_each(?))`."""
    return json.dumps(list(values))
