"""Data files as a source: one, or all that fit a pattern such as `data/*.jsonl`, in the order of their names."""

from __future__ import annotations

import glob
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from engine.data.records import BadRow, Record
from engine.data.sources.readers import READERS, ending
from engine.data.sources.texts import COMPRESSED
from engine.errors import Location, Problem, RecipeError, boundary
from engine.fingerprint import file_digest
from engine.gate import is_above_named, passed
from engine.registry import did_you_mean
from engine.spec.recipe import Format
from engine.sql.expressions import Fault

NO_DATA = "no-data"
"""Code of the problem that data are not there."""
_ENDINGS = [a + b for a, b in product(READERS, ("", *COMPRESSED)) if not b or READERS[a].compressed]


@dataclass(frozen=True, slots=True)
class Files:
    """Files whose rows follow one another."""

    files: tuple[Path, ...]
    root: Path | None = None
    """The folder from which a row's file is named; None for a single file."""
    form: Format = field(default_factory=Format)
    """What the recipe says of how they are written."""
    base: Path | None = None
    """The recipe's folder, by which it is told what may be read; None for what has passed already."""

    @property
    def name(self) -> str:
        """The file, or the folder of the files, as shown in messages."""
        return Location.at(self.root or self.files[0]).file

    @property
    def by_row(self) -> bool:
        """False: a row is on a line, or has a number in its file."""
        return False

    @property
    def known_by_rows(self) -> bool:
        """False: files are known by their bytes."""
        return False

    def rows(self) -> Iterator[Record | BadRow]:
        """Yield the rows; raises RecipeError for what cannot be read."""
        for file in self.files:
            name = file.relative_to(self.root).as_posix() if self.root else ""
            # Libraries raise dozens of unrelated types over damaged files.
            with boundary(partial(_unreadable, file)):
                yield from self._rows_of(file, name)

    def _rows_of(self, file: Path, name: str) -> Iterator[Record | BadRow]:
        try:
            for row in READERS[ending(file)].rows(passed_file(file, self.base), self.form):
                if isinstance(row, BadRow):
                    yield row._replace(file=name)
                else:
                    yield Record(*row, name)
        except (EOFError, zlib.error) as error:
            message = f"the compressed data ends early or is damaged: {error}"
            raise problem(file, message, "make the file again") from None

    def notes(self) -> list[Problem]:
        """Return what was detected in the files and is not what their endings say, as warnings."""
        return [
            Problem(Location.at(file), message, hint, "warning", "format")
            for file in self.files
            for message, hint in _notes(file, passed_file(file, self.base), self.form)
        ]

    def detected(self) -> dict[str, Any]:
        """Return what was detected in the first file, as settings of `format`; raises RecipeError."""
        file = self.files[0]
        with boundary(partial(_unreadable, file)):
            return READERS[ending(file)].detected(passed_file(file, self.base), self.form)

    def digest(self) -> str:
        """Return the digest of the bytes and of how they are read, whatever the files are called; raises OSError."""
        content = hashlib.sha256()
        for file in self.files:
            content.update(f"{ending(file)}:{file_digest(passed_file(file, self.base))}\n".encode())
        return content.hexdigest()


def _notes(file: Path, found: Path, form: Format) -> Sequence[Fault]:
    """Return what was detected in a file, at the place `found`; nothing where reading it will say what is wrong."""
    try:
        with boundary(partial(_unreadable, file)):
            return READERS[ending(file)].notes(found, form)
    except RecipeError:
        return ()


def _unreadable(file: Path, reason: str) -> RecipeError:
    return problem(file, f"this file cannot be read: {reason}", "check it, or make it again")


def passed_file(file: Path, base: Path | None) -> Path:
    """Return a file resolved, to be opened as it is; raises RecipeError where the recipe in `base` may not read it.

    A link to a file with another ending stays one: its own name says how it is read, as in the Hub's cache.
    """
    found = passed(file, base, lambda message, hint: _outside(file, message, hint))
    return found if found.suffixes == file.suffixes else file


def _outside(file: Path, message: str, hint: str) -> RecipeError:
    return RecipeError([Problem(Location.at(file), message, hint, code="outside")])


def problem(file: Path, message: str, hint: str, code: str = "data") -> RecipeError:
    """Return one problem with a file as a whole."""
    return RecipeError([Problem(Location.at(file), message, hint, code=code)])


