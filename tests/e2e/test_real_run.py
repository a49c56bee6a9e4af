"""A small recipe on the real embedded models, with real training: the whole loop, then once more from the cache."""

from pathlib import Path

import pytest

from tests.e2e.runs import (
    ROOT,
    answered_twice,
    kill_at_random,
    moments,
    pada,
    pada_here,
    results,
    rows,
)

pytestmark = pytest.mark.models

RECIPE = """\
recipe: 1
name: small
task: {{kind: classification, input: [text], target: intent}}
data:
  train: {{path: "{data}/train"}}
  validation: {{path: "{data}/validation"}}
  test: {{path: "{data}/test"}}
models:
  student: {{backend: transformers, model: embedded/smollm2-135m-instruct}}
  teacher: {{backend: transformers, model: embedded/smollm2-135m-instruct}}
  judge: {{backend: transformers, model: embedded/smollm2-135m-instruct}}
  embedder: {{backend: sentence-transformers, model: embedded/all-minilm-l6-v2}}
metrics: [accuracy, macro_f1, {{name: long_texts, sql: "avg((length(text) > 60)::int)"}}]
failure: accuracy < 1
patterns: {{diagnose: 6, cluster: {{max_k: 3}}}}
augment:
  rows_per_round: 6
  oversample: 2
  operators: [{{name: paraphrase}}, {{name: contrast_pair}}]
# Lenient rules: what is tested is the path, and a teacher this small must get something accepted on any machine.
quality:
  judge: advises
  attempts: 2
  gates: {{neighbours: off, similarity: off, near_duplicate: off}}
  leak_guard: {{quantile: 1.0}}
train: {{r: 8, steps: 6, batch_size: 8}}
loop: {{rounds: 1, control: false}}
"""
ROWS = "12"
"""Of each split: enough to train on, to fail at and to measure."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.format(data=ROOT / "recipes/quickstart/data"), "utf-8")
    found = pada("run", str(recipe), "--state", str(folder / "state"), "--limit", ROWS)
    assert found.returncode == 0, found.stdout + found.stderr
    (folder / "first.txt").write_text(found.stdout, "utf-8")
    return folder


def test_the_loop_trains_evaluates_and_augments(finished: Path) -> None:
    state = finished / "state"
    trained = rows(state, "SELECT round, rows, steps, weights FROM model ORDER BY round")
    assert [row["round"] for row in trained] == [0, 1]
    assert trained[0]["steps"] == trained[1]["steps"] == 6
    assert trained[1]["rows"] > trained[0]["rows"] == int(ROWS)
    assert trained[0]["weights"] != trained[1]["weights"]
    scored = rows(
        state, "SELECT round, split, value, low, high, n FROM metric WHERE metric = 'accuracy'"
    )
    assert {(row["round"], row["split"]) for row in scored} >= {
        (r, s) for r in (-1, 0, 1) for s in ("train", "validation", "test")
    }
    assert all(row["low"] <= row["value"] <= row["high"] for row in scored)


def test_every_failure_candidate_and_drop_is_accounted_for(finished: Path) -> None:
    state = finished / "state"
    (count,) = rows(
        state,
        "SELECT (SELECT count(*) FROM candidate) AS candidates, (SELECT count(*) FROM verdict) AS verdicts, "
        "(SELECT count(*) FROM selected) AS selected, "
        "(SELECT count(*) FROM verdict WHERE accepted) AS accepted, "
        "(SELECT count(*) FROM \"drop\" WHERE stage = 'select') AS left_out",
    )
    assert count["candidates"] == count["verdicts"] > 0
    assert count["accepted"] == count["selected"] + count["left_out"]
    assert 0 < count["selected"] <= 6
    methods = rows(state, "SELECT DISTINCT method FROM llm_call")
    assert [method for method in methods if "outlines" not in method["method"]] == []
    assert methods


def test_no_evaluation_row_reached_a_generator_prompt_or_the_training_set(finished: Path) -> None:
    state = finished / "state"
    texts = rows(
        state,
        "SELECT inputs->>'text' AS text FROM example WHERE split <> 'train' AND source <> 'generated'",
    )
    prompts = rows(
        state,
        "SELECT c.messages::VARCHAR AS messages FROM llm_call c JOIN node n ON n.id = c.node "
        "WHERE n.stage = 'generate'",
    )
    generated = rows(
        state, "SELECT inputs->>'text' AS text FROM example WHERE source = 'generated'"
    )
    assert prompts
    assert generated
    for row in texts:
        assert not any(
            row["text"].casefold() in prompt["messages"].casefold()
            for prompt in prompts
            if len(row["text"]) > 20
        )
        assert row["text"].casefold() not in {g["text"].casefold() for g in generated}


def test_a_second_run_asks_nothing_trains_nothing_and_says_the_same(finished: Path) -> None:
    state = finished / "state"
    before = results(state)
    calls = rows(state, "SELECT count(*) AS n FROM llm_call")
    again = pada_here("run", finished / "recipe.yaml", "--state", state, "--limit", ROWS)
    assert again.code == 0, again.errors
    assert "0 nodes computed" in again.out
    assert results(state) == before
    assert rows(state, "SELECT count(*) AS n FROM llm_call") == calls


def test_reports_stand_alone(finished: Path) -> None:
    (html,) = (finished / "state" / "reports").glob("r0001.html")
    text = html.read_text("utf-8")
    assert "small" in text
    assert 'src="http' not in text
    assert html.with_suffix(".md").exists()


@pytest.mark.long
def test_killed_five_times_on_real_models_it_ends_with_the_same_rows(
    finished: Path, tmp_path: Path
) -> None:
    """Needs about five minutes on 2 cores: the undisturbed run is the module's own."""
    arguments = ["run", str(finished / "recipe.yaml"), "--limit", ROWS]
    took = rows(
        finished / "state", "SELECT epoch(ended - started) AS s FROM run ORDER BY id LIMIT 1"
    )[0]["s"]
    assert kill_at_random(arguments, tmp_path, moments(5, 0.8 * took, seed=2)) >= 3
    found = pada(*arguments, "--state", str(tmp_path))
    assert found.returncode == 0, found.stdout + found.stderr
    assert results(tmp_path) == results(finished / "state")
    assert answered_twice(tmp_path) == []
