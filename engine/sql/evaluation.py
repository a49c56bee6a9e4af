"""Users' SQL on rows in memory: conditions per row, aggregates over all rows or over draws."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from engine.errors import RunError
from engine.sql.connection import closed_off
from engine.sql.expressions import (
    Fault,
    Kind,
    fault_of,
    free_name,
    parse,
    quoted,
    same_but_case,
    unheld,
    wrong_function,
    wrong_type,
)
from engine.sql.plain import computed

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

Rows = Sequence[Mapping[str, Any]]

_TYPES: dict[type, str] = {str: "VARCHAR", bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE"}
_UNKNOWN = '"NULL"'
_PICKS_AT_ONCE = 2_000_000
_CONDITIONS_AT_ONCE = 100
_FEW = 20_000
"""Rows that are handed to DuckDB as lists."""


class _Table(NamedTuple):
    """Rows as SQL sees them, under names that the users' SQL means nothing by."""

    name: str
    number: str
    """Column with the rows' numbers, from 0."""
    used: frozenset[str]
    """Columns that the users' SQL names, in lower case."""
    columns: Mapping[str, list[Any]]
    size: int
    plain: bool
    """Whether the users' SQL is."""

    def each(self, sql: str) -> str:
        """Return the query of an expression's value for each row, in order."""
        return f"SELECT {sql} FROM {self.name} ORDER BY {self.number}"


def evaluate_condition(sql: str, rows: Rows) -> list[bool]:
    """Return for each row whether the condition holds; NULL counts as false. Raises RunError and Overrun."""
    return evaluate_conditions([sql], rows)[0]


def evaluate_conditions(
    conditions: Sequence[str], rows: Rows, *, ours: bool = False
) -> list[list[bool]]:
    """Return the same for several conditions over the same rows, which are made available once.

    Args:
        conditions: The conditions.
        rows: The rows.
        ours: The engine made them, so that no limits hold.

    Raises:
        RunError: one cannot be used.
        Overrun: they take more than the recipe's limits let them.
    """
    if not rows:
        return [[] for _ in conditions]
    table = _table(conditions, rows, "condition")
    plain, text = ours or table.plain, conditions[0]
    return computed(_conditions, conditions, table, plain=plain, text=text)


def _conditions(conditions: Sequence[str], table: _Table) -> list[list[bool]]:
    held: list[list[bool]] = []
    with _registered(table) as connection:
        for start in range(0, len(conditions), _CONDITIONS_AT_ONCE):
            held += _hold(conditions[start : start + _CONDITIONS_AT_ONCE], table, connection)
    return held


def _hold(
    conditions: Sequence[str], table: _Table, connection: duckdb.DuckDBPyConnection
) -> list[list[bool]]:
    """Return for each condition where it holds, by one query; one by one where a condition cannot be used."""
    listed = ", ".join(f"({sql}\n)" for sql in conditions)
    try:
        found = connection.execute(table.each(listed)).fetchall()
        kinds = [str(column[1]) for column in connection.description or ()]
    except Exception:
        # Whichever condition it was: asked alone it says why.
        found, kinds = [], []
    if kinds and not any(wrong_type(kind, "condition") for kind in kinds):
        return [[value is True for value in values] for values in zip(*found, strict=True)]
    queries = [table.each(f"({sql}\n)") for sql in conditions]
    return [
        [value is True for value in _values(query, sql, "condition", connection)]
        for query, sql in zip(queries, conditions, strict=True)
    ]


def evaluate_value(sql: str, rows: Rows) -> list[str | None]:
    """Return for each row the expression's value as text, None where it is NULL. Raises RunError and Overrun."""
    if not rows:
        return []
    table = _table([sql], rows, "value")
    return computed(_texts, sql, table, plain=table.plain, text=sql)


def _texts(sql: str, table: _Table) -> list[str | None]:
    with _registered(table) as connection:
        return _values(table.each(f"(({sql}\n))::VARCHAR"), sql, "value", connection)


