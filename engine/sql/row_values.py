"""Users' SQL on rows that come in batches: one value per row, or why it has none.

A mistake in the expression is `Unusable`; a value that the expression cannot work with is a fault of its row alone.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.errors import reason_of
from engine.sql.connection import closed_off
from engine.sql.expressions import (
    Fault,
    Kind,
    fault_of,
    free_name,
    parse,
    same_but_case,
    unheld,
    unknown_column,
    wrong_function,
    wrong_type,
)
from engine.sql.plain import computed

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Rows = Sequence[Mapping[str, Any]]

_NAMES: dict[type, str] = {
    str: "text", bool: "true/false", int: "number", float: "number", list: "list", dict: "mapping",
}  # fmt: skip
_EXPLAINED = 100
"""Rows of a batch whose failure is explained: each takes a query of its own."""
_UNEXPLAINED = Fault("this SQL does not work with the values of this row", "see the rows before")
_SIMPLE = re.compile(r"BOOLEAN|VARCHAR|(TINY|SMALL|BIG)?INT(EGER)?")
"""Types whose values are JSON-like as they come."""


def type_name(kind: type) -> str:
    """Return what values of a type are in the words of messages: text, number, true/false, list or mapping."""
    return _NAMES[kind]


class Unusable(Exception):
    """An expression that cannot be used on these rows at all."""

    def __init__(self, fault: Fault) -> None:
        """Take what is wrong with it."""
        super().__init__(fault)
        self.fault = fault


class _Asked(NamedTuple):
    """An expression, and under which names it sees rows."""

    sql: str
    kind: Kind
    rows: str
    number: str
    used: frozenset[str]
    """Columns that it names, in lower case."""


class RowExpression:
    """One expression, applied to batch after batch; a column keeps the type that its first value has."""

    def __init__(self, sql: str, kind: Kind) -> None:
        """Take an expression of the kind `condition` or `value`; raises Unusable."""
        with closed_off() as connection:
            tree = parse(sql, connection)
        if isinstance(tree, Fault):
            raise Unusable(tree)
        if fault := wrong_function(tree, kind):
            raise Unusable(fault)
        self.columns = tree.columns
        self._tree = tree
        self._types: dict[str, str] = {}
        used = frozenset(name.lower() for name in tree.columns)
        rows, number = free_name("rows", used), free_name("__row", used)
        self._asked = _Asked(sql, kind, rows, number, used)
        self._spelled: dict[str, None] = {}
        """The columns seen so far that the expression names, as rows spell them."""

    def check_columns(self, known: Collection[str]) -> None:
        """Raise Unusable where the expression names a column that is not `known`."""
        if fault := unknown_column(self._asked.sql, self._tree, known):
            raise Unusable(fault)

    def over(self, rows: Rows) -> list[Any]:
        """Return a JSON-like value for each row, or a `Fault` where the row has none. Raises Unusable and Overrun."""
        results: list[Any] = [None] * len(rows)
        used = self._asked.used
        names = [n for n in dict.fromkeys(chain.from_iterable(rows)) if n.lower() in used]
        self._spelled |= dict.fromkeys(names)
        if fault := same_but_case(used, self._spelled):
            raise Unusable(fault)
        # A column that this batch lacks has no value in it; whether it exists at all is asked elsewhere.
        lower = {name.lower() for name in names}
        names += [name for name in self.columns if name.lower() not in lower]
        columns = {name: [row.get(name) for row in rows] for name in names}
        for name, values in columns.items():
            self._find_other_types(name, values, results)
        plain, text = self._tree.plain, self._asked.sql
        return computed(_over, self._asked, columns, results, plain=plain, text=text)

    def _find_other_types(self, name: str, values: Sequence[Any], results: list[Any]) -> None:
        """Note a fault for each row in which a column holds another type than its first value."""
        kinds = {_NAMES[kind] for kind in set(map(type, values)) - {type(None)}}
        if name not in self._types and kinds:
            self._types[name] = _NAMES[type(next(value for value in values if value is not None))]
        if not kinds - {self._types.get(name)}:
            return
        first = self._types[name]
        for index, value in enumerate(values):
            if value is not None and (here := _NAMES[type(value)]) != first:
                message = f"the column '{name}' holds a {here} here and a {first} in earlier rows"
                results[index] = Fault(
                    message.replace("a text", "text"), "write all its values the same way"
                )


def _over(asked: _Asked, columns: Mapping[str, list[Any]], results: list[Any]) -> list[Any]:
    """Fill in the value of each row without a fault, or its fault. Raises Unusable."""
    with closed_off() as connection:
        batch = _Batch(asked, connection)
        batch.register(columns, results)
        batch.fill(results)
    return results


class _Batch:
    """The rows of one batch, as the table that an expression sees."""

    def __init__(self, asked: _Asked, connection: duckdb.DuckDBPyConnection) -> None:
        self._sql, self._kind, self._rows, self._number, self._used = asked
        self._connection = connection

    def register(self, columns: Mapping[str, list[Any]], results: list[Any]) -> None:
        """Make the columns available as the table `rows`, without the rows that have faults already."""
        try:
            table = self._table(columns, results)
        except Exception:
            # Arrow raises its own errors, Python's, and some of neither.
            for name, values in columns.items():
                _find_unlike(name, values, results)
            try:
                table = self._table(columns, results)
            except Exception as error:
                hint = "write large whole numbers as text"
                fault = Fault(f"these columns do not fit SQL: {reason_of(error)}", hint)
                raise Unusable(fault) from error
        self._connection.register(self._rows, table)

    def _table(self, columns: Mapping[str, list[Any]], results: Sequence[Any]) -> pa.Table:
        """Return the rows without faults as a table; raises what Arrow raises for values of unlike types."""
        import pyarrow as pa

        good = [index for index, value in enumerate(results) if not isinstance(value, Fault)]
        table = {
            name: pa.array(
                values if len(good) == len(values) else [values[index] for index in good]
            )
            for name, values in columns.items()
        }
        return pa.table({**table, self._number: pa.array(good, pa.int64())})

    def fill(self, results: list[Any]) -> None:
        """Work out the rows; where some cannot be, the others all the same."""
        import duckdb

        query = f"SELECT {self._number}, ({self._sql}\n) FROM {self._rows}"
        try:
            try:
                values = self._connection.execute(query).fetchall()
            except (duckdb.DataError, duckdb.InvalidInputException):
                self._refuse_always_wrong()
                values = self._where_possible(results)
            cursor = self._connection.execute(f"{query} LIMIT 0")
        except duckdb.Error as error:
            raise Unusable(fault_of(error)) from None
        except Unusable:
            raise
        except Exception as error:
            raise Unusable(unheld(error)) from error
        kind = str(cursor.description[1][1]) if cursor.description else ""
        if fault := wrong_type(kind, self._kind):
            raise Unusable(fault)
        simple = _SIMPLE.fullmatch(kind) is not None
        for index, value in values:
            results[index] = value if simple else sql_value(value)

    def _where_possible(self, results: list[Any]) -> list[tuple[int, Any]]:
        """Return the rows whose value can be computed, with their values; note a fault for each of the others."""
        # In a list, a NULL value can be distinguished from a failure.
        query = f"SELECT {self._number}, TRY(list_value(({self._sql}\n))) FROM {self._rows}"
        tried = self._connection.execute(query).fetchall()
        failing = (index for index, value in tried if value is None)
        for number, index in enumerate(failing):
            results[index] = self._why(index) if number < _EXPLAINED else _UNEXPLAINED
        return [(index, value[0]) for index, value in tried if value is not None]

    def _why(self, index: int) -> Fault:
        """Return why a row's value cannot be computed."""
        import duckdb

        try:
            query = f"SELECT ({self._sql}\n) FROM {self._rows} WHERE {self._number} = {index}"
            self._connection.execute(query).fetchall()
        except duckdb.Error as error:
            return fault_of(error)
        return _UNEXPLAINED

    def _refuse_always_wrong(self) -> None:
        """Raise Unusable for what fails on a row without any value too, such as `date '2020-13-01'`."""
        import duckdb

        rows = f"(SELECT * FROM {self._rows} LIMIT 0) AS {self._rows}"
        one = free_name("__one", self._used)
        nothing = f"(SELECT 1 AS {one}) AS {one} LEFT JOIN {rows} ON true"
        try:
            self._connection.execute(f"SELECT ({self._sql}\n) FROM {nothing}").fetchall()
        except duckdb.Error as error:
            raise Unusable(fault_of(error)) from None


