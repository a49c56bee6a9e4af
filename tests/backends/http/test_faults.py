"""The fault matrix: what the backend `openai` makes of everything a server can do wrong."""

import gc
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest

from engine.backends import BACKENDS
from engine.backends.protocol import (
    Completion,
    Generator,
    Message,
    PendingRequest,
    Request,
    Reserve,
    always,
)
from engine.backends.replies import PROBE
from engine.errors import BackendError
from engine.run.budget import BudgetTracker
from engine.run.ledger import Ledger
from engine.spec.recipe import Budget
from engine.store import Spent, Store, rows
from tests.servers.endpoint import Behaviour, Endpoint
from tests.servers.faults import MIXED, NO_REPLY, REFUSED, Script
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
KEY = "sk-proj-Zq81-test-key-that-must-not-be-seen-anywhere"
KEY_NAME = "PADA_TEST_KEY"
Opened = Callable[..., Generator]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.backends.http.patience.BACKOFF", 0.02)
    monkeypatch.setenv(KEY_NAME, KEY)


def request(row: object, *, text: str = "parcels and bills, who pays them?") -> Request:
    turns = (Message("system", "Be short."), Message("user", f"{marked(row)} {text}"))
    return Request(turns, SCHEMA, 100, 0.0, "m")


def requests(count: int) -> list[Request]:
    return [request(row) for row in range(count)]


def opened(server: Endpoint, backend: str = "openai", **settings: Any) -> Generator:
    chosen = {
        "base_url": server.url, "structured": "json_schema", "concurrency": 8, "timeout_s": 1.0,
        "api_key": {"env": KEY_NAME}, "patience_s": 10, **settings,
    }  # fmt: skip
    return cast(Generator, BACKENDS[backend].open("generator", None, "m", chosen))


class Came(NamedTuple):
    """Everything that came for some requests, by row."""

    all: dict[str, list[Completion]]
    seconds: float

    @property
    def final(self) -> dict[str, Completion]:
        """The last word on each row; asserts that there is exactly one, and that it came last."""
        for row, found in self.all.items():
            assert [each.final for each in found] == [False] * (len(found) - 1) + [True], row
        return {row: found[-1] for row, found in self.all.items()}

    @property
    def errors(self) -> dict[str, str | None]:
        return {row: done.error for row, done in self.final.items()}

    @property
    def tries(self) -> Counter[str]:
        return Counter(t.kind for found in self.all.values() for c in found for t in c.tries)


def came(model: Generator, asked: Sequence[Request], reserve: Reserve = always) -> Came:
    names = {
        each.id: row_of([{"role": m.role, "content": m.content} for m in each.messages])
        for each in asked
    }
    found: dict[str, list[Completion]] = {}
    began = time.monotonic()
    for group in model.complete_many(asked, frozenset(), reserve):
        assert group, "an empty group says nothing"
        for done in group:
            assert (done.value is None) == (done.error is not None)
            found.setdefault(names[done.request], []).append(done)
    return Came(found, time.monotonic() - began)


def listen(model: Generator, asked: Sequence[Request], answered: list[str]) -> None:
    """Ask, and note the ids of usable replies as they come."""
    for group in model.complete_many(asked, frozenset()):
        answered.extend(done.request for done in group if done.error is None)


def seen(completions: Iterator[Completion]) -> str:
    """Return all texts of completions, to look for what must not be there."""
    return " ".join(repr(each) for each in completions)


# One fault at a time: row 3 of twelve meets it once.

NO_REPLY_KINDS = {
    "rate_limit": ("rate_limit", 429), "rate_limit_after": ("rate_limit", 429),
    "rate_limit_date": ("rate_limit", 429), "error_500": ("server_error", 500),
    "error_502": ("server_error", 502), "error_503": ("server_error", 503),
    "leaks_key": ("server_error", 500), "drop": ("connection", None), "hang": ("timeout", None),
    "truncated_body": ("truncated_body", None), "not_json": ("bad_body", 200),
    "empty_body": ("bad_body", 200), "empty_choices": ("empty", 200),
    "null_content": ("empty", 200), "not_an_object": ("empty", 200),
}  # fmt: skip
BAD_REPLY_KINDS = {
    "invalid_json": "invalid_json", "breaks_schema": "schema", "numbers_as_strings": "schema",
    "duplicate_keys": "invalid_json", "control_characters": "invalid_json",
    "lone_surrogate": "invalid_json", "half_character": "invalid_json", "infinite": "invalid_json",
    "nested": "invalid_json", "prose": "invalid_json",
    "length": "length", "content_filter": "refusal", "refusal": "refusal",
    "thinking": "thinking", "hidden_thinking": "thinking",
}  # fmt: skip


