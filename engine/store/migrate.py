"""Numbered migrations: `migrations/NNNN_name.sql`, each applied once, in a transaction."""

from __future__ import annotations

import contextlib
import os
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import StoreError
from engine.store.file import connect, opened, translated
from engine.store.spool import disk_error

if TYPE_CHECKING:
    import duckdb


@cache
def migrations() -> dict[int, str]:
    """Return the SQL of every migration by its number, in order."""
    folder = files("engine.store") / "migrations"
    found = {
        int(f.name[:4]): f.read_text("utf-8") for f in folder.iterdir() if f.name.endswith(".sql")
    }
    return dict(sorted(found.items()))


def newest() -> int:
    """Return the schema version that this engine reads and writes."""
    return max(migrations())


def version(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Return the schema version of an open store; raises StoreError for another program's file and a newer store."""
    import duckdb

    try:
        found = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    except duckdb.CatalogException:
        found = None
    if found is None or found[0] is None:
        raise StoreError(
            f"{path} is a DuckDB file, but not a store of this engine",
            "move it away, or use another folder with --state",
        )
    if found[0] > newest():
        raise StoreError(
            f"{path} has schema version {found[0]}, this engine knows up to {newest()}",
            "a newer engine wrote it: update pada-engine, or use another folder with --state",
        )
    return int(found[0])


def apply(connection: duckdb.DuckDBPyConnection, since: int) -> None:
    """Bring an open store from version `since` (0: empty) to the newest, in one transaction."""
    from engine.store.document import comment_statements

    connection.execute("BEGIN")
    try:
        if not since:
            connection.execute(
                "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied TIMESTAMP NOT NULL)"
            )
        for number, sql in migrations().items():
            if number > since:
                connection.execute(sql)
                connection.execute(
                    "INSERT INTO schema_version VALUES (?, now()::TIMESTAMP)", [number]
                )
        for statement in comment_statements(connection):
            connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def create(path: Path) -> None:
    """Make an empty store, whole or not at all; one that is already there is left alone. Raises StoreError."""
    import duckdb

    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        connection = connect(fresh, write=True)
        try:
            apply(connection, 0)
        finally:
            connection.close()
        _put(fresh, path)
    except OSError as error:
        raise disk_error(error, path.parent) from error
    except duckdb.Error as error:
        raise translated(error, path) from error
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)


def _put(fresh: Path, path: Path) -> None:
    try:
        os.link(fresh, path)
    except FileExistsError:
        return
    except OSError:
        # A file system without hard links.
        if not path.exists():
            fresh.rename(path)


def check(path: Path, wait: float) -> None:
    """Refuse what is no store or newer than the engine, and bring an older one up to date; raises StoreError."""
    with opened(path, write=False, wait=wait) as connection:
        found = version(connection, path)
    if found < newest():
        with opened(path, write=True, wait=wait) as connection:
            apply(connection, version(connection, path))
