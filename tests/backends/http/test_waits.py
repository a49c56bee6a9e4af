"""Every wait of the client has an end: the request's patience, or the run's minutes, whatever it waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import pytest

from engine.backends.http.patience import Waits
from engine.backends.protocol import Completion, Generator, Request, Reserve, always
from engine.errors import BackendError
from engine.run.budget import BudgetTracker
from engine.spec.recipe import Budget
from engine.store import Spent
from tests.backends.http.test_faults import KEY, KEY_NAME, came, opened, request, requests
from tests.servers.endpoint import Behaviour, Endpoint
from tests.servers.faults import Script

pytestmark = pytest.mark.runs

HANG = 90.0
"""Seconds after which something is taken to hang; nothing here takes a tenth of it."""
T = TypeVar("T")


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.backends.http.patience.BACKOFF", 0.02)
    monkeypatch.setattr("engine.backends.http.patience.LONGEST_BACKOFF", 0.1)
    for module in ("client", "probe"):
        monkeypatch.setattr(f"engine.backends.http.{module}.CHECK_EVERY", 0.05)
    monkeypatch.setenv(KEY_NAME, KEY)


def ended(work: Callable[[], T]) -> T:
    """Return what `work` returns, or raise what it raises; fail where it hangs."""
    found: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(HANG)
    assert not thread.is_alive(), "it hangs"
    if errors:
        raise errors[0]
    return found[0]


class Wait(NamedTuple):
    """A server that makes a client wait for ever."""

    fault: str
    message: str = ""
    """What the run ends with when patience is over; empty where each row fails by itself."""
    retry_after: float = 0.1
    settings: dict[str, Any] = {}  # noqa: RUF012


WAITS = {
    "429": Wait("rate_limit", "keeps asking to come back later"),
    "429 with seconds": Wait("rate_limit_after", "keeps asking to come back later"),
    "429 with a date": Wait("rate_limit_date", "keeps asking to come back later"),
    "429 with an hour": Wait("rate_limit_after", "keeps asking to come back later", 3600.0),
    "500": Wait("error_500", "keeps failing"),
    "502": Wait("error_502", "keeps failing"),
    "503": Wait("error_503", "keeps failing"),
    "dropped connections": Wait("drop", "cannot be reached"),
    "no answer": Wait("hang", "does not answer in time", settings={"timeout_s": 0.1}),
    "half a body": Wait("truncated_body"),
    "no JSON": Wait("not_json"),
    "no choice": Wait("empty_choices"),
    "paid for nothing": Wait("null_content"),
    "429 at the probe": Wait("rate_limit", "come back later", settings={"structured": "auto"}),
    "an hour at the probe": Wait("rate_limit_after", "later", 3600.0, {"structured": "auto"}),
    "500 at the probe": Wait("error_500", "keeps failing", settings={"structured": "auto"}),
    "one at a time": Wait("rate_limit", "come back later", settings={"concurrency": 1}),
    "found by trying": Wait("rate_limit", "come back later", settings={"concurrency": None}),
}
"""Whatever a server can make a client wait for, and more attempts than anybody could wait for."""


def serving(wait: Wait) -> Endpoint:
    return Endpoint(Behaviour(Script(always=wait.fault), retry_after=wait.retry_after, hang=60))


def asking(server: Endpoint, wait: Wait, **settings: Any) -> Generator:
    return opened(server, **{"attempts": 100, "timeout_s": 5.0, **wait.settings, **settings})


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_no_request_waits_longer_than_its_patience(wait: Wait) -> None:
    with serving(wait) as server:
        model = asking(server, wait, patience_s=0.4)
        if wait.message:
            with pytest.raises(BackendError, match=wait.message) as caught:
                ended(lambda: came(model, requests(12)))
            assert "`patience_s` is 0.4" in caught.value.message
            assert caught.value.hint
            return
        found = ended(lambda: came(model, requests(12)))
        assert len(found.final) == 12
        for done in found.final.values():
            assert done.error
            assert "given up after" in done.detail
            assert "`patience_s: 0.4`" in done.detail


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_the_minutes_of_a_run_are_over_for_those_that_wait_too(wait: Wait) -> None:
    tracker = BudgetTracker(Budget(minutes=0.005), Spent(0, 0, 0.0))
    with serving(wait) as server:
        model = asking(server, wait, patience_s=100_000)
        ended(lambda: answered(model, requests(12), tracker.reserve))
    assert tracker.exhausted == "the budget of 0.005 minutes is spent"


def answered(model: Generator, asked: list[Request], reserve: Reserve = always) -> list[Completion]:
    return [done for group in model.complete_many(asked, frozenset(), reserve) for done in group]


def away(settings: dict[str, Any], reserve: Reserve = always) -> None:
    """Ask a server that answers some and is then gone for good."""
    with Endpoint(Behaviour(latency=0.02, dies_at=20, dies_for=10_000)) as server:
        model = opened(server, concurrency=4, **settings)
        ended(lambda: answered(model, requests(100), reserve))


def test_an_outage_is_not_waited_for_longer_than_the_patience() -> None:
    with pytest.raises(BackendError, match="cannot be reached") as caught:
        away({"patience_s": 1.0})
    assert "`patience_s` is 1" in caught.value.message


def test_the_minutes_of_a_run_are_over_in_an_outage_too() -> None:
    tracker = BudgetTracker(Budget(minutes=0.03), Spent(0, 0, 0.0))
    away({"patience_s": 100_000}, tracker.reserve)
    assert tracker.exhausted == "the budget of 0.03 minutes is spent"


def test_a_request_that_waits_in_vain_fails_alone_where_others_are_answered() -> None:
    script = Script(rows={"3": ("rate_limit",) * 1000})
    with Endpoint(Behaviour(script, latency=0.02)) as server:
        found = ended(lambda: came(opened(server, patience_s=1.0), requests(60)))
    assert {row for row, error in found.errors.items() if error} == {"3"}
    done = found.final["3"]
    assert done.error == "rate_limit"
    assert "Rate limit reached" in done.detail
    assert "given up after" in done.detail
    assert {each.kind for each in done.tries} == {"rate_limit"}


def test_patience_is_for_all_waits_of_a_request_together() -> None:
    """None of these waits is longer than the patience, and no kind of fault comes more often than its attempts."""
    faults = ("rate_limit_after", "error_503", "not_json") * 20
    with Endpoint(Behaviour(Script(rows={"3": faults}), retry_after=0.4, latency=0.02)) as server:
        found = ended(lambda: came(opened(server, patience_s=1.0, attempts=100), requests(60)))
        assert {row for row, error in found.errors.items() if error} == {"3"}
        assert 3 <= server.log.rows["3"] < len(faults)


def test_no_patience_is_no_wait_and_no_failure_where_nothing_is_wrong() -> None:
    with Endpoint() as server:
        found = came(opened(server, patience_s=0), requests(12))
        assert set(found.errors.values()) == {None}
    with Endpoint(Behaviour(Script(attempts=("rate_limit",)))) as server:
        with pytest.raises(BackendError, match="come back later"):
            ended(lambda: came(opened(server, patience_s=0), requests(12)))
        assert len(server.log) == 1


@pytest.mark.parametrize("calls", [1, 2, 3, 5])
def test_small_calls_are_in_the_budget_too(calls: int) -> None:
    """Two of them are needed here to find the mode: the first one is ignored, twice."""
    tracker = BudgetTracker(Budget(calls=calls), Spent(0, 0, 0.0))
    with Endpoint(Behaviour(knows=("json_object", "words"))) as server:
        made = committed(opened(server, structured="auto"), requests(10), tracker)
        assert len(server.log) == len(made) == calls
    assert f"budget of {calls} calls" in tracker.exhausted


def test_a_small_call_that_cost_nothing_is_not_counted() -> None:
    tracker = BudgetTracker(Budget(calls=4), Spent(0, 0, 0.0))
    with Endpoint(Behaviour(knows=("json_object",), refuses=True)) as server:
        made = committed(opened(server, structured="auto"), requests(10), tracker)
        # Two modes are refused, one is ignored twice, the next is taken.
        assert len(server.log) == 6
    assert [done.error for done in made] == ["probe", "probe", "probe", None]


def committed(model: Generator, asked: list[Request], tracker: BudgetTracker) -> list[Completion]:
    made: list[Completion] = []
    for group in model.complete_many(asked, frozenset(), tracker.reserve):
        tracker.commit(group)
        made += group
    return made


def test_a_call_that_was_reserved_is_made_although_nothing_new_is() -> None:
    """Ten calls, all of them reserved when the first is refused: it is sent again, and is the tenth."""
    tracker = BudgetTracker(Budget(calls=10), Spent(0, 0, 0.0))
    with Endpoint(Behaviour(Script(rows={"3": ("rate_limit_after",)}), retry_after=0.5)) as server:
        made = committed(opened(server), requests(30), tracker)
        assert server.log.rows["3"] == 2
    assert len(made) == 10
    assert {done.error for done in made} == {None}


def test_a_mistake_in_what_is_asked_ends_the_run() -> None:
    """Requests come from an iterator of somebody else, and may be taken by a timer."""

    def asked() -> Iterator[Request]:
        yield request(1)
        raise RuntimeError("a bug")

    with Endpoint(Behaviour(Script(always="rate_limit"))) as server:
        model = opened(server, patience_s=100_000)
        with pytest.raises(RuntimeError, match="a bug"):
            ended(lambda: list(model.complete_many(asked(), frozenset())))


def test_a_wait_without_an_end_is_none() -> None:
    with Endpoint(Behaviour(Script(always="rate_limit_after"), retry_after=float("inf"))) as server:
        with pytest.raises(BackendError, match="inf s still to wait"):
            ended(lambda: came(opened(server, patience_s=100_000), requests(3)))
        assert len(server.log) == 1


def test_waits_add_up() -> None:
    waits = Waits()
    waits.begin(100.0, 2.0)
    assert (waits.first, waits.due, waits.so_far(101.0)) == (100.0, 102.0, 1.0)
    # It was sent a second too late, for want of a place among those under way.
    waits.end(103.0, server_back=0.0)
    assert waits.over == 2.0
    waits.begin(110.0, 1.0)
    # The server was away until 115.
    waits.end(116.0, server_back=115.0)
    assert (waits.over, waits.first) == (7.0, 100.0)
