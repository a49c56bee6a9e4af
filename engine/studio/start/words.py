"""What `pada init` says of its flags, in the words of the page: which field it is about, and what that is called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import EngineError, RecipeError

TITLES = {
    "--target": "Right answer",
    "--input": "What the model sees",
    "--task": "Kind of task",
    "--fold-labels": "Spelling of labels",
    "--teacher": "Teacher",
    "--model": "Its model",
    "--address": "Its address",
    "--key": "Its key",
    "--name": "Name",
    "--description": "Description",
    "--format": "How the file is read",
    "--to": "Folder of the recipe",
}
"""Flag -> what its field is called."""
_FORMAT = re.compile(r"`?--format ([\w]+=(?:\"[^\"]*\"|'[^']*'|\S+?))`?(?=[\s,;:.)]|$)")
_FLAG = re.compile(r"(--[a-z-]+)(?: (?:FOLDER|FILE|KEY=VALUE))?")
_SAID = {
    "`--format KEY=VALUE`, such as `--format header=3`": f"“{TITLES['--format']}”",
    "--validation FILE --test FILE": "`pada init --validation FILE --test FILE` in a terminal",
    "pada init LABELLED_FILE --pool THIS_FILE": "`pada init LABELLED_FILE --pool THIS_FILE` in a terminal",
}
_LONGEST = 4_000


@dataclass(frozen=True, slots=True)
class Amiss:
    """What is wrong, at a field of the page."""

    field: str
    """A flag of `pada init`; `file`, `place` or `folder`; empty for none in particular."""
    message: str
    hint: str = ""


def amiss(error: EngineError, field: str, shown: Sequence[str] = ()) -> Amiss:
    """Return an error at the field that it is about: the first that it names, else the one given.

    Args:
        error: What was raised.
        field: Where it belongs if it names no other.
        shown: Flags whose fields the page shows.
    """
    if isinstance(error, RecipeError):
        first, *more = error.problems
        message = f"{first.where}: {first.message}"
        if more:
            message += f"\nand {len(more)} more: {more[0].where}: {more[0].message}"
        hint = first.hint
    else:
        message, hint = error.message, error.hint
    named = [flag for flag in _FLAG.findall(f"{message} {hint}") if flag in shown]
    return Amiss(named[0] if named else field, in_words(message), in_words(hint))


def in_words(text: str) -> str:
    """Return a message of `pada init` with the names of fields in place of flags."""
    for said, shown in _SAID.items():
        text = text.replace(said, shown)
    text = _FORMAT.sub(lambda m: f"“{TITLES['--format']}” ({m[1].replace('=', ' ')})", text)
    return _FLAG.sub(lambda m: f"“{TITLES[m[1]]}”" if m[1] in TITLES else m[0], text)[:_LONGEST]
