"""The schema: numbered migrations `migrations/NNNN_name.sql`, and what their `--` comments say of tables and columns.

A block of `--` lines directly above CREATE TABLE, CREATE VIEW or a renaming describes the table; above a column (or ADD
COLUMN), that column; in a view, `-- name: text` describes the column `name`. Types and nullability come from DuckDB,
not from the text.

Views are written for every run, under names that begin with `all_`; a view of the same name without it, of the latest
run of each recipe, is laid over each of them here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from engine.store import flat

if TYPE_CHECKING:
    import duckdb

_CREATE = re.compile(r'^CREATE (?:OR REPLACE )?(?:TABLE|VIEW) "?(\w+)"?')
_ADD_COLUMN = re.compile(r'^ALTER TABLE (\w+) ADD COLUMN "?(\w+)"?')
_RENAME = re.compile(r"^ALTER TABLE (\w+) RENAME TO (\w+)")
_COMMENT_ON = re.compile(r"^COMMENT ON (?:TABLE|COLUMN) (\w+)(?:\.(\w+))? IS '(.+)';$")
_COLUMN = re.compile(r"^\s+(\w+) [A-Z]+")
_VIEW_COLUMN = re.compile(r"^(\w+): (.+)$")
ALL = "all_"
"""How the names of views over every run begin."""

_PROVENANCE = {
    "node": "The node that made the row.",
    "run": "The run that did the work (for all rows of the latest runs, taken over or not, join `run_rows` by `node`).",
    "seed": "The loop's seed.",
    "round": "-1 is the untuned student, 0 the plain fine-tune, -2 its control (the same with another training seed).",
    "position": "The row's place in the node's output, from 0.",
}
"""What the columns mean that the store adds to every row of a stage."""

_SHOWN = {
    "run": "the run looked at: what it took over from earlier runs is shown with it",
    "round": "-1 is the untuned student, 0 the plain fine-tune, -2 its control",
}
"""What columns of views mean that say nothing else."""


class Comments(NamedTuple):
    """What the SQL says: texts by table or view, and by (table or view, column)."""

    tables: dict[str, str]
    columns: dict[tuple[str, str], str]

    def rename(self, old: str, new: str) -> None:
        """Move what is said of a table to its new name."""
        if old in self.tables:
            self.tables[new] = self.tables.pop(old)
        for table, column in [key for key in self.columns if key[0] == old]:
            self.columns[new, column] = self.columns.pop((table, column))


class Column(NamedTuple):
    """A column of a table or view as DuckDB has it, with its comment."""

    name: str
    data_type: str
    nullable: bool
    comment: str


class Relation(NamedTuple):
    """A table or view as DuckDB has it, with its comment."""

    name: str
    is_view: bool
    comment: str
    columns: list[Column]


@cache
def migrations() -> dict[int, str]:
    """Return the SQL of every migration by its number, in order."""
    folder = files("engine.store") / "migrations"
    texts = {
        int(f.name[:4]): f.read_text("utf-8") for f in folder.iterdir() if f.name.endswith(".sql")
    }
    return dict(sorted(texts.items()))


def newest() -> int:
    """Return the schema version that this engine reads and writes."""
    return max(migrations())


def apply(connection: duckdb.DuckDBPyConnection, since: int) -> None:
    """Bring an open store from version `since` (0: empty) to the newest, in one transaction."""
    connection.execute("BEGIN")
    try:
        if not since:
            connection.execute(
                "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied TIMESTAMP NOT NULL)"
            )
        for number, sql in migrations().items():
            if number > since:
                connection.execute(sql)
                connection.execute(
                    "INSERT INTO schema_version VALUES (?, now()::TIMESTAMP)", [number]
                )
        if since:
            flat.lay_all(connection)
        _lay_latest(connection)
        for statement in _comment_statements(relations(connection)):
            connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _lay_latest(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the views of the latest run of each recipe anew: their columns are those that the views below them have."""
    views = connection.execute(
        "SELECT table_name, bool_or(column_name = 'latest') FROM duckdb_columns() WHERE starts_with(table_name, ?)"
        " GROUP BY table_name", [ALL],
    ).fetchall()  # fmt: skip
    for view, says in views:
        # Not `run IN …`: DuckDB finds the few parts of these runs first where it is a plain join (decision 19). Where
        # many parts have many rows, it does so only where the view itself says which runs are meant.
        rows = (
            f"SELECT * EXCLUDE (latest) FROM {view} WHERE latest"
            if says
            else f"SELECT a.* FROM {view} a JOIN last_runs l ON l.run = a.run"
        )
        connection.execute(f"CREATE OR REPLACE VIEW {view.removeprefix(ALL)} AS {rows}")


