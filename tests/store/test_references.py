"""Acceptable answers in stores and spools of an engine that kept them as a column `golds` of the row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest

from engine import gate
from engine.rows import Example, Row
from engine.store import Store, rows
from engine.store.schema import migrations
from tests.store.small import info, start

pytestmark = pytest.mark.runs

SEVERAL = Example(
    "e1", "train", {"q": "who?"}, "Bonn", {"n": 2**70, "x": None}, "a.jsonl", 1, ("Bonn", "in Bonn")
)
REASONED = Example("e2", "test", {"q": "how many?"}, "3+4\n#### 7", {}, "a.jsonl", 2, ("7",))
ONE = Example("e3", "train", {"q": "ü"}, "card", {"more": {"golds": 1}}, "a.jsonl", 3)
EXAMPLES: list[Row] = [SEVERAL, REASONED, ONE]


def before(example: Row) -> list[Any]:
    """Return an example's values as they were kept before there was a column for its answers."""
    assert isinstance(example, Example)
    several = example.references != (example.target,)
    columns = {**example.columns, **({"golds": list(example.references)} if several else {})}
    return [
        example.id,
        example.split,
        json.dumps(example.inputs),
        example.target,
        json.dumps(columns),
        example.source,
        example.line,
    ]


def write_old_store(state: Path, node: str) -> None:
    """Make a store of the schema before, which holds one finished node."""
    last = next(number for number, sql in migrations().items() if '"references"' in sql) - 1
    gate.own_state(state)
    with duckdb.connect(str(state / "store.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied TIMESTAMP NOT NULL)"
        )
        for number, sql in migrations().items():
            if number <= last:
                connection.execute(sql)
        connection.execute("INSERT INTO schema_version VALUES (?, now()::TIMESTAMP)", [last])
        for position, example in enumerate(EXAMPLES):
            values = [node, "r0001", 0, -1, position, *before(example)]
            connection.execute(f"INSERT INTO example VALUES ({', '.join('?' * 12)})", values)
        connection.execute(
            "INSERT INTO node VALUES (?, 'load', 'load', 0, -1, 0, '{}', 'r0001', now()::TIMESTAMP,"
            " now()::TIMESTAMP, 'c', ?)",
            [node, json.dumps({"example": len(EXAMPLES)})],
        )


def shorten_spool(state: Path) -> None:
    """Turn the examples in the spool to what the engine before wrote."""
    [segment] = (state / "spool").rglob("*.jsonl")
    lines = []
    for text in segment.read_bytes().splitlines():
        record = orjson.loads(text)
        if record[0] == "example":
            example = next(e for e in EXAMPLES if isinstance(e, Example) and e.id == record[6])
            record = [*record[:6], *before(example)]
        lines.append(orjson.dumps(record) + b"\n")
    segment.write_bytes(b"".join(lines))


def test_examples_of_an_older_store_have_their_answers(tmp_path: Path) -> None:
    write_old_store(tmp_path, "old")
    assert Store.open(tmp_path).load_output("old") == EXAMPLES
    kept = rows(
        tmp_path, 'SELECT "references" AS r, columns::VARCHAR AS c FROM example ORDER BY id'
    )
    assert [row["r"] for row in kept] == [["Bonn", "in Bonn"], ["7"], ["card"]]
    assert [json.loads(row["c"]) for row in kept] == [
        dict(SEVERAL.columns), {}, {"more": {"golds": 1}},
    ]  # fmt: skip


def test_a_column_of_that_name_that_held_something_else_stays_one(tmp_path: Path) -> None:
    write_old_store(tmp_path, "old")
    with duckdb.connect(str(tmp_path / "store.duckdb")) as connection:
        connection.execute("""UPDATE example SET columns = '{"golds": "a text"}' WHERE id = 'e3'""")
    found = Store.open(tmp_path).load_output("old")[2]
    assert isinstance(found, Example)
    assert found.references == ("card",)
    assert found.columns == {"golds": "a text"}


@pytest.mark.parametrize("ingested", [False, True])
def test_examples_that_an_older_engine_left_in_the_spool_have_their_answers(
    ingested: bool, tmp_path: Path
) -> None:
    store = Store.open(tmp_path)
    with store.lock_run():
        run = start(store)
        store.write_node(run, info("old"), EXAMPLES, "c")
        store.flush()
        # What the run wrote is on disk: leave it there, as a kill would.
        store._spool = None
    shorten_spool(tmp_path)
    store = Store.open(tmp_path)
    if ingested:
        assert store.ingest(force=True)
        assert not list((tmp_path / "spool").rglob("*.jsonl"))
        store = Store.open(tmp_path)
    assert store.load_output("old") == EXAMPLES


def test_a_column_called_golds_is_kept_as_any_other(tmp_path: Path) -> None:
    example = Example("e1", "train", {"q": "x"}, "a", {"golds": ["b"]}, "f", 1, ("a", "c"))
    store = Store.open(tmp_path)
    with store.lock_run():
        run = start(store)
        store.write_node(run, info("new"), [example], "c")
        assert store.ingest(force=True)
    assert Store.open(tmp_path).load_output("new") == [example]
