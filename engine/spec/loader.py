"""From a recipe file to a frozen `Recipe` with the position of every key; all problems at once.

What the recipe extends is merged into it (`extending.bases`), then its vars take their places (`extending.variables`),
then what a command and its method say is laid over it (`extending.merging`), then paths are found
(`extending.places`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engine.errors import Location, Problem, RecipeError, reason_of
from engine.gate import name_places
from engine.registry import did_you_mean
from engine.spec.data_files import refuse_data
from engine.spec.error_messages import problems_of
from engine.spec.extending.bases import with_bases
from engine.spec.extending.merging import laid_over
from engine.spec.extending.places import located, moved
from engine.spec.extending.settings import SETTING, assigned
from engine.spec.extending.typed import Value
from engine.spec.extending.variables import Variables
from engine.spec.method import Method, find_methods, load_method, read_method
from engine.spec.named_files import NOTHING_FURTHER, Further, passed_file, read_document
from engine.spec.package_data import shipped
from engine.spec.recipe import Loop, Recipe
from engine.spec.repository import find_in_project, packaged, recipes_here, with_defaults
from engine.spec.taxonomies import AT, with_file
from engine.spec.yaml import Document, KeyPath, decode, parse, read_bytes


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe as typed objects, with where it came from."""

    recipe: Recipe
    path: Path
    base: Path
    """The recipe's folder, absolute: relative paths in it start here."""
    source: str
    """The YAML as written."""
    document: Document
    """The YAML, merged with what it extends (after `${…}`), with what is laid over it, and the position of every key
    and value. Paths are as they are written, `package/path` too; those of `recipe` count from `base`."""
    vars: Mapping[str, Value]
    """The values used for `${…}`, overrides included."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Values that were laid over the recipe, by their dotted keys."""
    given: frozenset[KeyPath] = frozenset()
    """Paths of the values that start with a `--var`: places chosen by the user."""
    warnings: tuple[Problem, ...] = ()
    taxonomy_file: Document | None = None
    """The file that the taxonomy's categories are from; None where they are the recipe's own."""
    bases: tuple[Path, ...] = ()
    """Files of the recipes that it extends, the nearest first."""
    further: Further = NOTHING_FURTHER
    """Where its prompts, schemas, packs, methods and operators are looked for, besides its own folder."""
    given_vars: Mapping[KeyPath, tuple[str, ...]] = field(default_factory=dict)
    """The vars in each value that the user gave."""

    @property
    def effective(self) -> dict[str, Any]:
        """The recipe with every default filled in, as JSON-like data.

        Without what is of no account once it is loaded: what it extends, and its vars.
        """
        return self.recipe.model_dump(mode="json", exclude={"extends", "vars"})

    @property
    def method(self) -> Method:
        """How its loop runs; raises RecipeError, where the recipe names it, for one that is not there or wrong."""
        return load_method(
            self.recipe.loop.method, self.base, self.at("loop", "method"), self.further
        )

    def at(self, *path: str | int, key: bool = False) -> Location:
        """Return where the value (or `key`) at `path` is, or the nearest thing around it."""
        return self.document.at(path, key)

    def at_category(self, *path: str | int) -> Location:
        """Return where a category of the taxonomy (by number) or a part of it stands, in the recipe or in its file."""
        if self.taxonomy_file is not None:
            return self.taxonomy_file.at(("categories", *path))
        return self.at(*AT, "categories", *path)


def find_recipe(name: str | Path) -> Path:
    """Return the file behind a path, a folder with a `recipe.yaml`, or a name.

    A name is looked for in the folders of recipes of the project around the current folder, then in its packages
    (`package/recipes/name`), then among the shipped recipes.

    Raises:
        RecipeError: there is none; or `pada.yaml`, the lock or the package is wrong.
    """
    path, here = Path(name), Path.cwd()
    is_name = not path.is_absolute() and not {"", ".", ".."} & set(path.parts or ("",))
    in_package = packaged(str(name), here) if is_name else None
    if (found := _at(path)) is not None:
        if found == path:
            # What is found in a folder may be a link of another's, and is not looked into before it has passed.
            refuse_data(found)
        return found
    if is_name:
        in_project = find_in_project(str(name), here)
        ours = shipped("recipes") / path if len(path.parts) == 1 else None
        places = [in_project, *_of_package(in_package), ours]
        for place in places:
            if place is not None and (found := _at(place)) is not None:
                return found
    if path.is_dir():
        refuse_data(path)
        message, hint = (
            "this folder has no recipe.yaml",
            "name the recipe file, or a folder that has a recipe.yaml",
        )
    elif in_package is not None:
        message, hint = f"the package {path.parts[0]} has no recipe {path}", _near(in_package)
    else:
        known = sorted(file.parent.name for file in shipped("recipes").glob("*/recipe.yaml"))
        own = [each for each, _ in recipes_here()]
        message = f"there is no recipe '{name}'"
        near = did_you_mean(str(name), [*own, *known])
        if near.startswith("did"):
            hint = f"{near} Otherwise give a file, or a folder with a recipe.yaml"
        else:
            hint = f"give a file, a folder with a recipe.yaml, or a shipped recipe: {', '.join(known) or 'none'}"
            hint = f"this project has: {', '.join(own)}; or {hint}" if own else hint
    raise RecipeError([Problem(Location.at(path), message, hint, code="no-recipe")])


