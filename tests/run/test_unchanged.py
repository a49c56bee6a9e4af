"""Rows that a run which is done had just so are not read again; whatever differs, they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.data.splits import Splits
from engine.project import Project
from engine.run.kept.unchanged import examined_before
from tests.e2e.runs import pada_here

pytestmark = pytest.mark.runs

RECIPE = """\
recipe: 1
name: small
task: {kind: classification, input: [text], target: kind}
data: {train: {path: train.jsonl}, validation: {path: validation.jsonl}, test: {path: test.jsonl}}
models:
  student: {backend: scripted, model: student}
  teacher: {backend: scripted, model: teacher}
  judge: {backend: scripted, model: judge}
  embedder: {backend: scripted, model: embedder}
metrics: [accuracy]
failure: accuracy < 1
augment: {rows_per_round: 5, operators: [{name: paraphrase}]}
train: {method: none}
loop: {rounds: 0, control: false}
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for split in ("train", "validation", "test"):
        write(tmp_path, split, 12)
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return tmp_path / "recipe.yaml"


def write(folder: Path, split: str, count: int) -> None:
    rows = [
        {"text": f"{split} {('red', 'two')[n % 2]} row {n}", "kind": ("colour", "number")[n % 2]}
        for n in range(count)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")


def known(recipe: Path, limit: int | None = None) -> str | None:
    project = Project.open(recipe, ".pada", limit=limit)
    before = examined_before(project.loaded, project.state, limit)
    return before[0] if before else None


def test_a_run_with_nothing_to_do_reads_no_rows(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert known(recipe) is None, "there is no store yet"
    assert pada_here("run", recipe.name, "--quiet").code == 0
    assert known(recipe) == "r0001"

    def refused(self: Splits, splits: object) -> None:
        assert not splits, "rows are read"

    monkeypatch.setattr(Splits, "_read_sources", refused)
    ended = pada_here("run", recipe.name)
    assert (ended.code, ended.errors) == (0, "")
    assert "the rows are those of r0001, which checked them" in ended.out
    assert "0 nodes computed, 4 reused" in ended.out


def test_whatever_differs_they_are_read(recipe: Path) -> None:
    assert pada_here("run", recipe.name, "--quiet").code == 0
    assert known(recipe, limit=4) is None, "another number of rows"
    write(recipe.parent, "test", 13)
    assert known(recipe) is None, "other rows"
    ended = pada_here("run", recipe.name)
    assert ended.code == 0
    assert "which checked them" not in ended.out
    assert known(recipe) == "r0002"
    recipe.write_text(RECIPE.replace("rows_per_round: 5", "rows_per_round: 6"), encoding="utf-8")
    assert known(recipe) is None, "another recipe"
    (recipe.parent / "test.jsonl").unlink()
    recipe.write_text(RECIPE, encoding="utf-8")
    assert known(recipe) is None, "rows that are not there"