@cache
def comments() -> Comments:
    """Return what all migrations together say."""
    merged = Comments({}, {})
    for sql in migrations().values():
        add_comments(merged, sql)
    merged.tables["schema_version"] = "Migrations that were applied to this file."
    return merged


def add_comments(known: Comments, sql: str) -> None:
    """Add the comments of one migration to those of the ones before it."""
    block: list[str] = []
    table, is_view = "", False
    for line in sql.splitlines():
        stripped = line.strip()
        if stripped.startswith("--"):
            block.append(stripped.removeprefix("--").strip())
            continue
        if create := _CREATE.match(line):
            table, is_view = create[1], " VIEW " in line
            known.tables[table] = " ".join(block)
            # A view that replaces another says anew what its columns are.
            for key in [key for key in known.columns if key[0] == table]:
                del known.columns[key]
        elif added := _ADD_COLUMN.match(line):
            known.columns[added[1], added[2]] = " ".join(block)
        elif renamed := _RENAME.match(line):
            known.rename(renamed[1], renamed[2])
            known.tables[renamed[2]] = " ".join(block) or known.tables[renamed[2]]
        elif comment := _COMMENT_ON.match(line):
            _set_comment(known, comment)
        elif is_view and block:
            _add_view_columns(known, table, block)
        elif block and (column := _COLUMN.match(line)):
            known.columns[table, column[1]] = " ".join(block)
        block = []


def _set_comment(known: Comments, comment: re.Match[str]) -> None:
    table, column, text = comment.groups()
    if column:
        known.columns[table, column] = text
    else:
        known.tables[table] = text


def _add_view_columns(known: Comments, view: str, block: list[str]) -> None:
    for text in block:
        if named := _VIEW_COLUMN.match(text):
            known.columns[view, named[1]] = named[2]


def relations(connection: duckdb.DuckDBPyConnection) -> list[Relation]:
    """Return the tables and views of an open store, in the order in which the migrations make them."""
    # One query for all: one for each relation is half of what making a store takes.
    rows = connection.execute(
        "SELECT table_name, table_type = 'VIEW', column_name, data_type, is_nullable = 'YES'"
        " FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)"
        " WHERE table_schema = 'main' ORDER BY ordinal_position"
    ).fetchall()
    known = comments()
    order = {name: place for place, name in enumerate(known.tables)}
    by_name: dict[str, Relation] = {}
    for name, is_view, column, data_type, nullable in rows:
        # What a view of the latest runs is, the one below it says.
        said = f"{ALL}{name}" if is_view and f"{ALL}{name}" in order else name
        comment = known.tables.get(said, "")
        if said != name:
            comment += f" Here of each recipe's latest run; `{said}` has every run."
        relation = by_name.setdefault(name, Relation(name, is_view, comment, columns=[]))
        text = known.columns.get((said, column)) or (_SHOWN.get(column, "") if is_view else "")
        relation.columns.append(Column(column, data_type, nullable, text))
    return sorted(
        map(_with_provenance, by_name.values()),
        key=lambda relation: (
            order[relation.name] if relation.name in order else order[f"{ALL}{relation.name}"]
        ),
    )


def _with_provenance(relation: Relation) -> Relation:
    """Add the comments of the columns that the store adds to a stage's rows: no migration has them."""
    if relation.is_view or not any(column.name == "position" for column in relation.columns[:5]):
        return relation
    columns = [
        column._replace(comment=column.comment or _PROVENANCE.get(column.name, ""))
        for column in relation.columns
    ]
    return relation._replace(columns=columns)


def _comment_statements(known: list[Relation]) -> Iterator[str]:
    """Yield the statements that put the comments into an open store, for clients that show them."""
    for relation in known:
        if relation.comment:
            kind = "VIEW" if relation.is_view else "TABLE"
            yield f'COMMENT ON {kind} "{relation.name}" IS {_quoted(relation.comment)}'
        for column in relation.columns:
            if column.comment:
                yield f'COMMENT ON COLUMN "{relation.name}"."{column.name}" IS {_quoted(column.comment)}'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
