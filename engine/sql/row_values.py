"""Users' SQL on rows that come in batches: one value per row, and where it cannot be had, why.

A mistake in the expression is `Unusable`; a value that the expression cannot work with is a fault of its row alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from engine.sql.expressions import (
    Fault,
    Kind,
    fault_of,
    parse,
    unknown_column,
    wrong_function,
    wrong_type,
)
from engine.sql.readers import plain

if TYPE_CHECKING:
    import duckdb

Rows = Sequence[Mapping[str, Any]]

_NAMES: dict[type, str] = {
    str: "text", bool: "true/false", int: "number", float: "number", list: "list", dict: "mapping",
}  # fmt: skip


def type_name(value: Any) -> str:
    """Return what a JSON-like value is, in the words of messages: text, number, true/false, list or mapping."""
    return _NAMES[type(value)]


class Unusable(Exception):
    """An expression that cannot be used on these rows at all."""

    def __init__(self, fault: Fault) -> None:
        """Take what is wrong with it."""
        super().__init__(fault.message)
        self.fault = fault


class RowExpression:
    """One expression, applied to batch after batch; a column keeps the type that its first value has."""

    def __init__(self, sql: str, kind: Kind, connection: duckdb.DuckDBPyConnection) -> None:
        """Take an expression of the kind `condition` or `value` and a closed-off connection; raises Unusable."""
        tree = parse(sql, connection)
        if isinstance(tree, Fault):
            raise Unusable(tree)
        if fault := wrong_function(tree, kind):
            raise Unusable(fault)
        self.columns = tree.columns
        self._sql, self._kind, self._tree, self._connection = sql, kind, tree, connection
        self._types: dict[str, str] = {}

    def check_columns(self, known: Collection[str]) -> None:
        """Raise Unusable where the expression names a column that is not `known`."""
        if fault := unknown_column(self._sql, self._tree, known):
            raise Unusable(fault)

    def over(self, rows: Rows) -> list[Any]:
        """Return a JSON-like value for each row, or a `Fault` where the row has none. Raises Unusable."""
        found: list[Any] = [None] * len(rows)
        wanted = {name.lower() for name in self.columns}
        names = dict.fromkeys(n for row in rows for n in row if n.lower() in wanted)
        # A column that this batch lacks has no value in it; whether it exists at all is asked elsewhere.
        lower = {name.lower() for name in names}
        names |= dict.fromkeys(n for n in self.columns if n.lower() not in lower)
        for index, row in enumerate(rows):
            if fault := self._other_type(row, names):
                found[index] = fault
        self._register(rows, names, found)
        self._fill(found, 0, len(rows))
        return found

    def _other_type(self, row: Mapping[str, Any], names: Collection[str]) -> Fault | None:
        """Return a fault where a column holds another type than its first value."""
        for name in names:
            value = row.get(name)
            if value is None:
                continue
            here = type_name(value)
            if (first := self._types.setdefault(name, here)) != here:
                message = f"the column '{name}' holds a {here} here and a {first} in earlier rows"
                return Fault(message.replace("a text", "text"), "write all its values alike")
        return None

    def _register(self, rows: Rows, names: Collection[str], found: list[Any]) -> None:
        import pyarrow as pa

        good = [index for index, value in enumerate(found) if not isinstance(value, Fault)]
        columns: dict[str, pa.Array] = {}
        for name in names:
            values = [rows[index].get(name) for index in good]
            try:
                columns[name] = pa.array(values)
            except (pa.ArrowException, OverflowError, TypeError):
                odd = _first_odd(values)
                message = f"the column '{name}' holds other types inside than in earlier rows"
                hint = "write the values inside its lists and mappings alike"
                found[good[odd]] = Fault(message, hint)
                return self._register(rows, names, found)
        columns["__row"] = pa.array(good, pa.int64())
        self._connection.register("rows", pa.table(columns))
        return None

    def _fill(self, found: list[Any], start: int, end: int) -> None:
        """Work out the rows from `start` to `end`; of those that fail, halve until each stands alone."""
        import duckdb

        query = f"SELECT __row, ({self._sql}\n) FROM rows WHERE __row >= {start} AND __row < {end}"
        try:
            cursor = self._connection.execute(query)
            values = cursor.fetchall()
        except (duckdb.DataError, duckdb.InvalidInputException) as error:
            if start == 0 and end == len(found):
                self._refuse_always_wrong()
            if end - start == 1:
                found[start] = fault_of(error)
                return
            middle = (start + end) // 2
            self._fill(found, start, middle)
            self._fill(found, middle, end)
            return
        except duckdb.Error as error:
            raise Unusable(fault_of(error)) from None
        kind = str(cursor.description[1][1]) if cursor.description else ""
        if fault := wrong_type(kind, self._kind):
            raise Unusable(fault)
        for index, value in values:
            found[index] = _json_like(value)

    def _refuse_always_wrong(self) -> None:
        """Raise Unusable for what fails on a row without any value too, such as `date '2020-13-01'`."""
        import duckdb

        nothing = "(SELECT 1) AS one LEFT JOIN (SELECT * FROM rows LIMIT 0) AS rows ON true"
        try:
            self._connection.execute(f"SELECT ({self._sql}\n) FROM {nothing}").fetchall()
        except duckdb.Error as error:
            raise Unusable(fault_of(error)) from None


def _first_odd(values: list[Any]) -> int:
    """Return the index of the first value with which Arrow cannot go on."""
    import pyarrow as pa

    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        try:
            pa.array(values[: middle + 1])
            low = middle + 1
        except (pa.ArrowException, OverflowError, TypeError):
            high = middle
    return low


def _json_like(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list | tuple):
        return [_json_like(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _json_like(each) for key, each in value.items()}
    return plain(value)
