"""Making a store, and bringing one of an earlier engine up to date."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import StoreError
from engine.store import lock
from engine.store.columns import record_types
from engine.store.file import connect, is_disk_full, opened, translated
from engine.store.schema import apply, newest
from engine.store.spool import disk_error
from engine.system.files import private

if TYPE_CHECKING:
    import duckdb


def version(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Return the schema version of an open store; raises StoreError for another program's file and a newer store."""
    import duckdb

    _refuse_other_structure(connection, path)
    try:
        ((current,),) = connection.execute("SELECT max(version) FROM schema_version").fetchall()
    except duckdb.CatalogException:
        current = None
    if current is None:
        raise StoreError(
            f"{path} is a DuckDB file, but not a store of this engine",
            "move it away, or use another folder with --state",
        )
    if current > newest():
        raise StoreError(
            f"{path} has schema version {current}, this engine knows up to {newest()}",
            "a newer engine wrote it: update pada-engine, or use another folder with --state",
        )
    return int(current)


def _refuse_other_structure(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Refuse a file in which a view has the name of a table, or a macro that of a function: others made those."""
    tables = ["schema_version", "ingest", *record_types()]
    views = (
        "SELECT view_name FROM duckdb_views() WHERE NOT internal AND list_contains(?, view_name)"
    )
    macros = "SELECT function_name FROM duckdb_functions() WHERE NOT internal"
    for kind, sql, values in (("view", views, [tables]), ("macro", macros, [])):
        if found := connection.execute(sql, values).fetchone():
            raise StoreError(
                f"{path} is not a store of this engine: it has a {kind} '{found[0]}'",
                "move it away, or use another folder with --state",
            )


def create(path: Path) -> None:
    """Make an empty store, whole or not at all; one that is already there is left alone. Raises StoreError."""
    import duckdb

    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    # DuckDB's log of what is not in the file yet: replayed into a later file of the same name if it were left.
    log = fresh.with_name(f"{fresh.name}.wal")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in (fresh, log):
            left.unlink(missing_ok=True)
        with private():
            lay_out(fresh)
            fresh.chmod(0o600)
            _put(fresh, path)
    except OSError as error:
        raise disk_error(error, path.parent) from error
    except duckdb.Error as error:
        raise translated(error, path) from error
    finally:
        for left in (fresh, log):
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)


def lay_out(path: Path) -> None:
    """Write a file that holds all tables and views, and no rows."""
    connection = connect(path, write=True)
    try:
        apply(connection, 0)
        # Closing writes the same, and says nothing where the disk is full.
        connection.execute("CHECKPOINT")
    finally:
        connection.close()


def _put(fresh: Path, path: Path) -> None:
    try:
        # A rename would replace the store that another process has made meanwhile.
        os.link(fresh, path)
    except FileExistsError:
        return
    except OSError:
        # A file system without hard links.
        if not path.exists():
            fresh.rename(path)


def check(path: Path, wait: float) -> None:
    """Refuse what is no store or newer than the engine, and bring an older one up to date.

    Raises:
        StoreError: it is no store, newer, held open for `wait` seconds, or cannot be written.
        RunError: it is older and a run of the engine that wrote it is going on.
    """
    with opened(path, write=False, wait=wait) as connection:
        current = version(connection, path)
    if current < newest():
        with (
            lock.hold(path.parent),
            opened(path, write=True, wait=wait) as connection,
        ):
            _update(connection, path)


def _update(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    import duckdb

    since = version(connection, path)
    try:
        apply(connection, since)
    except duckdb.IOException as error:
        raise translated(error, path) from error
    except duckdb.Error as error:
        if is_disk_full(error):
            raise translated(error, path) from error
        said = str(error).split("\n", 1)[0]
        raise StoreError(
            f"{path} is of schema version {since} and cannot be brought to {newest()}: {said}",
            "nothing was changed; the engine that wrote it still reads it, or use another folder with --state",
        ) from error