WORDLESS = ("content_filter", "refusal", "hidden_thinking")
PAID = "null_content"
"""No reply, but its tokens are counted: a call of its own."""
FREE = [fault for fault in NO_REPLY_KINDS if fault != PAID]


def one_fault(*faults: str, **more: Any) -> Endpoint:
    return Endpoint(Behaviour(Script(rows={"3": faults}), retry_after=0.3, hang=5, **more))


def assert_only_row_3_was_asked_again(server: Endpoint, times: int) -> None:
    expected = {str(row): 1 for row in range(12)} | {"3": times}
    assert server.log.rows == expected
    assert server.log.asked_again() == []


def test_the_matrix_knows_every_fault() -> None:
    assert set(NO_REPLY_KINDS) == set(NO_REPLY)
    assert {*NO_REPLY_KINDS, *BAD_REPLY_KINDS} >= set(MIXED)


@pytest.mark.parametrize("fault", FREE)
def test_a_fault_without_a_reply_is_tried_again_and_noted(fault: str) -> None:
    with one_fault(fault) as server:
        found = came(opened(server), requests(12))
        assert found.errors == {str(row): None for row in range(12)}
        assert_only_row_3_was_asked_again(server, 2)
        [done] = found.all["3"]
        assert [(t.kind, t.status) for t in done.tries] == [NO_REPLY_KINDS[fault]]
        assert done.tries[0].seconds >= (0.9 if fault == "hang" else 0)
        assert done.tries[0].detail
        assert found.tries.total() == 1
        assert done.method == "json_schema"
        if fault == "rate_limit_after":
            first, second = server.log.of(3)
            assert second.at - first.at >= 0.3
        if fault == "rate_limit_date":
            # A date has no fractions of a second.
            first, second = server.log.of(3)
            assert second.at - first.at >= 0.25


@pytest.mark.parametrize("fault", BAD_REPLY_KINDS)
def test_an_unusable_reply_is_kept_and_asked_again(fault: str) -> None:
    with one_fault(fault) as server:
        found = came(opened(server), requests(12))
        assert found.errors == {str(row): None for row in range(12)}
        assert_only_row_3_was_asked_again(server, 2)
        bad, good = found.all["3"]
        assert (bad.error, bad.final, good.final) == (BAD_REPLY_KINDS[fault], False, True)
        assert bad.detail
        assert (bad.usage.prompt_tokens or 0) > 0
        assert found.tries.total() == 0
        assert bool(bad.text) == (fault not in WORDLESS)
        reasons = {"length": "length", "thinking": "length", "refusal": "refusal"}
        assert bad.finish_reason == reasons.get(bad.error or "", "stop")


@pytest.mark.parametrize("fault", ["invalid_json", "breaks_schema", "numbers_as_strings"])
def test_a_correction_turn_says_what_was_wrong(fault: str) -> None:
    with one_fault(fault) as server:
        bad, good = came(opened(server), requests(12)).all["3"]
        first, second = server.log.of(3)
        assert second.body["messages"][: len(first.body["messages"])] == first.body["messages"]
        wrong, wish = second.body["messages"][len(first.body["messages"]) :]
        assert (wrong["role"], wish["role"]) == ("assistant", "user")
        assert wrong["content"] == bad.text
        assert bad.detail[:60] in wish["content"]
        assert bad.sent is None
        assert good.sent is not None
        assert [m.content for m in good.sent] == [m["content"] for m in second.body["messages"]]


@pytest.mark.parametrize("fault", ["length", "thinking", "hidden_thinking"])
def test_a_reply_cut_by_the_limit_gets_more_tokens(fault: str) -> None:
    with one_fault(fault) as server:
        came(opened(server), requests(12))
        first, second = server.log.of(3)
        assert second.body["max_tokens"] > first.body["max_tokens"]
        assert second.body["messages"] == first.body["messages"]


@pytest.mark.parametrize("fault", ["thinking", "hidden_thinking"])
def test_a_reply_cut_in_its_thinking_names_the_setting(fault: str) -> None:
    with one_fault(*[fault] * 50) as server:
        done = came(opened(server), requests(12)).final["3"]
        assert done.detail.startswith("cut after max_tokens (200) in the model's thinking")
        assert ("200 of them hidden reasoning" in done.detail) == (fault == "hidden_thinking")
        assert "models.teacher.thinking_tokens" in done.detail


