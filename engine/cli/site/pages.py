"""`pada docs`: pages that show a tree of recipes."""

from __future__ import annotations

from pathlib import Path

from engine.cli.terminal.streams import echo
from engine.errors import EngineError
from engine.gate.roots import allowed
from engine.site.tree import read_tree


def docs_command(tree: Path, to: Path, state: Path, *, rows: bool, jobs: int | None) -> None:
    """Write the pages, and say where; raises EngineError where there are no recipes, or they cannot be written."""
    from engine.site.pages.making import make_site

    found = read_tree(tree)
    if not any(file.kind == "recipe" for file in found.files):
        raise EngineError(
            f"there are no recipes in {tree}", "name the folder of a repository of recipes"
        )
    site = make_site(found, to, state, rows=rows, jobs=jobs, allowed=allowed())
    for warning in site.warnings:
        echo(f"warning: {warning}", error=True)
    for file in site.broken:
        echo(f"warning: {file} does not load: its page says why", error=True)
    count = len(site.recipes)
    echo(f"{to / 'index.html'}: {count} {'recipe' if count == 1 else 'recipes'}")
