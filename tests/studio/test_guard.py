"""Who is let in: this machine's own browser with the token; and what every answer allows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from engine.studio.application import Route, make
from engine.studio.assets import assets
from engine.studio.guard import POLICY, Pass
from engine.studio.routes import ROUTES
from engine.studio.settings import Settings
from tests.studio.conftest import OWN, Studio, opened

WEB = Path(__file__).parents[2] / "engine" / "studio" / "web"


@pytest.fixture
def stranger(tmp_path: Path) -> TestClient:
    """A browser that has no cookie."""
    return TestClient(make(Settings(tmp_path), Pass(8000), ROUTES, print), base_url=OWN)


def test_without_the_cookie_nothing_is_answered(stranger: TestClient) -> None:
    for route in ROUTES:
        path = "/api" + re.sub(r"\{\w+\}", "x", route.path)
        answer = stranger.request(route.method, path, headers={"origin": OWN})
        assert answer.status_code == 401, path
        assert "pada studio" in answer.json()["hint"]


@pytest.mark.parametrize("token", ["", "x", "é", "token&token="])
def test_a_wrong_token_lets_nobody_in(stranger: TestClient, token: str) -> None:
    answer = stranger.get(f"/?token={token}")
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers


def test_the_token_becomes_a_cookie_that_no_script_and_no_other_site_gets(studio: Studio) -> None:
    answer = studio.client.get(f"/?token={studio.ticket.token}")
    name, _, rest = answer.headers["set-cookie"].partition("=")
    assert name == "pada-studio-8000"
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in rest.split(";")}
    assert studio.ticket.token not in answer.headers["set-cookie"]
    assert studio.ticket.session not in answer.text


def test_another_browser_s_cookie_lets_nobody_in(stranger: TestClient, studio: Studio) -> None:
    cookie = f"{studio.ticket.cookie}={studio.ticket.session}"
    assert stranger.get("/api/runs", headers={"cookie": cookie}).status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1", "127.0.0.1:8001", "[::1]:8000", ""]
)
@pytest.mark.parametrize("path", ["/", "/studio.js", "/api/runs", "/nowhere"])
def test_another_name_in_host_is_refused(studio: Studio, host: str, path: str) -> None:
    assert studio.client.get(path, headers={"host": host}).status_code == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:8000", "http://127.0.0.1:8001", ""]
)
def test_another_origin_is_refused(studio: Studio, origin: str) -> None:
    assert studio.client.get("/api/runs", headers={"origin": origin}).status_code == 403
    answer = studio.client.post("/api/sql", json={"query": "SELECT 1"}, headers={"origin": origin})
    assert answer.status_code == 403


def test_what_says_no_origin_may_only_look(studio: Studio) -> None:
    assert studio.client.post("/api/sql", json={"query": "SELECT 1"}).status_code == 403
    assert (
        studio.client.get("/api/runs", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    )
    assert studio.client.get("/api/runs").status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/", *assets(), "/api/runs", "/api/runs/r9", "/api/nowhere", "/nowhere", "/../pyproject.toml"],
)
def test_every_answer_says_what_it_may_do(studio: Studio, path: str) -> None:
    answer = studio.client.get(path)
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    parts = dict(part.strip().split(" ", 1) for part in POLICY.split(";"))
    assert parts.pop("default-src") == "'none'"
    assert set(parts.values()) == {"'self'", "'none'"}
    assert parts["frame-ancestors"] == parts["base-uri"] == parts["form-action"] == "'none'"


def test_no_address_reaches_a_file(studio: Studio) -> None:
    for path in (
        "/../engine/studio/guard.py",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/etc/passwd",
        "/static/index.html",
        "/web/",
    ):
        assert studio.client.get(path).status_code == 404, path
    assert {name.count("/") for name in assets()} == {1}


def test_the_page_runs_nothing_of_its_own_text() -> None:
    page = assets()["/index.html"][0].decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", page)
    assert set(re.findall(r'(?:src|href)="([^"]+)"', page)) <= set(assets())


def test_texts_are_never_markup() -> None:
    sources = [*WEB.glob("src/**/*.svelte"), *WEB.glob("src/**/*.ts")]
    assert len(sources) > 20
    found = [
        (path.name, word)
        for path in sources
        for word in (
            "{@html",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            ' style="',
        )
        if word in path.read_text("utf-8")
    ]
    assert found == []


def test_a_studio_to_look_at_refuses_what_writes(tmp_path: Path) -> None:
    done: list[str] = []
    writing = (Route("POST", "/write", lambda *_: done.append("it"), writes=True),)
    refused = opened(Settings(tmp_path, read_only=True), writing).post("write", {})
    assert refused.status_code == 400
    assert "--read-only" in refused.json()["hint"]
    assert done == []
    assert opened(Settings(tmp_path), writing).post("write", {}).status_code == 200
    assert done == ["it"]


def test_a_bug_is_told_to_the_terminal_alone(tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret words")

    studio = opened(Settings(tmp_path), (Route("GET", "/fail", fail),))
    answer = studio.client.get("/api/fail")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert [str(bug) for bug in studio.bugs] == ["secret words"]


@pytest.mark.parametrize("body", [b"[1]", b"{", b'"x"', b"[" * 5000, b"x" * 1_000_001])
def test_a_body_that_is_no_object_is_a_mistake(studio: Studio, body: bytes) -> None:
    answer = studio.client.post("/api/sql", content=body, headers={"origin": OWN})
    assert answer.status_code == 400
    assert studio.bugs == []
