"""What a clean-up would remove, and the removal: only what no kept run needs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from engine.errors import StoreError
from engine.store import flat, lock
from engine.store.columns import is_stage_table, record_types
from engine.store.file import FILE, opened, translated
from engine.store.spool import segments
from engine.store.store import Store

if TYPE_CHECKING:
    import duckdb

PATIENCE = 10.0
_UNFINISHED = ("running", "killed", "interrupted", "stopped", "waiting", "failed")
"""Runs that may be gone on with: the checkpoints of a training that a kill cut off are theirs."""
_OF_A_TRAINING_AT_WORK = ("checkpoints", "*.part", "*.job.json")
"""In a training's folder: what it resumes from, half-written files, the job as passed to its process."""
_OF_A_RUN_AT_WORK = ("benchmark", "batch/.*.unfinished", "asked.sqlite")
"""In the state folder: what a benchmark serves and writes, request files half written, what was being asked."""


class Leftover(NamedTuple):
    """A folder or file to remove, with its size in bytes and why it may go."""

    path: Path
    size: int
    why: str


@dataclass(frozen=True, slots=True)
class Removal:
    """What can go. Replies of language models are never among it: they were paid for, and runs reuse them."""

    keep: int
    """How many runs stay, the latest."""
    runs: tuple[str, ...]
    nodes: tuple[str, ...]
    rows: int
    """Rows of these nodes, over all tables."""
    leftovers: tuple[Leftover, ...]
    kept_calls: int
    """Ledger entries, which stay."""
    going_on: str
    """A kept run that is not done: what earlier runs made stays for it. Empty when all kept runs are done."""

    def __bool__(self) -> bool:
        return bool(self.runs or self.nodes or self.leftovers)


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files under a folder; 0 when it is not there."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(p.stat().st_size for p in files if p.is_file() and not p.is_symlink())


def plan_removal(state: Path, keep: int) -> Removal:
    """Return what may go when the `keep` latest runs stay; raises RunError while a run is live, StoreError."""
    # Opening ingests what killed runs left in the spool.
    Store.open(state, create_missing=False)
    with lock.hold(state), opened(state / FILE, write=False, wait=PATIENCE) as connection:
        return _plan(connection, state, keep)


def _plan(connection: duckdb.DuckDBPyConnection, state: Path, keep: int) -> Removal:
    runs = connection.execute(
        "SELECT id, status FROM run ORDER BY coalesce(resumed, started) DESC, id DESC"
    ).fetchall()
    kept = [run for run, _ in runs[:keep]]
    nodes = _column(
        connection,
        "SELECT id FROM node WHERE id NOT IN (SELECT node FROM run_node WHERE list_contains(?, run))",
        kept,
    )
    counts = connection.execute(
        "SELECT coalesce(sum((SELECT sum(value::INTEGER) FROM json_each(counts))), 0) FROM node"
        " WHERE id IN (SELECT unnest(?::VARCHAR[]))",
        [nodes],
    ).fetchone()
    calls = connection.execute("SELECT count(*) FROM llm_call").fetchone()
    going_on = next((run for run, status in runs[:keep] if status in _UNFINISHED), "")
    if going_on:
        # It goes on from nodes that it has not linked yet.
        nodes, counts = [], (0,)
    return Removal(
        keep=keep,
        runs=tuple(run for run, _ in runs[keep:]),
        nodes=tuple(nodes),
        rows=int(counts[0]) if counts else 0,
        leftovers=tuple(_leftovers(connection, state, set(nodes), resumable=bool(going_on))),
        kept_calls=int(calls[0]) if calls else 0,
        going_on=going_on,
    )


def _column(connection: duckdb.DuckDBPyConnection, sql: str, kept: Sequence[str]) -> list[str]:
    return [value for (value,) in connection.execute(sql, [list(kept)]).fetchall()]


