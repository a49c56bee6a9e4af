"""YAML files that a recipe names (methods, packs): read into their model, every problem with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from engine.errors import Location, Problem, RecipeError
from engine.gate import passed
from engine.registry import did_you_mean
from engine.spec.error_messages import problems_of
from engine.spec.parts import NamedSpec
from engine.spec.yaml import Document, decode, parse, read_bytes

T = TypeVar("T", bound=NamedSpec)


@dataclass(frozen=True)
class Further:
    """Where a recipe's prompts, schemas, packs, methods and operators are looked for, besides its own folder."""

    folders: tuple[Path, ...] = ()
    """Folders with `prompts/`, `schemas/`, `operators/` or `methods/`, the first before the others."""
    operators: Mapping[str, Path] = field(default_factory=dict)
    """Operators that are named as `package/path`: name -> folder."""
    packs: Mapping[str, Path] = field(default_factory=dict)
    """Packs so: name -> `pack.yaml`, beside which its prompts and schemas lie."""
    methods: Mapping[str, Path] = field(default_factory=dict)
    """Methods so: name -> file."""


NOTHING_FURTHER = Further()


def chosen(kind: str, name: str, files: Mapping[str, Path], where: Location) -> Path:
    """Return the file behind a name; raises RecipeError, at `where`, with the nearest name there is."""
    if name in files:
        return files[name]
    message, hint = f"there is no {kind} '{name}'", did_you_mean(name, files)
    raise RecipeError([Problem(where, message, hint, code=f"unknown-{kind}")])


def passed_file(file: Path, base: Path | None, kind: str) -> Path:
    """Return a file that the recipe in `base` leads to, resolved; raises RecipeError where it may not read it."""

    def refuse(message: str, hint: str) -> RecipeError:
        return RecipeError([Problem(Location.at(file), message, hint, code=kind)])

    return passed(file, base, refuse)


def read_document(file: Path, kind: str) -> Document:
    """Return a file as YAML, with the places of all that is in it; raises RecipeError for one that cannot be read."""
    try:
        raw = read_bytes(file)
    except OSError as error:
        message = f"this file cannot be read: {error.strerror}"
        raise RecipeError([Problem(Location.at(file), message, code=kind)]) from error
    return _parsed(raw, file, kind, Path.cwd())


@lru_cache(maxsize=64)
def _parsed(raw: bytes, file: Path, kind: str, here: Path) -> Document:
    """Return a file's document: the same ones are asked for again and again, and places are told from `here`."""
    return parse(decode(raw, file), file, f"{kind}: 1")


def read_named(kind: str, file: Path, model: type[T], named: Path) -> T:
    """Read a file.

    Args:
        kind: What it is, in words; also the key of its format version.
        file: The file.
        model: What it must hold.
        named: Itself or its folder, after which it must be called.

    Raises:
        RecipeError: with every problem found.
    """
    document = read_document(file, kind)
    try:
        read = model.model_validate(document.data)
    except ValidationError as error:
        raise RecipeError(problems_of(error, document, model)) from None
    if read.name != named.stem:
        what, place = (
            ("file", file.name) if named == file else ("folder", f"the folder {named.name}")
        )
        message = f"the {kind} in {place} is called '{read.name}'"
        hint = f"write name: {named.stem}, or rename the {what}"
        raise RecipeError([Problem(document.at(("name",)), message, hint, code=kind)])
    return read
