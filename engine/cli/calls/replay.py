"""`pada calls replay`: a call of the ledger sent again, for looking at; nothing is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from engine.backends import BACKENDS
from engine.backends.protocol import Completion, Message, Request
from engine.backends.structured import json_of
from engine.cli.calls.listing import cost_of, pretty
from engine.cli.terminal.consent import ask_for_keys
from engine.cli.terminal.output import make_console, say
from engine.cli.terminal.progress import ConsoleReporter
from engine.errors import BackendError
from engine.plan.flow import uses_of
from engine.plan.resources import role_model
from engine.report.calls import find_call
from engine.run.session import Session
from engine.spec.loader import LoadedRecipe


def replay_call(
    state: Path, prefix: str, loaded: LoadedRecipe, console: Console | None = None
) -> None:
    """Send a call again through the recipe's backend for its role, and compare the reply with the stored one.

    Raises:
        StoreError: no id begins with `prefix`, or several do.
        ModelError: the model is not on this machine.
        BackendError: the backend answers outside the run, or cannot answer at all.
    """
    console = console or make_console()
    entries = find_call(state, prefix)
    role = entries[0]["role"]
    model = role_model(loaded.recipe.models.of(role), loaded.base)
    if BACKENDS[model.backend].deferred:
        raise BackendError(
            f"the {role} of {loaded.path} (backend {model.backend}) answers in files, not at once",
            "replay with a recipe that names a model which answers at once",
        )
    ask_for_keys(loaded, uses_of(model))
    request, whole = _request(entries, model.identity)
    if model.identity != entries[0]["model"]:
        say(
            console, f"note: asked of {model.identity}; the call was asked of {entries[0]['model']}"
        )
    if not whole:
        say(
            console, "note: only what was sent is known, a schema in words and corrections included"
        )
    generator = Session({role: model}, ConsoleReporter(console, quiet=True), list).generator(role)
    last: Completion | None = None
    for group in generator.complete_many([request], frozenset()):
        for last in group:
            _show(console, last)
    if last is None:
        raise BackendError(f"the {role} gave no reply", "see its log, or send it once more")
    say(console, _compared(last, entries))


def _request(entries: Sequence[Mapping[str, Any]], model: str) -> tuple[Request, bool]:
    """Return the request to send, and whether it is the one that the node made.

    The ledger keeps what was sent, which may hold more than the request: its id tells the two apart.
    """
    for entry in entries:
        if _built(entry, entry["model"]).id == entry["id"]:
            return _built(entry, model), True
    return _built(entries[0], model), False


def _built(entry: Mapping[str, Any], model: str) -> Request:
    return Request(
        messages=tuple(Message(turn["role"], turn["content"]) for turn in entry["messages"]),
        schema=entry["schema"],
        max_tokens=entry["max_tokens"],
        temperature=entry["temperature"],
        model=model,
        attempt=entry["attempt"],
    )


def _show(console: Console, completion: Completion) -> None:
    state = "usable" if completion.error is None else f"not usable: {completion.error}"
    say(
        console,
        f"--- reply: {state}{'' if completion.final else ', asked again'}\n{pretty(completion.text)}",
    )
    if completion.detail:
        say(console, f"why: {completion.detail}")
    usage = completion.usage
    tokens = ((usage.prompt_tokens, "prompt"), (usage.completion_tokens, "completion"))
    facts = [f"{'?' if number is None else number} {kind} tokens" for number, kind in tokens]
    facts += [f"cost {cost_of(completion.cost)}", f"{completion.seconds:.2f} s", completion.method]
    facts += [f"{len(completion.tries)} tries before it"] if completion.tries else []
    say(console, "; ".join(facts))


def _compared(done: Completion, entries: Sequence[Mapping[str, Any]]) -> str:
    """Say whether the new reply is valid, and whether it is the stored one."""
    if done.error is not None:
        return "the reply breaks its schema or is no reply; nothing was stored"
    stored = [entry for entry in entries if entry["error"] is None]
    if not stored:
        return "the reply is valid, where no stored one was usable; nothing was stored"
    reply = stored[0]["reply"]
    if (reply if stored[0]["schema"] is None else json.loads(json_of(reply))) == done.value:
        return "the reply is valid and equal to the stored one; nothing was stored"
    return "the reply is valid and differs from the stored one; nothing was stored"


def replay(
    state: Path, prefix: str, recipe: str, assignments: Sequence[str], settings: Sequence[str] = ()
) -> None:
    """Load the recipe and replay; raises RecipeError where the recipe cannot be used."""
    from engine.cli.recipes import checked

    replay_call(state, prefix, checked(recipe, assignments, settings=settings).loaded)
