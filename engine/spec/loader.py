"""From a recipe file to a frozen `Recipe` with the position of every key; all problems at once.

A `${name}` in a text is replaced by the recipe's `vars` or a `--var`; `$${` writes `${`. Where a data
path or a model starts with a `${name}` given by `--var`, a relative path counts from the current
directory; written in the recipe it counts from the recipe's folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engine.errors import Location, Problem, RecipeError, reason_of
from engine.gate import name_places
from engine.registry import did_you_mean
from engine.spec.error_messages import problems_of
from engine.spec.method import find_methods, read_method
from engine.spec.named_files import passed_file, read_document
from engine.spec.overrides import assigned, laid_over
from engine.spec.package_data import shipped
from engine.spec.recipe import Loop, Recipe
from engine.spec.taxonomies import AT, with_file
from engine.spec.yaml import LARGEST, Document, KeyPath, decode, parse, read_bytes
from engine.system.places import expanded

_VARIABLE = re.compile(r"\$(\$?)\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_MOST_VARS = 10 * LARGEST
"""Characters that all `${…}` of a recipe may stand for together."""


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
    """The parsed YAML (after `${…}`), with what is laid over it, and the position of every key and value."""
    vars: Mapping[str, str]
    """The values used for `${…}`, overrides included."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Values that were laid over the recipe, by their dotted keys."""
    given: frozenset[KeyPath] = frozenset()
    """Paths of the values that start with a `--var`: places chosen by the user."""
    warnings: tuple[Problem, ...] = ()
    taxonomy_file: Document | None = None
    """The file that the taxonomy's categories are from; None where they are the recipe's own."""

    @property
    def effective(self) -> dict[str, Any]:
        """The recipe with every default filled in, as JSON-like data."""
        return self.recipe.model_dump(mode="json")

    def at(self, *path: str | int, key: bool = False) -> Location:
        """Return where the value (or `key`) at `path` is, or the nearest thing around it."""
        return self.document.at(path, key)

    def at_category(self, *path: str | int) -> Location:
        """Return where a category of the taxonomy (by number) or a part of it stands, in the recipe or in its file."""
        if self.taxonomy_file is not None:
            return self.taxonomy_file.at(("categories", *path))
        return self.at(*AT, "categories", *path)


def find_recipe(name: str | Path) -> Path:
    """Return the file behind a path, a folder with a `recipe.yaml`, or a shipped recipe's name."""
    path = Path(name)
    ours = shipped("recipes")
    is_name = len(path.parts) == 1 and not path.is_absolute() and str(path) not in (".", "..")
    for candidate in (path, ours / path) if is_name else (path,):
        if candidate.is_dir() and (candidate / "recipe.yaml").is_file():
            return candidate / "recipe.yaml"
        if candidate.is_file():
            return candidate
    known = sorted(file.parent.name for file in ours.glob("*/recipe.yaml"))
    if path.is_dir():
        message, hint = (
            "this folder has no recipe.yaml",
            "name the recipe file, or a folder that has a recipe.yaml",
        )
    else:
        message = f"there is no recipe '{name}'"
        hint = f"give a file, a folder with a recipe.yaml, or a shipped recipe: {', '.join(known) or 'none'}"
    raise RecipeError([Problem(Location.at(path), message, hint, code="no-recipe")])


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
    overrides: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> LoadedRecipe:
    """Read, check and freeze a recipe; raises RecipeError with every problem found.

    Args:
        path: A recipe file, a folder with a `recipe.yaml`, or the name of a shipped recipe.
        overrides: Values for `${name}`, over those in the recipe's `vars`.
        settings: Values by dotted keys (`augment.rows_per_round`), over those of the recipe and of its method.
    """
    file = find_recipe(path)
    try:
        # A file that is named is what the user wants; one that is found in a named folder may be a link of another's.
        found = passed_file(file, None if Path(path) == file else file.absolute().parent, "recipe")
        raw = read_bytes(found)
    except OSError as error:
        message = f"this file cannot be read: {error.strerror}"
        raise RecipeError([Problem(Location.at(file), message, "check its permissions")]) from None
    with reading(file):
        return _loaded(raw, file, dict(overrides or {}), dict(settings or {}))


def _loaded(
    raw: bytes, file: Path, overrides: dict[str, str], settings: dict[str, Any]
) -> LoadedRecipe:
    base = file.absolute().parent
    name_places(base, overrides.values())
    source = decode(raw, file)
    document = parse(source, file)
    values = _Variables(document, overrides)
    document = replace(document, data=values.replace(document.data, ()))
    problems = [*values.problems, *_secrets(document)]
    over = assigned(settings)
    document = laid_over(document, over)
    if (of_method := _of_method(document, base)) is not None:
        # What a command names holds against the method too.
        document = laid_over(laid_over(document, of_method, ("overrides",)), over)
    recipe = _checked(document, problems)
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
    )


