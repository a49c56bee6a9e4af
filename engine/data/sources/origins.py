"""Where rows are: files, data sets and queries, found behind what a recipe's source says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from engine.data.records import BadRow, Record
from engine.data.sources.files import Files, find_files, passed_file, problem
from engine.data.sources.hub import is_hub, resolve_hub, saved_set
from engine.data.sources.query import resolve_query
from engine.errors import Problem
from engine.spec.recipe import Format, Source


class Origin(Protocol):
    """Where rows are. Equal ones have the same rows."""

    @property
    def name(self) -> str:
        """As shown in messages."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of this machine that are read."""
        ...

    @property
    def by_row(self) -> bool:
        """Whether rows have a number and no place in a file."""
        ...

    @property
    def known_by_rows(self) -> bool:
        """Whether the digest is that of all rows, so that who reads them has it."""
        ...

    def rows(self) -> Iterator[Record | BadRow]:
        """Yield all rows. Raises RecipeError where nothing can be read any more."""
        ...

    def digest(self) -> str:
        """Return what tells these rows from others. Raises RecipeError, OSError."""
        ...

    def __hash__(self) -> int: ...


def resolve_path(
    path: str, base: Path, streaming: bool = False, form: Format | None = None
) -> Origin:
    """Return the files, the saved data set or the Hub's data set behind a path; raises RecipeError."""
    if is_hub(path):
        return resolve_hub(path, streaming)
    folder = passed_file(base / path, base)
    try:
        saved = saved_set(folder, base) if folder.is_dir() else None
    except OSError as error:
        raise problem(folder, f"this path cannot be used: {error.strerror}", "check it") from None
    if saved and form and form.model_fields_set:
        message = "this is a saved data set: format says nothing of it"
        raise problem(folder, message, "leave format out")
    return saved or find_files(path, base, form)


def resolve_source(source: Source, base: Path) -> Origin:
    """Return where the rows of a source with a `path` or a `sql` are. Raises RecipeError."""
    if source.sql is not None:
        return resolve_query(source.sql, base, source.database)
    if source.path is None:
        raise ValueError("a source that takes its rows from another split has no origin")
    return resolve_path(source.path, base, source.streaming, source.format)


def notes_of(origin: Origin) -> list[Problem]:
    """Return what was detected of how a source's files are written, as warnings."""
    return origin.notes() if isinstance(origin, Files) else []


def name_of(source: Source) -> str:
    """Return what a source's rows are said to come from where they are stored: a file's name, an address."""
    if source.path is not None:
        is_address = "://" in source.path
        return source.path if is_address else source.path.rsplit("/", 1)[-1]
    return (source.database or "sql").rsplit("/", 1)[-1]
