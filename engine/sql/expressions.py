"""What users' SQL may be: exactly one expression over known columns, the same result every time.

DuckDB's own parser gives the tree; what is not an expression over the columns is refused.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from engine.errors import reason_of
from engine.registry import did_you_mean
from engine.sandbox import Overrun
from engine.sql.connection import closed_off
from engine.sql.plain import computed, is_plain
from engine.sql.trees import DEEP_HINT, TooDeep, nodes, tree_of

if TYPE_CHECKING:
    import duckdb

Kind = Literal["condition", "aggregate", "value"]

_PREFIX = "SELECT "
_LONGEST = 100_000
"""Characters of SQL."""
_CLASSES = {
    "BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT",
    "FUNCTION", "LAMBDA", "OPERATOR", "TYPE",
}  # fmt: skip
_REFUSED = {
    "SUBQUERY": ("a SELECT inside the expression", "use the columns of the row only"),
    "WINDOW": ("a window function (OVER …)", "use a plain expression over the row's columns"),
    "STAR": ("a '*'", "name the columns, or use count(*)"),
    "PARAMETER": ("a parameter ('?' or '$1')", "write the value into the expression"),
}
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*\"""")
_OPERATORS = frozenset(
    [
        "and",
        "between",
        "case",
        "else",
        "end",
        "false",
        "in",
        "is",
        "like",
        "not",
        "null",
        "or",
        "then",
        "true",
        "when",
    ]
)
"""Words of SQL that an expression has without meaning a column that is called so."""
_UNLIKE = re.compile(r"Cannot (?:compare|mix) values of type (\S+) and (?:type )?(\S+)")
_NUMERIC = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT|DOUBLE|FLOAT|DECIMAL)")
# Not marked as volatile by DuckDB, yet they vary from time to time (`age` of one value counts from today), wait, or
# multiply rows.
_UNSTEADY = {"age", "ago", "pg_sleep", "reservoir_quantile", "unnest", "unlist"}


class Fault(NamedTuple):
    """What is wrong with an expression, and what to do about it."""

    message: str
    hint: str = ""


class Tree(NamedTuple):
    """A parsed expression: the columns it names (first parts, as written) and the functions it calls."""

    columns: tuple[str, ...]
    functions: tuple[str, ...]
    plain: bool = False
    """Whether it is cheap whatever the rows hold (`engine.sql.plain`)."""


class _Functions(NamedTuple):
    aggregate: frozenset[str]
    known: frozenset[str]
    unsteady: frozenset[str]


def check_expression(
    sql: str,
    columns: Mapping[str, str] | Collection[str] | None,
    kind: Kind = "condition",
    elsewhere: Collection[str] = (),
) -> Fault | None:
    """Return what is wrong with an expression; None when it can be used.

    Args:
        sql: One SQL expression.
        columns: Column names, or names with their DuckDB types (which lets types be checked too);
            None when they are not known.
        kind: `condition`, true or false for each row; `aggregate`, one number over many rows; or `value`,
            anything for each row (its types show on rows only: values may be nested).
        elsewhere: Columns of other rows that the expression is applied to as well.
    """
    with closed_off() as connection:
        tree = parse(sql, connection)
        if isinstance(tree, Fault):
            return with_quotes(tree, sql, columns or ())
        if fault := wrong_function(tree, kind):
            return with_quotes(fault, sql, columns or ())
        if columns is None:
            return None
        if fault := unknown_column(sql, tree, columns):
            return fault
        if fault := same_but_case(tree.columns, [*columns, *elsewhere]):
            return fault
    if kind == "value":
        return None
    types = columns if isinstance(columns, Mapping) else dict.fromkeys(columns, '"NULL"')
    used = {name.lower() for name in tree.columns}
    named = {name: t for name, t in types.items() if name.lower() in used}
    # Types and constants are worked out, whatever that takes.
    return computed(_bind, sql, named, kind, plain=tree.plain, text=sql)