@overload
def evaluate_aggregate(sql: str, rows: Rows) -> float | None: ...
@overload
def evaluate_aggregate(
    sql: str, rows: Rows, draws: npt.NDArray[np.int64]
) -> list[float | None]: ...
def evaluate_aggregate(
    sql: str, rows: Rows, draws: npt.NDArray[np.int64] | None = None
) -> float | list[float | None] | None:
    """Return the aggregate over all rows, or over each draw; None where it has no finite value.

    Args:
        sql: An aggregate expression over the rows' columns.
        rows: The rows; columns are taken from all of them.
        draws: Indices into `rows`, shape (draws, rows per draw), for bootstrap intervals.

    Raises:
        RunError: the expression cannot be used.
        Overrun: it takes more than the recipe's limits let it.
    """
    if draws is None and not rows:
        return None
    table = _table([sql], rows, "aggregate")
    if draws is None:
        return computed(_over_all, sql, table, plain=table.plain, text=sql)
    values: list[float | None] = []
    step = max(1, _PICKS_AT_ONCE // max(1, draws.shape[1]))
    for start in range(0, len(draws), step):
        part = draws[start : start + step]
        values += computed(_over_draws, sql, part, table, plain=table.plain, text=sql)
    return values


def _over_all(sql: str, table: _Table) -> float | None:
    with _registered(table) as connection:
        query = f"SELECT ({sql}\n) FROM {table.name}"
        return _number(_values(query, sql, "aggregate", connection)[0])


def _over_draws(sql: str, draws: npt.NDArray[np.int64], table: _Table) -> list[float | None]:
    import numpy as np
    import pyarrow as pa

    count, size = draws.shape
    picks, draw, pick = (free_name(name, table.used) for name in ("picks", "__draw", "__pick"))
    numbers = np.repeat(np.arange(count), size)
    query = (
        f"SELECT ({sql}\n) FROM {picks} JOIN {table.name} "
        f"ON {table.name}.{table.number} = {picks}.{pick} "
        f"GROUP BY {picks}.{draw} ORDER BY {picks}.{draw}"
    )
    with _registered(table) as connection:
        connection.register(picks, pa.table({draw: numbers, pick: draws.reshape(-1)}))
        return [_number(value) for value in _values(query, sql, "aggregate", connection)]


def _table(expressions: Sequence[str], rows: Rows, kind: Kind) -> _Table:
    """Return the columns of rows that expressions name; raises RunError for what is no expression over them."""
    used: set[str] = set()
    plain = True
    with closed_off() as connection:
        for sql in expressions:
            tree = parse(sql, connection)
            if isinstance(tree, Fault):
                raise _failed(sql, tree)
            if fault := wrong_function(tree, kind):
                raise _failed(sql, fault)
            used |= {name.lower() for name in tree.columns}
            plain = plain and tree.plain
    names = dict.fromkeys(name for row in rows for name in row) if used else {}
    if fault := same_but_case(used, names):
        raise _failed(expressions[0], fault)
    return _Table(
        free_name("rows", used),
        free_name("__row", used),
        frozenset(used),
        {name: [row.get(name) for row in rows] for name in names if name.lower() in used},
        len(rows),
        plain,
    )


@contextmanager
def _registered(table: _Table) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection on which rows are a table, numbered."""
    with closed_off() as connection:
        if not _filled(connection, table):
            connection.register(table.name, _arrow(table))
        yield connection


def _filled(connection: duckdb.DuckDBPyConnection, table: _Table) -> bool:
    """Make a table of a few rows with columns of one type each; return False where the rows are no such ones.

    Arrow would bring them as fast, once it is imported, which takes longer than all else in the check of a recipe:
    its conversion of lists imports pandas.
    """
    types = {name: _type(values) for name, values in table.columns.items()}
    if table.size > _FEW or not all(types.values()):
        return False
    listed = [f"unnest(?::BIGINT[]) AS {table.number}"]
    listed += [f"unnest(?::{kind}[]) AS {quoted(name)}" for name, kind in types.items()]
    query = f"CREATE TEMP TABLE {table.name} AS SELECT {', '.join(listed)}"
    try:
        connection.execute(query, [list(range(table.size)), *table.columns.values()])
    except Exception:
        # A number of more than 64 bits, halves of characters: Arrow has its own way with them.
        return False
    return True


def _type(values: list[Any]) -> str | None:
    """Return DuckDB's type of values that are all of one, or missing; None for all others."""
    kinds = set(map(type, values)) - {type(None)}
    return _TYPES.get(kinds.pop()) if len(kinds) == 1 else None


def _arrow(table: _Table) -> pa.Table:
    import pyarrow as pa

    columns: dict[str, Any] = {table.number: pa.array(range(table.size), pa.int64())}
    columns |= {name: _column(values) for name, values in table.columns.items()}
    return pa.table(columns)


def _column(values: list[Any]) -> pa.Array:
    """Return values as one Arrow column; a column of mixed types becomes text."""
    import pyarrow as pa

    try:
        return pa.array(values)
    except Exception:
        # Arrow raises its own errors, Python's, and some of neither.
        return pa.array([None if value is None else str(value) for value in values])


def _values(query: str, sql: str, kind: Kind, connection: duckdb.DuckDBPyConnection) -> list[Any]:
    import duckdb

    try:
        rows = connection.execute(query).fetchall()
    except duckdb.Error as error:
        raise _failed(sql, fault_of(error)) from None
    except Exception as error:
        raise _failed(sql, unheld(error)) from error
    result_type = str(connection.description[0][1]) if connection.description else ""
    if fault := wrong_type(result_type, kind):
        raise _failed(sql, fault)
    return [row[0] for row in rows]


def _failed(sql: str, fault: Fault) -> RunError:
    return RunError(f"the SQL `{sql}` cannot be used: {fault.message}", fault.hint)


def _number(value: Any) -> float | None:
    if value is None or not math.isfinite(float(value)):
        return None
    return float(value)


def column_types(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the columns of rows with the DuckDB type of each; mixed and nested ones stay open."""
    seen: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row.items():
            types = seen.setdefault(name, set())
            if value is not None:
                types.add(_TYPES.get(type(value), _UNKNOWN))
    return {name: types.pop() if len(types) == 1 else _UNKNOWN for name, types in seen.items()}
