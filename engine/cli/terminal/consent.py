"""The question before a key is sent: which one goes where, asked once for a recipe's project and remembered."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import typer

from engine import gate
from engine.cli.terminal.output import make_console, say
from engine.errors import EngineError
from engine.gate import KeyUse
from engine.servers import host_of
from engine.spec.loader import LoadedRecipe


def ask_for_keys(loaded: LoadedRecipe, uses: Iterable[KeyUse]) -> None:
    """Ask whether keys may go where a recipe sends them; says nothing where all is known, or no key is set.

    Raises:
        EngineError: nobody can be asked; the hint names the command that consents.
        Exit: with code 1, where the answer is no.
    """
    missing = [use for use in uses if use.is_set and not gate.has_consent(use, loaded.base)]
    if not missing:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise EngineError(*gate.refusal(missing, loaded.path))
    console = make_console(stderr=True)
    say(console, f"{loaded.path} sends keys of yours:")
    for use in missing:
        open_to_all = ", not encrypted" if use.address.startswith("http:") else ""
        where = f"{host_of(use.address)}  ({use.address}{open_to_all})"
        say(console, f"  key {use.variable} goes to {where}", style="bold")
    question = "Send it there?" if len(missing) == 1 else "Send them there?"
    try:
        answer = console.input(f"{question} It is remembered. [y/N] ", markup=False)
    except EOFError:
        answer = ""
    if answer.strip().lower() not in {"y", "yes"}:
        say(console, "nothing was sent")
        raise typer.Exit(1)
    try:
        gate.remember_keys(missing, loaded.base)
    except OSError as error:
        gate.grant_keys(missing, loaded.base)
        say(console, f"not remembered: {error.filename or error}: {error.strerror or ''}")