def parse(sql: str, connection: duckdb.DuckDBPyConnection) -> Tree | Fault:
    """Return the columns and functions of the one expression in `sql`, or why it is not one."""
    if not sql.strip():
        return Fault("the expression is empty", "write a SQL expression, such as `accuracy < 1`")
    if sql.rstrip().endswith(";"):
        return Fault("this ends with ';'", "leave the ';' out")
    if fault := too_long(sql):
        return fault
    try:
        parsed = tree_of(f"{_PREFIX}{sql}\n", connection)
    except TooDeep as error:
        return Fault(str(error), DEEP_HINT)
    if parsed.get("error"):
        return _syntax(sql, parsed)
    if fault := _not_one_expression(parsed):
        return fault
    columns: list[str] = []
    functions: list[str] = []
    expression = parsed["statements"][0]["node"]["select_list"][0]
    if fault := _walk(expression, columns, functions):
        return fault
    plain = is_plain(sql, expression)
    return Tree(tuple(dict.fromkeys(columns)), tuple(dict.fromkeys(functions)), plain)


def too_long(sql: str) -> Fault | None:
    """Return a fault for SQL whose syntax tree would be larger than any that somebody wrote."""
    if len(sql) <= _LONGEST:
        return None
    hint = "what is long is data: join it in a query"
    return Fault(f"this SQL is longer than {_LONGEST:,} characters", hint)


def _syntax(sql: str, parsed: Mapping[str, Any]) -> Fault:
    complaint = str(parsed.get("error_message", ""))
    if parsed.get("error_type") == "not implemented":
        return Fault("this is more than one expression", "write one expression, without ';'")
    position = int(parsed.get("position") or 0) - len(_PREFIX)
    place = f" (character {position + 1})" if 0 <= position < len(sql) else ""
    return Fault(
        f"this is not valid SQL: {complaint}{place}", "check quotes, brackets and operators"
    )


def _not_one_expression(parsed: Mapping[str, Any]) -> Fault | None:
    statements = parsed["statements"]
    node = statements[0]["node"] if len(statements) == 1 else {}
    is_single = (
        node.get("type") == "SELECT_NODE"
        and len(node["select_list"]) == 1
        and node["from_table"]["type"] == "EMPTY"
        and not node["select_list"][0].get("alias")
        and not any(
            node.get(key) for key in ("where_clause", "having", "qualify", "sample", "modifiers")
        )
        and not any(node.get(key) for key in ("group_expressions", "group_sets"))
        and not node.get("cte_map", {}).get("map")
    )
    if is_single:
        return None
    hint = "write one expression over the columns, without FROM, WHERE, AS, ORDER BY, ',' or ';'"
    return Fault("this is not a single expression", hint)


def _walk(expression: Any, columns: list[str], functions: list[str]) -> Fault | None:
    """Collect columns and functions; names that a lambda brings along are no columns."""
    waiting: list[tuple[Any, frozenset[str]]] = [(expression, frozenset())]
    while waiting:
        node, local = waiting.pop()
        if isinstance(node, list):
            waiting += [(child, local) for child in reversed(node)]
        if not isinstance(node, dict) or node.get("class") == "TYPE":
            continue
        if fault := _refused(node):
            return fault
        match node.get("class"):
            case "COLUMN_REF" if node["column_names"][0] not in local:
                columns.append(node["column_names"][0])
            case "FUNCTION":
                functions.append(str(node["function_name"]).lower())
            case "LAMBDA":
                waiting.append((node.get("expr"), local | _names(node.get("lhs"))))
                continue
        waiting += [
            (value, local)
            for key, value in reversed(node.items())
            if key not in ("cast_type", "literal", "value")
        ]
    return None


def _refused(node: Mapping[str, Any]) -> Fault | None:
    """Return why a node of a tree is no part of an expression over columns."""
    kind = node.get("class")
    if kind is not None and kind not in _CLASSES:
        what, hint = _REFUSED.get(kind, (f"'{str(kind).lower()}'", "use a plain expression"))
        return Fault(f"{what} is not allowed here", hint)
    if kind == "LAMBDA" and node.get("syntax_type") == "SINGLE_ARROW":
        return Fault("'->' is not allowed here", "use json_extract(…), or `lambda x: …`")
    return None


