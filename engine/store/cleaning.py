"""What a clean-up would remove, and the removal: only what no kept run needs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.errors import StoreError
from engine.store import lock
from engine.store.columns import has_place, record_types
from engine.store.file import FILE, opened, translated
from engine.store.store import Store

if TYPE_CHECKING:
    import duckdb

PATIENCE = 10.0
_UNFINISHED = ("running", "killed", "interrupted", "stopped", "waiting", "failed")
"""Runs that may be gone on with: the checkpoints of a training that a kill cut off are theirs."""


class Folder(NamedTuple):
    """A folder of models or checkpoints to remove, with its size in bytes and why it may go."""

    path: Path
    size: int
    why: str


@dataclass(frozen=True, slots=True)
class Removal:
    """What can go. Replies of language models are never among it: they were paid for, and runs reuse them."""

    runs: tuple[str, ...]
    nodes: tuple[str, ...]
    rows: int
    """Rows of these nodes, over all tables."""
    folders: tuple[Folder, ...]
    kept_calls: int
    """Ledger entries, which stay."""
    going_on: str
    """A kept run that is not done: what earlier runs made stays for it. Empty when all kept runs are done."""

    def __bool__(self) -> bool:
        return bool(self.runs or self.nodes or self.folders)


def size_of(folder: Path) -> int:
    """Return the bytes of all files under a folder; 0 when it is not there."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


def plan_removal(state: Path, keep: int) -> Removal:
    """Return what may go when the `keep` latest runs stay; raises RunError while a run is live, StoreError."""
    # Opening folds what killed runs left in the spool.
    Store.open(state, create_missing=False)
    with lock.hold(state), opened(state / FILE, write=False, wait=PATIENCE) as connection:
        return _plan(connection, state, keep)


def _plan(connection: duckdb.DuckDBPyConnection, state: Path, keep: int) -> Removal:
    runs = connection.execute("SELECT id, status FROM run ORDER BY id DESC").fetchall()
    kept = [run for run, _ in runs[:keep]]
    nodes = _column(
        connection,
        "SELECT id FROM node WHERE id NOT IN (SELECT node FROM run_node WHERE list_contains(?, run))",
        kept,
    )
    counts = connection.execute(
        "SELECT coalesce(sum((SELECT sum(value::INTEGER) FROM json_each(counts))), 0) FROM node"
        " WHERE list_contains(?, id)",
        [nodes],
    ).fetchone()
    calls = connection.execute("SELECT count(*) FROM llm_call").fetchone()
    going_on = next((run for run, status in runs[:keep] if status in _UNFINISHED), "")
    if going_on:
        # It goes on from nodes that it has not linked yet.
        nodes, counts = [], (0,)
    return Removal(
        runs=tuple(run for run, _ in runs[keep:]),
        nodes=tuple(nodes),
        rows=int(counts[0]) if counts else 0,
        folders=tuple(_folders(connection, state, set(nodes), bool(going_on))),
        kept_calls=int(calls[0]) if calls else 0,
        going_on=going_on,
    )


def _column(connection: duckdb.DuckDBPyConnection, sql: str, kept: Sequence[str]) -> list[str]:
    return [value for (value,) in connection.execute(sql, [list(kept)]).fetchall()]


def _folders(
    connection: duckdb.DuckDBPyConnection, state: Path, going: set[str], resumable: bool
) -> list[Folder]:
    found = connection.execute("SELECT path, node FROM model").fetchall()
    used = {path for path, node in found if node not in going}
    known = {path for path, _ in found}
    folders = []
    for path in sorted(p for p in (state / "models").glob("*") if p.is_dir()):
        name = path.relative_to(state).as_posix()
        if name in used:
            leftover = path / "checkpoints"
            if leftover.is_dir():
                folders.append(
                    Folder(leftover, size_of(leftover), "checkpoints of a finished training")
                )
        elif name in known:
            folders.append(Folder(path, size_of(path), "no kept run uses it"))
        elif not resumable:
            folders.append(Folder(path, size_of(path), "an unfinished training"))
    return folders


def remove(state: Path, removal: Removal) -> None:
    """Remove it: rows in one transaction, then folders; raises RunError while a run is live, StoreError."""
    import duckdb

    with lock.hold(state):
        with opened(state / FILE, write=True, wait=PATIENCE) as connection:
            try:
                _delete(connection, removal)
            except duckdb.Error as error:
                raise translated(error, state / FILE) from error
        for folder in removal.folders:
            try:
                shutil.rmtree(folder.path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StoreError(
                    f"{folder.path}: {error.strerror}", "check its permissions, then clean again"
                ) from error


def _delete(connection: duckdb.DuckDBPyConnection, removal: Removal) -> None:
    nodes, runs = [list(removal.nodes)], [list(removal.runs)]
    connection.execute("BEGIN")
    try:
        for table in record_types():
            if has_place(table):
                connection.execute(f'DELETE FROM "{table}" WHERE list_contains(?, node)', nodes)
        connection.execute("DELETE FROM node WHERE list_contains(?, id)", nodes)
        connection.execute("DELETE FROM run_node WHERE list_contains(?, run)", runs)
        connection.execute("DELETE FROM run WHERE list_contains(?, id)", runs)
        connection.execute("DELETE FROM recipe WHERE id NOT IN (SELECT recipe FROM run)")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    # Gives the freed blocks back to the file, which shrinks only where they are at its end.
    connection.execute("CHECKPOINT")