def _checked(document: Document, problems: Sequence[Problem]) -> Recipe:
    """Return the recipe in a document; raises RecipeError for what is wrong in it, and for `problems`."""
    try:
        recipe = Recipe.model_validate(document.data)
    except ValidationError as error:
        broken = {problem.where for problem in problems}
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
    loop = document.data.get("loop")
    named = loop.get("method") if isinstance(loop, dict) else None
    name = named if isinstance(named, str) else Loop().method
    file = find_methods(base).get(name)
    if file is None:
        return None
    try:
        read_method(file)
        return read_document(file, "method")
    except RecipeError:
        return None


class _Variables:
    """Replaces `${name}` in texts and notes what is unknown."""

    def __init__(self, document: Document, overrides: dict[str, str]) -> None:
        self.document = document
        self.overrides = overrides
        self.problems: list[Problem] = []
        self.given: set[KeyPath] = set()
        self._written = 0
        """Characters that were put in so far."""
        declared = document.data.get("vars")
        own = (
            {k: v for k, v in declared.items() if isinstance(v, str)}
            if isinstance(declared, dict)
            else {}
        )
        for name in overrides.keys() - own.keys():
            hint = did_you_mean(name, own) or "this recipe has no vars"
            where = document.at(("vars",), key=True)
            self.problems.append(
                Problem(where, f"no var '{name}' in this recipe (--var {name}=…)", hint, code="var")
            )
        for name, value in own.items():
            self._check_declaration(name, value)
        self.values = {**own, **{k: v for k, v in overrides.items() if k in own}}

    def _check_declaration(self, name: str, value: str) -> None:
        where = self.document.at(("vars", name))
        if not _NAME.match(name):
            hint = "use letters, digits and _"
            self.problems.append(
                Problem(where, f"'{name}' cannot be the name of a var", hint, code="var")
            )
        if "${" in value:
            hint = "write the value out, and combine vars where they are used"
            self.problems.append(
                Problem(where, "a var cannot be made of other vars", hint, code="var")
            )

    def replace(self, value: Any, path: KeyPath) -> Any:
        if isinstance(value, dict):
            if path == ("vars",):
                return {**value, **self.values}
            return {key: self.replace(child, (*path, key)) for key, child in value.items()}
        if isinstance(value, list):
            return [self.replace(child, (*path, index)) for index, child in enumerate(value)]
        return self._text(value, path) if isinstance(value, str) and "${" in value else value

    def _text(self, text: str, path: KeyPath) -> str:
        first = _VARIABLE.match(text)

        def value_of(match: re.Match[str]) -> str:
            if match[1]:
                return match[0][1:]
            if match[2] not in self.values:
                hint = (
                    did_you_mean(match[2], self.values) or f"declare it: `vars: {{{match[2]}: …}}`"
                )
                message = f"there is no var '{match[2]}'"
                self.problems.append(Problem(self.document.at(path), message, hint, code="var"))
            value = self.values.get(match[2], "")
            if self._written <= _MOST_VARS < self._written + len(value):
                message = f"vars stand for more than {_MOST_VARS // 1_000_000} million characters"
                hint = "name what is long once, in a file"
                where = self.document.at(path)
                self.problems.append(Problem(where, message, hint, code="size"))
            self._written += len(value)
            if self._written > _MOST_VARS:
                return ""
            return self._in_query(value, match, path) if path[-1] == "sql" else value

        result = _VARIABLE.sub(value_of, text)
        if first and first[2] in self.overrides and _is_path(path) and "://" not in result:
            self.given.add(path)
            return _from_here(result, must_exist=path[0] == "models")
        return result

    def _in_query(self, value: str, match: re.Match[str], path: KeyPath) -> str:
        """Return the start of a file's name in a query, such as `'${data}/x.csv'`, as an absolute path."""
        starts = match.string[: match.start()].endswith("'")
        if not starts or match[2] not in self.overrides or path[0] != "data" or "://" in value:
            return value
        path_text = _from_here(value, must_exist=not match.string[match.end() :].startswith("/"))
        if Path(path_text).is_absolute():
            self.given.add(path)
        return path_text


def _is_path(path: KeyPath) -> bool:
    """Tell whether the value at `path` names a place: a split's data, or a model."""
    places = (("data", "path"), ("data", "database"), ("models", "model"))
    return len(path) == 3 and (path[0], path[2]) in places


def _from_here(text: str, must_exist: bool) -> str:
    """Return a path from the command line as an absolute one; a model's name stays a name."""
    absolute = expanded(text).absolute()
    return text if must_exist and not absolute.exists() else str(absolute)


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
