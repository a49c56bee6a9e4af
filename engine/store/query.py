"""Reading beside a run: one SELECT at a time on a connection that can neither write nor leave the store's file."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.errors import StoreError
from engine.gate import check_state
from engine.registry import did_you_mean
from engine.store import lock
from engine.store.file import FILE, Notice, opened
from engine.store.ingest import not_ingested
from engine.store.migrate import check, version
from engine.store.schema import newest
from engine.store.sharing import Stop
from engine.store.spool import read_lines, segments

if TYPE_CHECKING:
    import duckdb

WAIT = 5.0
"""Seconds a query waits for a run that has the file to ingest, which takes it tens of milliseconds."""


STOPPED = "the query was stopped"
_NO_COLUMN = re.compile(r'Referenced column "(.+?)" not found|not have a column named "(.+?)"')


class Unseen(NamedTuple):
    """Rows that a run has produced and that queries do not see yet."""

    rows: int
    run: str
    """Run that is going on, empty when none is."""
    pid: int
    """Its process, 0 when none is."""


class QueryResult(NamedTuple):
    """The open result of a query: a pyarrow RecordBatchReader, DuckDB's type per column, and what is missing."""

    reader: Any
    types: dict[str, str]
    """By name as the reader has it: a name that the query gives twice has a number behind it."""
    unseen: Unseen


@contextlib.contextmanager
def ask(
    state: Path,
    sql: str,
    parameters: Sequence[Any] = (),
    *,
    wait: float = WAIT,
    notice: Notice | None = None,
    batch: int = 100_000,
    stop: Stop | None = None,
) -> Iterator[QueryResult]:
    """Run one SELECT (or DESCRIBE, SHOW, SUMMARIZE, EXPLAIN) and stream its rows; the file is held meanwhile.

    Another thread may end it with `stop`.

    Raises:
        StoreError: there is no store, it is held open for `wait` seconds, or the SQL is wrong, is several
            statements, or would write.
    """
    _go_on(stop)
    path = _require(state)
    with opened(path, write=False, wait=wait, notice=notice) as connection:
        written_by = version(connection, path)
        missing = _unseen(state, connection, written_by)
        with (
            _stopped_by(stop, connection),
            _relation(connection, sql, parameters, written_by) as relation,
        ):
            names = _distinct(relation.columns)
            types = dict(zip(names, map(str, relation.types), strict=True))
            stream = relation.to_arrow_reader(batch)
            try:
                yield QueryResult(_renamed(stream, names), types, missing)
            finally:
                # Who still holds it, as an error's traceback does, would keep the file from being opened again.
                stream.close()


def rows(
    state: Path, sql: str, parameters: Sequence[Any] = (), *, wait: float = WAIT
) -> list[dict[str, Any]]:
    """Return the rows of one SELECT by column name; JSON columns are text. Raises StoreError as `ask` does."""
    with reader(state, wait=wait) as query:
        return query(sql, parameters)


