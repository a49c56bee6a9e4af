"""A whole run without any model: what the recipe measures is in the store, in the report, and asked of the judge."""

import json
import random
from pathlib import Path

import pytest

from tests.e2e.runs import pada_here, rows

pytestmark = pytest.mark.long

RECIPE = """\
recipe: 1
name: measured
task: {kind: classification, input: [text], target: colour}
data:
  train: {path: train.jsonl}
  validation: {path: validation.jsonl}
  test: {path: test.jsonl}
models:
  student: {backend: scripted, model: student}
  teacher: {backend: scripted, model: teacher}
  judge: {backend: scripted, model: judge, replies: ratings.jsonl}
  embedder: {backend: scripted, model: embedder}
metrics:
  - accuracy
  - macro_recall
  - {name: calibration_error, params: {bins: 5}}
  - perplexity
  - numeric_match
  - {name: length, sql: avg(length(prediction))}
  - {name: tone, judge: {rubric: Is the answer a colour, scale: [1, 4]}}
slices: [shop, {name: long, sql: length(text) > 22}]
failure: tone < 3 and length(prediction) > 3
augment: {operators: [{name: paraphrase}], rows_per_round: 2}
loop: {rounds: 0}
"""
COLOURS = ("red", "blue", "green")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("measured")
    generator = random.Random(0)
    for split in ("train", "validation", "test"):
        with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as file:
            for i in range(12):
                colour = COLOURS[i % 3]
                row = {
                    "text": f"{colour} {split} {i} {'x' * generator.randint(1, 12)}",
                    "colour": colour,
                }
                file.write(json.dumps({**row, "shop": "ab"[i % 2]}) + "\n")
    replies = [
        {"match": "<answer>\nred\n</answer>", "reply": {"reason": "warm", "rating": 4}},
        {"match": "<answer>\nblue\n</answer>", "reply": {"reason": "cold", "rating": 2}},
        {"match": "<answer>\ngreen\n</answer>", "text": '{"reason": "off the scale", "rating": 5}'},
    ]
    (folder / "ratings.jsonl").write_text("".join(json.dumps(r) + "\n" for r in replies), "utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, "utf-8")
    done = pada_here("run", folder, "--state", folder / "state")
    assert done.code == 0, done.out + done.errors
    return folder


def test_every_split_is_rated_once_per_answer_and_an_unusable_rating_is_none(project: Path) -> None:
    found = rows(
        project / "state",
        "SELECT DISTINCT p.answer, r.value FROM rating r JOIN prediction p"
        " ON p.round = r.round AND p.example = r.example AND p.split = r.split ORDER BY ALL",
    )
    assert [(r["answer"], r["value"]) for r in found] == [("blue", 2), ("green", None), ("red", 4)]
    counted = rows(
        project / "state",
        "SELECT round, split, count(*) AS n FROM rating GROUP BY ALL ORDER BY ALL",
    )
    assert [(r["round"], r["split"], r["n"]) for r in counted] == [
        (round_, split, 12) for round_ in (-1, 0) for split in ("test", "train", "validation")
    ]


def test_ratings_and_slices_are_metrics_with_n_and_interval(project: Path) -> None:
    (tone,) = rows(
        project / "state",
        "SELECT * FROM metric WHERE metric = 'tone' AND split = 'test' AND round = 0",
    )
    assert 2 < tone["low"] < tone["value"] < tone["high"] < 4
    assert 0 < tone["n"] < 12
    (blank,) = rows(
        project / "state",
        "SELECT value, n FROM metric WHERE metric = 'numeric_match' AND split = 'test' AND round = 0",
    )
    assert (blank["value"], blank["n"]) == (None, 0)
    (likely,) = rows(
        project / "state",
        "SELECT value, n FROM metric WHERE metric = 'perplexity' AND split = 'test' AND round = 0",
    )
    assert (likely["value"] > 1, likely["n"]) == (True, 12)
    said = rows(project / "state", "SELECT DISTINCT reference_tokens AS n FROM prediction")
    assert said == [{"n": 2}]
    parts = rows(
        project / "state",
        "SELECT slice, part, n FROM metric_slice WHERE metric = 'accuracy' AND split = 'test' AND round = 0"
        " ORDER BY ALL",
    )
    assert [(r["part"], r["n"]) for r in parts if r["slice"] == "shop"] == [("a", 6), ("b", 6)]
    assert sum(r["n"] for r in parts if r["slice"] == "long") == 12


def test_failures_are_what_the_predicate_says_of_the_ratings(project: Path) -> None:
    found = rows(project / "state", "SELECT DISTINCT answer FROM failure WHERE round = 0")
    assert [r["answer"] for r in found] == ["blue"]


def test_the_report_shows_them_and_the_plan_says_what_the_judge_sees(project: Path) -> None:
    page = project / "report.md"
    assert pada_here("report", "--state", project / "state", "--out", page).code == 0
    text = page.read_text("utf-8")
    assert "Test by shop" in text
    assert "Labels on test, round 0" in text
    assert "not scored" in text
    plan = pada_here("plan", project, "--state", project / "state").out
    assert "rate      rows of all splits (text), their colour, the student's answers" in plan
