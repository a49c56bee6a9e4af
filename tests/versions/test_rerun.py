"""Runs made again: exactly, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from engine.version import versions
from engine.versions import repeating
from tests.e2e.runs import pada_here, rows
from tests.versions.made import edit

pytestmark = pytest.mark.runs


def rerun(folder: Path) -> tuple[int, str]:
    done = pada_here("rerun", "r0001", "--state", folder / ".pada", "--quiet")
    return done.code, done.out + done.errors


def test_what_is_in_the_store_is_not_done_again_whatever_the_files_say_now(copied: Path) -> None:
    edit(copied / "recipe.yaml", "rows_per_round: 12", "rows_per_round: 99")
    (copied / "replies.jsonl").unlink()
    code, said = rerun(copied)
    assert (code, "nothing left to do: run r0001 is as it was" in said) == (0, True), said
    assert rows(copied / ".pada", "SELECT count(*) AS n FROM run") == [{"n": 1}]


@pytest.mark.long
def test_what_is_gone_is_done_again_as_it_was(copied: Path) -> None:
    edit(copied / "recipe.yaml", "rows_per_round: 12", "rows_per_round: 99")
    store = copied / ".pada" / "store.duckdb"
    with duckdb.connect(str(store)) as connection:
        kept = connection.execute("SELECT id, content FROM node WHERE stage = 'cluster'").fetchall()
        connection.execute("DELETE FROM node WHERE stage = 'cluster'")
    code, said = rerun(copied)
    assert code == 0, said
    assert "1 steps are done anew" in said
    with duckdb.connect(str(store)) as connection:
        again = connection.execute(
            "SELECT id, content FROM node WHERE stage = 'cluster'"
        ).fetchall()
        runs = connection.execute(
            "SELECT project, commit_hash, resolved FROM provenance"
        ).fetchall()
    assert again == kept
    # It is of the recipe that it was of, not of the folder in which it was laid out.
    assert len(set(runs)) == 1


@pytest.mark.parametrize("change", ["edit", "remove"])
def test_other_data_is_refused_with_its_digest(copied: Path, change: str) -> None:
    file = copied / "validation.jsonl"
    if change == "edit":
        file.write_text(file.read_text("utf-8").replace("row", "now", 1), "utf-8")
    else:
        file.unlink()
    code, said = rerun(copied)
    assert code == 2
    assert "run r0001 cannot be made again as it was" in said
    assert f"validation.jsonl: {'another file now' if change == 'edit' else 'not there'}" in said
    assert "train.jsonl" not in said


def test_other_libraries_are_a_warning(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = versions()
    monkeypatch.setattr(repeating, "versions", lambda: {**now, "torch": "9.9"})
    code, said = rerun(copied)
    assert code == 0
    assert f"warning: torch: {now['torch']} then, 9.9 now" in said


@pytest.mark.long
def test_a_plan_that_is_another_now_is_refused_with_the_reason(copied: Path) -> None:
    with duckdb.connect(str(copied / ".pada" / "store.duckdb")) as connection:
        ((node, text),) = connection.execute(
            "SELECT id, identity FROM node WHERE stage = 'cluster'"
        ).fetchall()
        identity = json.loads(text)
        identity["version"] = 0
        connection.execute(
            "UPDATE node SET id = 'x', identity = ? WHERE id = ?", [json.dumps(identity), node]
        )
        connection.execute("UPDATE run_node SET node = 'x' WHERE node = ?", [node])
    code, said = rerun(copied)
    assert code == 2
    assert "cluster: version: 0 -> " in said


def test_what_cannot_be_made_again_is_said(copied: Path) -> None:
    state = copied / ".pada"
    assert "no run 'r0009'" in pada_here("rerun", "r0009", "--state", state).errors
    assert (
        "--to is for bundles" in pada_here("rerun", "r0001", "--to", "x", "--state", state).errors
    )
    assert "--to FOLDER" in pada_here("rerun", "x.tar.gz").errors
    with duckdb.connect(str(state / "store.duckdb")) as connection:
        connection.execute("DELETE FROM provenance")
    code, said = rerun(copied)
    assert code == 2
    assert "an earlier engine made it" in said
