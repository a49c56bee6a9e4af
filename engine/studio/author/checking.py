"""What is wrong with a recipe as it is being edited: what `pada validate` says of the text, before it is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.authoring.editing import edited
from engine.authoring.fixes import fix_of
from engine.authoring.positions import placed
from engine.errors import EngineError, Location, Problem, RecipeError
from engine.plan.defaults import complete
from engine.plan.validate import examine
from engine.project import Project
from engine.spec.extending.bases import with_bases
from engine.spec.loader import load
from engine.spec.repository import with_defaults
from engine.spec.yaml import Document, parse
from engine.store import Stop
from engine.studio.answers import Verbatim
from engine.studio.asked import Asked
from engine.studio.author.texts import posted, splice
from engine.studio.recipes import recipe_file
from engine.studio.settings import Settings


@dataclass(frozen=True, slots=True)
class Shown:
    """A problem as a page shows it."""

    problem: Problem
    start: int
    end: int
    path: Verbatim
    """Keys and numbers; null where it is about no key of this file."""
    is_here: bool
    """Whether it stands in the file that is edited."""
    is_unreadable: bool
    """Whether the text cannot be read because of it."""
    fix: Mapping[str, Any] | None
    """What mends it with one click, in words and as a change of the text."""


def look(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return what a text says, key by key, and what is wrong with it; no rows are read and no model is loaded.

    The problems are those of `pada validate --no-data`.
    """
    file, text = recipe_file(settings, asked.text("recipe")), posted(asked)
    document, problems = _parsed(text, file)
    if document is not None:
        problems = _problems(file, text)
    return {
        "data": Verbatim(document.data) if document is not None else None,
        "under": Verbatim(_under(document, file)) if document is not None else None,
        "problems": _shown(problems, text, file, document),
    }


def check(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return all that `pada validate` says of a text: its rows are read, and its own prompts are tried out."""
    file, text = recipe_file(settings, asked.text("recipe")), posted(asked)
    document, problems = _parsed(text, file)
    if document is not None:
        try:
            problems = Project(complete(load(file, text=text)), settings.state).problems
        except RecipeError as error:
            problems = error.problems
    return {"problems": _shown(problems, text, file, document)}


def _parsed(text: str, file: Path) -> tuple[Document | None, Sequence[Problem]]:
    try:
        return parse(text, file), ()
    except RecipeError as error:
        return None, error.problems


def _problems(file: Path, text: str) -> Sequence[Problem]:
    try:
        return examine(load(file, text=text), rows=False).problems
    except RecipeError as error:
        return error.problems


def _under(document: Document, file: Path) -> Mapping[str, Any]:
    """Return what holds where the recipe says nothing: what it extends, and the models of its project."""
    base = file.absolute().parent
    try:
        return with_defaults(with_bases(document, file).document, base).data
    except RecipeError:
        # What is wrong there is among the problems.
        return {}


def _shown(
    problems: Sequence[Problem], text: str, file: Path, document: Document | None
) -> list[Shown]:
    here = Location.at(file).file
    return [
        Shown(
            each.problem,
            each.start,
            each.end,
            Verbatim(None if each.path is None else list(each.path)),
            each.problem.where.file == here,
            document is None,
            None if document is None else _fix(each.problem, each.path, text, file, document),
        )
        for each in placed(problems, text, here, document)
    ]


def _fix(
    problem: Problem, path: tuple[str | int, ...] | None, text: str, file: Path, document: Document
) -> Mapping[str, Any] | None:
    found = fix_of(problem, path, text, document)
    if found is None:
        return None
    try:
        after = edited(text, file, found.edits)
    except EngineError:
        # It is written in a form into which the change does not go: the hint says what to do.
        return None
    return {"label": found.label, **splice(text, after)}