def _at(place: Path) -> Path | None:
    """Return the recipe that a path leads to."""
    if place.is_dir() and (place / "recipe.yaml").is_file():
        return place / "recipe.yaml"
    return place if place.is_file() else None


def _of_package(place: Path | None) -> list[Path]:
    """Return where a recipe of a package may be: its ending may be left out."""
    return [] if place is None else [place, place.with_name(f"{place.name}.yaml")]


def _near(place: Path) -> str:
    beside = place.parent.iterdir() if place.parent.is_dir() else ()
    return did_you_mean(place.name, [each.name for each in beside])


@contextmanager
def reading(recipe: Path) -> Iterator[None]:
    """Have what the system refuses while a recipe is read and checked be a problem of the recipe.

    Such as a name that is too long for a file: wherever it is met, it is the recipe that leads there. So is what is
    nested deeper than it can be read.
    """
    try:
        yield
    except (OSError, RecursionError) as error:
        # What libraries raise as OSError of their own has no number, and is for who calls them.
        if isinstance(error, OSError) and error.errno is None:
            raise
        name = getattr(error, "filename", None)
        place = (
            f"{os.fsdecode(name)[:300]}: " if isinstance(name, str | bytes | os.PathLike) else ""
        )
        message = f"what this recipe leads to cannot be read: {place}{reason_of(error)}"
        hint = "check the paths in it, their permissions, and how deep things are nested"
        raise RecipeError([Problem(Location.at(recipe), message, hint, code="file")]) from error


def load(
    path: str | Path,
    overrides: Mapping[str, Value] | None = None,
    settings: Mapping[str, Any] | None = None,
    text: str | None = None,
) -> LoadedRecipe:
    """Read, check and freeze a recipe; raises RecipeError with every problem found.

    Args:
        path: A recipe file, a folder with a `recipe.yaml`, or the name of a shipped recipe.
        overrides: Values for `${name}`, over those in the recipe's `vars`: texts as of a command line, or of the var's
            own type.
        settings: Values by dotted keys (`augment.rows_per_round`, `metrics.0.name`), over those of the recipe and of
            its method.
        text: What is to stand in the file, in place of what does: a text that is being edited.
    """
    file = find_recipe(path)
    try:
        # A file that is named is what the user wants; one that is found in a named folder may be a link of another's.
        found = passed_file(file, None if Path(path) == file else file.absolute().parent, "recipe")
        source = decode(read_bytes(found), file) if text is None else text
    except OSError as error:
        message = f"this file cannot be read: {error.strerror}"
        raise RecipeError([Problem(Location.at(file), message, "check its permissions")]) from None
    with reading(file):
        return _loaded(source, file, dict(overrides or {}), dict(settings or {}))


def _loaded(
    source: str, file: Path, overrides: dict[str, Value], settings: dict[str, Any]
) -> LoadedRecipe:
    base = file.absolute().parent
    name_places(base, (value for value in overrides.values() if isinstance(value, str)))
    extended = with_bases(parse(source, file), file)
    problems = [problem for each in extended.bases for problem in _secrets(each)]
    document = extended.document
    values = Variables(document, overrides)
    document = replace(document, data=values.replace(document.data))
    document = moved(document, extended.bases, base, values.starts, values.given)
    document = with_defaults(document, base)
    problems += [*values.problems, *_secrets(document)]
    over = assigned(settings)
    if secrets := _secrets(over):
        # Where they are said to stand holds the values themselves.
        told = [replace(each, where=Location(SETTING.format("…"))) for each in secrets]
        raise RecipeError(told)
    document = laid_over(document, over)
    if (of_method := _of_method(document, base)) is not None:
        # What a command names holds against the method too.
        document = laid_over(laid_over(document, of_method, ("overrides",)), over)
    found_there = located(document, base)
    problems += found_there.problems
    recipe = _checked(document, found_there.data, problems, values.unknown)
    taxonomy, of_file = with_file(recipe.patterns.taxonomy, document, base)
    patterns = recipe.patterns.model_copy(update={"taxonomy": taxonomy})
    return LoadedRecipe(
        recipe.model_copy(update={"patterns": patterns}),
        file,
        base,
        source,
        document,
        values.values,
        settings,
        frozenset(values.given),
        (*document.warnings, *(of_file.warnings if of_file else ())),
        of_file,
        extended.files,
        found_there.further,
        values.used,
    )


