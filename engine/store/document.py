"""docs/store.md, from the schema: `python -m engine.store.document` writes it."""

from __future__ import annotations

from pathlib import Path

from engine.store.schema import Relation, apply, newest, relations


def render() -> str:
    """Return docs/store.md."""
    import duckdb

    with duckdb.connect(":memory:") as connection:
        apply(connection, 0)
        known = relations(connection)
    lines = [
        "# The store",
        "",
        "<!-- Generated from engine/store/migrations by `python -m engine.store.document`; a test fails on drift. -->",
        "",
        f'One DuckDB file, `.pada/store.duckdb`, schema version {newest()}. Query it with `pada sql "select …"`;'
        " `DESCRIBE failures` shows the columns of a view. Start from the views: they answer in under a second over"
        " millions of failures, by tables in which each round is laid flat"
        " ([decision 19](decisions/0019-rounds-are-laid-flat.md)).",
        "",
    ]
    for title, is_view in (("Views", True), ("Tables", False)):
        lines += [f"## {title}", ""]
        for relation in known:
            if relation.is_view == is_view:
                lines += _section(relation)
    return "\n".join(lines).rstrip() + "\n"


def _section(relation: Relation) -> list[str]:
    lines = [f"### {relation.name}", "", relation.comment, ""]
    lines += ["| column | type | meaning |", "|---|---|---|"]
    for column in relation.columns:
        may_be_null = column.nullable and not relation.is_view
        shown = f"{column.data_type}, may be NULL" if may_be_null else column.data_type
        comment = column.comment.replace("|", "\\|")
        lines.append(f"| {column.name} | {shown} | {comment} |")
    return [*lines, ""]


if __name__ == "__main__":
    Path("docs/store.md").write_text(render(), "utf-8")
