"""Which files a query reads: found in its syntax tree, and nothing but files that it names as plain text.

DuckDB's own parser gives the tree, with the place of every name in the text, where relative paths are made absolute.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import RecipeError
from engine.sql.connection import closed_off
from engine.sql.expressions import Fault, too_long, unsteady_functions
from engine.sql.trees import DEEP_HINT, TooDeep, nodes, tree_of

_READERS = frozenset(
    {
        "read_csv",
        "read_csv_auto",
        "read_json",
        "read_json_auto",
        "read_ndjson",
        "read_ndjson_auto",
        "read_parquet",
    }
)
_WITHOUT_FILES = frozenset(
    {"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree"}
)
_NAME = re.compile(rb"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\w+""")
"""A name as it may stand in a query: as text, in double quotes, or bare."""
_NOW = {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}
"""Functions that are written like columns."""
_STEADY = "the rows must be the same every time: to draw some, use the recipe's `sample`"
_ONE_SELECT = "write one SELECT over data files: `SELECT … FROM 'data/x.parquet'`"


class Checked(NamedTuple):
    """A query that may run, and what it reads."""

    sql: str
    """With absolute paths."""
    files: tuple[Path, ...]
    folders: tuple[Path, ...]
    """Of the patterns such as `data/*.csv`: DuckDB must list them."""


class NamedFiles(NamedTuple):
    """What is behind a name in a query."""

    files: Sequence[Path]
    root: Path | None
    """The folder in which a pattern was looked for; None for a single file."""


LookUp = Callable[[str], NamedFiles]
"""Finds what is behind a name; raises RecipeError where there is nothing."""


class _Named(NamedTuple):
    """A file's name, and where it starts in the text, in bytes."""

    text: str
    start: int


class _Refused(Exception):
    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.fault = Fault(message, hint)


def check_query(sql: str, base: Path, has_tables: bool, look_up: LookUp) -> Checked | Fault:
    """Return the query with absolute paths and the files it reads, or why it may not run.

    Args:
        sql: What the recipe says.
        base: Where relative paths start.
        has_tables: Whether there is a database, in which names that are no files may be tables.
        look_up: Finds the files behind a name.

    Raises:
        RecipeError: it names a file that the recipe may not read.
    """
    try:
        statement = _statement(sql)
        file_names = list(_named(statement, has_tables, frozenset(_common_tables(statement))))
        return _looked_up(sql, base, file_names, look_up)
    except _Refused as refused:
        return refused.fault
    except RecipeError as error:
        problem = error.problems[0]
        if problem.code in ("outside", "no-data"):
            raise
        return Fault(f"{problem.where}: {problem.message}", problem.hint)


def _statement(sql: str) -> dict[str, Any]:
    if not sql.strip():
        raise _Refused("the query is empty", _ONE_SELECT)
    if fault := too_long(sql):
        raise _Refused(*fault)
    with closed_off() as connection:
        try:
            parsed = tree_of(sql, connection)
        except TooDeep as error:
            raise _Refused(str(error), DEEP_HINT) from None
    if parsed.get("error_type") == "not implemented":
        raise _Refused("this is not one SELECT", _ONE_SELECT)
    if parsed.get("error"):
        place = f" (character {int(parsed['position']) + 1})" if parsed.get("position") else ""
        message = f"this is not valid SQL: {parsed.get('error_message')}{place}"
        raise _Refused(message, "check quotes, brackets and commas")
    if len(parsed["statements"]) != 1:
        raise _Refused("this is more than one statement", _ONE_SELECT)
    node: dict[str, Any] = parsed["statements"][0]["node"]
    return node


def _common_tables(node: Any) -> Iterator[str]:
    """Yield the names that the query gives to tables of its own (WITH …)."""
    for each in nodes(node):
        for entry in each.get("cte_map", {}).get("map", ()):
            yield str(entry["key"]).lower()


def _named(node: Any, has_tables: bool, own: frozenset[str]) -> Iterator[_Named]:
    """Yield the files that the query names; raises _Refused for anything else that it would reach."""
    if isinstance(node, list):
        for child in node:
            yield from _named(child, has_tables, own)
    if not isinstance(node, dict):
        return
    if node.get("type") == "SHOW_REF":
        raise _Refused("DESCRIBE, SHOW and SUMMARIZE give no rows of data", _ONE_SELECT)
    if node.get("sample") is not None:
        raise _Refused("SAMPLE is not allowed here", _STEADY)
    if node.get("type") == "BASE_TABLE":
        yield from _table(node, has_tables, own)
    elif node.get("type") == "TABLE_FUNCTION":
        yield from _function(node["function"], has_tables, own)
        return
    else:
        _check_steady(node)
    yield from _named(list(node.values()), has_tables, own)


