from __future__ import annotations

import pytest

from engine.backends.http.concurrency import (
    FIRST,
    LONGEST_PAUSE,
    TRIP,
    CircuitBreaker,
    ConcurrencyLimit,
)


def push(
    limit: ConcurrencyLimit, seconds: float, slots: int, latency: float, now: float = 0.0
) -> float:
    """Let a server that serves `slots` at a time answer for some seconds; return the time after."""
    end = now + seconds
    while now < end:
        served = min(limit.limit, slots)
        now += latency / served
        limit.replied(now)
    return now


def test_grows_to_what_the_server_serves_at_once_and_not_far_beyond() -> None:
    limit = ConcurrencyLimit(most=1000)
    assert limit.limit == FIRST
    now = push(limit, 20, slots=64, latency=0.05)
    assert 40 <= limit.limit <= 140
    small = ConcurrencyLimit(most=1000)
    push(small, 20, slots=8, latency=0.05)
    assert 6 <= small.limit <= 24
    assert now >= 20


def test_stops_at_the_most_that_is_allowed() -> None:
    limit = ConcurrencyLimit(most=32)
    push(limit, 10, slots=10_000, latency=0.05)
    assert limit.limit == 32


def test_a_fixed_number_stays() -> None:
    limit = ConcurrencyLimit(most=256, fixed=7)
    now = push(limit, 5, slots=100, latency=0.05)
    for _ in range(100):
        limit.refused(now)
    limit.restart(now)
    assert limit.limit == 7


def test_too_many_refusals_make_it_less_and_few_do_not() -> None:
    limit = ConcurrencyLimit(most=256)
    now = push(limit, 5, slots=256, latency=0.05)
    high = limit.limit
    for _ in range(high):
        limit.refused(now)
    assert limit.limit < high
    calm = ConcurrencyLimit(most=64)
    now = push(calm, 10, slots=64, latency=0.05)
    before = calm.limit
    for number in range(200):
        now += 0.001
        calm.refused(now) if number % 20 == 0 else calm.replied(now)
    assert calm.limit >= before


def test_a_server_that_slows_down_gets_fewer_at_a_time() -> None:
    limit = ConcurrencyLimit(most=256)
    now = push(limit, 20, slots=64, latency=0.05)
    fast = limit.limit
    # Ten times slower, because it serves a tenth at a time now.
    push(limit, 60, slots=6, latency=0.05, now=now)
    assert limit.limit <= fast / 2
    assert limit.limit <= 16


def is_open(breaker: CircuitBreaker) -> bool:
    """Ask anew each time: mypy takes a property for a constant."""
    return breaker.open


def test_the_breaker_opens_after_failures_in_a_row_and_waits_longer_each_time() -> None:
    breaker = CircuitBreaker()
    for _ in range(TRIP - 1):
        breaker.failed(1.0)
    assert not is_open(breaker)
    breaker.replied(1.5)
    for _ in range(TRIP):
        breaker.failed(2.0)
    assert is_open(breaker)
    assert breaker.since == 2.0
    pauses, now = [], 2.0
    for _ in range(8):
        pauses.append(breaker.until - now)
        now = breaker.until
        breaker.failed(now)
    assert pauses[0] <= 1.25
    assert pauses[-1] == pytest.approx(LONGEST_PAUSE, rel=0.26)
    # Others that were under way come back meanwhile: they do not prolong the pause.
    until = breaker.until
    breaker.failed(now + 0.01)
    assert breaker.until == until
    assert breaker.since == 2.0
    assert breaker.replied(now + 1)
    assert not is_open(breaker)
    assert breaker.back == now + 1
    assert not breaker.replied(now + 2)
    assert breaker.back == now + 1
