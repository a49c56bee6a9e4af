"""Tables, progress and widths as people see them."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from engine.cli.terminal.output import make_console, roomy
from engine.cli.terminal.progress import ConsoleReporter
from engine.cli.terminal.tables import fitted


def terminal(width: int) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=width, force_terminal=True, color_system=None), out


def test_a_table_that_fits_once_prose_is_cut_keeps_its_right_edge() -> None:
    console, out = terminal(80)
    titles = ["pattern_name", "operator", "selected", "tokens", "status", "points"]
    rows = [
        [
            "Konto taken for a Technik, and what else there is",
            "typos",
            "24",
            "1774",
            "shrinking",
            "3.61",
        ]
    ]
    console.print(fitted(console, titles, rows, [False] * 6, lined=True))
    lines = out.getvalue().splitlines()
    assert {len(line) for line in lines} == {len(lines[0])}
    assert len(lines[0]) <= 80
    assert lines[0].endswith("┓")


def test_a_pipe_is_as_wide_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert roomy(make_console(file=io.StringIO()), 200).width == 200
    monkeypatch.setenv("COLUMNS", "80")
    assert roomy(make_console(file=io.StringIO()), 200).width == 80


def test_the_time_left_is_said_from_a_few_items_on_and_without_what_came_before_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr("engine.cli.terminal.progress.time.monotonic", lambda: now[0])
    out = io.StringIO()
    bar = ConsoleReporter(Console(file=out, width=100)).open("train", 15)
    for at in (60.0, 76.0, 92.0, 108.0):  # a minute to load weights, then 16 seconds a step
        now[0] = at
        bar(1)
    first, second, third, fourth = out.getvalue().splitlines()
    assert (first, second) == ("  train: 1/15", "  train: 2/15")
    assert third == "  train: 3/15, 0.1/s, about 192 s left"
    assert fourth.endswith("about 176 s left")