@contextlib.contextmanager
def reader(
    state: Path, *, wait: float = WAIT, stop: Stop | None = None
) -> Iterator[Callable[[str, Sequence[Any]], list[dict[str, Any]]]]:
    """Give `rows` for one store, as often as wanted in the block: what a report asks its questions with.

    The file is opened once, which takes longer than most questions, and held for the block: keep it short. What is
    wrong with a question is raised as `ask` does. Another thread may end it with `stop`.
    """
    path = _require(state)
    with opened(path, write=False, wait=wait) as connection:
        written_by = version(connection, path)

        def query(sql: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
            _go_on(stop)
            with _relation(connection, sql, parameters, written_by) as relation:
                table = relation.to_arrow_table().rename_columns(_distinct(relation.columns))
                values: list[dict[str, Any]] = table.to_pylist()
            return values

        with _stopped_by(stop, connection):
            yield query


def _go_on(stop: Stop | None) -> None:
    """Raise StoreError where nothing more is to be asked."""
    if stop is not None and stop.asked:
        raise StoreError(STOPPED)


def _stopped_by(
    stop: Stop | None, connection: duckdb.DuckDBPyConnection
) -> contextlib.AbstractContextManager[None]:
    return stop.ending(connection.interrupt) if stop else contextlib.nullcontext()


def outcome_rows(state: Path, recipe: str, *, wait: float = WAIT) -> list[dict[str, Any]]:
    """Return what people's verdicts on each row of a recipe come to, by column name.

    Raises:
        StoreError: the store cannot be read, or brought up to date.
    """
    check(_require(state), wait)
    sql = "SELECT * FROM review_outcomes WHERE recipe = ? ORDER BY example, subject"
    return rows(state, sql, [recipe], wait=wait)


def _distinct(names: Sequence[str]) -> list[str]:
    """Return the names of columns, each once: a join that selects `*` has `id` and `id_1`, as in DuckDB's subqueries.

    A row by name, and a file that others read, holds one column of each name.
    """
    distinct: list[str] = []
    for name in names:
        numbered = (f"{name}_{number}" for number in count(1))
        taken = {*distinct, *names}
        distinct.append(
            name if name not in distinct else next(n for n in numbered if n not in taken)
        )
    return distinct


def _renamed(reader: Any, names: Sequence[str]) -> Any:
    """Return an Arrow reader of the same rows whose columns have these names."""
    import pyarrow as pa

    if reader.schema.names == names:
        return reader
    fields = [field.with_name(name) for field, name in zip(reader.schema, names, strict=True)]
    schema = pa.schema(fields)
    batches = (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in reader)
    return pa.RecordBatchReader.from_batches(schema, batches)


@contextlib.contextmanager
def _relation(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any], written_by: int
) -> Iterator[duckdb.DuckDBPyRelation]:
    """Give the rows of one SELECT; raises StoreError also for what goes wrong while they are read in the block."""
    import duckdb

    try:
        statement = _only_reads(connection, sql)
        relation = connection.sql(statement, params=list(parameters) or None)
        if relation is None:
            raise StoreError("the query returns nothing", "write a SELECT")
        try:
            yield relation
        finally:
            relation.close()
    except duckdb.Error as error:
        said = _of_earlier(reworded(error), written_by)
        if found := _column_of_data(connection, error):
            said = StoreError(said.message, f"{said.hint}\n    {found}".strip())
        raise said from error


def _column_of_data(connection: duckdb.DuckDBPyConnection, error: duckdb.Error) -> str:
    """Return how to write a column that a query names and that the recipe's data has; nothing where it is none."""
    import duckdb

    name = _NO_COLUMN.search(str(error))
    if not name:
        return ""
    column = name[1] or name[2]
    try:
        query = "SELECT 1 FROM example WHERE list_contains(json_keys(columns), ?) LIMIT 1"
        known = connection.execute(query, [column]).fetchall()
    except duckdb.Error:
        return ""
    written = "columns ->> '" + column.replace("'", "''") + "'"
    where = "it is a column of your data, which example, failures and others hold under `columns`"
    return f"{where}: {written}" if known else ""


@dataclass(frozen=True, slots=True)
class ReadableStore:
    """A project's store for reading, in notebooks and other programs; made by `open_store`."""

    state: Path
    """The state folder (`.pada`)."""
    wait: float = WAIT
    """Seconds that a query waits for a run, or another program, that has the file."""

    def sql(self, query: str, parameters: Sequence[Any] = ()) -> duckdb.DuckDBPyRelation:
        """Return the rows of one SELECT (or DESCRIBE, SHOW, SUMMARIZE, EXPLAIN) as a relation.

        From there `.df()`, `.arrow()` and `.fetchall()` lead on; it belongs to DuckDB's default connection, so that
        `duckdb.sql` joins it with other data. The rows are read whole and the file is closed again: a relation keeps no
        run waiting, and shows what was in the store when it was asked.

        Args:
            query: The statement; `?` stands for a parameter.
            parameters: Their values, in order.

        Raises:
            StoreError: the file is held open for `wait` seconds, or the SQL is wrong, is several statements, or
                would write.
        """
        import duckdb

        with ask(self.state, query, parameters, wait=self.wait) as answer:
            return duckdb.from_arrow(answer.reader.read_all())

    def unseen(self) -> Unseen:
        """Return how many rows of a run that goes on `sql` does not see yet; raises StoreError."""
        return unseen(self.state, wait=self.wait)


def open_store(state: Path | str = ".pada", *, wait: float = WAIT) -> ReadableStore:
    """Return the store of a state folder for reading, also beside a run; nothing stays open between queries.

    Args:
        state: The state folder.
        wait: Seconds that a query waits for a run, or another program, that has the file.

    Raises:
        StoreError: there is no store.
    """
    _require(Path(state))
    return ReadableStore(Path(state), wait)


def _require(state: Path) -> Path:
    """Return the store's file; raises StoreError where there is none, or where its folder is not this user's."""
    check_state(state)
    if not (state / FILE).exists():
        raise StoreError(
            f"there is no store at {state / FILE}",
            "`pada run RECIPE` makes one; --state names its folder",
        )
    return state / FILE


