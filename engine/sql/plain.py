"""Which SQL is cheap whatever the rows hold, told by its form; all other SQL is computed apart (`engine.sandbox`).

Cheap is what takes time and memory in proportion to the rows it is given: comparisons, arithmetic, a few functions
whose result is no longer than their arguments, and nothing that repeats, counts up or goes through lists. Most
expressions of recipes (`accuracy < 1`, `length(text) > 40`) are, and so cost no process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from engine import sandbox
from engine.sql.connection import prepare

T = TypeVar("T")

_LONGEST = 2000
"""Characters: time grows with these as well."""
_NEEDLE = 200
"""Characters of a text that is looked for: in the worst case time grows with these times those that are searched."""
_CLASSES = frozenset(
    {
        *("BETWEEN", "CASE", "CAST", "COLUMN_REF", "COMPARISON", "CONJUNCTION"),
        *("CONSTANT", "FUNCTION", "OPERATOR", "TYPE"),
    }
)
_FUNCTIONS = frozenset(
    {
        *("+", "-", "*", "/", "//", "%", "||", "abs", "round", "floor", "ceil", "sqrt", "ln", "log", "exp"),
        *("length", "len", "strlen", "lower", "upper", "trim", "ltrim", "rtrim", "substring", "substr"),
        *("left", "right", "starts_with", "ends_with", "prefix", "suffix", "concat", "greatest", "least"),
        *("nullif", "ifnull", "struct_pack", "struct_extract", "list_value", "year", "month", "day", "hour"),
        *("avg", "count", "count_star", "max", "mean", "min", "stddev", "stddev_pop", "sum", "bool_and"),
        *("bool_or", "median"),
    }
)  # fmt: skip
_SEARCHES = frozenset({"contains", "~~", "!~~", "~~*", "!~~*"})
"""The text that they look for stands second."""
_WILDCARDS = 2
"""`%` of a LIKE: each further one multiplies the time by the length of the text."""
_TYPES = frozenset(
    {
        *("bool", "boolean", "tinyint", "smallint", "int", "integer", "bigint", "hugeint", "float", "real"),
        *("double", "decimal", "numeric", "date", "time", "timestamp", "varchar", "text", "string"),
    }
)  # fmt: skip
"""What a value can be cast to and not grow: text to bytes and back is four times as long, each time."""


def is_plain(sql: str, tree: Any) -> bool:
    """Return whether an expression is cheap by its form.

    Args:
        sql: The expression.
        tree: DuckDB's own, as `json_serialize_sql` has it.
    """
    return len(sql) <= _LONGEST and _is_plain(tree)


def _is_plain(tree: Any) -> bool:
    # A list of what waits in place of recursion: trees are as deep as SQL is long.
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            if not _is_plain_node(node):
                return False
            # What a type holds besides its name is DuckDB's own.
            if node.get("class") != "TYPE":
                waiting += [value for key, value in node.items() if key not in ("literal", "value")]
    return True


def _is_plain_node(node: dict[str, Any]) -> bool:
    kind = node.get("class")
    if kind is not None and kind not in _CLASSES:
        return False
    if kind == "TYPE":
        return str(node["type_name"]).lower() in _TYPES
    return kind != "FUNCTION" or _is_cheap(node)


def _is_cheap(node: dict[str, Any]) -> bool:
    name = str(node["function_name"]).lower()
    if name in _FUNCTIONS:
        return True
    arguments = node["arguments"]
    if name not in _SEARCHES or len(arguments) != 2:
        return False
    literal = arguments[1]["expression"].get("literal") or {}
    text = str(literal.get("text", ""))
    return (
        literal.get("kind") == "STRING"
        and len(text) <= _NEEDLE
        and (name == "contains" or text.count("%") <= _WILDCARDS)
    )


def computed(function: Callable[..., T], *arguments: Any, plain: bool, text: str) -> T:
    """Return what a function returns: computed here where the SQL is plain, else apart and within the recipe's limits.

    Args:
        function: One of a module's own.
        arguments: Its arguments.
        plain: Whether the SQL that it runs is plain.
        text: The SQL, for messages.

    Raises:
        Overrun: it takes more than the limits of the recipe at work let it.
    """
    if plain:
        return function(*arguments)
    return sandbox.call(function, *arguments, text=text, prepare=prepare)
