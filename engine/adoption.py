"""Categories that the teacher proposes: listed from a run, and written into the recipe's taxonomy."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import EngineError, Location
from engine.gate import package_of
from engine.registry import did_you_mean
from engine.spec.loader import LoadedRecipe
from engine.spec.taxonomies import AT, OTHER
from engine.spec.yaml import decode
from engine.spec.yaml_writing import Item, appended
from engine.store import choose_run
from engine.system.files import replacing

LEAST = 3
"""Failures from which a proposal is adopted without being named."""
_SQL = (
    "SELECT name, source, failures, description FROM all_proposed_categories WHERE run = ?"
    " ORDER BY failures DESC, name"
)

Query = Callable[[str, Sequence[Any]], list[dict[str, Any]]]


class Proposal(NamedTuple):
    """What could become a category."""

    id: str
    name: str
    description: str
    failures: int
    """That were diagnosed so, or members of the pattern."""
    source: str
    """diagnosis or pattern."""


class Adopted(NamedTuple):
    """What was written, and where."""

    file: Path
    categories: tuple[Proposal, ...]
    too_few: tuple[Proposal, ...]
    """Proposals that were left out because they stand for too few failures."""


def run_of(query: Query, recipe: str, run: str | None) -> str:
    """Return a run, or the last one of a recipe that diagnosed failures; raises EngineError where there is none."""
    if run is not None:
        return choose_run(query, run)[0]
    return choose_run(query, recipe=recipe, stage="diagnose")[0]


def proposals(query: Query, run: str) -> list[Proposal]:
    """Return what a run proposes, by falling number of failures; one of each id."""
    found: dict[str, Proposal] = {}
    for row in query(_SQL, [run]):
        identity = id_of(row["name"])
        if identity not in found:
            said = " ".join((row["description"] or row["name"]).split())
            found[identity] = Proposal(
                identity, row["name"], said, int(row["failures"]), row["source"]
            )
    return list(found.values())


def id_of(name: str) -> str:
    """Return a name as a category's id."""
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:64].rstrip("_")
    # The engine says `other` itself.
    return "category" if slug in ("", OTHER) else slug


def adopt(
    loaded: LoadedRecipe,
    proposed: Sequence[Proposal],
    names: Sequence[str] = (),
    least: int = LEAST,
    *,
    write: bool = True,
) -> Adopted:
    """Write proposals into the taxonomy's file, or the recipe's own block; everything else in it stays as it is.

    Args:
        loaded: The recipe.
        proposed: What a run proposes.
        names: Names or ids of those to adopt; when left out, all of at least `least` failures, those of patterns only
            where no diagnosis proposes any.
        least: Failures that an adopted proposal must stand for, where it is not named.
        write: False only says what would be written.

    Raises:
        EngineError: a name is not proposed or is in the taxonomy already, the taxonomy is open, or the file cannot be
            extended.
    """
    taxonomy = loaded.recipe.patterns.taxonomy
    if taxonomy.mode == "open":
        raise EngineError(
            "the taxonomy is open: its categories are not offered to the teacher",
            "write `mode: hybrid`, or leave the mode out",
        )
    have = {category.id for category in taxonomy.categories}
    new = [one for one in proposed if one.id not in have]
    if names:
        chosen = [_named(name, new, have) for name in names]
        too_few: list[Proposal] = []
    else:
        own = any(one.source == "diagnosis" for one in proposed)
        several = [one for one in new if one.source == "diagnosis" or not own]
        chosen = [one for one in several if one.failures >= least]
        too_few = [one for one in several if one.failures < least]
    of_file = loaded.taxonomy_file
    _refuse_elsewhere(loaded)
    file = (of_file.path if of_file is not None else loaded.path).resolve()
    chosen = list(dict.fromkeys(chosen))
    if chosen:
        path = ("categories",) if of_file is not None else (*map(str, AT), "categories")
        text = _extended(file, path, [_written(one, of_file is None) for one in chosen])
        if write:
            _replace(file, text)
    return Adopted(file, tuple(chosen), tuple(too_few))


def _refuse_elsewhere(loaded: LoadedRecipe) -> None:
    """Raise EngineError where the categories are of a recipe that this one extends, or of a package."""
    of_file = loaded.taxonomy_file
    if of_file is not None:
        place = of_file.path if package_of(of_file.path, loaded.base) else None
    else:
        own = Location.at(loaded.path).file
        count = len(loaded.recipe.patterns.taxonomy.categories)
        places = [loaded.at_category(number).file for number in range(count)]
        place = next((Path(each) for each in places if each != own), None)
    if place is not None:
        raise EngineError(
            f"the categories are those of {Location.at(place).file}, which other recipes may use too",
            "copy them into a file of your own, name it as patterns.taxonomy, and adopt again",
        )


def _named(name: str, new: Sequence[Proposal], have: set[str]) -> Proposal:
    for one in new:
        if name in (one.id, one.name) or name.casefold() == one.name.casefold():
            return one
    if id_of(name) in have or name in have:
        raise EngineError(f"the taxonomy has a category '{name}' already")
    hint = did_you_mean(name, [one.name for one in new]) or "this run proposes none"
    raise EngineError(f"no category '{name}' is proposed", hint)


def _written(one: Proposal, in_recipe: bool) -> Item:
    # A recipe's texts may hold variables; what looks like one here is none.
    escaped = one.description.replace("${", "$${") if in_recipe else one.description
    return {"id": one.id, "description": escaped}


def _extended(file: Path, path: Sequence[str], items: Sequence[Item]) -> bytes:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise EngineError(f"{file} cannot be read: {error.strerror}") from error
    mark = b"\xef\xbb\xbf" if raw.startswith(b"\xef\xbb\xbf") else b""
    return mark + appended(decode(raw, file), path, items, file).encode()


def _replace(file: Path, text: bytes) -> None:
    try:
        with replacing(file) as part:
            part.write_bytes(text)
            shutil.copymode(file, part)
    except OSError as error:
        hint = "a shipped recipe is copied to a folder of your own first"
        raise EngineError(f"{file} cannot be written: {error.strerror}", hint) from error