def unseen(state: Path, *, wait: float = WAIT) -> Unseen:
    """Return how many spooled rows queries do not see yet, and which run is writing."""
    path = _require(state)
    with opened(path, write=False, wait=wait) as connection:
        return _unseen(state, connection, version(connection, path))


def _unseen(state: Path, connection: duckdb.DuckDBPyConnection, written_by: int) -> Unseen:
    spooled = segments(state / "spool")
    if written_by == newest():
        spooled = not_ingested(connection, spooled)
    waiting = sum(1 for segment in spooled for _ in read_lines(segment.path))
    holder = lock.holder(state)
    return Unseen(waiting, holder.run if holder else "", holder.pid if holder else 0)


def _of_earlier(error: StoreError, written_by: int) -> StoreError:
    """Say so where the store is missing what newer ones have: reading does not bring it up to date."""
    if written_by >= newest():
        return error
    hint = "an earlier engine wrote this store: `pada plan RECIPE` or `pada run RECIPE` brings it up to date"
    return StoreError(error.message, f"{error.hint}\n    {hint}".strip())


def _only_reads(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    import duckdb

    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise StoreError(
            "no statement" if not statements else f"{len(statements)} statements at once",
            "write one SELECT",
        )
    if statements[0].type not in {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}:
        kind = statements[0].type.name.replace("_", " ")
        raise StoreError(
            f"{kind} is not possible: queries read the store and change nothing",
            "write a SELECT; for experiments copy the file and open the copy with DuckDB",
        )
    return str(statements[0].query)


def reworded(error: duckdb.Error) -> StoreError:
    """Return DuckDB's complaint about a query without its prefix; its suggestion and place become the hint."""
    import duckdb

    if isinstance(error, duckdb.InterruptException):
        return StoreError(STOPPED)
    text = str(error)
    head, _, rest = text.partition("\n")
    kind, separator, message = head.partition(" Error: ")
    hint = "\n    ".join(part for part in rest.splitlines() if part.strip())
    if "file system operations are disabled" in text:
        return StoreError(
            "queries read the store and no other file",
            "export what you need with --csv or --parquet",
        )
    return StoreError(message if separator and len(kind) < 30 else head, hint)


def choose_run(
    query: Callable[[str, Sequence[Any]], list[dict[str, Any]]],
    run: str | None = None,
    recipe: str | None = None,
    *,
    stage: str | None = None,
) -> tuple[str, str]:
    """Return the id of a run and its recipe's name: the one place that says which run is the last.

    That is the one that was started, or gone on with, last.

    Args:
        query: Asks the store.
        run: Its id; the last when left out.
        recipe: The name of a recipe: its last run, or the run named must be of it.
        stage: The last run only of those that did this stage.

    Raises:
        StoreError: there is none such.
    """
    runs = query(
        "SELECT u.id, coalesce(c.name, '') AS recipe FROM run u LEFT JOIN recipe c ON c.id = u.recipe"
        " ORDER BY coalesce(u.resumed, u.started), u.id",
        [],
    )
    if not runs:
        raise StoreError("the store has no run yet", "run a recipe first: `pada run RECIPE`")
    if run is not None:
        found = [one for one in runs if one["id"] == run]
        if not found:
            known = {one["id"] for one in runs}
            raise StoreError(f"the store has no run '{run}'", did_you_mean(run, known))
        if recipe is not None and found[0]["recipe"] != recipe:
            raise StoreError(
                f"run {run} is of the recipe '{found[0]['recipe']}', not of '{recipe}'",
                "leave out the recipe or --run",
            )
        return found[0]["id"], found[0]["recipe"]
    found = [one for one in runs if recipe in (None, one["recipe"])]
    if not found:
        known = {one["recipe"] for one in runs} - {""}
        raise StoreError(
            f"the store has no run of the recipe '{recipe}'", did_you_mean(recipe or "", known)
        )
    if stage is not None:
        did = {
            r["run"]
            for r in query("SELECT DISTINCT run FROM all_run_rows WHERE stage = ?", [stage])
        }
        found = [one for one in found if one["id"] in did]
        if not found:
            of = f"no run of the recipe '{recipe}'" if recipe else "no run"
            raise StoreError(f"{of} has done the stage {stage}", "run it: `pada run RECIPE`")
    return found[-1]["id"], found[-1]["recipe"]