def _check_steady(node: dict[str, Any]) -> None:
    if node.get("class") == "COLUMN_REF" and (name := node["column_names"][0]).lower() in _NOW:
        raise _Refused(f"{name} is not allowed here", _STEADY)
    if node.get("class") == "FUNCTION":
        name = str(node["function_name"]).lower()
        if name in unsteady_functions() - {"unnest", "unlist"}:
            raise _Refused(f"the function '{name}' is not allowed here", _STEADY)


def _table(node: dict[str, Any], has_tables: bool, own: frozenset[str]) -> Iterator[_Named]:
    name = str(node["table_name"])
    path = node["qualified_name"]["path"]
    if len(path) > 1 or name.lower() in own:
        return
    if has_tables and "/" not in name and "." not in name:
        return
    yield _Named(name, node["query_location"])


def _function(node: dict[str, Any], has_tables: bool, own: frozenset[str]) -> Iterator[_Named]:
    name = str(node["function_name"]).lower()
    arguments = [argument["expression"] for argument in node["arguments"]]
    if name in _WITHOUT_FILES:
        yield from _named(arguments, has_tables, own)
        return
    if name not in _READERS:
        hint = "read data with FROM 'data/…', read_csv, read_json or read_parquet"
        raise _Refused(f"the table function '{name}' is not allowed here", hint)
    if not arguments:
        raise _Refused(f"{name} names no file", f"write {name}('data/…')")
    first, *options = arguments
    for element in _elements(first):
        literal = element.get("literal") or {}
        if element.get("class") != "CONSTANT" or literal.get("kind") != "STRING":
            hint = f"write the file's name as text: {name}('data/…')"
            raise _Refused(f"the file of {name} must be named as it is", hint)
        yield _Named(str(literal["text"]), element["query_location"])
    yield from _named(options, has_tables, own)


def _elements(node: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the elements of a list written out (`['a.csv', 'b.csv']`), or the one value."""
    if node.get("class") == "FUNCTION" and node["function_name"] == "list_value":
        return [argument["expression"] for argument in node["arguments"]]
    return [node]


def relocated(sql: str, has_tables: bool, place_of: Callable[[str], str]) -> str:
    """Return a query in which each file is named as `place_of` says; one that may not run comes back as it is.

    Args:
        sql: What a recipe says.
        has_tables: As in `check_query`.
        place_of: The new name of a file, from its old one.
    """
    try:
        statement = _statement(sql)
        own = frozenset(_common_tables(statement))
        text = sql.encode()
        for named in _last_first(_named(statement, has_tables, own)):
            if (place := place_of(named.text)) != named.text:
                text = _renamed(text, named, place)
    except _Refused:
        return sql
    return text.decode()


def _looked_up(sql: str, base: Path, file_names: list[_Named], look_up: LookUp) -> Checked:
    text = sql.encode()
    files: dict[Path, None] = {}
    folders: dict[Path, None] = {}
    for named in _last_first(file_names):
        name = named.text
        if "://" in name:
            hint = "download it first; data sets of the Hugging Face Hub go into `path`"
            raise _Refused(f"'{name}' is not a file on this machine", hint)
        behind = look_up(name)
        files |= dict.fromkeys(behind.files)
        if glob.has_magic(name) and behind.root is not None:
            folders[behind.root] = None
            path = str(base / name)
        else:
            path = str(behind.files[0])
        text = _renamed(text, named, path)
    return Checked(text.decode(), tuple(files), tuple(folders))


def _last_first(names: Iterable[_Named]) -> list[_Named]:
    """Return names from the end of the text on: what takes the place of one moves none that is still to come."""
    return sorted(names, key=lambda named: named.start, reverse=True)


def _renamed(text: bytes, named: _Named, path: str) -> bytes:
    literal = "'" + path.replace("'", "''") + "'"
    written = _NAME.match(text, named.start)
    end = written.end() if written else named.start
    return text[: named.start] + literal.encode() + text[end:]