def test_a_model_that_thinks_at_the_probe_is_given_room_to_answer_it(probing: list[str]) -> None:
    script = Script(rows={row: ("hidden_thinking", "hidden_thinking") for row in probing})
    with Endpoint(Behaviour(script)) as server:
        came(opened(server, structured="auto"), requests(1))
        limits = [each.body["max_tokens"] for each in server.log.asked if each.row in probing]
        assert limits == [64, 4096, 4096]


@pytest.mark.parametrize(
    "fault",
    [
        "escaped_control",
        "no_usage",
        "stream",
        "thought",
        "thought_in_template",
        "fenced",
        "fenced_in_prose",
        "thought_fenced",
    ],
)
def test_odd_but_whole_replies_are_taken(fault: str) -> None:
    with one_fault(fault) as server:
        found = came(opened(server), requests(12))
        assert found.errors["3"] is None
        assert_only_row_3_was_asked_again(server, 1)
        [done] = found.all["3"]
        assert done.value is not None
        assert set(done.value) == {"text", "score"}
        unknown = fault in ("no_usage", "stream")
        assert (
            (done.usage.prompt_tokens is None) == (done.usage.completion_tokens is None) == unknown
        )
        if fault == "escaped_control":
            assert done.value["text"].startswith("\x00\x07\x1b")


def test_a_reply_of_five_megabytes_is_not_swallowed() -> None:
    with one_fault("huge") as server:
        found = came(opened(server, timeout_s=10), requests(12))
        assert found.errors == {str(row): None for row in range(12)}
        assert_only_row_3_was_asked_again(server, 2)
        assert len(seen(itertools.chain(*found.all.values()))) < 100_000


def test_usage_and_price_are_those_of_the_server() -> None:
    price = {"prompt": 2.0, "completion": 10.0, "cached": 0.5}
    with Endpoint() as server:
        [done] = came(opened(server, price=price), [request(1)]).all["1"]
    assert done.usage.prompt_tokens is not None
    assert done.usage.completion_tokens is not None
    assert (done.usage.cached_tokens, done.usage.reasoning_tokens) == (2, 2)
    expected = (done.usage.prompt_tokens - 2) * 2.0 + 2 * 0.5 + done.usage.completion_tokens * 10.0
    assert done.cost == pytest.approx(expected / 1e6)
    assert done.server == "m fp_test"
    with one_fault("no_usage") as server:
        assert came(opened(server, price=price), [request(3)]).all["3"][0].cost is None


# The same fault for ever: a stored failure with its kind, after as many askings as are settled.


@pytest.mark.parametrize("times", [1, 50])
def test_an_answer_without_text_that_was_paid_is_a_call_of_its_own(times: int) -> None:
    with one_fault(*[PAID] * times) as server:
        found = came(
            opened(server, attempts=3, price={"prompt": 2, "completion": 10}), requests(12)
        )
        assert_only_row_3_was_asked_again(server, min(times + 1, 3))
    asked = found.all["3"]
    errors = ["empty", None] if times == 1 else ["empty"] * 3
    assert [(done.error, done.final) for done in asked] == [
        (error, number == len(errors)) for number, error in enumerate(errors, 1)
    ]
    for done in asked:
        assert done.tries == ()
        assert done.usage.completion_tokens
        assert done.cost
        assert done.detail or done.error is None


@pytest.mark.parametrize("fault", [f for f in FREE if not f.startswith("rate_limit")])
def test_a_fault_for_ever_ends_as_a_failure_of_its_kind(fault: str) -> None:
    with one_fault(*[fault] * 50) as server:
        found = came(opened(server, attempts=3), requests(12))
        kind, status = NO_REPLY_KINDS[fault]
        assert found.errors == {str(row): None for row in range(12)} | {"3": kind}
        assert_only_row_3_was_asked_again(server, 3)
        done = found.final["3"]
        assert [(t.kind, t.status) for t in done.tries] == [(kind, status)] * 2
        assert done.detail


@pytest.mark.parametrize("fault", BAD_REPLY_KINDS)
def test_an_unusable_reply_for_ever_ends_as_a_failure_with_its_text(fault: str) -> None:
    with one_fault(*[fault] * 50) as server:
        found = came(opened(server, corrections=2), requests(12))
        kind = BAD_REPLY_KINDS[fault]
        assert found.errors == {str(row): None for row in range(12)} | {"3": kind}
        times = 2 if kind in ("length", "thinking", "refusal") else 3
        assert_only_row_3_was_asked_again(server, times)
        assert [each.error for each in found.all["3"]] == [kind] * times
        assert found.final["3"].detail
        assert bool(found.final["3"].text) == (fault not in WORDLESS)


