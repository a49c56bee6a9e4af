"""`pada diff`: what differs between two recipes, on a terminal, as Markdown or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer
from rich.console import Console

from engine.cli.planning import print_expected
from engine.cli.recipes import overrides, values_of
from engine.cli.terminal.output import make_console, say
from engine.cli.terminal.streams import for_programs, write
from engine.system.plain_text import clean, clean_json
from engine.versions.comparing import compare_recipes
from engine.versions.difference import Difference, Other, Pending
from engine.versions.settings import Change
from engine.versions.sides import Given
from engine.versions.texts import brief

DIFFERS = 1
"""Exit code of `--exit-code` where something differs, as git has it."""
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_MOST = 12
"""Causes, and steps that follow from them, that are listed on a terminal."""


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
    for title, changes in _grouped(found):
        say(console, f"{title} ({len(changes)})", style="bold")
        for change in changes:
            say(console, f"  {_sentence(change)}")
            if place := _where(change):
                say(console, f"      {place}", style="dim")
    if found.files:
        say(console, f"files ({len(found.files)})", style="bold")
        for file in found.files:
            say(console, f"  {_SIGNS[file.how]} {file.kind} {file.path}")
            for line in file.lines:
                say(console, f"      {line}", style={"+": "green", "-": "red"}.get(line[:1]))
    for title, others in _others(found):
        say(console, f"{title} ({len(others)})", style="bold")
        for other in others:
            say(console, f"  {_other(other)}")
    _print_steps(console, found)


def _print_steps(console: Console, found: Difference) -> None:
    """Print which steps would be done anew, why, and what that takes."""
    if found.same and not found.libraries:
        say(console, "nothing differs: the same recipe in other words, or the same text")
    if found.nodes is not None:
        say(console, f"steps: {_counted(found)}", style="bold")
        for line in _causes(found.pending):
            say(console, f"  {line}")
    if found.expected is not None and found.pending:
        print_expected(console, found.expected)
    for note in found.notes:
        say(console, f"note: {note}", style="yellow")


def _grouped(found: Difference) -> Iterator[tuple[str, list[Change]]]:
    for title, wanted in (("settings", False), ("taxonomy", True)):
        if changes := [change for change in found.settings if change.is_category is wanted]:
            yield title, changes


def _others(found: Difference) -> Iterator[tuple[str, Sequence[Other]]]:
    for title, others in (
        ("packages", found.packages),
        ("data", found.data),
        ("libraries", found.libraries),
    ):
        if others:
            yield title, others


def _sentence(change: Change) -> str:
    sign = _SIGNS[change.how]
    if change.how == "changed":
        # One that is not written has its default.
        before = f"{brief(change.before)}{'' if change.before_at else ' (default)'}"
        after = f"{brief(change.after)}{'' if change.after_at else ' (default)'}"
        if not change.before_at and not change.after_at:
            before, after = brief(change.before), brief(change.after)
        return f"{sign} {change.key}: {before} -> {after}"
    return f"{sign} {change.key}: {brief(change.after if change.how == 'added' else change.before)}"


def _where(change: Change) -> str:
    if change.before_at == change.after_at:
        return change.after_at
    return " -> ".join(place for place in (change.before_at, change.after_at) if place)


def _other(other: Other) -> str:
    before, after = (
        "none" if text is None else text if len(text) < 40 else f"{text[:12]}…"
        for text in (other.before, other.after)
    )
    return f"{other.name}: {before} -> {after}"


def _counted(found: Difference) -> str:
    if not found.pending:
        return f"all {found.nodes} are as before"
    return f"{len(found.pending)} of {found.nodes} would be done anew"


def _causes(pending: Sequence[Pending]) -> Iterator[str]:
    """Yield why steps are done anew: what changed itself, reason by reason, and then what only follows from it."""
    causes: dict[tuple[str, str], list[str]] = {}
    follow: dict[str, int] = {}
    for node in pending:
        if node.because.startswith("input changed"):
            follow[node.stage] = follow.get(node.stage, 0) + 1
        else:
            reason = node.because or ("new" if node.state == "pending" else node.state)
            causes.setdefault((node.stage, reason), []).append(node.node)
    for (stage, reason), nodes in list(causes.items())[:_MOST]:
        several = f" ({len(nodes)})" if len(nodes) > 1 else ""
        yield f"{nodes[0] if len(nodes) == 1 else stage}{several}: {reason}"
    if len(causes) > _MOST:
        yield f"… {len(causes) - _MOST} more reasons (--json has all)"
    if follow:
        said = ", ".join(f"{stage} ({n})" if n > 1 else stage for stage, n in follow.items())
        yield f"and what rests on these: {said}"


def markdown_lines(found: Difference) -> list[str]:
    """Return a difference as Markdown; what recipes say stands in code, where nothing of it is read."""
    lines = [f"### {_code(found.before)} → {_code(found.after)}", ""]
    if found.same and not found.libraries:
        lines += ["Nothing differs by meaning.", ""]
    for title, changes in _grouped(found):
        lines += [
            f"**{title.capitalize()}**",
            "",
            "| | key | before | after | where |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {_SIGNS[c.how]} | {_code(c.key)} | {_cell(c.before)} | {_cell(c.after)} | {_code(_where(c))} |"
            for c in changes
        ]
        lines.append("")
    for file in found.files:
        lines += [f"**{file.kind.capitalize()}** {_code(file.path)}: {file.how}", ""]
        if file.lines:
            fence = _fence("\n".join(file.lines))
            lines += [f"{fence}diff", *map(clean, file.lines), fence, ""]
    for title, others in _others(found):
        lines += [f"**{title.capitalize()}**", ""]
        lines += [f"- {_code(_other(other))}" for other in others]
        lines.append("")
    if found.nodes is not None:
        lines += [f"**Steps**: {_counted(found)}", ""]
        lines += [f"- {_code(line)}" for line in _causes(found.pending)]
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
