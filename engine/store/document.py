"""docs/store.md and the comments in the store itself, both from the `--` comments of the migrations.

A block of `--` lines directly above CREATE TABLE or CREATE VIEW describes it; above a column (or ADD COLUMN), that
column; in a view, `-- name: text` describes the column `name`. Types and nullability come
from DuckDB, not from the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import duckdb

_CREATE = re.compile(r'^CREATE (?:OR REPLACE )?(?:TABLE|VIEW) "?(\w+)"?')
_ADDED = re.compile(r"^ALTER TABLE (\w+) ADD COLUMN (\w+)")
_TOLD = re.compile(r"^COMMENT ON (?:TABLE|COLUMN) (\w+)(?:\.(\w+))? IS '(.+)';$")
_COLUMN = re.compile(r"^\s+(\w+) [A-Z]+")
_NAMED = re.compile(r"^(\w+): (.+)$")

PLACE = {
    "node": "The node that made the row.",
    "run": "The run that did the work (to see one run's rows, cached ones too, join `run_rows` by `node`).",
    "seed": "The loop's seed.",
    "round": "-1 is the untuned student, 0 the plain fine-tune.",
    "position": "The row's place in the node's output, from 0.",
}


class Comments(NamedTuple):
    """What the SQL says: texts by table or view, and by (table or view, column)."""

    tables: dict[str, str]
    columns: dict[tuple[str, str], str]


def parse_comments(sql: str) -> Comments:
    """Return the comments of one migration."""
    found = Comments({}, {})
    block: list[str] = []
    table, is_view = "", False
    for text in sql.splitlines():
        stripped = text.strip()
        if stripped.startswith("--"):
            block.append(stripped.removeprefix("--").strip())
            continue
        if create := _CREATE.match(text):
            table, is_view = create[1], " VIEW " in text
            found.tables[table] = " ".join(block)
        elif added := _ADDED.match(text):
            found.columns[added[1], added[2]] = " ".join(block)
        elif told := _TOLD.match(text):
            if told[2]:
                found.columns[told[1], told[2]] = told[3]
            else:
                found.tables[told[1]] = told[3]
        elif is_view and block:
            _view_columns(table, block, found)
        elif block and (column := _COLUMN.match(text)):
            found.columns[table, column[1]] = " ".join(block)
        block = []
    return found


def _view_columns(view: str, block: list[str], found: Comments) -> None:
    for text in block:
        if named := _NAMED.match(text):
            found.columns[view, named[1]] = named[2]


def _all_comments() -> Comments:
    from engine.store.migrate import migrations

    merged = Comments({}, {})
    for sql in migrations().values():
        one = parse_comments(sql)
        merged.tables.update(one.tables)
        merged.columns.update(one.columns)
    merged.tables["schema_version"] = "Migrations that were applied to this file."
    return merged


class _Relation(NamedTuple):
    name: str
    kind: str
    columns: list[tuple[str, str, bool]]


def _relations(connection: duckdb.DuckDBPyConnection) -> list[_Relation]:
    # One query for all: one for each relation is half of what making a store takes.
    columns = connection.execute(
        "SELECT table_name, table_type, column_name, data_type, is_nullable = 'YES'"
        " FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)"
        " WHERE table_schema = 'main' ORDER BY ordinal_position"
    ).fetchall()
    found: dict[str, _Relation] = {}
    for name, kind, column, data_type, nullable in columns:
        relation = _Relation(name, "VIEW" if kind == "VIEW" else "TABLE", [])
        found.setdefault(name, relation).columns.append((column, data_type, nullable))
    order = list(_all_comments().tables)
    return sorted(found.values(), key=lambda relation: order.index(relation.name))


def comment_statements(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Yield the statements that put the comments into an open store, for clients that show them."""
    comments = _all_comments()
    for relation in _relations(connection):
        if text := comments.tables.get(relation.name):
            yield f'COMMENT ON {relation.kind} "{relation.name}" IS {_quoted(text)}'
        for column, _, _ in relation.columns:
            if text := _column_text(comments, relation, column):
                yield f'COMMENT ON COLUMN "{relation.name}"."{column}" IS {_quoted(text)}'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _column_text(comments: Comments, relation: _Relation, column: str) -> str:
    text = comments.columns.get((relation.name, column), "")
    placed = relation.kind == "TABLE" and any(
        name == "position" for name, _, _ in relation.columns[:5]
    )
    return text or (PLACE.get(column, "") if placed else "")


def render() -> str:
    """Return docs/store.md."""
    import duckdb

    from engine.store.migrate import apply, newest

    connection = duckdb.connect(":memory:")
    try:
        apply(connection, 0)
        relations = _relations(connection)
    finally:
        connection.close()
    comments = _all_comments()
    lines = [
        "# The store",
        "",
        "<!-- Generated from engine/store/migrations by `python -m engine.store.document`; a test fails on drift. -->",
        "",
        f'One DuckDB file, `.pada/store.duckdb`, schema version {newest()}. Query it with `pada sql "select …"`;'
        " `DESCRIBE failures` shows the columns of a view. Start from the views.",
        "",
    ]
    for kind, title in (("VIEW", "Views"), ("TABLE", "Tables")):
        lines += [f"## {title}", ""]
        for relation in relations:
            if relation.kind == kind:
                lines += _section(relation, comments)
    return "\n".join(lines).rstrip() + "\n"


def _section(relation: _Relation, comments: Comments) -> list[str]:
    lines = [f"### {relation.name}", "", comments.tables.get(relation.name, ""), ""]
    lines += ["| column | type | meaning |", "|---|---|---|"]
    for column, kind, nullable in relation.columns:
        text = _column_text(comments, relation, column).replace("|", "\\|")
        shown = kind if relation.kind == "VIEW" or not nullable else f"{kind}, may be NULL"
        lines.append(f"| {column} | {shown} | {text} |")
    return [*lines, ""]


if __name__ == "__main__":
    from pathlib import Path

    Path("docs/store.md").write_text(render(), "utf-8")
