"""A whole run against a server that is too busy for ever: it ends, and says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.runs import pada_here, rows
from tests.e2e.test_openai_kill import write_project
from tests.servers.endpoint import Behaviour, Endpoint
from tests.servers.faults import Script

pytestmark = pytest.mark.runs


def project(folder: Path, url: str, patience: float, minutes: float | None) -> Path:
    recipe = write_project(folder, url)
    text = recipe.read_text("utf-8").replace(
        "concurrency: 6", f"concurrency: 6, patience_s: {patience}"
    )
    if minutes is not None:
        text += f"budget: {{minutes: {minutes}}}\n"
    recipe.write_text(text, "utf-8")
    return recipe


@pytest.mark.parametrize(
    ("patience", "minutes", "code", "status", "message"),
    [
        (2, None, 2, "failed", "the server keeps asking to come back later"),
        (100_000, 0.05, 0, "stopped", "the budget of 0.05 minutes is spent"),
    ],
    ids=["patience", "minutes"],
)
def test_a_run_against_a_server_that_is_always_busy_ends(
    tmp_path: Path, patience: float, minutes: float | None, code: int, status: str, message: str
) -> None:
    state = tmp_path / "state"
    with Endpoint(Behaviour(Script(always="rate_limit"))) as server:
        recipe = project(tmp_path, server.url, patience, minutes)
        ended = pada_here("run", recipe, "--state", state)
        assert ended.code == code, ended.out + ended.errors
        assert message in " ".join((ended.out + ended.errors).split())
        assert [row["status"] for row in rows(state, "SELECT status FROM run")] == [status]
