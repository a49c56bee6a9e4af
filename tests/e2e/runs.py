"""What whole-run tests share: starting `pada` as a user does, and reading what it left."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from engine.store import reader

ROOT = Path(__file__).resolve().parents[2]


def pada(
    *arguments: str, cwd: Path = ROOT, timeout: float = 600
) -> subprocess.CompletedProcess[str]:
    """Run `pada` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "engine.cli", *arguments],
        capture_output=True, text=True, cwd=cwd, timeout=timeout, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"},
    )  # fmt: skip


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start `pada` in the background, its output readable line by line; Ctrl-C reaches it.

    Whoever runs the tests in the background ignores SIGINT, and children inherit that.
    """
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "engine.cli", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def rows(state: Path, sql: str, *parameters: Any) -> list[dict[str, Any]]:
    """Return the rows of a query over a store."""
    return reader(state)(sql, list(parameters))


def results(state: Path) -> dict[str, str]:
    """Return node name -> hash of its rows, for the latest run."""
    found = rows(
        state,
        "SELECT rn.name, n.content FROM run_node rn JOIN node n ON n.id = rn.node "
        "WHERE rn.run = (SELECT max(id) FROM run) AND rn.status <> 'skipped' ORDER BY rn.position",
    )
    return {row["name"]: row["content"] for row in found}


def answered_twice(state: Path) -> list[dict[str, Any]]:
    """Return the calls with more than one usable reply in the ledger."""
    return rows(
        state,
        "SELECT id, count(*) AS n FROM llm_call WHERE error IS NULL GROUP BY id HAVING count(*) > 1",
    )


def kill_at_random(arguments: list[str], state: Path, moments: list[float]) -> int:
    """Start `pada run` once per moment (seconds), kill -9 it then; return how many were still alive to kill.

    Asserts that no child of a killed run outlives it.
    """
    killed = 0
    for moment in moments:
        process = subprocess.Popen(
            [sys.executable, "-m", "engine.cli", *arguments, "--state", str(state)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        deadline = time.monotonic() + moment
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        if process.poll() is not None:
            continue
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed += 1
        _, alive = psutil.wait_procs(children, timeout=10)
        assert not alive, f"processes outlived their run: {alive}"
    return killed


def moments(count: int, longest: float, seed: int) -> list[float]:
    """Return random moments, each its own share of the run so that all parts are hit."""
    generator = random.Random(seed)
    return [longest * (i + generator.random()) / count for i in range(count)]
