"""The fault-injecting server, looked at with a bare client: what others test with must itself be right."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from engine.backends.structured import read_reply
from tests.servers.endpoint import Behaviour, Endpoint
from tests.servers.faults import HUGE, MIXED, Script
from tests.servers.log import Log
from tests.servers.replies import marked, row_of

pytestmark = pytest.mark.runs

ROOT = Path(__file__).resolve().parents[2]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "minLength": 5, "maxLength": 60},
        "score": {"type": "integer", "minimum": 1, "maximum": 5},
    },
    "required": ["text", "score"],
    "additionalProperties": False,
}


class Got(NamedTuple):
    status: int
    text: str
    headers: Any

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def said(self) -> str:
        return str(self.json["choices"][0]["message"]["content"])


def body(row: object, **more: Any) -> dict[str, Any]:
    wanted = {"type": "json_schema", "json_schema": {"name": "reply", "schema": SCHEMA}}
    user = f"{marked(row)} please say something about parcels and bills"
    messages = [{"role": "system", "content": "Be short."}, {"role": "user", "content": user}]
    return {
        "model": "m",
        "messages": messages,
        "max_tokens": 100,
        "response_format": wanted,
        **more,
    }


def talk(work: Callable[[aiohttp.ClientSession], Awaitable[Any]]) -> Any:
    async def inside() -> Any:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            return await work(session)

    return asyncio.run(inside())


def post(
    url: str, *bodies: dict[str, Any], key: str = "", path: str = "/chat/completions"
) -> list[Got]:
    async def work(session: aiohttp.ClientSession) -> list[Got]:
        found = []
        for each in bodies:
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            async with session.post(url + path, json=each, headers=headers) as response:
                found.append(Got(response.status, await response.text(), response.headers))
        return found

    found: list[Got] = talk(work)
    return found


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with Endpoint() as found:
        yield found


def faulty(name: str, **more: Any) -> Endpoint:
    return Endpoint(Behaviour(Script(attempts=(name,)), **more))


def test_a_reply_keeps_to_the_schema_and_the_same_request_gets_the_same(server: Endpoint) -> None:
    first, again, other = post(server.url, body(1), body(1), body(2))
    assert read_reply(first.said, SCHEMA).error is None
    assert first.text == again.text
    assert first.said != other.said
    assert first.json["usage"]["prompt_tokens"] > first.json["usage"]["completion_tokens"] > 2
    assert first.json["usage"]["prompt_tokens_details"]["cached_tokens"] > 0


@pytest.mark.parametrize(
    "asking",
    [
        {"response_format": None, "structured_outputs": {"json": SCHEMA}},
        {"response_format": None, "guided_json": SCHEMA},
        {
            "response_format": {"type": "json_object"},
            "messages": [
                {"role": "user", "content": f"Reply with JSON: {json.dumps(SCHEMA)}. Hello!"}
            ],
        },
    ],
    ids=["structured_outputs", "guided_json", "json_object"],
)
def test_a_schema_may_be_asked_for_in_other_ways(server: Endpoint, asking: dict[str, Any]) -> None:
    assert read_reply(post(server.url, body(1, **asking))[0].said, SCHEMA).error is None


def test_a_server_may_ignore_or_refuse_a_way() -> None:
    with Endpoint(Behaviour(knows=())) as server:
        assert "{" not in post(server.url, body(1))[0].said
        assert server.log.answered == set()
    with Endpoint(Behaviour(knows=("json_object",), refuses=True)) as server:
        refused, other = post(server.url, body(1), body(1, response_format={"type": "json_object"}))
    assert refused.status == 400
    assert "response_format" in refused.json["error"]["message"]
    assert json.loads(other.said)


def test_it_counts_rows_whatever_is_added_to_their_messages(server: Endpoint) -> None:
    longer = body("a")
    longer["messages"].append({"role": "user", "content": "Again, as JSON."})
    post(server.url, body("a"), longer, body("b"), key="secret")
    assert server.log.rows == {"a": 2, "b": 1}
    assert [each.attempt for each in server.log.of("a")] == [0, 1]
    assert server.log.asked[0].headers["authorization"] == "Bearer secret"
    assert [each.row for each in server.log.asked_again()] == ["a"]
    assert row_of([{"role": "user", "content": "no mark"}]) != row_of(
        [{"role": "user", "content": "?"}]
    )


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("rate_limit", 429, "rate_limit_exceeded"),
        ("rate_limit_after", 429, "rate_limit_exceeded"),
        ("error_500", 500, None),
        ("error_503", 503, None),
        ("unauthorized", 401, "invalid_api_key"),
        ("forbidden", 403, "forbidden"),
        ("unknown_model", 404, "model_not_found"),
        ("bad_schema", 400, None),
        ("too_long", 400, "context_length_exceeded"),
    ],
)
def test_statuses_come_once_and_then_the_reply(fault: str, status: int, code: str | None) -> None:
    with faulty(fault, retry_after=7) as server:
        first, second = post(server.url, body(1), body(1))
        assert (first.status, first.json["error"]["code"]) == (status, code)
        assert first.headers.get("Retry-After") == ("7" if fault == "rate_limit_after" else None)
        assert second.status == 200
        assert server.log.asked_again() == []
        assert server.log.answered == {"1"}


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("drop", aiohttp.ClientConnectionError),
        ("hang", TimeoutError),
        ("truncated_body", aiohttp.ClientPayloadError),
    ],
)
def test_exchanges_that_end_without_a_whole_reply(fault: str, expected: Any) -> None:
    with faulty(fault) as server:

        async def work(session: aiohttp.ClientSession) -> str:
            limit = aiohttp.ClientTimeout(total=0.3 if fault == "hang" else 60)
            url = server.url + "/chat/completions"
            async with session.post(url, json=body(1), timeout=limit) as response:
                return await response.text()

        with pytest.raises(expected):
            talk(work)
        assert server.log.answered == set()
        assert post(server.url, body(1))[0].status == 200
        assert server.log.asked_again() == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("invalid_json", "invalid_json"),
        ("breaks_schema", "schema"),
        ("numbers_as_strings", "schema"),
        ("duplicate_keys", "invalid_json"),
        ("control_characters", "invalid_json"),
        ("lone_surrogate", "invalid_json"),
        ("half_character", "invalid_json"),
        ("infinite", "invalid_json"),
        ("nested", "invalid_json"),
        ("fenced", None),
        ("fenced_in_prose", None),
        ("thought_fenced", None),
        ("prose", "invalid_json"),
        ("huge", "schema"),
        ("length", "invalid_json"),
        ("content_filter", "invalid_json"),
        ("thinking", "invalid_json"),
        ("hidden_thinking", "invalid_json"),
        ("thought", None),
        ("thought_in_template", None),
        ("escaped_control", None),
        ("no_usage", None),
    ],
)
def test_texts_are_as_wrong_as_they_are_meant_to_be(fault: str, error: str | None) -> None:
    with faulty(fault) as server:
        got = post(server.url, body(1))[0]
        assert read_reply(got.said, SCHEMA).error == error
        assert (got.json["choices"][0]["finish_reason"] == "stop") == (
            fault not in ("length", "content_filter", "thinking", "hidden_thinking")
        )
        assert ("usage" in got.json) == (fault != "no_usage")
        assert server.log.answered == (set() if error else {"1"})
        assert (len(got.text) > HUGE) == (fault == "huge")


def test_envelopes_are_as_wrong_as_they_are_meant_to_be() -> None:
    def said(fault: str) -> Got:
        with faulty(fault) as server:
            return post(server.url, body(1))[0]

    assert said("empty_choices").json["choices"] == []
    assert said("null_content").json["choices"][0]["message"]["content"] is None
    assert said("refusal").json["choices"][0]["message"]["refusal"]
    assert said("not_json").text.startswith("<html>")
    assert said("empty_body").text == ""
    assert said("not_an_object").json == ["what is this"]
    assert said("half_character").said[0] == "\ud83d"
    assert said("error_502").headers["Content-Type"].startswith("text/html")
    stream = said("stream")
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    lines = [line.removeprefix("data: ") for line in stream.text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    parts = [json.loads(line)["choices"][0]["delta"].get("content", "") for line in lines[:-1]]
    assert read_reply("".join(parts), SCHEMA).error is None


def test_a_reply_is_streamed_where_that_is_asked_for() -> None:
    wanted = {"stream": True, "stream_options": {"include_usage": True}}
    with Endpoint(Behaviour(between=0.05)) as server:
        start = time.monotonic()
        found = post(server.url, body(1, **wanted))[0]
        assert time.monotonic() - start > 0.2
        whole = post(server.url, body(1))[0]
        assert server.log.answered == {"1"}
    assert found.headers["Content-Type"] == "text/event-stream"
    *lines, end = [line.removeprefix("data: ") for line in found.text.split("\n\n") if line]
    assert end == "[DONE]"
    *chunks, last = map(json.loads, lines)
    assert (last["choices"], set(last["usage"]) > {"completion_tokens"}) == ([], True)
    parts = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    assert read_reply("".join(parts), SCHEMA).error is None
    assert len([part for part in parts if part]) == -(-len(whole.said) // 20)


def test_it_wants_its_key_its_models_its_path_and_short_prompts() -> None:
    with Endpoint(Behaviour(key="right", models=("m",), context=200)) as server:
        wrong = post(server.url, body(1), key="wrong-key")[0]
        assert wrong.status == 401
        assert "wrong-key" in wrong.text
        assert post(server.url, body(1, model="other"), key="right")[0].status == 404
        assert post(server.url, body(1), key="right", path="/completions")[0].status == 404
        assert post(server.url, body(1, max_tokens=190), key="right")[0].status == 400
        assert post(server.url, body(1), key="right")[0].status == 200


def test_faults_by_chance_depend_on_seed_row_and_attempt_only() -> None:
    script = Script(rate=0.1, seed=3)
    drawn = {(row, n): script.fault(str(row), n) for row in range(1000) for n in range(3)}
    assert drawn == {(row, n): script.fault(str(row), n) for n in range(3) for row in range(1000)}
    met = [fault for fault in drawn.values() if fault]
    assert 240 < len(met) < 360
    assert set(met) == set(MIXED)
    assert drawn != {key: Script(rate=0.1, seed=4).fault(str(key[0]), key[1]) for key in drawn}


def test_a_row_has_its_own_faults_and_unknown_faults_are_refused() -> None:
    script = Script(rows={"1": ("drop", None, "length")}, attempts=("refusal",), always="error_500")
    assert [script.fault("1", n) for n in range(4)] == ["drop", None, "length", None]
    assert [script.fault("2", n) for n in range(2)] == ["refusal", None]
    assert Script(always="drop").fault("1", 99) == "drop"
    with pytest.raises(ValueError, match="no fault 'lenght'"):
        Script(attempts=("lenght",))


def test_it_dies_and_comes_back_on_its_port() -> None:
    with Endpoint(Behaviour(dies_at=1, dies_for=0.4)) as server:
        assert post(server.url, body(1))[0].status == 200
        began = time.monotonic()
        with pytest.raises(aiohttp.ClientError):
            post(server.url, body(2))
        tries = 0
        while time.monotonic() - began < 60:
            tries += 1
            try:
                assert post(server.url, body(2))[0].status == 200
            except aiohttp.ClientConnectorError:
                time.sleep(0.02)
            else:
                break
        assert time.monotonic() - began > 0.35
        assert tries > 1, "the first one after its death finds nobody"
        assert server.log.rows == {"1": 1, "2": 2}


def test_it_slows_down_tenfold_from_a_moment_on(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        if seconds:
            slept.append(seconds)
        await sleep(seconds)

    with Endpoint(Behaviour(latency=0.02, slow_at=3)) as server:
        monkeypatch.setattr("tests.servers.endpoint.asyncio.sleep", noted)
        post(server.url, *(body(n) for n in range(5)))
        took = [(each.done or 0) - each.at for each in server.log.asked]
    assert slept == pytest.approx([0.02] * 3 + [0.2] * 2)
    assert min(took[3:]) > 0.19


def test_it_limits_its_rate() -> None:
    with Endpoint(Behaviour(per_second=1, retry_after=3)) as server:
        first, *others = post(server.url, *(body(n) for n in range(10)))
        assert first.status == 200
        limited = [each for each in others if each.status == 429]
        assert limited[0].headers["Retry-After"] == "3"
        time.sleep(1)
        assert post(server.url, body("later"))[0].status == 200


def test_it_runs_as_a_process_and_tells_its_log() -> None:
    command = [sys.executable, "-m", "tests.servers.endpoint", "--fault", "rate_limit_after"]
    with subprocess.Popen(
        [*command, "--retry-after", "2.5", "--latency", "0.01"],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            root = f"http://127.0.0.1:{int(process.stdout.readline())}"
            got = post(f"{root}/v1", body(1))[0]
            assert (got.status, got.headers["Retry-After"]) == (429, "2.5")

            async def look(session: aiohttp.ClientSession) -> Any:
                async with session.get(f"{root}/v1/models") as response:
                    assert (await response.json())["data"][0]["id"] == "any"
                async with session.get(f"{root}/control/log") as response:
                    return await response.json()

            log = Log.read(talk(look))
            assert (log.rows, log.faults) == ({"1": 1}, {"rate_limit_after": 1})
        finally:
            process.terminate()
