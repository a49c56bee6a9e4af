"""Benchmarks in whole runs: which students are timed, what is kept of it, and where it is shown."""

from __future__ import annotations

import re
from pathlib import Path
from shutil import rmtree

import pytest

from engine.backends.protocol import Progress
from engine.backends.serving.benchmark import BenchmarkResult, DistributionSummary, Job, Level
from engine.stages.evaluate import benchmark as stage
from tests.e2e import batch_project
from tests.e2e.batch_project import Pada
from tests.e2e.runs import rows
from tests.servers.endpoint import Behaviour, Endpoint

pytestmark = pytest.mark.long

pada = batch_project.pada
TIMED = (
    "SELECT DISTINCT r.round FROM benchmark b JOIN run_rows r USING (node)"
    " WHERE r.run = (SELECT max(id) FROM run) ORDER BY 1"
)


def recipe_with(folder: Path, block: str, **changes: str) -> Path:
    """Write the tiny project with everything scripted; `changes` replace the recipe's lines."""
    path = batch_project.write(folder, seeds="[0]")
    changes = {"metrics": "[accuracy]", **changes}
    lines = [
        next((f"{key}: {new}" for key, new in changes.items() if line.startswith(f"{key}:")), line)
        for line in path.read_text("utf-8").splitlines()
    ]
    path.write_text("\n".join([*lines, f"benchmark: {block}", ""]), "utf-8")
    return path


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Let a scripted student be served, and all measurements come out the same; return what was measured."""
    found: list[Job] = []

    def measure(job: Job, progress: Progress) -> BenchmarkResult:
        found.append(job)
        figures = DistributionSummary(job.requests, 20.0, 19.0, 28.0, 29.0, 30.0)
        levels = [Level(c, {"time_to_first_token_ms": figures}, {}) for c in job.concurrency]
        return BenchmarkResult("a server 1.0", tuple(levels))

    monkeypatch.setattr("engine.plan.validate.check_benchmark", lambda loaded: ())
    monkeypatch.setattr(stage, "measure", measure)
    monkeypatch.setattr(stage, "_weights", lambda params, inputs, ctx: None)
    return found


def test_only_the_round_at_which_the_loop_ends_is_timed(
    tmp_path: Path, pada: Pada, jobs: list[Job]
) -> None:
    recipe = recipe_with(tmp_path, "{requests: 5}", loop="{rounds: 0}")
    state = tmp_path / "state"

    def timed(rounds: int) -> list[int]:
        text = recipe.read_text("utf-8")
        recipe.write_text(re.sub(r"rounds: \d", f"rounds: {rounds}", text), "utf-8")
        code, said = pada("run", recipe, "--state", state)
        assert code == 0, said
        assert "Speed when served" in said
        return [row["round"] for row in rows(state, TIMED)]

    assert (timed(0), len(jobs)) == ([-1, 0], 2)
    # A longer loop times its own end, and shows the earlier one no more.
    assert (timed(1), len(jobs)) == ([-1, 1], 3)
    # No rows are made for round 2, so the loop ends where it did: nothing is measured twice.
    assert (timed(2), len(jobs)) == ([-1, 1], 3)
    # An adapter that `pada clean` removed is not trained anew for a benchmark that is not wanted.
    first = rows(state, "SELECT path FROM model WHERE round = 0")[0]["path"]
    rmtree(state / first)
    assert (timed(2), len(jobs)) == ([-1, 1], 3)
    assert not (state / first).exists()


def test_prompts_are_the_students_and_no_more_than_are_asked(
    tmp_path: Path, pada: Pada, jobs: list[Job]
) -> None:
    block = "{requests: 3, concurrency: [1, 2], split: test, max_tokens: 7}"
    recipe = recipe_with(tmp_path, block, loop="{rounds: 0}")
    state = tmp_path / "state"
    code, said = pada("run", recipe, "--state", state)
    assert code == 0, said
    job = jobs[0]
    assert (job.requests, job.concurrency, job.max_tokens) == (3, (1, 2), 7)
    wanted = rows(
        state,
        "SELECT inputs->>'text' AS text FROM example WHERE split = 'test' ORDER BY position LIMIT 6",
    )
    assert len(job.prompts) == 6
    for prompt, row in zip(job.prompts, wanted, strict=True):
        assert row["text"] in prompt[-1].content


def test_what_failed_is_a_row_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pada: Pada, jobs: list[Job]
) -> None:
    figures = {"request_latency_ms": DistributionSummary(17, 20.0, 19.0, 28.0, 29.0, 30.0)}
    level = Level(4, figures, {"Server error 500": 2, "cut off": 1})
    monkeypatch.setattr(
        stage, "measure", lambda job, progress: BenchmarkResult("http://h/v1", (level,))
    )
    recipe, state = (
        recipe_with(tmp_path, "{concurrency: [4]}", loop="{rounds: 0}"),
        tmp_path / "state",
    )
    code, said = pada("run", recipe, "--state", state)
    assert code == 0, said
    (counted,) = rows(state, "SELECT DISTINCT requests, failed, n FROM benchmark")
    assert counted == {"requests": 20, "failed": 3, "n": 17}
    dropped = rows(
        state,
        "SELECT stage, item, reason, detail FROM \"drop\" WHERE stage = 'benchmark' AND round = -1",
    )
    assert [tuple(row.values()) for row in dropped] == [
        ("benchmark", "concurrency 4", "request_failed", "2 of 20 requests: Server error 500"),
        ("benchmark", "concurrency 4", "request_failed", "1 of 20 requests: cut off"),
    ]


def test_a_concurrency_that_got_no_answer_is_shown_beside_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pada: Pada, jobs: list[Job]
) -> None:
    figures = {"requests_per_second": DistributionSummary(20, 2.0, 2.0, 2.0, 2.0, 2.0)}
    levels = (Level(1, figures, {}), Level(32, {}, {"connection refused": 20}))
    monkeypatch.setattr(
        stage, "measure", lambda job, progress: BenchmarkResult("http://h/v1", levels)
    )
    recipe, state = (
        recipe_with(tmp_path, "{concurrency: [1, 32]}", loop="{rounds: 0}"),
        tmp_path / "state",
    )
    code, said = pada("run", recipe, "--state", state)
    assert code == 0, said
    assert re.search(r"untuned .* 32 .* 0 ", said)
    query = (
        "SELECT concurrency, failed, requests_per_second AS rate, first_token_p50 AS first"
        " FROM deployment WHERE round = -1 ORDER BY 1"
    )
    found = [tuple(row.values()) for row in rows(state, query)]
    assert found == [(1, 0, 2.0, None), (32, 20, 0.0, None)]


def test_an_endpoint_is_measured_kept_and_shown(tmp_path: Path, pada: Pada) -> None:
    """With guidellm itself, in its own process."""
    state = tmp_path / "state"
    with Endpoint(Behaviour(between=0.005, says=("colour, I should say, or number",))) as server:
        block = f"{{requests: 4, concurrency: [2], max_tokens: 8, endpoint: {{base_url: '{server.url}', model: m}}}}"
        recipe = recipe_with(tmp_path, block, loop="{rounds: 0}")
        code, said = pada("plan", recipe, "--state", state)
        assert f"benchmark: m → {server.url.split('/')[2]} on this machine" in said
        code, said = pada("run", recipe, "--state", state)
        assert code == 0, said
        assert len(server.log) == 5
        code, again = pada("run", recipe, "--state", state)
        assert (code, "0 nodes computed" in again, len(server.log)) == (0, True, 5)
        url = server.url
    assert "endpoint" in said
    found = rows(state, "SELECT * FROM benchmark ORDER BY position")
    assert {row["metric"] for row in found} >= {"time_to_first_token_ms", "requests_per_second"}
    assert {(row["subject"], row["server"], row["concurrency"]) for row in found} == {
        ("endpoint", url, 2)
    }
    assert {(row["requests"], row["failed"]) for row in found} == {(4, 0)}
    (shown,) = rows(state, "SELECT * FROM all_deployment WHERE run = 'r0001'")
    assert (shown["metric"], shown["value"]) == (None, None)
    assert shown["first_token_p50"] > 0
    assert shown["requests_per_second"] > 0
    code, said = pada("sql", "--state", state, "select metric, value from deployment")
    assert code == 0, said
