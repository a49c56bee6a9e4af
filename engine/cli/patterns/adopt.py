"""`pada patterns adopt`: what the teacher proposed becomes categories of the taxonomy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from engine.cli.recipes import overrides, values_of
from engine.cli.terminal.output import make_console, say
from engine.errors import Location
from engine.project import Project


def adopt_categories(
    recipe: str,
    names: Sequence[str],
    assignments: Sequence[str],
    state: Path,
    run: str | None,
    least: int,
    settings: Sequence[str] = (),
    *,
    write: bool = True,
    console: Console | None = None,
) -> None:
    """Write proposals into the taxonomy, and say which and where.

    Args:
        recipe: File, folder or name.
        names: Names or ids of proposals; all of at least `least` failures when empty.
        assignments: `name=value` for its vars.
        state: Folder of the store.
        run: The run that proposed them; the recipe's last when left out.
        least: As above.
        settings: `key=value` over the recipe's own.
        write: False only shows what would be written.
        console: Where to print.

    Raises:
        EngineError: there is no such proposal, or it cannot be written.
    """
    console = console or make_console()
    project = Project.open(recipe, state, overrides(assignments), settings=values_of(settings))
    file, categories, too_few = project.adopt(names, run, least, write=write)
    number = f"{len(categories)} {'category' if len(categories) == 1 else 'categories'}"
    if categories:
        done = "written to" if write else "would be written to"
        say(console, f"{number} {done} {Location.at(file)}")
    else:
        say(
            console,
            "nothing to adopt: no proposal that the taxonomy lacks stands for enough failures",
        )
    for one in categories:
        say(console, f"  {one.id}: {one.description} ({_failures(one.failures)})")
    if too_few:
        listed = ", ".join(f"{one.name} ({one.failures})" for one in too_few)
        say(console, f"left out, fewer than {_failures(least)}: {listed}")
    if categories and write:
        say(console, "`pada plan` shows what is diagnosed again with them.")


def _failures(count: int) -> str:
    return f"{count:,} {'failure' if count == 1 else 'failures'}"
