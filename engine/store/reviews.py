"""People's verdicts in the store: added one by one, beside a run or another reviewer.

They go straight into DuckDB's file, each in a transaction of its own: whoever writes waits for the others, and what is
written is there for good, whatever becomes of the terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.rows import Review
from engine.store.columns import line, values_of
from engine.store.file import FILE, Notice, opened, translated
from engine.store.ingest import statement
from engine.store.migrate import check
from engine.store.query import rows

PATIENCE = 10.0
"""Seconds to wait for a run, or another program, that has the file."""


def add_reviews(
    state: Path, reviews: Sequence[Review], *, wait: float = PATIENCE, notice: Notice | None = None
) -> None:
    """Add verdicts, all or none; they are durable when this returns.

    Raises:
        StoreError: the file is held open for `wait` seconds, or cannot be written.
    """
    import duckdb

    lines = [line(Review.table, values_of(review)).decode() for review in reviews]
    path = state / FILE
    with opened(path, write=True, wait=wait, notice=notice) as connection:
        try:
            connection.execute(statement(Review.table), [lines])
        except duckdb.Error as error:
            raise translated(error, path) from error


def outcome_rows(state: Path, recipe: str, *, wait: float = PATIENCE) -> list[dict[str, Any]]:
    """Return what people's verdicts on each row of a recipe come to, by column name.

    Raises:
        StoreError: the store cannot be read, or brought up to date.
    """
    check(state / FILE, wait)
    return rows(
        state,
        "SELECT * FROM review_outcomes WHERE recipe = ? ORDER BY example",
        [recipe],
        wait=wait,
    )