def _leftovers(
    connection: duckdb.DuckDBPyConnection, state: Path, removed: set[str], *, resumable: bool
) -> Iterator[Leftover]:
    """Yield what on disk is no longer needed once the nodes in `removed` are gone.

    A training has a folder of its own below `models`; `model.path` names the weights inside it.
    """
    models = connection.execute("SELECT path, node FROM model").fetchall()
    used = {_training_folder(path) for path, node in models if node not in removed}
    known = {_training_folder(path) for path, _ in models}
    for folder in sorted(p for p in (state / "models").glob("*") if p.is_dir()):
        if folder.name in used:
            for pattern in _OF_A_TRAINING_AT_WORK:
                for path in sorted(folder.glob(pattern)):
                    yield Leftover(path, size_of(path), "left by a training that is finished")
        elif folder.name in known:
            yield Leftover(folder, size_of(folder), "no kept run uses it")
        elif not resumable:
            yield Leftover(folder, size_of(folder), "an unfinished training")
    for pattern in _OF_A_RUN_AT_WORK:
        for path in sorted(state.glob(pattern)):
            yield Leftover(path, size_of(path), "left by a run that was killed")


def _training_folder(model: str) -> str:
    """Return the name of a training's folder below `models`; `model` is a `model.path`: `models/<name>/adapter`."""
    return PurePosixPath(model).parts[1]


def remove(state: Path, removal: Removal) -> None:
    """Remove it: rows in one transaction, then files.

    Raises:
        RunError: a run is live.
        StoreError: the store or a folder cannot be written, or a run came between `plan_removal` and this.
    """
    import duckdb

    with lock.hold(state):
        with opened(state / FILE, write=True, wait=PATIENCE) as connection:
            # What a run that was killed meanwhile left in the spool is not in what `_plan` sees.
            if segments(state / "spool") or _plan(connection, state, removal.keep) != removal:
                raise StoreError(
                    f"{state} has changed since it was looked at: nothing was removed",
                    "another run or clean-up was at work; clean again to see what can go now",
                )
            try:
                _delete(connection, removal)
            except duckdb.Error as error:
                raise translated(error, state / FILE) from error
        for leftover in removal.leftovers:
            _remove_from_disk(leftover.path)


def _remove_from_disk(path: Path) -> None:
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(
            f"{path}: {error.strerror}", "check its permissions, then clean again"
        ) from error


def _delete(connection: duckdb.DuckDBPyConnection, removal: Removal) -> None:
    nodes, runs = [list(removal.nodes)], [list(removal.runs)]
    connection.execute("BEGIN")
    try:
        for table in record_types():
            if is_stage_table(table):
                connection.execute(
                    f'DELETE FROM "{table}" WHERE node IN (SELECT unnest(?::VARCHAR[]))', nodes
                )
        connection.execute("DELETE FROM node WHERE id IN (SELECT unnest(?::VARCHAR[]))", nodes)
        connection.execute(
            "DELETE FROM call_use WHERE node IN (SELECT unnest(?::VARCHAR[]))", nodes
        )
        connection.execute("DELETE FROM run_node WHERE list_contains(?, run)", runs)
        connection.execute("DELETE FROM pattern_origin WHERE list_contains(?, run)", runs)
        for table in ("provenance", "run_file"):
            connection.execute(f"DELETE FROM {table} WHERE list_contains(?, run)", runs)
        connection.execute(
            "DELETE FROM file_text WHERE digest NOT IN (SELECT digest FROM run_file)"
        )
        connection.execute("DELETE FROM run WHERE list_contains(?, id)", runs)
        connection.execute("DELETE FROM run_part WHERE list_contains(?, run)", runs)
        flat.sweep(connection)
        connection.execute("DELETE FROM recipe WHERE id NOT IN (SELECT recipe FROM run)")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    # Gives the freed blocks back to the file, which shrinks only where they are at its end.
    connection.execute("CHECKPOINT")