def test_too_many_requests_are_waited_for_as_often_as_it_takes() -> None:
    with one_fault(*["rate_limit"] * 6) as server:
        found = came(opened(server, attempts=2), requests(12))
        assert found.errors["3"] is None
        assert found.tries == {"rate_limit": 6}
        assert_only_row_3_was_asked_again(server, 7)


@pytest.mark.parametrize("wait", [float("nan"), -5.0])
def test_a_wait_that_is_none_is_the_usual_one(wait: float) -> None:
    with Endpoint(Behaviour(Script(rows={"3": ("rate_limit_after",)}), retry_after=wait)) as server:
        found = came(opened(server), [request(3)])
        assert found.errors["3"] is None
        assert found.tries == {"rate_limit": 1}


# Mixed faults.


def mixed(count: int, rate: float = 0.1, **more: Any) -> Behaviour:
    return Behaviour(Script(rate=rate, seed=1), retry_after=0.2, hang=20, **more)


def rows_answered(server: Endpoint) -> set[str]:
    """Return the rows that were answered, without the small calls that look how or whether a server answers."""
    return {row for row in server.log.answered if row.isdigit()}


def assert_all_finish(server: Endpoint, found: Came, count: int) -> None:
    assert Counter(found.errors.values()) == {None: count}
    assert rows_answered(server) == {str(row) for row in range(count)}
    assert [each for each in server.log.asked_again() if each.row.isdigit()] == []
    # One asking a row, and one more for each fault: nothing is sent for nothing.
    asked = [each for each in server.log.asked if each.row.isdigit()]
    assert len(asked) == count + sum(each.fault is not None for each in asked)


@pytest.mark.parametrize(
    "pace", [{"concurrency": 16}, {"concurrency": None}], ids=["16", "adaptive"]
)
def test_with_a_tenth_of_mixed_faults_all_of_300_rows_finish(pace: dict[str, Any]) -> None:
    with Endpoint(mixed(300)) as server:
        found = came(opened(server, **pace), requests(300))
        assert_all_finish(server, found, 300)
        assert len(server.log.faults) >= 10


@pytest.mark.long
def test_with_a_tenth_of_mixed_faults_2000_rows_finish_with_the_usual_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What the faults cost in rows per second: tests/benchmarks/faults.py.
    monkeypatch.setattr("engine.backends.http.patience.BACKOFF", 0.5)
    with Endpoint(mixed(2000, latency=0.05)) as server:
        found = came(opened(server, concurrency=16, timeout_s=1), requests(2000))
        assert_all_finish(server, found, 2000)


def test_faults_of_other_rows_cost_a_row_nothing() -> None:
    faults = {str(row): ("error_500",) * 3 for row in range(0, 60, 3)}
    with Endpoint(Behaviour(Script(rows=faults))) as server:
        found = came(opened(server), requests(60))
        assert_all_finish(server, found, 60)


def test_rows_that_the_server_cannot_answer_fail_alone_and_are_no_outage() -> None:
    """Some prompts crash a server; together they must not look like a server that is away."""
    poison = {str(row): ("error_500",) * 99 for row in (3, 27, 28, 29)}
    with Endpoint(Behaviour(Script(rows=poison))) as server:
        found = came(opened(server, attempts=3, patience_s=3), requests(30))
        assert {row for row, error in found.errors.items() if error == "server_error"} == set(
            poison
        )
        assert Counter(found.errors.values()) == {None: 26, "server_error": 4}
        # Taken for an outage they would be sent again and again, until patience ends.
        assert max(server.log.rows[row] for row in poison) < 10


# Servers that go, slow down, or limit.


