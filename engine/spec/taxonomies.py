"""A recipe's taxonomy, with the categories of its file: read, and checked as a whole, every problem with its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from engine.errors import Location, Problem, RecipeError
from engine.registry import did_you_mean
from engine.spec.error_messages import problems_of
from engine.spec.named_files import passed_file
from engine.spec.recipe import Taxonomy
from engine.spec.recipe.taxonomy import Category, TaxonomyFile
from engine.spec.yaml import Document, KeyPath, decode, parse, read_bytes

AT: KeyPath = ("patterns", "taxonomy")
"""Where a recipe has it."""
OTHER = "other"
"""What the teacher may say besides the categories of a hybrid taxonomy."""
OWN_ID = "p-"
"""How the engine's own ids of patterns begin; others have a colon, which no name has."""


class _Placed(NamedTuple):
    """A taxonomy, and where its categories are written."""

    taxonomy: Taxonomy
    document: Document
    path: KeyPath
    """Of the list of categories."""

    def at(self, index: int, *keys: str | int) -> Location:
        """Return where a category, or a part of it, stands."""
        return self.document.at((*self.path, index, *keys))


def with_file(taxonomy: Taxonomy, recipe: Document, base: Path) -> tuple[Taxonomy, Document | None]:
    """Return a recipe's taxonomy with the categories of the file that it names, and that file.

    Args:
        taxonomy: As the recipe has it.
        recipe: The recipe's document.
        base: The recipe's folder.

    Raises:
        RecipeError: with every problem of the taxonomy, but for its SQL.
    """
    if taxonomy.file is None:
        found = _Placed(taxonomy, recipe, (*AT, "categories"))
    else:
        found = _from_file(taxonomy, taxonomy.file, recipe, base)
    if problems := [*_of_mode(found, recipe), *_of_ids(found), *_of_parents(found)]:
        raise RecipeError(problems)
    return found.taxonomy, None if taxonomy.file is None else found.document


def _from_file(taxonomy: Taxonomy, name: str, recipe: Document, base: Path) -> _Placed:
    where = recipe.at((*AT, "file") if (*AT, "file") in recipe.values else AT)
    if taxonomy.categories:
        message = f"patterns.taxonomy has categories, and the file {name} has some too"
        hint = "keep them in one place: move these into the file, or leave `file` out"
        raise RecipeError([Problem(recipe.at((*AT, "categories")), message, hint, code="taxonomy")])
    try:
        file = passed_file(base / name, base, "taxonomy")
    except RecipeError as error:
        told = [Problem(where, p.message, p.hint, code="taxonomy") for p in error.problems]
        raise RecipeError(told) from None
    if not file.is_file():
        near = [
            one.relative_to(base).as_posix() if one.is_relative_to(base) else str(one)
            for one in sorted(file.parent.glob("*.y*ml"))
            if one.parent != base
        ]
        hint = did_you_mean(name, near) or "it is looked for from the recipe's folder"
        raise RecipeError([Problem(where, f"there is no taxonomy {name}", hint, code="taxonomy")])
    try:
        raw = read_bytes(file)
    except OSError as error:
        message = f"the taxonomy {name} cannot be read: {error.strerror}"
        raise RecipeError([Problem(where, message, "check its permissions")]) from None
    document = parse(decode(raw, file), file, "taxonomy: 1")
    try:
        read = TaxonomyFile.model_validate(document.data)
    except ValidationError as error:
        raise RecipeError(problems_of(error, document, TaxonomyFile)) from None
    whole = Taxonomy(file=name, mode=taxonomy.mode or read.mode, categories=read.categories)
    return _Placed(whole, document, ("categories",))


def _of_mode(found: _Placed, recipe: Document) -> Iterator[Problem]:
    taxonomy = found.taxonomy
    picked = [category for category in taxonomy.categories if category.where is None]
    own = found.document is recipe
    # Where the mode is written: in the recipe, or else in the file.
    in_recipe = own or (*AT, "mode") in recipe.values
    at = recipe.at((*AT, "mode")) if in_recipe else found.document.at(("mode",))
    if taxonomy.mode == "open" and picked and (own or not in_recipe):
        message = f"in mode open nobody picks a category, and '{picked[0].id}' has no where"
        yield Problem(at, message, "use hybrid", code="taxonomy")
    if taxonomy.mode in ("closed", "hybrid") and not taxonomy.categories:
        hint = "write some under `categories`, or leave the mode out"
        yield Problem(at, f"mode {taxonomy.mode} needs categories", hint, code="taxonomy")
    elif taxonomy.mode == "closed" and not picked:
        message = "mode closed needs a category to pick: all of these have a where"
        hint = "a failure for which none holds must be of one too: add one without a where, or use hybrid"
        yield Problem(at, message, hint, code="taxonomy")


def _of_ids(found: _Placed) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, category in enumerate(found.taxonomy.categories):
        at = found.at(index, "id")
        if category.id in first:
            hint = f"the first is at {found.at(first[category.id], 'id')}"
            message = f"two categories are called '{category.id}'"
            yield Problem(at, message, hint, code="taxonomy")
        first.setdefault(category.id, index)
        if category.id == OTHER:
            message = f"'{OTHER}' cannot be declared: it is what the teacher says where none fits"
            yield Problem(at, message, "leave it out, and use mode hybrid", code="taxonomy")
        elif category.id.startswith(OWN_ID):
            message = f"'{category.id}' looks like the id of a pattern: those begin with '{OWN_ID}'"
            yield Problem(at, message, "call it something else", code="taxonomy")


def _of_parents(found: _Placed) -> Iterator[Problem]:
    above = {category.id: category.parent for category in found.taxonomy.categories}
    told: set[str] = set()
    for index, category in enumerate(found.taxonomy.categories):
        if category.parent is None:
            continue
        at = found.at(index, "parent")
        if category.parent not in above:
            others = [name for name in above if name != category.id]
            message = f"there is no category '{category.parent}' for '{category.id}' to be part of"
            yield Problem(at, message, did_you_mean(category.parent, others), code="taxonomy")
        elif (circle := _circle(category, above)) and not told.intersection(circle):
            told.update(circle)
            message = f"these categories are part of each other: {' of '.join(circle)}"
            yield Problem(at, message, "leave one `parent` out", code="taxonomy")


def _circle(category: Category, above: dict[str, str | None]) -> list[str]:
    """Return the way from a category back to itself; nothing where it leads to an end or to another circle."""
    way, here = [category.id], category.parent
    while here is not None and here not in way:
        way.append(here)
        here = above.get(here)
    return [*way, category.id] if here == category.id else []
