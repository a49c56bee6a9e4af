"""What 10 % of mixed faults cost: rows per second against a clean run of the same server, in one run.

    python -m tests.benchmarks.faults

All rows must finish with a usable reply. Without hanging requests, and with them (each costs its time-out).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from engine.backends import BACKENDS
from engine.backends.protocol import Generator, Message, Request
from tests.benchmarks.rows import SCHEMA, prompts
from tests.servers.faults import MIXED


@contextmanager
def server(*arguments: str) -> Iterator[str]:
    """Start the server that fails by script and yield its base URL."""
    command = [sys.executable, "-m", "tests.servers.endpoint", "--latency", "0.05", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()


def push(url: str, rows: int, concurrency: int, timeout: float) -> tuple[float, Counter[str]]:
    """Return seconds and how requests ended; every row is asked once."""
    settings = {
        "base_url": url, "structured": "json_schema", "concurrency": concurrency, "timeout_s": timeout,
    }  # fmt: skip
    backend = BACKENDS["openai"].open("generator", None, "bench", settings)
    generator: Generator = backend  # type: ignore[assignment]
    requests = (
        Request((Message("user", prompt),), SCHEMA, 300, 0.0, "m") for prompt in prompts(rows)
    )
    began, ended = time.monotonic(), Counter[str]()
    for group in generator.complete_many(requests, frozenset()):
        ended.update(done.error or "usable" for done in group if done.final)
    return time.monotonic() - began, ended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    kinds = [kind for kind in MIXED if kind != "hang"]
    arms = {
        "clean": ["--rate", "0"],
        "10 % mixed faults": ["--rate", "0.1", "--kinds", *kinds],
        "10 % mixed faults, hanging ones too": ["--rate", "0.1", "--kinds", *MIXED],
    }
    found: dict[str, list[float]] = {arm: [] for arm in arms}
    for _ in range(given.repeats):
        for arm, arguments in arms.items():
            with server(*arguments) as url:
                seconds, ended = push(url, given.rows, given.concurrency, timeout=2.0)
            found[arm].append(given.rows / seconds)
            if ended["usable"] != given.rows:
                raise SystemExit(f"{arm}: {dict(ended)} of {given.rows}")
    clean = statistics.median(found["clean"])
    for arm, rates in found.items():
        rate = statistics.median(rates)
        print(
            f"{arm:<36} {rate:>6,.0f} rows/s, {rate / clean:.2f} of clean; all {given.rows:,} rows usable"
        )


if __name__ == "__main__":
    main()
