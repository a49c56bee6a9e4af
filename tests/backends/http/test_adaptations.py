"""What servers want otherwise, and rows that they refuse: adapted to and said once, without ending a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest

from engine.backends import BACKENDS
from engine.backends.protocol import Completion, Generator, Message, Request, always
from engine.errors import BackendError
from tests.servers.endpoint import Behaviour, Endpoint
from tests.servers.faults import OF_THE_ROW, Script
from tests.servers.replies import marked, row_of

pytestmark = pytest.mark.runs

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "minLength": 5, "maxLength": 60},
        "score": {"type": "integer", "minimum": 1, "maximum": 5},
    },
    "required": ["text", "score"],
    "additionalProperties": False,
}


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.backends.http.patience.BACKOFF", 0.02)


def requests(count: int, temperature: float = 0.9, schema: Any = SCHEMA) -> list[Request]:
    turns = [(Message("system", "Be short."), Message("user", marked(row))) for row in range(count)]
    return [Request(each, schema, 100, temperature, "m") for each in turns]


def opened(server: Endpoint, **settings: Any) -> Generator:
    chosen = {"base_url": server.url, "structured": "json_schema", "patience_s": 5, **settings}
    return cast(Generator, BACKENDS["openai"].open("generator", None, "m", chosen))


def came(
    model: Generator, asked: Sequence[Request], reserve: Any = always
) -> dict[str, Completion]:
    """Return the last word on each row."""
    names = {each.id: row_of([each.messages[-1]._asdict()]) for each in asked}
    found: dict[str, Completion] = {}
    for group in model.complete_many(asked, frozenset(), reserve):
        for done in group:
            assert names[done.request] not in found or not found[names[done.request]].final
            found[names[done.request]] = done
    return found


def errors(found: dict[str, Completion]) -> dict[str, str | None]:
    return {row: done.error for row, done in found.items()}


@pytest.mark.parametrize("structured", ["json_schema", "auto"])
def test_everything_that_a_server_does_not_take_is_left_out_one_by_one(structured: str) -> None:
    refused = ("max_tokens", "temperature", "seed", "system")
    with Endpoint(Behaviour(takes_not=refused)) as server:
        model = opened(server, structured=structured)
        found = came(model, requests(4))
        assert set(errors(found).values()) == {None}
        assert {done.method for done in found.values()} == {"json_schema"}
        last = server.log.asked[-1].body
        assert not {"max_tokens", "temperature", "seed"} & last.keys()
        (turn,) = last["messages"]
        assert turn["content"].startswith("Be short.\n\n<<")
        sent = Message("user", "Be short.\n\n<<3>>")
        assert found["3"].sent == (sent,), "the ledger keeps what was sent"
        assert [len(done.adapted) for done in found.values()] == [4] * 4
        before = len(server.log)
        came(model, [*requests(6)[4:], *requests(2, schema=None)])
        assert len(server.log) == before + 4, "what is known is not found out again"


def test_requests_that_were_on_their_way_already_are_sent_again() -> None:
    greedy = requests(8, temperature=0.0)
    sampled = [
        Request(each.messages, SCHEMA, 100, 0.5, "m", attempt=1) for each in requests(16)[8:]
    ]
    with Endpoint(Behaviour(latency=0.05, takes_not=("seed",))) as server:
        found = came(opened(server, concurrency=8), [*greedy, *sampled])
        assert set(errors(found).values()) == {None}
        assert len(found) == 16


def test_auto_finds_the_way_without_bounds() -> None:
    with Endpoint(Behaviour(takes_bounds=False)) as server:
        found = came(opened(server, structured="auto"), requests(4))
        assert {done.method for done in found.values()} == {"loose_schema"}
        assert set(errors(found).values()) <= {None, "schema"}


def test_a_schema_that_is_refused_alone_is_asked_for_in_the_next_way() -> None:
    many = {**SCHEMA, "properties": {**SCHEMA["properties"], "text": {"enum": list("abcdefgh")}}}
    usual = requests(4)
    unusual = [Request(each.messages, many, 100, 0.9, "m") for each in requests(8)[4:]]
    with Endpoint(Behaviour(most_values=6)) as server:
        model = opened(server, structured="auto")
        found = came(model, [*usual, *unusual])
        assert set(errors(found).values()) == {None}
        modes = {row: done.method for row, done in found.items()}
        assert [modes[str(row)] for row in range(8)] == ["json_schema"] * 4 + ["json_object"] * 4
        (done,) = came(model, requests(9)[8:]).values()
        assert done.method == "json_schema", "other schemas are asked for as before"
        with pytest.raises(BackendError, match="refuses the schema"):
            came(opened(server), unusual)


@pytest.mark.parametrize("place", ["parts", "reasoning_content"])
def test_replies_are_found_where_a_server_puts_them(place: Any) -> None:
    with Endpoint(Behaviour(says_in=place)) as server:
        found = came(opened(server, structured="auto"), requests(4))
        assert set(errors(found).values()) == {None}
        assert {done.method for done in found.values()} == {"json_schema"}


@pytest.mark.parametrize("fault", OF_THE_ROW)
@pytest.mark.parametrize("structured", ["json_schema", "auto"])
@pytest.mark.parametrize("rows", [1, 6])
def test_a_first_row_that_is_refused_does_not_end_the_run(
    fault: str, structured: str, rows: int
) -> None:
    with Endpoint(Behaviour(Script(rows={"0": (fault,) * 9}))) as server:
        found = came(opened(server, structured=structured), requests(rows))
        kind = "refusal" if fault == "filtered" else "bad_request"
        assert errors(found) == {str(row): None for row in range(1, rows)} | {"0": kind}
        assert server.log.rows["0"] == 1, "the same words are refused again"
        assert found["0"].detail


def test_a_second_row_that_is_refused_ends_the_run() -> None:
    with Endpoint(Behaviour(Script(always="odd_refusal"))) as server:
        with pytest.raises(BackendError, match=r"refuses the request .*I do not like"):
            came(opened(server), requests(6))
        assert len(server.log) == 2


def test_where_there_is_no_second_row_a_small_call_is_the_second() -> None:
    with Endpoint(Behaviour(Script(always="odd_refusal"))) as server:
        with pytest.raises(BackendError, match="refuses the request"):
            came(opened(server), requests(1))
        assert len(server.log) == 2


def test_a_first_row_that_is_refused_is_no_call_without_a_permit() -> None:
    permits = iter([True])

    def reserve(asked: Sequence[Request]) -> bool:
        return all(next(permits, False) for _ in asked)

    with Endpoint(Behaviour(Script(rows={"0": ("odd_refusal",)}))) as server:
        found = came(opened(server), requests(6), reserve)
        assert errors(found) == {"0": "bad_request"}
        assert len(server.log) == 1


# Proxies of the environment. The endpoint plays the proxy: it takes the whole address, and answers itself.

AWAY = "http://models.corp.example/v1"


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with Endpoint() as found:
        monkeypatch.setenv("http_proxy", f"http://me:p%40ss@{found.root.removeprefix('http://')}")
        yield found


def test_requests_go_by_the_proxy_of_the_environment(proxy: Endpoint) -> None:
    found = came(opened(proxy, base_url=AWAY), requests(3))
    assert set(errors(found).values()) == {None}
    asked = proxy.log.asked[0]
    assert asked.headers["host"] == "models.corp.example"
    assert asked.headers["proxy-authorization"] == "Basic bWU6cEBzcw=="


@pytest.mark.parametrize("listed", ["*", "corp.example", "models.corp.example:80"])
def test_what_no_proxy_lists_is_asked_directly(
    listed: str, proxy: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", listed)
    with pytest.raises(BackendError, match="cannot be reached"):
        came(opened(proxy, base_url=AWAY, patience_s=0), requests(1))
    assert len(proxy.log) == 0


def test_this_machine_is_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with Endpoint() as server:
        assert set(errors(came(opened(server), requests(2))).values()) == {None}


def test_a_proxy_that_is_not_there_is_named_without_its_password(
    proxy: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:9")
    with pytest.raises(BackendError, match=r"by the proxy 127\.0\.0\.1:9 \(http_proxy\)") as caught:
        came(opened(proxy, base_url=AWAY, patience_s=0), requests(1))
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("http_proxy", "socks5://me:secret@127.0.0.1:9")
    with pytest.raises(BackendError, match="http_proxy names a proxy") as caught:
        came(opened(proxy, base_url=AWAY), requests(1))
    assert "secret" not in str(caught.value)
    assert "models.corp.example in NO_PROXY" in caught.value.hint
