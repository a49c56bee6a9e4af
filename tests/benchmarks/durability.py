"""How long after it is written a row survives a crash of the machine, against a bare write and fsync, in one run.

    python -m tests.benchmarks.durability

The promise is half a second: the store flushes four times a second, so the disk has the other quarter.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

from engine.store import Store
from tests.store.small import call, start


def lags(folder: Path, count: int) -> list[float]:
    """Return the seconds from writing a row to the end of the fsync that makes it durable, for rows at any moment."""
    found: list[float] = []
    synced, sync = threading.Event(), os.fsync

    def noted(file: int) -> None:
        sync(file)
        synced.set()

    store = Store.open(folder)
    with store.lock_run():
        run = start(store)
        store.flush()
        os.fsync = noted  # type: ignore[assignment]
        try:
            for number in range(count):
                time.sleep(number % 7 * 0.03)
                synced.clear()
                began = time.monotonic()
                store.record_calls([call(number, run)])
                synced.wait()
                found.append(time.monotonic() - began)
        finally:
            os.fsync = sync
    return found


def bare(folder: Path, count: int) -> list[float]:
    """Return the seconds that a write of a thousand bytes and its fsync take."""
    found = []
    with (folder / "bare").open("wb", buffering=0) as stream:
        for _ in range(count):
            began = time.monotonic()
            stream.write(b"x" * 1000)
            os.fsync(stream.fileno())
            found.append(time.monotonic() - began)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=40)
    count = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        mine, peer = lags(Path(folder), count), bare(Path(folder), count)
    print(
        f"a row is durable after {statistics.median(mine):.3f} s, at most {max(mine):.3f} s;"
        f" {statistics.median(mine) / statistics.median(peer):.0f} times a bare write and fsync"
        f" ({statistics.median(peer):.4f} s)"
    )


if __name__ == "__main__":
    main()
