"""One studio for many tests: its server is asked without a network, its stores are only read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from engine.studio.application import make
from engine.studio.guard import Pass
from engine.studio.routes import ROUTES
from engine.studio.settings import Settings
from tests.report import questions
from tests.studio.stores import hostile, save

PORT = 8000
OWN = f"http://127.0.0.1:{PORT}"


@dataclass
class Studio:
    """A studio's server, and a browser that was let in."""

    client: TestClient
    ticket: Pass
    bugs: list[Exception] = field(default_factory=list)

    def get(self, path: str, **query: Any) -> Any:
        """Return what a page is answered; fails where it is refused."""
        answer = self.client.get(f"/api/{path}", params=query)
        assert answer.status_code == 200, (answer.text, self.bugs)
        return answer.json()

    def post(self, path: str, body: Any) -> Any:
        """Return the response to what the studio's own page sends."""
        return self.client.post(f"/api/{path}", json=body, headers={"origin": OWN})


def opened(settings: Settings, routes: Any = ROUTES) -> Studio:
    """Return a studio over a state folder, its browser let in as by the address that is printed."""
    bugs: list[Exception] = []
    ticket = Pass(PORT)
    client = TestClient(make(settings, ticket, routes, bugs.append), base_url=OWN)
    assert client.get(f"/?token={ticket.token}").status_code == 200
    return Studio(client, ticket, bugs)


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """Two runs of two versions, as in docs/sql.md."""
    state = save(questions.filled(), tmp_path_factory.mktemp("studio"))
    return opened(Settings(state))


@pytest.fixture(scope="session")
def reviewed_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in git whose recipe ran once; to be copied with `reviewed.copy`, not to be changed."""
    from tests.studio import reviewed

    return reviewed.project(tmp_path_factory.mktemp("reviewed") / "project")


@pytest.fixture(scope="session")
def hostile_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(hostile(), tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="session")
def hostile_studio(hostile_state: Path) -> Studio:
    return opened(Settings(hostile_state))
