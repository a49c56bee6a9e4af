"""What is wrong with a recipe as it is being edited: what `pada validate` says of the text, before it is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from engine.authoring.editing import edited
from engine.authoring.fixes import fix_of
from engine.authoring.positions import placed
from engine.data.profile import DataProfile
from engine.data.records import Record
from engine.data.sources.hub import is_hub
from engine.data.sources.origins import resolve_source
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

_FIRST = 50
"""Rows that columns are told by."""
_MOST_COLUMNS = 300
_MOST_LABELS = 200


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
    """Return all that `pada validate` says of a text: its rows are read, and its own prompts are tried out.

    Where nothing is wrong, what the rows are like, too. Of a text that is no recipe yet no rows can be read.
    """
    file, text = recipe_file(settings, asked.text("recipe")), posted(asked)
    document, problems = _parsed(text, file)
    profile: DataProfile | None = None
    are_read = False
    if document is not None:
        try:
            project = Project(complete(load(file, text=text)), settings.state)
            problems = project.problems
            are_read = project.examined.splits.was_read
            if not any(problem.level == "error" for problem in problems):
                profile = project.profile
        except RecipeError as error:
            problems = error.problems
    return {
        "problems": _shown(problems, text, file, document),
        "profile": _profile(profile),
        "rows_read": are_read,
    }


def columns(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return the columns that a text's training rows have, told by the first of them; none where that takes more."""
    file, text = recipe_file(settings, asked.text("recipe")), posted(asked)
    found: dict[str, None] = {}
    try:
        loaded = load(file, text=text)
        source = loaded.recipe.data.train
        if source.path is not None and not is_hub(source.path):
            rows = resolve_source(source, loaded.base).rows()
            names = {old: new for new, old in source.rename.items()}
            for record in islice(rows, _FIRST):
                if isinstance(record, Record):
                    found |= dict.fromkeys(names.get(name, name) for name in record.values)
            found |= dict.fromkeys(source.columns)
    except (RecipeError, OSError):
        # What is wrong there is among the problems.
        pass
    return {"columns": [Verbatim(name) for name in islice(found, _MOST_COLUMNS)]}


def _profile(profile: DataProfile | None) -> dict[str, Any] | None:
    """Return what the rows are like as a page shows it: of very many labels the most frequent."""
    if profile is None or not profile.splits:
        return None
    labels = dict.fromkeys(label for split in profile.splits for label in split.labels or ())
    return {
        "splits": [
            {
                "split": split.split,
                "rows": split.rows,
                "labels": None if split.labels is None else len(split.labels),
                "repeated": split.repeated,
                "blank": split.blank,
                "left_out": split.left_out,
                "overlaps": split.overlaps,
            }
            for split in profile.splits
        ],
        "labels": [
            {
                "label": label,
                "rows": [(split.labels or {}).get(label, 0) for split in profile.splits],
            }
            for label in islice(labels, _MOST_LABELS)
        ],
        "more_labels": max(0, len(labels) - _MOST_LABELS),
    }


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
