"""Syntax trees of users' SQL, as DuckDB's own parser gives them; what is nested deeper than anybody writes is refused.

The limit is fixed: Python's own depends on who calls, so that what passes a check could still end a run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

DEEPEST = 150
"""Expressions in one another. Each is two or three levels of the tree, and Python reads no more than about 900."""
DEEP_HINT = "split it: columns that are computed first, or a list in place of many operators"
_LEVELS = 3 * DEEPEST
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|([\[{])|([\]}])')


class TooDeep(ValueError):
    """SQL is nested too deeply."""

    def __init__(self) -> None:
        """Say so as a message does."""
        super().__init__(
            f"this SQL is nested too deeply: more than {DEEPEST} expressions in one another"
        )


def tree_of(sql: str, connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Return the statements in `sql` as a tree, or DuckDB's complaint in its place (`error`, `error_message`).

    Raises:
        TooDeep: it is nested too deeply.
    """
    import duckdb

    try:
        [(text,)] = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
    except (duckdb.Error, UnicodeEncodeError) as error:
        # Of most mistakes the tree tells. Half of a character is no text to DuckDB.
        complaint = str(error).split("\n")[0].split(" Error: ", 1)[-1]
        return {"error": True, "error_type": "", "error_message": complaint}
    _check_depth(text)
    tree: dict[str, Any] = json.loads(text)
    if tree.get("error") and "expression depth" in str(tree.get("error_message")):
        raise TooDeep
    return tree


def _check_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= _LEVELS:
        return
    depth = 0
    for found in _BRACKETS.finditer(text):
        depth += 1 if found[1] else -1 if found[2] else 0
        if depth > _LEVELS:
            raise TooDeep


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield the nodes of a tree, each before what lies in it, in order."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += reversed(node.values())
        elif isinstance(node, list):
            waiting += reversed(node)
