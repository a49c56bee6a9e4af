"""CPU seconds that commands take to start, beside an empty Python of the same run.

    python -m tests.benchmarks.startup --state .pada

User and system time of the process, so what else the machine does shows little; the median of several, taken in turns.
`validate` is of the quickstart, with the language detector unpacked, which the first check of a machine does.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PADA = (sys.executable, "-m", "engine.cli")
TARGETS = {"pada --help": 0.25, "pada validate quickstart": 1.0, "pada sql": 0.5}
"""CPU seconds."""


def cpu_seconds(command: Sequence[str]) -> float:
    """Return the user and system time of a command; raises CalledProcessError where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


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
        cpu_seconds(command)
    took: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(asked.repeats):
        for name, command in commands.items():
            took[name].append(cpu_seconds(command))
    empty = statistics.median(took["python -c pass"])
    print(f"CPU seconds, median (fastest) of {asked.repeats}; times an empty Python; target")
    for name, times in took.items():
        middle = statistics.median(times)
        target = f"{TARGETS[name]:.2f}" if name in TARGETS else ""
        print(f"{name:<26}{middle:6.3f} ({min(times):.3f}){middle / empty:8.1f}  {target}")


if __name__ == "__main__":
    main()