def find_files(path: str, base: Path, form: Format | None = None) -> Files:
    """Return the file behind `path` (its ending may be left out), or all that fit it as a pattern.

    Raises:
        RecipeError: no file fits, more than one fits a path without an ending, or `form` says what a file cannot have.
    """
    found = _found(path, base)
    if form is None:
        return found
    for file in found.files:
        _check_form(file, form)
    return replace(found, form=form)


def _check_form(file: Path, form: Format) -> None:
    known = READERS[ending(file)].settings
    for setting in sorted(form.model_fields_set - known):
        message = f"format.{setting} says nothing of a file with the ending '{ending(file)}'"
        hint = (
            f"leave it out: what can be said is {', '.join(sorted(known))}"
            if known
            else "leave it out"
        )
        raise problem(file, message, hint)


def _found(path: str, base: Path) -> Files:
    file = base / path
    try:
        if glob.has_magic(path) and not file.exists():
            return _fitting(path, base)
        # Not even whether it is there is told of a place that may not be read.
        passed_file(file, base)
        found = _existing(file)
        passed_file(found, base)
        return Files((found,), base=base)
    except OSError as error:
        raise problem(file, f"this path cannot be used: {error.strerror}", "check it") from None


def _fitting(path: str, base: Path) -> Files:
    # The folder's own name is no pattern, whatever stands in it.
    parts = Path(path).parts
    if parts.count("**") > 1:
        # Each further one multiplies the ways in which a file fits.
        raise problem(base / path, "`**` stands in this pattern more than once", "once is enough")
    fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    root = base.joinpath(*parts[:fixed])
    _pass_pattern(path, root, base)
    names = sorted(glob.glob("/".join(parts[fixed:]), root_dir=root, recursive=True))
    files = tuple(root / name for name in names if (root / name).is_file())
    if readable := tuple(file for file in files if ending(file) in READERS):
        for file in readable:
            passed_file(file, base)
        return Files(readable, root, base=base)
    if not root.is_dir():
        message = "no file fits: the folder does not exist"
        raise problem(base / path, message, "check the path", NO_DATA)
    hint = f"known endings are {', '.join(READERS)}" if files else "check the pattern"
    raise problem(base / path, "no data file fits this pattern", hint, NO_DATA)


def _pass_pattern(path: str, root: Path, base: Path) -> None:
    """Refuse a pattern that looks in a folder that may not be read, unless all that fits it was named by the user."""
    try:
        passed_file(root, base)
    except RecipeError:
        if not is_above_named(root, base):
            raise


def _existing(file: Path) -> Path:
    if file.is_file():
        if ending(file) in READERS:
            return file
        hint = f"convert it: known endings are {', '.join(READERS)}, also with {' or '.join(COMPRESSED)}"
        raise problem(file, f"data with the ending '{file.suffix}' cannot be read", hint)
    fitting = _with_endings(file)
    if len(fitting) > 1:
        names = ", ".join(candidate.name for candidate in fitting)
        raise problem(
            file, f"more than one file fits: {names}", "add the ending of the one you mean"
        )
    if not fitting:
        raise _missing(file)
    return fitting[0]


def _with_endings(file: Path) -> list[Path]:
    """Return the files that a path without an ending may mean, in the order of the endings."""
    # A path such as '.' or '/' has no name to which an ending could be put.
    if not file.name or not file.parent.is_dir():
        return []
    places = {file.name + each: place for place, each in enumerate(_ENDINGS)}
    found: dict[int, Path] = {}
    for each in file.parent.iterdir():
        begins = each.name.startswith(file.name)
        name = file.name + each.name[len(file.name) :].lower()
        if begins and name in places and each.is_file():
            found[places[name]] = each
    return [found[place] for place in sorted(found)]


def _missing(file: Path) -> RecipeError:
    if file.is_dir():
        hint = f"name a file in it, or a pattern such as {file.name or '.'}/*.jsonl"
        return problem(file, "this is a folder, not a data file", hint)
    if not file.parent.is_dir():
        message = "there is no such file: its folder does not exist"
        return problem(file, message, "check the path", NO_DATA)
    near = [each.name for each in file.parent.iterdir() if ending(each) in READERS]
    hint = (
        did_you_mean(file.name, near) if near else f"its folder has no {', '.join(READERS)} files"
    )
    return problem(file, "there is no such file", hint, NO_DATA)
