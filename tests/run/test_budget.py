from __future__ import annotations

from dataclasses import replace

import pytest

from engine.backends.protocol import Completion, FailedExchange, Message, Request, Usage
from engine.run.budget import BudgetTracker
from engine.run.live import Live
from engine.spec.recipe import Budget
from engine.store import Spent

NOTHING = Spent(0, 0, 0.0)


def request(number: int) -> Request:
    return Request((Message("user", f"request {number} " + "x" * 287),), {}, 100, 0.0, "m")


def reply(
    number: int,
    tokens: int = 50,
    cost: float | None = None,
    final: bool = True,
    error: str | None = None,
) -> Completion:
    return Completion(
        request(number).id, "{}", None if error else {}, "stop", Usage(tokens // 2, tokens - tokens // 2), 0.1, "m",
        error=error, final=final, cost=cost,
    )  # fmt: skip


def push(tracker: BudgetTracker, most: int = 1000, in_flight: int = 8, **each: float) -> int:
    """Send as many requests as are permitted, several at a time; return how many were."""
    sent = 0
    waiting: list[int] = []
    while sent < most and tracker.reserve([request(sent)]):
        waiting.append(sent)
        sent += 1
        if len(waiting) == in_flight:
            tracker.commit([reply(waiting.pop(0), **each)])  # type: ignore[arg-type]
    tracker.commit([reply(number, **each) for number in waiting])  # type: ignore[arg-type]
    return sent


def test_calls_stop_exactly_at_the_budget_with_those_under_way_counted() -> None:
    tracker = BudgetTracker(Budget(calls=20), NOTHING)
    assert push(tracker) == 20
    assert tracker.exhausted == "the next calls would pass the budget of 20 calls (20 made)"


def test_what_earlier_runs_spent_counts() -> None:
    assert push(BudgetTracker(Budget(calls=20), Spent(15, 0, 0.0))) == 5
    assert push(BudgetTracker(Budget(calls=20), Spent(20, 0, 0.0))) == 0


def test_tokens_are_never_passed_and_nearly_used_up() -> None:
    tracker = BudgetTracker(Budget(tokens=5000), NOTHING)
    sent = push(tracker, tokens=50)
    assert 50 * sent <= 5000
    assert sent >= 90
    assert "budget of 5,000 tokens" in tracker.exhausted


def test_the_first_request_is_foreseen_from_its_length_and_limit() -> None:
    assert push(BudgetTracker(Budget(tokens=100), NOTHING)) == 0


def test_money_stops_before_it_is_passed() -> None:
    tracker = BudgetTracker(Budget(money=1.0), NOTHING)
    sent = push(tracker, cost=0.03)
    # Before the first price is known, requests in flight cannot be foreseen.
    assert 0.03 * sent <= 1.0
    assert sent >= 25
    assert "budget of 1 " in tracker.exhausted
    assert push(BudgetTracker(Budget(money=1.0), Spent(3, 0, 1.0))) == 0


def test_a_budget_of_money_does_not_take_unknown_for_zero() -> None:
    tracker = BudgetTracker(Budget(money=1.0), NOTHING)
    assert tracker.reserve([request(1)])
    tracker.commit([replace(reply(1), usage=Usage())])
    assert not tracker.reserve([request(2)])
    assert "cannot be kept" in tracker.exhausted
    calm = BudgetTracker(Budget(money=1.0), NOTHING)
    calm.commit([replace(reply(1, error="connection"), usage=Usage()), reply(2)])
    assert calm.reserve([request(3)]), "no reply costs nothing, and a local model has no price"


def test_asking_once_more_takes_a_permit_of_its_own() -> None:
    tracker = BudgetTracker(Budget(calls=2), NOTHING)
    assert tracker.reserve([request(1)])
    tracker.commit([reply(1, final=False, error="schema")])
    assert tracker.in_flight == 0
    assert tracker.reserve([request(1)])
    assert not tracker.reserve([request(2)])


def test_a_group_is_permitted_whole_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = BudgetTracker(Budget(calls=5), NOTHING)
    assert not tracker.reserve([request(n) for n in range(6)])
    assert not tracker.reserve([request(1)]), "once spent, nothing more is sent"


def test_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("engine.run.budget.time.monotonic", lambda: clock[0])
    tracker = BudgetTracker(Budget(minutes=2), NOTHING)
    assert tracker.reserve([request(1)])
    clock[0] += 121
    assert tracker.over_time()
    assert not tracker.reserve([request(2)])
    assert tracker.exhausted == "the budget of 2 minutes is spent"


def test_the_live_line_tells_what_happens() -> None:
    live = Live()
    tried = Completion(
        "a",
        "{}",
        {},
        "stop",
        Usage(5, 5),
        0.1,
        "m",
        tries=(FailedExchange("rate_limit", 429, 0.1, ""),),
        cost=0.5,
    )
    live.add([tried, reply(2, final=False, error="schema")])
    line = live.line(3)
    assert line.startswith("3 in flight; ")
    assert "1 rate_limit" in line
    assert "1 schema" in line
    assert "cost 0.5" in line
    assert "again" not in Live().line(0)
