"""A pool is read in parts, in the form of its task, and its labels only where they are wanted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.data.pool import Pool
from engine.data.reading import stream_source
from engine.data.records import Choice
from engine.data.rules import rules_for
from engine.data.sources.origins import resolve_path
from engine.errors import RecipeError
from engine.plan.validate import check_recipe, examine
from engine.spec.loader import load
from engine.spec.recipe import Sample

RECIPE = """\
recipe: 1
name: pool
task: {kind: classification, input: [text], target: label, labels: [a, b]}
data:
  train: {path: rows.jsonl}
  validation: {path: rows.jsonl}
  test: {path: rows.jsonl}
  on_bad_row: drop
  POOL
models:
  student: {backend: scripted, model: s}
  teacher: {backend: scripted, model: t}
  embedder: {backend: scripted, model: e}
augment: {MINE}
privacy: {redact: [{pattern: secret, with: "***"}]}
"""
ROWS: list[dict[str, Any]] = [
    {"text": "one", "label": "a"},
    {"text": "two secret", "label": None},
    {"text": None, "label": "b"},
    {"text": "four", "label": "c"},
    {"text": "five", "label": " "},
]


def recipe(
    folder: Path,
    mine: str,
    pool: str = "pool: {path: pool.jsonl}",
    rows: Sequence[Mapping[str, Any]] = ROWS,
) -> Path:
    for name, lines in (("rows", [{"text": "x", "label": "a"}]), ("pool", rows)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in lines), "utf-8")
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.replace("POOL", pool).replace("MINE", mine), "utf-8")
    return path


def read(pool: Pool, *, labelled: bool) -> tuple[list[tuple[str, Any]], list[str]]:
    batches = list(pool.batches(labelled=labelled))
    rows = [(r.values["text"], r.values["label"]) for batch in batches for r in batch.records]
    return rows, [bad for batch in batches for bad in batch.bad]


def test_labels_are_read_only_where_a_person_is_to_be_believed(tmp_path: Path) -> None:
    # One pool for both: the arms of a comparison share it.
    loaded = load(recipe(tmp_path, "mine: {label: neighbours}"))
    pool = Pool(loaded, rules_for(loaded.recipe.task))
    rows, bad = read(pool, labelled=True)
    assert rows == [("one", "a"), ("two ***", None), ("four", "c"), ("five", None)]
    assert bad == ["pool.jsonl:3:1: the column 'text' has no value"]
    rows, _ = read(pool, labelled=False)
    assert {label for _, label in rows} == {None}


def found(path: Path, code: str = "pool") -> list[str]:
    return [problem.message for problem in check_recipe(load(path)) if problem.code == code]


@pytest.mark.parametrize(
    ("mine", "pool", "said"),
    [
        ("mine: {}", "", "takes rows from data.pool, which is not there"),
        ("operators: [{name: paraphrase}]", "pool: {path: pool.jsonl}", "nothing takes rows"),
        ("mine: {}", "pool: {path: nowhere.jsonl}", "there is no such file"),
        ("mine: {}", "pool: {path: pool.jsonl, where: \"text = 'no'\"}", "the pool has no rows"),
    ],
    ids=["no pool", "not mined", "no file", "no rows"],
)
def test_what_is_wrong_with_a_pool_is_said_before_the_run(
    tmp_path: Path, mine: str, pool: str, said: str
) -> None:
    (message,) = found(recipe(tmp_path, mine, pool))
    assert said in message


def test_a_method_that_makes_rows_from_training_rows_takes_none_from_a_pool(tmp_path: Path) -> None:
    path = recipe(tmp_path, "mine: {}")
    path.write_text(f"{path.read_text('utf-8')}loop: {{method: auggpt}}\n", "utf-8")
    (problem,) = [problem for problem in check_recipe(load(path)) if problem.code == "pool"]
    assert str(problem.where).endswith("recipe.yaml:14:11")
    assert "the method 'auggpt' makes every row from a training row" in problem.message
    assert "leave `mine` out" in problem.hint


def test_where_nothing_of_the_plan_may_be_mined_that_is_said(tmp_path: Path) -> None:
    mining = "mine: {by: [uncertain]}, operators: [{name: paraphrase}]"
    assert found(recipe(tmp_path, mining)) == []
    (message,) = found(recipe(tmp_path, f"{mining}, coverage: 0"))
    assert "mined for `augment.coverage` alone" in message


def test_a_pool_that_a_person_labels_has_the_targets_column(tmp_path: Path) -> None:
    rows = [{"text": "one"}]
    (message,) = found(recipe(tmp_path, "mine: {label: column}", rows=rows))
    assert "has a column 'label'" in message
    path = recipe(tmp_path, "mine: {label: neighbours}", rows=rows)
    assert found(path) == []
    # Also where another recipe, which does not ask for labels, has read the rows.
    splits = examine(load(path)).splits
    labelled = load(recipe(tmp_path, "mine: {label: column}", rows=rows))
    problems = examine(labelled, splits).problems
    assert any("has a column 'label'" in problem.message for problem in problems)


def test_labels_by_neighbours_need_a_task_with_labels(tmp_path: Path) -> None:
    path = recipe(tmp_path, "mine: {}")
    text = path.read_text("utf-8").replace("kind: classification, ", "kind: extraction, ")
    path.write_text(text.replace(", labels: [a, b]", ""), "utf-8")
    (message,) = found(path)
    assert "which tasks of the kind 'extraction' do not have" in message


@pytest.mark.parametrize(
    ("choice", "texts"),
    [
        (Choice(), [f"row {n}" for n in range(20_000)]),
        (Choice(limit=9000), [f"row {n}" for n in range(9000)]),
        (Choice(where="n % 5000 = 0"), ["row 0", "row 5000", "row 10000", "row 15000"]),
    ],
    ids=["all", "limit", "where"],
)
def test_a_source_is_handed_on_in_parts(tmp_path: Path, choice: Choice, texts: list[str]) -> None:
    lines = (json.dumps({"text": f"row {n}", "n": n}) + "\n" for n in range(20_000))
    (tmp_path / "rows.jsonl").write_text("".join(lines), "utf-8")
    parts = list(stream_source(resolve_path("rows.jsonl", tmp_path), choice, columns=["text"]))
    assert max(len(records) for records, _ in parts) <= 8192
    assert [record.values["text"] for records, _ in parts for record in records] == texts


def test_rows_that_are_drawn_come_in_the_end_and_a_bad_row_stops(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n{\n', "utf-8")
    origin = resolve_path("rows.jsonl", tmp_path)
    with pytest.raises(RecipeError, match="valid JSON"):
        list(stream_source(origin, Choice()))
    parts = list(stream_source(origin, Choice(sample=Sample(n=2)), drop=True))
    assert [len(records) for records, _ in parts] == [0, 2]
    assert sum(len(bad) for _, bad in parts) == 1


def test_how_the_files_of_a_pool_are_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "pool.csv").write_text("text;label\none, two;a\nthree;b\n", encoding="utf-8")
    path = recipe(tmp_path, "mine: {by: [pattern]}", "pool: {path: pool.csv}")
    loaded = load(path)
    pool = Pool(loaded, rules_for(loaded.recipe.task, writes=False))
    assert [p.message.partition(" here")[0] for p in pool.problems(labelled=False)] == [
        "fields are separated by ';'"
    ]
    assert [r.values["text"] for batch in pool.batches(labelled=False) for r in batch.records] == [
        "one, two",
        "three",
    ]
