"""What whole-run tests share: starting `pada` as a user does, and reading what it left.

After every run the balance of its rows is checked.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import psutil
import pytest

from engine.cli import main
from engine.store import rows as stored
from tests.e2e import forked
from tests.e2e.balance import assert_balanced

ROOT = Path(__file__).resolve().parents[2]


def pada(
    *arguments: str, cwd: Path = ROOT, timeout: float = 1800
) -> subprocess.CompletedProcess[str]:
    """Run `pada` to its end, in a process of its own."""
    with TemporaryDirectory() as folder:
        out, errors = Path(folder, "out"), Path(folder, "errors")
        process = forked.start(arguments, cwd, _environment(), out, errors)
        process.join(timeout)
        code = process.exitcode
        if code is None:
            process.kill()
            raise subprocess.TimeoutExpired(list(arguments), timeout)
        done = subprocess.CompletedProcess(
            list(arguments), code, out.read_text("utf-8"), errors.read_text("utf-8")
        )
    _balance(arguments, cwd)
    return done


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"}


class Ended(NamedTuple):
    """How a command in this process ended, and what it printed."""

    code: int
    out: str
    errors: str


def pada_here(*arguments: object) -> Ended:
    """Run `pada` to its end in this process, which spares the seconds that loading its libraries takes.

    For runs whose models are scripted or at a server; what trains needs a process of its own.
    """
    out, errors, code = io.StringIO(), io.StringIO(), 0
    typed = [str(argument) for argument in arguments]
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "argv", ["pada", *typed])
        patch.setenv("COLUMNS", "160")
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    _balance(typed, Path.cwd())
    return Ended(code, out.getvalue(), errors.getvalue())


def _balance(arguments: Sequence[str], cwd: Path) -> None:
    if arguments[0] == "run":
        named = dict(itertools.pairwise(arguments)).get("--state", ".pada")
        assert_balanced(cwd / named)


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start `pada` in the background, its output readable line by line; Ctrl-C reaches it.

    Whoever runs the tests in the background ignores SIGINT, and children inherit that.
    """
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "engine.cli", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env=_environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def rows(state: Path, sql: str, *parameters: Any) -> list[dict[str, Any]]:
    """Return the rows of a query over a store."""
    return stored(state, sql, parameters)


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
    nowhere = Path(os.devnull)
    for moment in moments:
        process = forked.start(
            [*arguments, "--state", str(state)],
            ROOT,
            _environment(),
            nowhere,
            nowhere,
            trains_here=False,
        )
        process.join(moment)
        if process.exitcode is not None:
            continue
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.join()
        killed += 1
        _, alive = psutil.wait_procs(children, timeout=60)
        assert not alive, f"processes outlived their run: {alive}"
    return killed


def moments(count: int, longest: float, seed: int) -> list[float]:
    """Return random moments, each its own share of the run so that all parts are hit."""
    generator = random.Random(seed)
    return [longest * (i + generator.random()) / count for i in range(count)]
