"""A closed-off in-memory DuckDB: no files, no network, no extensions, one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "memory_limit": "4GB",
    # One thread: sums of floats come out the same every time.
    "threads": "1",
    "lock_configuration": "true",
}


@contextmanager
def closed_off() -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection from which an expression reaches nothing but what is registered on it."""
    import duckdb

    connection = duckdb.connect(":memory:", config=_CONFIG)
    try:
        yield connection
    finally:
        connection.close()
