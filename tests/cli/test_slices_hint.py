"""`pada patterns slices` where only a run with another `--limit` is there."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from engine.cli.patterns.slices import _with_limit
from engine.fingerprint import short
from engine.slicing.validation import NotScored
from engine.store import FILE
from tests.store.small import make

pytestmark = pytest.mark.runs


def test_the_limit_of_a_run_that_is_there_is_named(tmp_path: Path) -> None:
    make(tmp_path)
    with contextlib.closing(duckdb.connect(str(tmp_path / FILE))) as db:
        db.execute("UPDATE run SET row_limit = 40, recipe = ?", [short({"name": "mine"})])

    def hint(limit: int | None, name: str = "mine") -> str:
        project: Any = SimpleNamespace(
            state=tmp_path, limit=limit, loaded=SimpleNamespace(effective={"name": name})
        )
        return _with_limit(project, NotScored("none is scored", "run it")).hint

    assert "with `--limit 40` is there" in hint(None)
    assert hint(40) == hint(None, "another") == "run it"
