"""Rows per second through the LLM boundary, against a bare client and the usual script, in one run.

    python -m tests.benchmarks.throughput                        # 20,000 rows, 64 and 256 requests under way
    python -m tests.benchmarks.throughput --clients engine --rows 1000000 --concurrency 256   # memory

Every client pushes the same rows, one structured call each, through an endpoint that answers after 50 ms; the
engine's time ends when every reply is validated and in DuckDB. The clients take turns; ratios are of medians.
Needs `openai` for the client `script` (`pip install openai`); it is left out where it is missing.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def endpoint(*arguments: str) -> Iterator[str]:
    """Start the endpoint and yield its base URL."""
    command = [sys.executable, "-m", "tests.benchmarks.endpoint", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()


def measure(client: str, url: str, rows: int, concurrency: int) -> dict[str, Any]:
    """Run one client in a process of its own; all rows must come back."""
    command = [
        sys.executable, "-m", "tests.benchmarks.clients", client, "--url", url,
        "--rows", str(rows), "--concurrency", str(concurrency),
    ]  # fmt: skip
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    if found["rows"] != rows:
        raise SystemExit(f"{client}: {found['rows']} of {rows} rows came back")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--clients", nargs="+", default=["bare", "engine", "script"])
    given = parser.parse_args()
    clients = list(given.clients)
    if "script" in clients and importlib.util.find_spec("openai") is None:
        print("left out: script (openai is not installed)")
        clients.remove("script")
    with endpoint("--latency-ms", str(given.latency_ms)) as url:
        for concurrency in given.concurrency:
            _compare(clients, url, given.rows, concurrency, given.repeats)


def _compare(clients: list[str], url: str, rows: int, concurrency: int, repeats: int) -> None:
    found: dict[str, list[dict[str, Any]]] = {client: [] for client in clients}
    for _ in range(repeats):
        for client in clients:
            found[client].append(measure(client, url, rows, concurrency))
    rates = {c: statistics.median(f["rows"] / f["seconds"] for f in found[c]) for c in clients}
    print(f"\n{rows:,} rows, {concurrency} under way, median of {repeats}")
    for client in clients:
        runs = found[client]
        cpu = statistics.median(1000 * f["cpu"] / rows for f in runs)
        ratio = f"{rates[client] / rates['bare']:.2f} of bare" if "bare" in rates else ""
        memory = [mib for _, mib in runs[-1]["memory"]]
        quarter = len(memory) // 4
        shown = ""
        if client == "engine" and quarter:
            first, last = (
                statistics.median(p) for p in (memory[quarter : 2 * quarter], memory[-quarter:])
            )
            shown = f"memory {first:,.0f} -> {last:,.0f} MiB (second -> last quarter)"
        print(
            f"  {client:<8} {rates[client]:>7,.0f} rows/s  {cpu:.2f} ms CPU/row  {ratio:<14} {shown}"
        )


if __name__ == "__main__":
    main()
