"""A run at a server that wants much otherwise: it goes on, and says once what was adapted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e import batch_project
from tests.e2e.batch_project import Pada
from tests.e2e.runs import rows
from tests.servers.endpoint import Behaviour, Endpoint
from tests.servers.faults import Script

pytestmark = pytest.mark.runs

pada = batch_project.pada
REFUSED = ("max_tokens", "temperature", "seed", "system")


def test_what_a_server_wants_otherwise_is_said_once(tmp_path: Path, pada: Pada) -> None:
    path = batch_project.write(tmp_path, seeds="[0]", rounds=1)
    state = tmp_path / "state"
    with Endpoint(Behaviour(Script(always="thought_fenced"), takes_not=REFUSED)) as server:
        teacher = (
            f"  teacher: {{backend: openai, model: big, base_url: '{server.url}', pack: small}}"
        )
        lines = path.read_text("utf-8").splitlines()
        lines = [teacher if line.startswith("  teacher:") else line for line in lines]
        path.write_text("\n".join(lines), "utf-8")
        code, said = pada("run", path, "--state", state, "--limit", "8", "--quiet")
        assert code == 0, said
    told = {
        "max_tokens": "wants the token limit as `max_completion_tokens`",
        "temperature": "does not take the `temperature`",
        "seed": "takes no `seed`",
        "system": "takes no system turns",
    }
    sampled = any("seed" in call.body for call in server.log.asked)
    for name, words in told.items():
        expected = 0 if name == "seed" and not sampled else 1
        assert said.count(f"the server of the teacher {words}") == expected, said
    assert sampled, "nothing was sampled: the test looks at less than it should"
    calls = rows(
        state, "SELECT error, count(*) AS n FROM llm_call WHERE role = 'teacher' GROUP BY ALL"
    )
    assert {call["error"] for call in calls} <= {None, "probe"}
