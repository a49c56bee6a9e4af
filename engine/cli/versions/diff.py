"""`pada diff`: what differs between two recipes, on a terminal, as Markdown or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console

from engine.cli.planning import print_expected
from engine.cli.recipes import overrides, values_of
from engine.cli.terminal.output import make_console, say
from engine.cli.terminal.streams import for_programs, write
from engine.system.plain_text import clean, clean_json
from engine.versions.comparing import compare_recipes
from engine.versions.difference import Difference
from engine.versions.sides import Given
from engine.versions.telling import SIGNS, besides, causes, counted, grouped, sentence, told, where
from engine.versions.texts import brief

DIFFERS = 1
"""Exit code of `--exit-code` where something differs, as git has it."""


def given(
    var: Sequence[str] | None, settings: Sequence[str] | None, state: Path, limit: int | None = None
) -> Given:
    """Return what a command line says of recipes; raises EngineError."""
    return Given(state, overrides(var or []), limit, values_of(settings or []))


def diff_command(
    first: str,
    second: str | None,
    given: Given,
    *,
    as_json: bool = False,
    markdown: bool = False,
    exit_code: bool = False,
) -> None:
    """Print what differs."""
    found = compare_recipes(first, second, given)
    if as_json:
        line = json.dumps(found.as_json(), ensure_ascii=False, default=str)
        for_programs(sys.stdout).write(clean_json(line) + "\n")
    elif markdown:
        write(for_programs(sys.stdout), "\n".join(markdown_lines(found)) + "\n")
    else:
        _print(make_console(), found)
    if exit_code and not found.same:
        raise typer.Exit(DIFFERS)


def _print(console: Console, found: Difference) -> None:
    say(console, f"{found.before} -> {found.after}", style="bold")
    for title, changes in grouped(found):
        say(console, f"{title} ({len(changes)})", style="bold")
        for change in changes:
            say(console, f"  {sentence(change)}")
            if place := where(change):
                say(console, f"      {place}", style="dim")
    if found.files:
        say(console, f"files ({len(found.files)})", style="bold")
        for file in found.files:
            say(console, f"  {SIGNS[file.how]} {file.kind} {file.path}")
            for line in file.lines:
                say(console, f"      {line}", style={"+": "green", "-": "red"}.get(line[:1]))
    for title, others in besides(found):
        say(console, f"{title} ({len(others)})", style="bold")
        for other in others:
            say(console, f"  {told(other)}")
    _print_steps(console, found)


def _print_steps(console: Console, found: Difference) -> None:
    """Print which steps would be done anew, why, and what that takes."""
    if found.same and not found.libraries:
        say(console, "nothing differs: the same recipe in other words, or the same text")
    if found.nodes is not None:
        say(console, f"steps: {counted(found)}", style="bold")
        for line in causes(found.pending):
            say(console, f"  {line}")
    if found.expected is not None and found.pending:
        print_expected(console, found.expected)
    for note in found.notes:
        say(console, f"note: {note}", style="yellow")


def markdown_lines(found: Difference) -> list[str]:
    """Return a difference as Markdown; what recipes say stands in code, where nothing of it is read."""
    lines = [f"### {_code(found.before)} → {_code(found.after)}", ""]
    if found.same and not found.libraries:
        lines += ["Nothing differs by meaning.", ""]
    for title, changes in grouped(found):
        lines += [
            f"**{title.capitalize()}**",
            "",
            "| | key | before | after | where |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {SIGNS[c.how]} | {_code(c.key)} | {_cell(c.before)} | {_cell(c.after)} | {_code(where(c))} |"
            for c in changes
        ]
        lines.append("")
    for file in found.files:
        lines += [f"**{file.kind.capitalize()}** {_code(file.path)}: {file.how}", ""]
        if file.lines:
            fence = _fence("\n".join(file.lines))
            lines += [f"{fence}diff", *map(clean, file.lines), fence, ""]
    for title, others in besides(found):
        lines += [f"**{title.capitalize()}**", ""]
        lines += [f"- {_code(told(other))}" for other in others]
        lines.append("")
    if found.nodes is not None:
        lines += [f"**Steps**: {counted(found)}", ""]
        lines += [f"- {_code(line)}" for line in causes(found.pending)]
        lines.append("")
    if found.expected is not None and found.pending:
        console = make_console(width=400)
        with console.capture() as captured:
            print_expected(console, found.expected)
        lines += [f"- {line}" for line in captured.get().splitlines() if line.strip()]
        lines.append("")
    lines += [f"> {_code(note)}" for note in found.notes]
    return lines


def _cell(value: object) -> str:
    return _code(brief(value)) if value is not None else ""


def _code(text: str) -> str:
    """Return a text in code, also one with backticks; `|` would end a cell of a table."""
    if not text:
        return ""
    text = " ".join(clean(text).split()).replace("|", "\\|")
    ticks = _fence(text, "`")
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def _fence(text: str, least: str = "```") -> str:
    """Return backticks that end no sooner than the text does."""
    fence = least
    while fence in text:
        fence += "`"
    return fence
