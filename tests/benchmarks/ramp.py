"""How soon the adaptive number of requests under way finds what a server bears.

    python -m tests.benchmarks.ramp

The endpoint serves so many requests at a time, 50 ms each; more under way only wait longer. Shown is the time
from the first request until the rate (over the last half second) first reaches 90 % of the best fixed one,
which is measured in the same run, and the rate over the second half.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

from engine.backends import BACKENDS
from engine.backends.protocol import Generator, Message, Request
from tests.benchmarks.rows import SCHEMA, prompts
from tests.benchmarks.throughput import endpoint

WINDOW = 0.5
"""Seconds over which a rate is taken."""


def arrivals(url: str, rows: int, concurrency: int | None) -> list[float]:
    """Return when each reply came, in seconds from the first request."""
    settings = {"base_url": url, "structured": "json_schema"}
    if concurrency:
        settings["concurrency"] = concurrency  # type: ignore[assignment]
    backend = BACKENDS["openai"].open("generator", None, "bench", settings)
    generator: Generator = backend  # type: ignore[assignment]
    requests: Iterator[Request] = (
        Request((Message("user", prompt),), SCHEMA, 300, 0.0, "m") for prompt in prompts(rows)
    )
    began, found = time.monotonic(), []
    for group in generator.complete_many(requests, frozenset()):
        found += [time.monotonic() - began] * len(group)
    return found


def rate(found: list[float]) -> float:
    """Return replies a second over the second half."""
    middle = len(found) // 2
    return (len(found) - middle) / (found[-1] - found[middle])


def reached(found: list[float], wanted: float) -> float | None:
    """Return when the rate over the last window first was at least `wanted`."""
    first = 0
    for number, moment in enumerate(found):
        while found[first] < moment - WINDOW:
            first += 1
        if moment >= WINDOW and (number - first + 1) / WINDOW >= wanted:
            return moment
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--slots", type=int, nargs="+", default=[8, 32, 64])
    parser.add_argument("--seconds", type=float, default=12)
    given = parser.parse_args()
    for slots in given.slots:
        rows = int(given.seconds * slots / 0.05)
        with endpoint("--latency-ms", "50", "--slots", str(slots)) as url:
            fixed = rate(arrivals(url, rows // 3, slots))
            found = arrivals(url, rows, None)
        moment = reached(found, 0.9 * fixed)
        when = "never" if moment is None else f"after {moment:.1f} s"
        print(
            f"{slots} at a time: fixed {fixed:,.0f} rows/s; adaptive reaches 90 % {when}, "
            f"then {rate(found):,.0f} rows/s ({rate(found) / fixed:.2f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
