"""The connection that a query runs on: what it reaches."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from engine.sql.queries import _confined
from engine.sql.query_files import Checked


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recipe's folder with data and a database, and a file beside it that is none of its business."""
    base = tmp_path / "recipe"
    (base / "data").mkdir(parents=True)
    (base / "data" / "one.csv").write_text("text,label\nx,1\n", encoding="utf-8")
    (base / "data" / "two.csv").write_text("text,label\ny,2\n", encoding="utf-8")
    (tmp_path / "secret.csv").write_text("text,label\nsecret,1\n", encoding="utf-8")
    with duckdb.connect(str(base / "data.duckdb")) as connection:
        connection.execute("CREATE TABLE rows AS SELECT 'd' AS text, 1 AS n")
    return base


def test_a_named_file_is_all_that_the_connection_reaches(folder: Path) -> None:
    """Were the check of names to miss one, the connection itself would still refuse it."""
    checked = Checked("", (folder / "data" / "one.csv",), ())
    with _confined(checked, folder / "data.duckdb") as connection:
        assert connection.execute(f"FROM '{folder}/data/one.csv'").fetchall() == [("x", 1)]
        for sql in (
            f"FROM '{folder}/data/two.csv'",
            f"FROM read_text('{folder.parent}/secret.csv')",
            f"COPY (SELECT 1) TO '{folder}/new.csv'",
            f"ATTACH '{folder}/new.duckdb'",
            "INSERT INTO rows VALUES ('x', 1)",
            "SET enable_external_access = true",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(sql)