def _names(parameters: Any) -> frozenset[str]:
    return frozenset(
        node["column_names"][0] for node in nodes(parameters) if node.get("class") == "COLUMN_REF"
    )


def unknown_column(sql: str, tree: Tree, columns: Collection[str]) -> Fault | None:
    """Return a fault for columns that the rows do not have, or have twice but for case."""
    known = {column.lower() for column in columns}
    unknown = [name for name in tree.columns if name.lower() not in known]
    hints = {did_you_mean(name, columns) or "there are no columns": None for name in unknown}
    if any(f'"{name}"' in sql for name in unknown):
        hints["text goes in single quotes"] = None
    if not unknown:
        return same_but_case(tree.columns, columns)
    fault = Fault(", ".join(f"no column '{name}'" for name in unknown), "; ".join(hints))
    return with_quotes(fault, sql, columns)


def with_quotes(fault: Fault, sql: str, columns: Iterable[str]) -> Fault:
    """Return a fault with how to write a column that stands in the SQL and means none there without quotes."""
    bare = _QUOTED.sub(" ", sql).lower()
    for name in sorted(columns, key=len, reverse=True):
        written = name.lower()
        # A quote in the name itself parts the SQL elsewhere.
        text = sql.lower() if "'" in name or '"' in name else bare
        if written in _OPERATORS or not re.search(rf"(?<!\w){re.escape(written)}(?!\w)", text):
            continue
        with closed_off() as connection:
            tree = parse(name, connection)
        if not (isinstance(tree, Tree) and tree.columns == (name,)):
            return fault._replace(hint=f"write the column as {quoted(name)}, in double quotes")
    return fault


def same_but_case(named: Iterable[str], columns: Iterable[str]) -> Fault | None:
    """Return a fault for a column that SQL names where the rows have several that differ in case alone."""
    used = {name.lower() for name in named}
    first: dict[str, str] = {}
    for column in columns:
        other = first.setdefault(column.lower(), column)
        if other != column and column.lower() in used:
            message = f"the columns '{other}' and '{column}' differ in case only"
            return Fault(message, "SQL cannot tell them apart: rename one of them")
    return None


def free_name(wanted: str, used: Collection[str]) -> str:
    """Return a name for something of the engine's own, which is none of those that users' SQL means.

    Args:
        wanted: The name, where it is free.
        used: Names in users' SQL, in lower case.
    """
    while wanted in used:
        wanted += "_"
    return wanted


@cache
def _functions() -> _Functions:
    query = "SELECT DISTINCT function_name, function_type, stability FROM duckdb_functions()"
    with closed_off() as connection:
        rows = connection.execute(query).fetchall()
    scalar = {name for name, kind, _ in rows if kind in ("scalar", "macro")}
    aggregate = {name for name, kind, _ in rows if kind == "aggregate"} - scalar
    unsteady = {name for name, _, stability in rows if stability not in (None, "CONSISTENT")}
    return _Functions(
        frozenset(aggregate), frozenset(scalar | aggregate), frozenset(unsteady | _UNSTEADY)
    )


def unsteady_functions() -> frozenset[str]:
    """Return the functions that may give something else every time, or reach beyond their arguments."""
    return _functions().unsteady


def wrong_function(tree: Tree, kind: Kind) -> Fault | None:
    """Return a fault for a function that is unknown, unsteady, or of the wrong sort for `kind`."""
    functions = _functions()
    for name in tree.functions:
        if name in functions.unsteady:
            hint = "a result must be the same every time, and reach nothing but the row"
            return Fault(f"the function '{name}' is not allowed here", hint)
        if name not in functions.known and re.match(r"\w", name):
            close = difflib.get_close_matches(name[:100], functions.known, n=1, cutoff=0.75)
            hint = f"did you mean '{close[0]}'?" if close else "see the functions of DuckDB"
            return Fault(f"no function '{name}'", hint)
    aggregates = [name for name in tree.functions if name in functions.aggregate]
    if kind != "aggregate" and aggregates:
        hint = f"this is a {kind} of single rows; aggregates belong in a SQL metric"
        name = "count(*)" if aggregates[0] == "count_star" else aggregates[0]
        return Fault(f"the aggregate '{name}' is not allowed here", hint)
    if kind == "aggregate" and not aggregates:
        hint = "put all of the rows' values together: avg(…), sum(…), count(*) …"
        return Fault("this gives a value per row, not one for all rows", hint)
    return None


