"""Students served by `transformers serve` and timed by guidellm, as a user would have it: `pytest -m servers`."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from engine import models
from engine.backends.protocol import Message
from engine.backends.serving.benchmark import FOLDER, Job, measure
from engine.backends.serving.server import Weights
from tests.e2e.runs import kill_at_random, pada, rows
from tests.e2e.tiny_project import write_project
from tests.servers.real import MODEL

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = write_project(tmp_path_factory.mktemp("tiny"))
    text = recipe.read_text("utf-8").replace("loop: {rounds: 2", "loop: {rounds: 0")
    block = "benchmark: {requests: 6, concurrency: [1, 2], max_tokens: 8}\n"
    recipe.write_text(text + block, "utf-8")
    return recipe


def test_a_student_is_timed_before_and_after_its_fine_tune(project: Path, tmp_path: Path) -> None:
    ran = pada("run", str(project), "--state", str(tmp_path), timeout=900)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    print(ran.stdout)
    found = rows(
        tmp_path,
        "SELECT * FROM deployment WHERE metric = 'accuracy' ORDER BY round, concurrency",
    )
    places = [(row["round"], row["concurrency"]) for row in found]
    assert places == [(-1, 1), (-1, 2), (0, 1), (0, 2)]
    for row in found:
        assert row["server"].startswith("transformers serve 5.")
        assert (row["requests"], row["failed"]) == (6, 0)
        assert 0 < row["answer_p50"] <= row["answer_p95"]
        assert row["requests_per_second"] > 0
        assert row["value"] is not None
        assert 0 < row["tokens_per_answer"] <= 8
    # What was fine-tuned may end its turn at once; the untuned one writes.
    assert all(0 < row["first_token_p50"] < row["answer_p50"] for row in found[:2])
    assert not (tmp_path / FOLDER).exists()
    again = pada("run", str(project), "--state", str(tmp_path))
    assert "0 nodes computed" in again.stdout


def test_a_killed_run_leaves_no_server_behind(project: Path, tmp_path: Path) -> None:
    # The first moments are those of loading, predicting, and of the untuned student's server.
    assert kill_at_random(["run", str(project)], tmp_path, [25.0, 35.0]) >= 1
    ran = pada("run", str(project), "--state", str(tmp_path), timeout=900)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not (tmp_path / FOLDER).exists()


def test_the_embedded_student_writes_as_many_tokens_as_it_is_allowed(tmp_path: Path) -> None:
    weights = Weights(models.fetch(MODEL), None, "bfloat16", "cpu")
    prompts = tuple((Message("user", f"Tell me a long story of {n} cats."),) for n in range(4))
    before = psutil.Process().children(recursive=True)
    found = measure(Job(prompts, 4, (1,), 16, None, weights, "auto", tmp_path), lambda n: None)
    assert psutil.Process().children(recursive=True) == before
    (level,) = found.levels
    print(level)
    assert level.errors == {}
    assert level.metrics["output_tokens"].mean == 16
    assert level.metrics["inter_token_latency_ms"].p50 > 1
    assert level.metrics["time_to_first_token_ms"].p50 > level.metrics["inter_token_latency_ms"].p50
