"""A folder of pages from a tree of recipes: whole or not there, and never over a folder that this did not make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from engine.errors import EngineError, RecipeError
from engine.export.folder import Writer, check_target, writing
from engine.site.pages.facts import Package, RecipeFacts, RunScores
from engine.site.pages.gathering import Wanted, crashed, facts_of
from engine.site.pages.history import histories
from engine.site.pages.html import Entry, index_page, recipe_page
from engine.site.parallel import for_each
from engine.site.tree import Tree
from engine.site.validation import count_of
from engine.spec.repository import project_file
from engine.system.files import write_text
from engine.system.plain_text import clean

PAGES = Writer(
    "pada-docs.json",
    "`pada docs` did not write",
    "documentation",
    "choose another place with --to",
)
_FOLDER = "recipes"


class Site(NamedTuple):
    """Pages that were written."""

    folder: Path
    recipes: Sequence[RecipeFacts]
    warnings: Sequence[str]
    """What could not be shown, in words."""

    @property
    def broken(self) -> list[str]:
        """Files of the recipes whose pages say what is wrong with them."""
        return [facts.file for facts in self.recipes if facts.is_broken]


def make_site(
    tree: Tree,
    to: Path,
    state: Path,
    *,
    rows: bool = True,
    jobs: int | None = None,
    allowed: Sequence[Path] = (),
) -> Site:
    """Write the pages of a tree.

    Args:
        tree: The tree.
        to: The folder, which is replaced where it is of this kind.
        state: The state folder, whose runs are shown.
        rows: Whether prompts are shown with training rows.
        jobs: Processes at most; as many as there are cores when left out.
        allowed: What the user let recipes read besides.

    Raises:
        EngineError: the folder is somebody else's, or cannot be written.
    """
    check_target(to, replace=True, writer=PAGES)
    wanted = [Wanted(file.path, tree.root, rows) for file in tree.files if file.kind == "recipe"]
    recipes = for_each(facts_of, wanted, crashed, jobs, allowed)
    warnings: list[str] = []
    runs, no_history = _histories(state, warnings)
    title, version, packages = _project(tree, warnings)
    entries = [
        Entry(
            facts, f"{_FOLDER}/{name}.html", runs.get(facts.name, ()) if not facts.is_broken else ()
        )
        for facts, name in zip(recipes, _names(recipes), strict=True)
    ]
    with writing(to, {"tree": title}, PAGES) as part:
        (part / _FOLDER).mkdir()
        counts = count_of(len(recipes), "recipe")
        write_text(
            part / "index.html", clean(index_page(title, version, counts, entries, packages))
        )
        for entry in entries:
            page = recipe_page(title, entry, packages, no_history)
            write_text(part / entry.address, clean(page))
    return Site(to, recipes, warnings)


def _names(recipes: Sequence[RecipeFacts]) -> Iterator[str]:
    """Yield the names of the pages: of the recipes' places in the tree, in letters that all file systems tell apart."""
    taken: set[str] = set()
    for facts in recipes:
        path = Path(facts.file)
        place = (
            path.parent.as_posix()
            if path.name == "recipe.yaml"
            else path.with_suffix("").as_posix()
        )
        plain = "".join(
            c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in place.lower()
        )
        name = stem = plain.strip("-")[:80] or "recipe"
        number = 1
        while name in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name)
        yield name


def _histories(state: Path, warnings: list[str]) -> tuple[dict[str, tuple[RunScores, ...]], str]:
    """Return the runs by recipe, and what is said where one has none."""
    try:
        return dict(histories(state)), f"No run of it is in {state.name}."
    except EngineError as error:
        warnings.append(f"no scores are shown: {error}")
        return {}, "Scores are not shown: the store could not be read when this page was made."


def _project(tree: Tree, warnings: list[str]) -> tuple[str, str, list[Package]]:
    """Return what the tree is called, its version and its packages."""
    try:
        found = project_file(tree.root)
    except RecipeError as error:
        warnings.append(f"no packages are shown: {error}")
        found = None
    if found is None:
        return tree.root.name or "recipes", "", []
    project = found[1]
    packages = [
        Package(Path(one.path or one.git).stem, one.revision, one.git or one.path)
        for one in project.packages
    ]
    return project.name, project.version, packages
