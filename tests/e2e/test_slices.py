"""Slices of a finished run: found where they were planted, and what is printed runs in the recipe it came from."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from engine.project import Project
from engine.spec.yaml import parse
from tests.e2e.runs import pada_here, rows
from tests.e2e.scripted_project import write_project
from tests.e2e.tiny_project import FILLERS

pytestmark = pytest.mark.long

FAILING = "regexp_matches(text, '(?i)\\bswap\\b')"
ROWS = 200


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write and run a project whose student fails where a text has the word 'swap', and hardly elsewhere."""
    recipe = write_project(tmp_path_factory.mktemp("slices") / "project")
    draw = random.Random(0)
    lines, replies = [], []
    for number in range(ROWS):
        kind, other = draw.sample(["colour", "number"], 2)
        swap = draw.random() < 0.25
        named = other if draw.random() < (0.9 if swap else 0.05) else kind
        others = draw.sample(FILLERS, draw.randint(2, 6))
        text = " ".join([named, *others, *(["swap"] if swap else []), f"row{number}"])
        lines.append({"text": text, "kind": kind, "length": len(text)})
        replies.append(
            {
                "match": text,
                "reply": {
                    "root_cause": "the words are swapped",
                    "scenario": "a row that speaks of a swap",
                },
            }
        )
    for name, records in (("validation.jsonl", lines), ("replies.jsonl", replies)):
        text = "".join(json.dumps(record) + "\n" for record in records)
        (recipe.parent / name).write_text(text, "utf-8")
    assert Project.open(recipe, recipe.parent / "state").run().status == "done"
    return recipe


def slices(recipe: Path, *options: object) -> Any:
    return pada_here("patterns", "slices", recipe, "--state", recipe.parent / "state", *options)


def test_the_planted_slice_is_the_only_one(recipe: Path) -> None:
    ended = slices(recipe)
    assert ended.code == 0, ended.errors
    lines = ended.out.splitlines()
    assert lines[0].startswith("round 1, seed 0: ")
    assert f" of {ROWS} validation rows fail, " in lines[0]
    assert [line.split()[0] for line in lines if line.startswith("text-")] == [
        "text-with-swap",
        "text-with-swap:",
    ]
    assert f"  {FAILING}" in lines
    earlier = slices(recipe, "--round", -1, "--json")
    assert [json.loads(line)["sql"] for line in earlier.out.splitlines()] == [FAILING]


def test_what_is_printed_runs_as_a_category_and_as_a_slice_of_the_recipe(recipe: Path) -> None:
    (category,) = parse(slices(recipe, "--yaml").out, Path("printed")).data["categories"]
    assert category["where"] == FAILING
    (one,) = map(json.loads, slices(recipe, "--json").out.splitlines())
    text = recipe.read_text("utf-8")
    text = text.replace(
        "{cluster: {k: 3}}", f"{{taxonomy: {{categories: [{json.dumps(category)}]}}}}"
    )
    text += f"slices: [{json.dumps({'name': 'swap', 'sql': one['sql']})}]\n"
    adopted = recipe.with_name("adopted.yaml")
    adopted.write_text(text, "utf-8")
    project = Project.open(adopted, recipe.parent / "state")
    assert not [problem for problem in project.validate() if problem.code in {"sql", "slice"}]
    assert project.run().status == "done"
    parts = rows(
        project.state,
        "SELECT DISTINCT part, n FROM metric_slice WHERE split = 'validation' AND slice = 'swap' AND round = 1"
        " AND metric = 'accuracy'",
    )
    assert {row["part"]: row["n"] for row in parts} == {
        "true": one["rows"],
        "false": ROWS - one["rows"],
    }
    members = rows(
        project.state,
        "SELECT count(DISTINCT m.example) AS n, count(DISTINCT e.id) AS inside FROM pattern_member m"
        " LEFT JOIN example e ON e.id = m.example AND e.inputs->>'text' LIKE '%swap%' WHERE m.pattern = ?",
        f"category:{category['id']}",
    )
    assert members[0]["n"] == members[0]["inside"] > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--seed", 4), "this recipe has no seed 4\n"),
        (("--round", 7), "round 7 of seed 0 is not scored\n    rounds that are: -1, 0, 1"),
        (("--yaml", "--json"), "--yaml and --json exclude each other"),
    ],
)
def test_what_cannot_be_searched_is_said(
    recipe: Path, options: tuple[object, ...], said: str
) -> None:
    ended = slices(recipe, *options)
    assert ended.code == 2
    assert said in ended.errors


def test_without_a_store_there_is_nothing_to_search(recipe: Path, tmp_path: Path) -> None:
    ended = pada_here("patterns", "slices", recipe, "--state", tmp_path)
    assert ended.code == 2
    assert "there is no store" in ended.errors
