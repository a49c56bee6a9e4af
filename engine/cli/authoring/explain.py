"""`pada explain`: what a key means, what may stand there, and an example."""

from __future__ import annotations

import shutil
import sys
from typing import Annotated

import typer

from engine.cli.options import JsonOption

_WIDEST = 100


def explain(
    key: Annotated[
        str,
        typer.Argument(
            help="Such as augment.operators, task.params or operator:rows; all keys at the top when left out."
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Say what a key of a recipe means, what may stand there, its default, and an example.

    Keys of other files have their kind before them: `operator:rows`, `method:along`, `taxonomy:categories.id`,
    `pack:generate`. The name of an operator, a task kind or a backend may stand in the path, as in
    `augment.operators.persona.params`.
    """
    from engine.cli.terminal.streams import echo, print_records
    from engine.spec.reference.explained import explain as explained
    from engine.spec.reference.explained import listed, split, text

    found = explained(key)
    if as_json:
        print_records(sys.stdout, [each.record() for each in found])
        return
    width = min(shutil.get_terminal_size((80, 24)).columns, _WIDEST)
    if split(key)[1]:
        echo(text(found, width))
    else:
        echo(listed(found, width))
