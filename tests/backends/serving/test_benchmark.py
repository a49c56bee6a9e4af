"""The speed of an endpoint, measured by guidellm itself in its own process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.backends.entry import ChatEndpoint
from engine.backends.protocol import Message
from engine.backends.serving import benchmark, guidellm
from engine.backends.serving.benchmark import BenchmarkResult, Job, measure
from engine.errors import BackendError
from tests.servers.endpoint import Behaviour, Endpoint
from tests.servers.faults import Script
from tests.servers.log import Asked
from tests.servers.replies import marked

pytestmark = pytest.mark.models

WORDS = "glad to hear that you are well today, my friend, and that the parcel came"
"""Four pieces of a stream."""


def job(url: str, state: Path, key: str | None = None, model: str = "small") -> Job:
    prompts = tuple(
        (Message("system", "Be short."), Message("user", f"{marked(i)} What is it?"))
        for i in range(9)
    )
    address = ChatEndpoint(url, model, key, {"top_p": 0.9})
    return Job(prompts, 6, (1, 3), 12, address, None, "auto", state)


@pytest.fixture(scope="module")
def seen(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[BenchmarkResult, list[Asked], list[int], int]]:
    state, told = tmp_path_factory.mktemp("state"), list[int]()
    behaviour = Behaviour(
        script=Script(rows={"7": ("error_500",) * 9}),
        latency=0.1,
        between=0.02,
        says=(WORDS,),
        key="right",
    )
    with pytest.MonkeyPatch.context() as patch, Endpoint(behaviour) as server:
        patch.setenv("SOME_KEY", "right")
        # What stands in the environment for guidellm is not for this one.
        patch.setenv("GUIDELLM__SPEC__PROFILE__KIND", "sweep")
        found = measure(job(server.url, state, "SOME_KEY"), told.append)
        assert list(state.iterdir()) == []
        yield found, server.log.asked, told, server.most_under_way


def test_each_concurrency_sends_its_requests_and_no_more(
    seen: tuple[BenchmarkResult, list[Asked], list[int], int],
) -> None:
    found, asked, told, most = seen
    assert [level.concurrency for level in found.levels] == [1, 3]
    # The first one is the engine's own, to warm the server up.
    assert [call.row for call in asked[:7]] == ["0", "0", "1", "2", "3", "4", "5"]
    # Every concurrency goes on in the rows where the one before ended, and begins anew at their end.
    assert sorted(call.row for call in asked[7:]) == ["0", "1", "2", "6", "7", "8"]
    assert told == [6, 6]
    assert most == 3


def test_requests_are_those_of_the_student(
    seen: tuple[BenchmarkResult, list[Asked], list[int], int],
) -> None:
    for call in seen[1][1:]:
        assert call.headers["authorization"] == "Bearer right"
        assert [m["role"] for m in call.body["messages"]] == ["system", "user"]
        assert call.body["messages"][0]["content"] == "Be short."
        assert call.body["stream"] is True
        wanted = {"model": "small", "max_tokens": 12, "temperature": 0, "top_p": 0.9}
        assert {name: call.body[name] for name in wanted} == wanted


def test_latencies_are_in_milliseconds_and_percentiles_in_order(
    seen: tuple[BenchmarkResult, list[Asked], list[int], int],
) -> None:
    for level in seen[0].levels:
        assert set(level.metrics) == set(guidellm._METRICS)
        for figures in level.metrics.values():
            assert figures.p50 <= figures.p90 <= figures.p95 <= figures.p99
        first, whole = (
            level.metrics[name] for name in ("time_to_first_token_ms", "request_latency_ms")
        )
        # The server waits 100 ms, and 20 ms after each of six events or more.
        assert 100 <= first.p50 < whole.p50
        assert whole.p50 >= first.p50 + 60
        assert level.metrics["inter_token_latency_ms"].p50 > 0
    alone, together = (level.metrics["requests_per_second"].mean for level in seen[0].levels)
    assert 0 < alone < 5
    assert together > alone


def test_failed_requests_are_counted_and_in_none_of_the_numbers(
    seen: tuple[BenchmarkResult, list[Asked], list[int], int],
) -> None:
    alone, together = seen[0].levels
    assert (sum(alone.errors.values()), alone.metrics["request_latency_ms"].n) == (0, 6)
    assert (sum(together.errors.values()), together.metrics["request_latency_ms"].n) == (1, 5)
    assert "500" in next(iter(together.errors))


def test_what_is_wrong_with_a_server_is_said_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "_levels", lambda *_: pytest.fail("it was measured"))
    monkeypatch.setenv("SOME_KEY", "wrong")
    with Endpoint(Behaviour(key="right", models=("large",))) as server:
        with pytest.raises(BackendError, match="refuses the key"):
            measure(job(server.url, tmp_path, "SOME_KEY"), lambda n: None)
        monkeypatch.setenv("SOME_KEY", "right")
        with pytest.raises(BackendError, match="does not know this model"):
            measure(job(server.url, tmp_path, "SOME_KEY"), lambda n: None)
        url = server.url
    with pytest.raises(BackendError, match="does not answer the first request: connection"):
        measure(job(url, tmp_path), lambda n: None)
    assert list(tmp_path.iterdir()) == []


def test_what_guidellm_says_when_it_fails_does_not_hold_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = tmp_path / "fails"
    fails.write_text("#!/bin/sh\necho api_key=$SOME_KEY >&2\nexit 3\n", "utf-8")
    fails.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(fails))
    monkeypatch.setenv("SOME_KEY", "right")
    with (
        Endpoint(Behaviour(key="right")) as server,
        pytest.raises(BackendError, match=r"exit code 3.*\n.*\n *api_key=\[key\]"),
    ):
        measure(job(server.url, tmp_path / "state", "SOME_KEY"), lambda n: None)


def test_no_answer_at_all_is_no_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    level = benchmark.Level(1, {}, {"Server error 500": 6})
    monkeypatch.setattr(benchmark, "_levels", lambda *_: iter([level]))
    with (
        Endpoint(Behaviour(says=(WORDS,))) as server,
        pytest.raises(BackendError, match=r"got no answer from http://.*: Server error 500"),
    ):
        measure(job(server.url, tmp_path), lambda n: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("base_url", "path"),
    [
        ("http://h:1/v1", "v1/chat/completions"),
        ("http://h:1/v1/", "v1/chat/completions"),
        ("https://h/api/openai", "chat/completions"),
    ],
)
def test_a_path_is_put_together_with_and_without_v1(base_url: str, path: str) -> None:
    from guidellm.schemas.backends.openai_http import OpenAIHTTPBackendArgs

    order: dict[str, Any] = {
        "base_url": base_url,
        "model": "m",
        "key": None,
        "max_tokens": 2,
        "extra": {},
    }
    found = OpenAIHTTPBackendArgs.model_validate(guidellm._backend(order))
    route = found.api_routes["/v1/chat/completions"]
    assert route == path
    assert f"{found.target}/{route}" == f"{base_url.rstrip('/').removesuffix('/v1')}/{path}"
    assert (found.verify, found.follow_redirects, found.validate_backend) == (True, False, False)


def test_no_part_of_a_key_is_kept() -> None:
    said = f"{'x' * 290} Bearer 0123456789abcdef is wrong"
    assert guidellm._redacted(said, "0123456789abcdef").endswith("Bearer [k")
    assert guidellm._redacted("cut off", "") == "cut off"


def test_another_guidellm_than_the_known_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    guidellm.require()
    monkeypatch.setattr(guidellm, "VERSION", "0.7.0")
    with pytest.raises(
        BackendError, match=r"^guidellm 0.8.1 is installed, and only 0.7.0 is known"
    ):
        guidellm.require()