def _find_unlike(name: str, values: Sequence[Any], results: list[Any]) -> None:
    """Note a fault for each row whose value Arrow cannot hold beside those before it."""
    import pyarrow as pa

    kinds: dict[pa.DataType, Any] = {}
    """Type of a value -> the first value of it."""
    for index, value in enumerate(values):
        if value is None or isinstance(results[index], Fault):
            continue
        try:
            kind = pa.array([value]).type
            if kind not in kinds:
                pa.array([*kinds.values(), value])
                kinds[kind] = value
        except OverflowError:
            message = f"the column '{name}' holds a number here that is too large for SQL"
            results[index] = Fault(message, "write it as text, in all rows")
        except Exception:
            message = f"the column '{name}' holds other types inside than in earlier rows"
            results[index] = Fault(message, "write the values inside its lists and mappings alike")


def sql_value(value: Any) -> Any:
    """Return a value of DuckDB's as JSON has it; decimals are numbers."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list | tuple):
        return [sql_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): sql_value(item) for key, item in value.items()}
    return json_value(value)


def json_value(value: Any) -> Any:
    """Return a value as JSON has it: dates, decimals and the like as text, bytes as base64, no NaN."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, (list, tuple)):
        return [json_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, (bytes, bytearray)):
        return b64encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