def dead_for(seconds: float, count: int) -> None:
    with Endpoint(Behaviour(latency=0.02, dies_at=count // 3, dies_for=seconds)) as server:
        found = came(
            opened(server, attempts=2, concurrency=16, timeout_s=5, patience_s=60), requests(count)
        )
        assert Counter(found.errors.values()) == {None: count}
        assert rows_answered(server) == {str(row) for row in range(count)}
        assert server.log.asked_again() == []
        # Some were under way when it died; after that one at a time looked whether it is back.
        assert set(found.tries) == {"connection"}
        assert found.tries.total() <= 16 + 6 + 2 * seconds
        assert found.seconds > seconds


def test_a_server_that_dies_for_three_seconds_costs_time_and_no_rows() -> None:
    dead_for(3, 300)


@pytest.mark.long
def test_a_server_that_dies_for_twenty_seconds_costs_time_and_no_rows() -> None:
    dead_for(20, 2000)


def test_a_server_that_stays_away_ends_the_run_and_keeps_what_was_answered() -> None:
    with Endpoint(Behaviour(latency=0.02, dies_at=50, dies_for=60)) as server:
        model = opened(server, concurrency=4, patience_s=1)
        answered: list[str] = []
        with pytest.raises(BackendError, match="cannot be reached") as caught:
            listen(model, requests(100), answered)
        assert len(answered) == len(server.log.answered) >= 46
        assert "run the same command again" in caught.value.hint


def test_a_server_that_slows_down_tenfold_is_waited_for() -> None:
    with Endpoint(Behaviour(latency=0.02, slow_at=150)) as server:
        found = came(opened(server, concurrency=None, timeout_s=5), requests(300))
        assert_all_finish(server, found, 300)
        assert found.tries.total() == 0


def test_a_limited_rate_is_found_without_a_storm_of_requests() -> None:
    with Endpoint(Behaviour(latency=0.01, per_second=100, retry_after=0.5)) as server:
        found = came(opened(server, concurrency=None), requests(300))
        assert Counter(found.errors.values()) == {None: 300}
        assert server.log.asked_again() == []
        # Answers "come later" are cheap for neither side: fewer than one a row.
        assert len(server.log) < 600


@pytest.mark.parametrize("fault", ["rate_limit_after", "error_503"])
def test_rows_that_wait_are_few_however_many_there_are(fault: str) -> None:
    taken = 0
    stop = time.monotonic() + 2

    def endless() -> Iterator[Request]:
        nonlocal taken
        for taken in range(100_000):
            yield request(taken)

    with Endpoint(Behaviour(Script(always=fault), retry_after=1)) as server:
        better = threading.Timer(1.5, server.behave, [Behaviour()])
        better.start()
        model = opened(server, concurrency=16)
        done = 0
        for group in model.complete_many(endless(), frozenset(), lambda _: time.monotonic() < stop):
            done += len(group)
            # Held ready and to be sent again: a small multiple of what may be under way.
            assert taken - done < 100
        better.join()
        assert server.log.faults[fault] < 100


# Mistakes in the recipe: found at the first call.

FATAL: dict[str, tuple[dict[str, Any], str]] = {
    "wrong key": ({"key": "another"}, "key"),
    "no access": ({"script": Script(always="forbidden")}, "key"),
    "unknown model": ({"models": ("other",)}, "does not know this model"),
    "refused schema": ({"knows": ("json_object",), "refuses": True}, "schema"),
}


@pytest.mark.parametrize(
    ("case", "structured"),
    # A refused schema is no mistake for `auto`: it finds a way that the server takes.
    [
        (c, s)
        for c in FATAL
        for s in ("json_schema", "auto")
        if (c, s) != ("refused schema", "auto")
    ],
)
def test_a_mistake_stops_at_the_first_call_and_says_what_to_do(case: str, structured: str) -> None:
    behaviour, message = FATAL[case]
    with Endpoint(Behaviour(**behaviour)) as server:
        model = opened(server, structured=structured, concurrency=64)
        with pytest.raises(BackendError, match=message) as caught:
            came(model, requests(100))
        assert len(server.log) <= 2
        assert_no_key(str(caught.value))
        assert caught.value.hint
        assert "127.0.0.1" in caught.value.message


@pytest.mark.parametrize("structured", ["json_schema", "auto"])
@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("/wrong/path", "no chat endpoint at this address"),
        ("http://127.0.0.1:9/v1", "cannot be reached"),
    ],
    ids=["path", "port"],
)
def test_a_wrong_address_stops_at_the_first_call(
    address: str, message: str, structured: str
) -> None:
    with Endpoint() as server:
        url = address if ":" in address else server.url + address
        model = opened(server, base_url=url, structured=structured, attempts=2, patience_s=1)
        with pytest.raises(BackendError, match=message) as caught:
            came(model, requests(100))
        assert caught.value.hint
        assert_no_key(str(caught.value))
        assert len(server.log) == 0


def test_a_key_that_is_not_set_is_named_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(KEY_NAME)
    with Endpoint() as server:
        with pytest.raises(BackendError, match=KEY_NAME):
            came(opened(server), requests(3))
        assert len(server.log) == 0


