"""In-memory DuckDB without extensions, with the same results on every machine; closed off for users' expressions."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "memory_limit": "4GB",
    # One thread: sums of floats are the same every time, and rows keep their order.
    "threads": "1",
}


@contextmanager
def in_memory() -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection that may still be set up; whoever does locks it with `close_off`."""
    import duckdb

    connection = duckdb.connect(":memory:", config=_CONFIG)
    try:
        # Else times with a zone, and the hours and days in them, would depend on the machine's.
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def close_off(connection: duckdb.DuckDBPyConnection) -> None:
    """Permanently cut a connection off from files and the network, except for what it was allowed before."""
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


@contextmanager
def closed_off() -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection from which an expression reaches nothing but what is registered on it."""
    connection = _closed_database().cursor()
    try:
        yield connection
    finally:
        connection.close()


def prepare() -> None:
    """Load what expressions need: DuckDB takes address space for itself when it is first used."""
    import pyarrow as pa

    with closed_off() as connection:
        connection.register("rows", pa.table({"n": [1]}))
        connection.execute("SELECT n FROM rows").fetchall()


@cache
def _closed_database() -> duckdb.DuckDBPyConnection:
    """Return the empty database that all closed off connections are to.

    What is registered on one of them the others do not see. A database of its own for each would take a hundred times
    as long, and a recipe is checked with a dozen of them.
    """
    import duckdb

    connection = duckdb.connect(":memory:", config=_CONFIG)
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    close_off(connection)
    # DuckDB complains on stderr of what is still there when Python ends.
    atexit.register(_closed_database.cache_clear)
    return connection
