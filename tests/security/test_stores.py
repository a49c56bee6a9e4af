"""What stands in a store's place is refused before DuckDB looks at it, and what a store holds reaches nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import duckdb
import pytest

from engine import gate
from engine.errors import StoreError
from engine.store import Store
from engine.store.file import FILE, connect, opened
from engine.store.query import rows


def planted(state: Path) -> Path:
    """Return the place of the store of a state folder that its user trusts, though they should not."""
    gate.own_state(state)
    return state / FILE


def _sqlite(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE schema_version (version INT)")
    connection.close()


def _text(file: Path) -> None:
    file.write_text("no database", "utf-8")


def _short(file: Path) -> None:
    file.write_bytes(b"DUCK")


def _empty(file: Path) -> None:
    file.touch()


def _folder(file: Path) -> None:
    file.mkdir()


def _pipe(file: Path) -> None:
    os.mkfifo(file)


@pytest.mark.parametrize("plant", [_sqlite, _text, _short, _empty, _folder, _pipe])
def test_another_file_in_its_place(
    plant: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = planted(tmp_path / ".pada")
    plant(path)  # type: ignore[operator]
    monkeypatch.setattr(duckdb, "connect", lambda *_, **__: pytest.fail("DuckDB was asked"))
    for write in (False, True):
        with pytest.raises(StoreError, match="is not a DuckDB file") as error:
            connect(path, write=write)
        assert "move it away" in error.value.hint
    with pytest.raises(StoreError, match="is not a DuckDB file"):
        Store.open(tmp_path / ".pada")


def test_a_link_in_its_place(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "other.duckdb")):
        pass
    (tmp_path / FILE).symlink_to(tmp_path / "other.duckdb")
    with pytest.raises(StoreError, match="is a link"):
        connect(tmp_path / FILE, write=False)


@pytest.fixture
def store(empty_store: Path, tmp_path: Path) -> Path:
    """A whole store, whose state folder its user has."""
    return Path(shutil.copy(empty_store, planted(tmp_path / ".pada")))


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (["DROP TABLE verdict", "CREATE VIEW verdict AS SELECT * FROM '{secret}'"], "a view 'verdict'"),
        (["DROP TABLE schema_version", "CREATE VIEW schema_version AS SELECT 1 AS version"], "a view 'schema_version'"),
        (["CREATE MACRO coalesce2(x) AS 1"], "a macro 'coalesce2'"),
        (["CREATE MACRO spy() AS TABLE SELECT * FROM '{secret}'"], "a macro 'spy'"),
    ],
)  # fmt: skip
def test_another_structure(statements: list[str], said: str, store: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\nsecret\n", "utf-8")
    with duckdb.connect(str(store)) as connection:
        for statement in statements:
            connection.execute(statement.format(secret=tmp_path / "secret.csv"))
    for open_it in (Store.open, lambda state: rows(state, "SELECT 1")):
        with pytest.raises(StoreError) as error:
            open_it(store.parent)
        assert f"is not a store of this engine: it has {said}" in error.value.message
        assert error.value.hint


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM '{secret}'",
        "ATTACH '{secret}' AS other",
        "COPY (SELECT 1) TO '{new}'",
        "INSTALL httpfs",
        "LOAD sqlite_scanner",
        "SET enable_external_access = true",
        "SET autoinstall_known_extensions = true",
        "EXPORT DATABASE '{new}'",
    ],
)
def test_no_statement_leaves_it(sql: str, write: bool, store: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\nsecret\n", "utf-8")
    with (
        connect(store, write=write) as connection,
        pytest.raises(duckdb.Error),
    ):
        connection.execute(sql.format(secret=tmp_path / "secret.csv", new=tmp_path / "new.csv"))
    assert not (tmp_path / "new.csv").exists()


def test_a_writer_still_goes_to_disk_beyond_its_memory(store: Path) -> None:
    with connect(store, write=True) as connection:
        ((place,),) = connection.execute("SELECT current_setting('temp_directory')").fetchall()
        assert place == f"{store}.tmp"
        connection.execute("CREATE TABLE many AS SELECT range AS n FROM range(1000)")
        connection.execute("CHECKPOINT")


def test_a_block_that_is_not_what_was_written_is_told_whenever_it_is_read(tmp_path: Path) -> None:
    Store.open(tmp_path)
    said = "Corrupt database file: computed checksum 1 does not match stored checksum 2 in block at location 3"
    with (
        pytest.raises(StoreError, match="move it away"),
        opened(tmp_path / FILE, write=False, wait=1.0),
    ):
        raise duckdb.Error(said)