def test_a_key_taken_back_in_the_middle_ends_the_run_and_keeps_what_was_answered() -> None:
    faults = {str(row): ("unauthorized",) * 9 for row in range(20, 100)}
    with Endpoint(Behaviour(Script(rows=faults))) as server:
        answered: list[str] = []
        with pytest.raises(BackendError, match="key"):
            listen(opened(server, concurrency=4), requests(100), answered)
        # The other three may be under way still when the refusal of one ends it.
        assert 20 - 3 <= len(answered) <= 20
        assert len(server.log) <= 20 + 4


# A refused key is no row's own: it is the same for all of them.
@pytest.mark.parametrize("fault", [f for f in REFUSED if f not in ("unauthorized", "forbidden")])
def test_one_refused_row_of_many_is_a_failure_of_its_own(fault: str) -> None:
    with Endpoint(Behaviour(Script(rows={"30": (fault,) * 9}))) as server:
        found = came(opened(server), requests(60))
        assert {row for row, error in found.errors.items() if error} == {"30"}
        assert server.log.rows["30"] == 1
        assert found.final["30"].detail


# Ways of asking for structure.


@pytest.mark.parametrize(
    ("backend", "behaviour", "method", "usable"),
    [
        ("openai", {}, "json_schema", True),
        ("openai", {"knows": ("json_object",), "refuses": True}, "json_object", True),
        ("openai", {"knows": ("json_object",)}, "json_object", True),
        ("openai", {"knows": ("words",)}, "prompt", True),
        ("openai", {"knows": ()}, "prompt", False),
        ("vllm", {}, "structured_outputs", True),
        ("vllm", {"knows": ("json_schema",)}, "json_schema", True),
    ],
    ids=[
        "all",
        "only json_object",
        "ignores json_schema",
        "ignores all",
        "prose",
        "vllm",
        "old vllm",
    ],
)
def test_the_way_to_ask_is_found(
    backend: str, behaviour: dict[str, Any], method: str, usable: bool
) -> None:
    with Endpoint(Behaviour(**behaviour)) as server:
        found = came(opened(server, backend, structured="auto"), requests(12))
        assert {done.method for done in found.final.values()} == {method}
        assert set(found.errors.values()) == {None if usable else "invalid_json"}
        probes = [each for each in server.log.asked if not each.row.isdigit()]
        assert 1 <= len(probes) <= 6
        if not usable:
            assert found.final["1"].text.startswith("Sure!")


