from __future__ import annotations

import pytest

from engine.backends.http.concurrency import FIRST, LONGEST_PAUSE, TRIP, Breaker, Pace


def push(pace: Pace, seconds: float, slots: int, latency: float, now: float = 0.0) -> float:
    """Let a server that serves `slots` at a time answer for some seconds; return the time after."""
    end = now + seconds
    while now < end:
        served = min(pace.limit, slots)
        now += latency / served
        pace.replied(now)
    return now


def test_grows_to_what_the_server_serves_at_once_and_not_far_beyond() -> None:
    pace = Pace(most=1000)
    assert pace.limit == FIRST
    now = push(pace, 20, slots=64, latency=0.05)
    assert 40 <= pace.limit <= 140
    pace_small = Pace(most=1000)
    push(pace_small, 20, slots=8, latency=0.05)
    assert 6 <= pace_small.limit <= 24
    assert now >= 20


def test_stops_at_the_most_that_is_allowed() -> None:
    pace = Pace(most=32)
    push(pace, 10, slots=10_000, latency=0.05)
    assert pace.limit == 32


def test_a_fixed_number_stays() -> None:
    pace = Pace(most=256, fixed=7)
    now = push(pace, 5, slots=100, latency=0.05)
    for _ in range(100):
        pace.refused(now)
    pace.restart(now)
    assert pace.limit == 7


def test_too_many_refusals_make_it_less_and_few_do_not() -> None:
    pace = Pace(most=256)
    now = push(pace, 5, slots=256, latency=0.05)
    high = pace.limit
    for _ in range(high):
        pace.refused(now)
    assert pace.limit < high
    calm = Pace(most=64)
    now = push(calm, 10, slots=64, latency=0.05)
    before = calm.limit
    for number in range(200):
        now += 0.001
        calm.refused(now) if number % 20 == 0 else calm.replied(now)
    assert calm.limit >= before


def test_a_server_that_slows_down_gets_fewer_at_a_time() -> None:
    pace = Pace(most=256)
    now = push(pace, 20, slots=64, latency=0.05)
    fast = pace.limit
    # Ten times slower, because it serves a tenth at a time now.
    push(pace, 60, slots=6, latency=0.05, now=now)
    assert pace.limit <= fast / 2
    assert pace.limit <= 16


def is_open(breaker: Breaker) -> bool:
    """Ask anew each time: mypy takes a property for a constant."""
    return breaker.open


def test_the_breaker_opens_after_failures_in_a_row_and_waits_longer_each_time() -> None:
    breaker = Breaker(patience=100)
    for _ in range(TRIP - 1):
        breaker.failed(1.0)
    assert not is_open(breaker)
    breaker.replied()
    for _ in range(TRIP):
        breaker.failed(2.0)
    assert is_open(breaker)
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
    assert breaker.replied()
    assert not is_open(breaker)


def test_the_breaker_loses_patience() -> None:
    breaker = Breaker(patience=30)
    for _ in range(TRIP):
        breaker.failed(0.0)
    assert not breaker.lost(29.0)
    assert breaker.lost(31.0)
