"""The format versions of files: which the engine reads, and what a file says of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from engine.errors import Problem, RecipeError
from engine.spec.reference.keys import KINDS
from engine.spec.yaml import Document

FORMATS: Mapping[str, int] = dict.fromkeys(KINDS, 1)
"""Kind of file, which is also its format key -> the format version that this engine reads."""


def format_of(document: Document) -> tuple[str, int]:
    """Return what kind of file a document is, and its format version; raises RecipeError where it does not say."""
    kind = next((kind for kind in KINDS if kind in document.data), None)
    if kind is None:
        others = ", ".join(f"`{each}: 1`" for each in KINDS[1:-1])
        hint = f"begin a recipe with `recipe: 1`, other files with {others} or `{KINDS[-1]}: 1`"
        where = document.at(())
        message = "this file does not say what it is: it has no format version"
        raise RecipeError([Problem(where, message, hint, code="format")])
    version = document.data[kind]
    if isinstance(version, bool) or not isinstance(version, int) or version < 0:
        message = f"{kind} must be a format version, which is a whole number"
        hint = f"write `{kind}: {FORMATS[kind]}`"
        raise RecipeError([Problem(document.at((kind,)), message, hint, code="format")])
    return kind, version


def refuse_version(kind: str, version: int, document: Document) -> NoReturn:
    """Raise RecipeError for a file whose format version is not the one that the engine reads."""
    now = FORMATS[kind]
    where = document.at((kind,))
    if version > now:
        message = f"this {kind} has format {version} and is made for a newer engine: this one reads format {now}"
        hint = "update the engine, or take the file as it was before"
    else:
        message = f"this {kind} has format {version}, and the engine reads format {now}"
        hint = f"run `pada migrate {document.path}`"
    raise RecipeError([Problem(where, message, hint, code="format")])