@pytest.fixture
def probing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the rows that the probe asks about; the pauses between its askings do not grow."""
    monkeypatch.setattr("engine.backends.http.patience.LONGEST_BACKOFF", 0.02)
    with Endpoint() as server:
        came(opened(server, structured="auto"), requests(1))
        return [each.row for each in server.log.asked if not each.row.isdigit()]


@pytest.mark.parametrize(
    "fault", [f for f in (*NO_REPLY, *BAD_REPLY_KINDS) if f != "rate_limit_date"]
)
def test_a_fault_at_the_probe_does_not_choose_a_worse_way(fault: str, probing: list[str]) -> None:
    script = Script(rows={row: (fault,) for row in probing})
    with Endpoint(Behaviour(script, retry_after=0.01, hang=5)) as server:
        found = came(opened(server, structured="auto"), requests(3))
        assert {done.method for done in found.final.values()} == {"json_schema"}
        assert set(found.errors.values()) == {None}


def test_a_server_that_is_busy_at_the_probe_is_waited_for(probing: list[str]) -> None:
    script = Script(rows={row: ("rate_limit",) * 9 for row in probing})
    with Endpoint(Behaviour(script)) as server:
        found = came(opened(server, structured="auto", attempts=3), requests(3))
        assert {done.method for done in found.final.values()} == {"json_schema"}


def test_the_way_is_looked_for_once() -> None:
    with Endpoint() as server:
        model = opened(server, structured="auto")
        came(model, requests(3))
        before = len(server.log)
        came(model, [request("more")])
        assert len(server.log) == before + 1


# Too long for the model.


def test_a_prompt_longer_than_the_context_is_not_sent() -> None:
    asked = [*requests(5), request("long", text="word " * 2000)]
    with Endpoint() as server:
        found = came(opened(server, context=1000), asked)
        assert {row for row, error in found.errors.items() if error} == {"long"}
        done = found.final["long"]
        assert done.error == "too_long"
        assert "1,000" in done.detail
        assert "shorten" in done.detail
        assert (done.text, done.tries) == ("", ())
        assert server.log.rows == {str(row): 1 for row in range(5)}


def test_all_prompts_longer_than_the_context_come_home_as_failures() -> None:
    with Endpoint() as server:
        found = came(opened(server, context=50), requests(5))
        assert set(found.errors.values()) == {"too_long"}
        assert len(server.log) == 0


@pytest.mark.models
def test_the_models_own_tokenizer_counts_where_it_is_named(tmp_path: Path) -> None:
    from engine.backends.http.connection import load_tokenizer
    from engine.backends.local.chat import encode_prompt
    from tests.backends.tiny import write_model

    write_model(tmp_path / "student")
    asked = request(1, text="red blue green " * 40)
    tokens = len(encode_prompt(load_tokenizer("student", tmp_path), asked.messages))
    assert tokens < sum(len(turn.content) for turn in asked.messages) / 4
    fits = tokens + asked.max_tokens
    with Endpoint() as server:
        chosen = {"tokenizer": str(tmp_path / "student")}
        assert came(opened(server, context=fits, **chosen), [asked]).final["1"].error is None
        refused = came(opened(server, context=fits - 1, **chosen), [asked]).final["1"]
        assert refused.error == "too_long"
        assert refused.detail.startswith(f"{tokens:,} tokens of prompt")
        assert server.log.rows == {"1": 1}
        with pytest.raises(
            BackendError, match="the tokenizer 'no such' cannot be loaded"
        ) as caught:
            came(opened(server, context=fits, tokenizer="no such"), [asked])
        assert "leave `tokenizer` out" in caught.value.hint


def test_small_calls_that_find_the_way_are_in_the_ledger() -> None:
    with Endpoint(Behaviour(knows=("json_object", "words"))) as server:
        price = {"prompt": 2, "completion": 10}
        found = came(opened(server, structured="auto", price=price), requests(3))
        small = [done for done in found.all["0"] if done.error == "probe"]
        assert len(small) + 3 == len(server.log)
        assert [done.final for done in small] == [False] * len(small)
        assert {"json_schema", "json_object"} <= {done.method for done in small}
        assert all(done.cost and done.sent for done in small)
        assert found.errors == {"0": None, "1": None, "2": None}


@pytest.mark.parametrize("position", [0, 6])
def test_a_prompt_that_the_server_finds_too_long_fails_alone(position: int) -> None:
    asked = requests(12)
    asked.insert(position, request("long", text="word " * 2000))
    with Endpoint(Behaviour(context=1000)) as server:
        found = came(opened(server), asked)
        assert found.errors == {str(row): None for row in range(12)} | {"long": "too_long"}
        assert server.log.rows["long"] == 1
        assert "maximum context length is 1000" in found.final["long"].detail


# What is asked of whoever permits, kept, and hidden.


def test_nothing_is_sent_that_was_not_permitted() -> None:
    permitted: list[str] = []

    def reserve(asked: Sequence[Request]) -> bool:
        if len(permitted) + len(asked) > 20:
            return False
        permitted.extend(each.id for each in asked)
        return True

    with Endpoint(Behaviour(latency=0.01)) as server:
        found = came(opened(server), requests(100), reserve)
        assert len(found.final) == len(permitted) == len(server.log) == 20


def test_a_correction_is_a_call_that_needs_a_permit_too() -> None:
    permits = iter([True] * 20)

    def reserve(asked: Sequence[Request]) -> bool:
        return all(next(permits, False) for _ in asked)

    with Endpoint(Behaviour(Script(rate=0.3, kinds=("invalid_json", "length"), seed=2))) as server:
        model = opened(server)
        replies = [d for g in model.complete_many(requests(100), frozenset(), reserve) for d in g]
        assert sum(not done.final for done in replies) > 2
        assert len(server.log) == len(replies) == 20


def test_answered_requests_are_not_sent() -> None:
    asked = requests(20)
    with Endpoint() as server:
        done = [
            each.request
            for group in opened(server).complete_many(asked, {r.id for r in asked[:15]})
            for each in group
        ]
        assert sorted(done) == sorted(r.id for r in asked[15:])
        assert server.log.rows == {str(row): 1 for row in range(15, 20)}


def test_the_collector_of_cyclic_garbage_is_as_before_also_when_a_dispatch_is_given_up() -> None:
    before = gc.get_threshold()
    with Endpoint() as server:
        groups = opened(server).complete_many(requests(20), frozenset())
        assert next(groups)
        assert gc.get_threshold() != before
        cast(Any, groups).close()
    assert gc.get_threshold() == before


def test_whatever_comes_is_kept_in_the_store(tmp_path: Path) -> None:
    faults: list[str] = [
        *NO_REPLY,
        *BAD_REPLY_KINDS,
        "huge",
        "escaped_control",
        "stream",
        "no_usage",
    ]
    faults = [fault for fault in faults if fault != "rate_limit_date"]
    script = Script(rows={str(row): (fault,) for row, fault in enumerate(faults)})
    asked = requests(len(faults))
    store = Store.open(tmp_path)
    with Endpoint(Behaviour(script, retry_after=0.05, hang=5)) as server, store.lock_run():
        run = store.start_run(
            recipe="r", name="n", path="p", source="s", effective={}, versions={}
        )  # fmt: skip
        ledger = Ledger(store, run, BudgetTracker(Budget(), Spent(0, 0, 0.0)))
        kept = [
            done
            for group in ledger.ask(
                opened(server),
                (PendingRequest("node", "teacher", each) for each in asked),
                frozenset(),
            )
            for done in group
        ]
        put_down = ledger.put_down("teacher", asked)
        assert not ledger.lacks(put_down)
        again = {done.request: done for done in put_down.completions()}
        assert {r: c.value for r, c in again.items()} == {
            c.request: c.value for c in kept if c.value is not None
        }
        assert len(again) == len(faults)
        store.end_run(run, "done")
    names = {each.id: faults[row] for row, each in enumerate(asked)}
    found = rows(tmp_path, "SELECT id, error, reply, final, tries, messages, created FROM llm_call")
    assert len(found) == len(kept)
    # So many faults may be taken for a server that is away, which is then looked for.
    replies = [done for done in kept if done.error != PROBE]
    found = [row for row in found if row["error"] != PROBE]
    errors = {names[row["id"]]: row["error"] for row in found if row["error"] is not None}
    assert errors == BAD_REPLY_KINDS | {PAID: "empty"}
    readable = rows(
        tmp_path,
        "SELECT count(*) AS n FROM llm_call WHERE json_array_length(messages) > 1 "
        "AND (error IS NOT NULL OR json_extract_string(reply, '$.score')::INT > 0) "
        "AND error IS DISTINCT FROM 'probe'",
    )
    assert readable == [{"n": len(replies)}]
    spent = rows(tmp_path, "SELECT sum(calls) AS calls, sum(retries) AS retries FROM spend")
    assert spent == [{"calls": len(kept), "retries": len(NO_REPLY) - 1}]
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes(), path


def assert_no_key(text: str) -> None:
    """Assert that no piece of the key is there that would help to guess the rest."""
    pieces = [KEY[start : start + 10] for start in range(len(KEY) - 9)]
    assert not [piece for piece in pieces if piece in text]


@pytest.mark.parametrize("fault", ["error_500", "leaks_key", "unauthorized"])
def test_a_key_that_the_server_repeats_is_in_no_completion_and_no_error(fault: str) -> None:
    with Endpoint(Behaviour(Script(rows={"3": (fault,) * 9}))) as server:
        texts = []
        try:
            for group in opened(server, attempts=2).complete_many(requests(12), frozenset()):
                texts += [repr(done) for done in group]
        except BackendError as error:
            assert fault == "unauthorized"
            texts.append(f"{error} {error!r}")
        assert KEY in server.log.asked[0].headers["authorization"]
        assert_no_key(" ".join(texts))


def test_faults_do_not_change_what_rows_get() -> None:
    shuffled = requests(100)
    random.Random(0).shuffle(shuffled)
    with Endpoint() as server:
        clean = came(opened(server), requests(100))
    with Endpoint(
        Behaviour(Script(rate=0.3, kinds=("error_500", "drop", "rate_limit"), seed=5))
    ) as server:
        faulty = came(opened(server), shuffled)
    assert {r: c.value for r, c in clean.final.items()} == {
        r: c.value for r, c in faulty.final.items()
    }


def test_a_reply_that_ends_with_the_context_is_not_asked_for_again() -> None:
    """Fewer tokens than were allowed: more of them would not help."""
    script = Script(always="length")
    with Endpoint(Behaviour(script)) as server:
        asked = replace(request(1), max_tokens=10_000)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tests.servers.replies.CUT", 23)
            (done,) = [d for g in opened(server).complete_many([asked], frozenset()) for d in g]
    assert (done.error, done.final) == ("length", True)
    assert "context is full" in done.detail
