from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from engine.backends.http.exchange import retry_after


def asked_to_wait(value: str) -> float | None:
    return retry_after({"Retry-After": value})


def test_retry_after_as_a_number_and_as_a_date() -> None:
    assert asked_to_wait("1.5") == 1.5
    assert asked_to_wait("-3") == 0.0
    assert asked_to_wait("nan") == 0.0
    assert retry_after({}) is None
    assert asked_to_wait("soon") is None
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    wait = asked_to_wait(when)
    assert wait is not None
    assert 25 < wait <= 30
