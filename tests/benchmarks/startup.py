"""Seconds that commands take to start, beside an empty Python of the same run.

    python -m tests.benchmarks.startup --state .pada

Wall time, and the user and system time of all threads of the process, which shows little of what else the machine does;
the median of several, taken in turns.
`validate` is of the quickstart, with the language detector unpacked, which the first check of a machine does.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PADA = (sys.executable, "-m", "engine.cli")
TARGETS = {"pada --help": 0.25, "pada validate quickstart": 1.0, "pada sql": 0.5}
"""Seconds of wall time."""


def seconds(command: Sequence[str]) -> tuple[float, float]:
    """Return the wall time of a command, and its CPU time; raises CalledProcessError where it fails."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="a state folder with a store")
    parser.add_argument("--repeats", type=int, default=7)
    asked = parser.parse_args()
    commands: dict[str, Sequence[str]] = {
        "python -c pass": (sys.executable, "-c", "pass"),
        "pada --help": (*PADA, "--help"),
        "pada validate quickstart": (*PADA, "validate", "quickstart"),
        "pada sql": (*PADA, "sql", "SELECT count(*) FROM run", "--state", str(asked.state)),
    }
    for command in commands.values():  # compiled files and the disk's cache
        seconds(command)
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(asked.repeats):
        for name, command in commands.items():
            took[name].append(seconds(command))
    print(f"median (fastest) of {asked.repeats}: wall seconds; CPU seconds; target")
    for name, times in took.items():
        shown = [
            f"{statistics.median(one):6.3f} ({min(one):.3f})" for one in zip(*times, strict=True)
        ]
        target = f"{TARGETS[name]:.2f}" if name in TARGETS else ""
        print(f"{name:<26}{'  '.join(shown)}  {target}")


if __name__ == "__main__":
    main()
