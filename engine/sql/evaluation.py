"""Users' SQL on rows in memory: conditions per row, aggregates over all rows or over draws."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from engine.errors import RunError
from engine.sql.connection import closed_off
from engine.sql.expressions import (
    Fault,
    Kind,
    fault_of,
    free_name,
    parse,
    same_but_case,
    unheld,
    wrong_function,
    wrong_type,
)

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


class _Table(NamedTuple):
    """Rows as SQL sees them, under names that the users' SQL means nothing by."""

    name: str
    number: str
    """Column with the rows' numbers, from 0."""
    used: frozenset[str]
    """Columns that the users' SQL names, in lower case."""

    def each(self, sql: str) -> str:
        """Return the query of an expression's value for each row, in order."""
        return f"SELECT {sql} FROM {self.name} ORDER BY {self.number}"


def evaluate_condition(sql: str, rows: Rows) -> list[bool]:
    """Return for each row whether the condition holds; NULL counts as false. Raises RunError."""
    return evaluate_conditions([sql], rows)[0]


def evaluate_conditions(conditions: Sequence[str], rows: Rows) -> list[list[bool]]:
    """Return the same for several conditions over the same rows, which are made available once. Raises RunError."""
    if not rows:
        return [[] for _ in conditions]
    with closed_off() as connection:
        table = _register(conditions, rows, "condition", connection)
        held: list[list[bool]] = []
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
    """Return for each row the expression's value as text, None where it is NULL. Raises RunError."""
    if not rows:
        return []
    with closed_off() as connection:
        table = _register([sql], rows, "value", connection)
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
    """
    if draws is None and not rows:
        return None
    with closed_off() as connection:
        table = _register([sql], rows, "aggregate", connection)
        if draws is None:
            query = f"SELECT ({sql}\n) FROM {table.name}"
            return _number(_values(query, sql, "aggregate", connection)[0])
        values: list[float | None] = []
        step = max(1, _PICKS_AT_ONCE // max(1, draws.shape[1]))
        for start in range(0, len(draws), step):
            values += _over_draws(sql, draws[start : start + step], table, connection)
        return values


def _over_draws(
    sql: str, draws: npt.NDArray[np.int64], table: _Table, connection: duckdb.DuckDBPyConnection
) -> list[float | None]:
    import numpy as np
    import pyarrow as pa

    count, size = draws.shape
    picks, draw, pick = (free_name(name, table.used) for name in ("picks", "__draw", "__pick"))
    numbers = np.repeat(np.arange(count), size)
    connection.register(picks, pa.table({draw: numbers, pick: draws.reshape(-1)}))
    query = (
        f"SELECT ({sql}\n) FROM {picks} JOIN {table.name} "
        f"ON {table.name}.{table.number} = {picks}.{pick} "
        f"GROUP BY {picks}.{draw} ORDER BY {picks}.{draw}"
    )
    values = _values(query, sql, "aggregate", connection)
    connection.unregister(picks)
    return [_number(value) for value in values]


def _register(
    expressions: Sequence[str], rows: Rows, kind: Kind, connection: duckdb.DuckDBPyConnection
) -> _Table:
    """Make the columns that the expressions name available as a table of numbered rows."""
    import pyarrow as pa

    used: set[str] = set()
    for sql in expressions:
        tree = parse(sql, connection)
        if isinstance(tree, Fault):
            raise _failed(sql, tree)
        if fault := wrong_function(tree, kind):
            raise _failed(sql, fault)
        used |= {name.lower() for name in tree.columns}
    names = dict.fromkeys(name for row in rows for name in row) if used else {}
    if fault := same_but_case(used, names):
        raise _failed(expressions[0], fault)
    table = _Table(free_name("rows", used), free_name("__row", used), frozenset(used))
    columns: dict[str, Any] = {table.number: pa.array(range(len(rows)), pa.int64())}
    for name in names:
        if name.lower() in used:
            columns[name] = _column([row.get(name) for row in rows])
    connection.register(table.name, pa.table(columns))
    return table


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
