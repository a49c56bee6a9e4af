"""docs/store.md, from the schema: `python -m engine.store.document` writes it."""

from __future__ import annotations

from pathlib import Path

from engine.store.schema import ALL, Relation, apply, newest, relations

RUNS = """
## Runs, and each result once

A *run* (`r0001`, `r0002`, …; `pada runs` lists them) is one execution of a recipe, from its start until it is done.
One that stops before it is done (it waits for a batch, was interrupted or killed, failed, or spent its budget) stays
one run: `pada run` goes on with it under the same id, as long as what decides its rows is the same: the data, the
prompts, the models, the settings, and the versions of the engine and its libraries. A raised budget or another
address of a server is no other run. Where something of that has changed, or the run was done, `pada run` starts a
run, which takes over what is still valid: the same results are then results of both.

So **each view shows the latest run of each recipe** (by the recipe's name; `last_runs` says which), and a count in it
counts everything once. Every run, for looking back and comparing, is in the view of the same name with `all_` before
it: `all_failures`, `all_leaderboard`, …, with the same columns (and `latest` in two of them: whether the run is its
recipe's latest). There, name the run: `WHERE run = 'r0001'`. The
latest run is the one started or gone on with last, whatever became of it; `--limit` makes a run like any other.

Tables hold what each step (*node*) wrote, once, and say by `node` which. Join them to `run_rows` by `node` for the
rows of the latest runs, to `all_run_rows` for those of another run. Their own column `run` only says which run did
the work.
"""


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
        *RUNS.strip().splitlines(),
        "",
    ]
    for title, is_view in (("Views", True), ("Tables", False)):
        lines += [f"## {title}", ""]
        for relation in known:
            if relation.is_view == is_view and not relation.name.startswith(ALL):
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