def _checked(
    document: Document,
    data: dict[str, Any],
    problems: Sequence[Problem],
    unknown: Collection[Location],
) -> Recipe:
    """Return the recipe in a document; raises RecipeError for what is wrong in it, and for `problems`.

    Args:
        document: For the places.
        data: What is in it, paths found.
        problems: What is known to be wrong already.
        unknown: Places of values of which nothing can be said.
    """
    problems = list(dict.fromkeys(problems))
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        broken = {*unknown, *(problem.where for problem in problems)}
        recipe_problems = problems_of(error, document)
        raise RecipeError(
            [*problems, *(p for p in recipe_problems if p.where not in broken)]
        ) from None
    if problems:
        raise RecipeError(problems)
    return recipe


def _of_method(document: Document, base: Path) -> Document | None:
    """Return the file of a recipe's method; None where it is not there or wrong, which is told with the rest.

    The recipe is not checked yet: what is wrong in it alone may be right with what the method decides.
    """
    try:
        found = located(document, base)
        loop = found.data.get("loop")
        named = loop.get("method") if isinstance(loop, dict) else None
        name = named if isinstance(named, str) else Loop().method
        file = find_methods(base, found.further).get(name)
        if file is None:
            return None
        read_method(file)
        return read_document(file, "method")
    except RecipeError:
        return None


_SECRET_KEY = re.compile(
    r"(^|[_-])(api_?key|key|token|secret|password|passwd|authorization)$", re.IGNORECASE
)
_SECRET_VALUE = re.compile(
    r"^(Bearer )?(sk-|hf_|gsk_|xai-|AIza|ghp_)[A-Za-z0-9_-]{16,}$|^https?://[^/\s]+:[^/\s]+@"
    r"|^https?://\S*[?&](api[_-]?key|key|token|secret)=",
    re.IGNORECASE,
)
_LOOKED_AT = 2000
"""Characters of a value: for more, the time that the pattern takes grows with their square."""
_NOT_A_VARIABLE = re.compile(r"(?![A-Za-z_]\w*\Z)|(?=[A-Za-z0-9]{24,}\Z)\D*\d", re.ASCII)
"""No name of an environment variable, or what looks like a key in the place of one."""


def _secrets(document: Document) -> list[Problem]:
    """Refuse keys written out in the recipe; the messages do not repeat them."""
    problems: list[Problem] = []

    def look(value: Any, path: KeyPath) -> None:
        if isinstance(value, dict):
            for key, child in value.items():
                look(child, (*path, key))
        elif isinstance(value, list):
            for index, child in enumerate(value):
                look(child, (*path, index))
        elif isinstance(value, (str, int)) and not isinstance(value, bool):
            reaches = path[0] in {"models", "benchmark"}
            is_secret_key = reaches and bool(_SECRET_KEY.search(str(path[-1])))
            variable = reaches and path[-1] == "env"
            hint = "keep it in the environment and name it here: `{env: NAME_OF_THE_VARIABLE}`"
            if variable and _NOT_A_VARIABLE.match(str(value)):
                message = f"{dotted(path)} is not the name of an environment variable"
                problems.append(Problem(document.at(path), message, hint, code="secret"))
            elif is_secret_key or _SECRET_VALUE.search(str(value)[:_LOOKED_AT]):
                message = f"{dotted(path)} holds a secret, which does not belong in a recipe"
                problems.append(Problem(document.at(path), message, hint, code="secret"))

    look(document.data, ())
    return problems


def secrets_in(text: str) -> bool:
    """Return whether a text of YAML, written by anybody, holds what looks like a key or a password."""
    try:
        return bool(_secrets(parse(text, Path("text.yaml"))))
    except RecipeError:
        return False


def dotted(path: KeyPath) -> str:
    """Return a path as people write it: `metrics[2].sql`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")
