"""`pada init` behind its arguments: questions in a terminal, what was found in a few lines, the next command last."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from engine.authoring.start.asking import Asked
from engine.authoring.start.beginning import begin
from engine.authoring.start.copying import copy_recipe
from engine.authoring.start.placing import command
from engine.authoring.start.questions import Answers, GoBack, Question, checked
from engine.cli.terminal.output import make_console, say
from engine.cli.terminal.streams import echo
from engine.errors import EngineError, Interrupted, Location, Problem

_MOST_WARNINGS = 3
_FIRST = ("label-spelling", "labels", "language")
"""Codes of the warnings that change what a recipe should say; they are shown before others."""
_BACK = ("<", "back")
_NOTHING = "nothing was written"


def init_command(asked: Asked, *, takes_all: bool) -> None:
    """Write a recipe for data, and say what was found and what comes next; raises EngineError."""
    if not asked.files and not asked.splits:
        raise EngineError(
            "pada init needs data to look at: a CSV, Excel, JSONL or Parquet file with a row for each example, "
            "one column of which has the right answer",
            "pada init tickets.csv; several files: pada init train.csv test.csv; a copy of a shipped recipe: "
            "pada init --from quickstart; more: pada init --help, docs/authoring.md",
        )
    asks = _can_ask() and not takes_all
    answers = Answers(_ask if asks else None, takes_all=takes_all)
    try:
        begun = begin(asked, answers, echo)
    except KeyboardInterrupt:
        raise Interrupted(_NOTHING) from None
    for problem in by_weight(begun.warnings)[:_MOST_WARNINGS]:
        echo(f"  note: {problem.message}")
    if len(begun.warnings) > _MOST_WARNINGS:
        more = len(begun.warnings) - _MOST_WARNINGS
        told = "1 more note: the next command shows it"
        echo(f"  {told}" if more == 1 else f"  {more} more notes: the next command shows them")
    recipe = begun.files[0]
    echo(f"written: {', '.join(Location.at(file).file for file in begun.files)}")
    if begun.given:
        _tell_outside(begun.given, recipe.absolute().parent)
    echo("Read the recipe, change what you know better, then:")
    echo(command("validate", recipe, begun.given))


def by_weight(warnings: Iterable[Problem]) -> list[Problem]:
    """Return warnings, those first that change what the recipe should say, else in their order."""
    return sorted(
        warnings, key=lambda one: _FIRST.index(one.code) if one.code in _FIRST else len(_FIRST)
    )


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _tell_outside(given: Mapping[str, str], folder: Path) -> None:
    places = ", ".join(given.values())
    echo(f"{places} lies outside of {folder}, and a recipe reads only what lies in its project.")
    echo("Move the data there and run pada init again; or name it in each command, as below.")


def copy_command(source: str, asked: Asked, to: Path | None) -> None:
    """Copy a recipe, and say what comes next; raises EngineError."""
    said = {
        "a file": asked.files or asked.splits,
        "--task": asked.task,
        "--input": asked.input,
        "--target": asked.target,
        "--fold-labels": asked.fold,
        "--description": asked.description,
        "--format": asked.format,
        "a teacher": any(asked.teacher.__getattribute__(key) for key in asked.teacher.__slots__),
    }
    if extra := next((name for name, value in said.items() if value), None):
        raise EngineError(
            f"--from copies a recipe as it is, and {extra} says how to make one",
            "take one of the two; a copy can be changed in an editor",
        )
    copied = copy_recipe(source, to, asked.name)
    count = f"{copied.files} file{'' if copied.files == 1 else 's'}"
    echo(f"written: {Location.at(copied.recipe).file} and what it needs, {count}")
    echo(command("validate", copied.recipe, {}))


def _ask(question: Question) -> list[str]:
    """Return what the user answers in the terminal; an empty line takes the proposal. Raises EngineError at its end."""
    console = make_console(stderr=True)
    say(console, f"\n{question.text}", style="bold")
    width = max(map(len, question.choices), default=0)
    told = question.about or ("",) * len(question.choices)
    for (number, choice), about in zip(question.numbered().items(), told, strict=True):
        say(console, f"  {number:>2}  {choice:<{min(width, 24)}}  {about}".rstrip())
    proposal = ", ".join(question.proposal)
    how = (
        "numbers or names, separated by commas"
        if question.several
        else "number or name"
        if question.choices
        else ""
    )
    prompt = f"{how} [{proposal}]: ".lstrip() if proposal else f"{how}: ".lstrip()
    if question.tells_back:
        say(console, "  (`<` goes back to the question before)")
    while True:
        try:
            answer = console.input(prompt, markup=False).strip()
        except EOFError:
            raise EngineError(
                f"the answers ended: {_NOTHING}", f"or give {question.flag}, or --yes"
            ) from None
        if answer in _BACK and answer not in question.choices:
            raise GoBack
        if not answer and question.proposal:
            return list(question.proposal)
        try:
            return _read(question, answer)
        except EngineError as error:
            message = error.message.removeprefix(question.flag).lstrip(": ")
            say(console, f"  {message}; {error.hint}" if error.hint else f"  {message}")


def _read(question: Question, answer: str) -> list[str]:
    if not answer:
        raise EngineError("an answer is needed here", "")
    if not question.several or answer in question.choices:
        return [checked(question, answer)]
    parts = [part for each in answer.split(",") if (part := each.strip())]
    if len(parts) == 1 and all(each.isdecimal() for each in answer.split()):
        parts = answer.split()
    return list(dict.fromkeys(checked(question, part) for part in parts))