def _bind(sql: str, types: Mapping[str, str], kind: Kind) -> Fault | None:
    """Let DuckDB check types and arguments on an empty table of the columns that the expression names."""
    import duckdb

    used = {name.lower() for name in types}
    listed = [f"NULL::{t} AS {quoted(name)}" for name, t in types.items()]
    number, rows = free_name("__row", used), free_name("rows", used)
    source = f"(SELECT {', '.join([f'1 AS {number}', *listed])} LIMIT 0) AS {rows}"
    with closed_off() as connection:
        try:
            connection.execute(f"SELECT ({sql}\n) FROM {source}")
        except duckdb.Error as error:
            return fault_of(error)
        return wrong_type(str(connection.description[0][1]) if connection.description else "", kind)


_NUMBERS = re.compile(
    r'(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|DECIMAL.*|BOOLEAN|"NULL")$'
)


def wrong_type(result_type: str, kind: Kind) -> Fault | None:
    """Return a fault when an expression gives values of a type that its use cannot take."""
    if kind == "condition" and result_type.upper() not in ("BOOLEAN", "BOOL", '"NULL"', "NULL"):
        hint = "compare it with something, such as `length(text) > 20`"
        return Fault(f"this gives {result_type}, not true or false", hint)
    if kind == "aggregate" and not _NUMBERS.match(result_type):
        return Fault(
            f"this gives {result_type}, not a number", "use avg(…), sum(…), count(…) or the like"
        )
    return None


def fault_of(error: duckdb.Error) -> Fault:
    """Return DuckDB's complaint without the echo of the query; raises Overrun where it is short of memory."""
    import duckdb

    if isinstance(error, duckdb.OutOfMemoryException):
        raise Overrun("memory") from None
    complaint = str(error).split("\n\nLINE")[0].split("\n")[0]
    complaint = complaint.split(" Error: ", 1)[-1].rstrip(".")
    if match := re.match(r"No function matches .*'(\W?\w*)\((.*)\)'", complaint):
        hint = "convert the value first, such as `try_cast(x as double)`"
        return Fault(f"'{match[1]}' does not take values of type {match[2]}", hint)
    if (match := _UNLIKE.search(complaint)) and (fault := _text_and_number(match[1], match[2])):
        return fault
    hint = (
        "use try_cast(… as …) where a value may not convert"
        if "onver" in complaint
        else "docs/sql.md has expressions that work, to begin from"
    )
    if "GROUP BY" in complaint:
        complaint, hint = (
            "a column stands outside of an aggregate",
            "put it inside avg(…), sum(…) or the like",
        )
    return Fault(f"this SQL does not work: {complaint}", hint)


def unheld(error: Exception) -> Fault:
    """Return that a value which DuckDB has worked out cannot be had from it, such as a time in an unknown zone."""
    return Fault(
        f"this SQL gives what cannot be read: {reason_of(error)}",
        "convert it: `CAST(… AS VARCHAR)`",
    )


def _text_and_number(one: str, other: str) -> Fault | None:
    """Return what is wrong with comparing values of two types, where one is text and the other a number."""
    text, number = (one, other) if one == "VARCHAR" else (other, one)
    number = number.rstrip(".,;")
    if text != "VARCHAR" or not _NUMERIC.match(number):
        return None
    message = f"text ({text}) is compared with a number ({number}) here"
    hint = (
        "convert the text: `try_cast(x as double) > 1000`; or make the column a number where the data is read: "
        '`columns: {x: "try_cast(x as double)"}`'
    )
    return Fault(message, hint)


def is_name(text: str) -> bool:
    """Return whether a column's name means that column as it stands, without quotes."""
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", text):
        return False
    with closed_off() as connection:
        tree = parse(text, connection)
    return isinstance(tree, Tree) and tree.columns == (text,)


def quoted(name: str) -> str:
    """Return a column name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
