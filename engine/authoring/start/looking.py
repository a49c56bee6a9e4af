"""Looking at data that somebody wants a recipe for: read by the engine's own readers, with what was detected in it."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engine.authoring.start.columns import Column, is_number, profiled
from engine.data.records import BadRow, Record, told_once
from engine.data.sources.files import Files
from engine.data.sources.hub import is_hub
from engine.data.sources.origins import Origin, resolve_path
from engine.data.sources.readers import READERS, ending
from engine.errors import EngineError, Location, Problem, RecipeError
from engine.metrics import METRICS
from engine.spec.error_messages import describe
from engine.spec.recipe import Format

_MOST = 200_000
"""Rows that are looked at."""
_HEADERLESS = 0.9
"""Share of a column's values that are numbers, where its name is one too: it is no name then."""
_COMMA = re.compile(r"[-+−]?(?:\d+|\d{1,3}(?:\.\d{3})+),(?:\d{1,2}|\d{4,})")
"""A number whose comma parts decimals, whatever the language: three digits behind it might be thousands."""
_ANY_COMMA = re.compile(r"[-+−]?(?:\d+|\d{1,3}(?:\.\d{3})+)(?:,\d+)?")
_SHOWN = {"\t": "a tab", ",": "','", ";": "';'", "|": "'|'"}


@dataclass(frozen=True, slots=True)
class Looked:
    """Rows as far as they were looked at, and how they are read."""

    place: str
    """File, folder, pattern or address, as the user gave it."""
    form: Mapping[str, Any]
    """Settings of `format`, detected or given."""
    rows: list[dict[str, Any]]
    bad: tuple[Problem, ...]
    """Rows that cannot be read, those with the same fault as one."""
    bad_rows: int
    is_cut: bool
    """Whether more rows follow."""
    columns: Mapping[str, Column] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    """Name here -> name in the data, of columns whose name means something else in a recipe's SQL."""

    @property
    def said(self) -> str:
        """What was read and how, in a line."""
        more = " at least" if self.is_cut else ""
        count = f"{len(self.rows):,} row{'' if len(self.rows) == 1 else 's'}{more}"
        width = f"{len(self.columns)} column{'' if len(self.columns) == 1 else 's'}"
        said = f"{self.place}: {count}, {width}"
        how = ", ".join(_in_words(self.form))
        said = f"{said}; read as {how}" if how else said
        named = ", ".join(f"'{old}' is called '{new}' here" for new, old in self.rename.items())
        return f"{said}; {named}" if named else said


def _in_words(form: Mapping[str, Any]) -> Iterator[str]:
    """Yield how a file is read, in words."""
    for key, value in form.items():
        if key == "encoding":
            yield str(value)
        elif key == "delimiter":
            yield f"separated by {_SHOWN.get(value, repr(value))}"
        elif key == "decimal" and value == ",":
            yield "decimal comma"
        elif key == "sheet":
            yield f"sheet {value!r}"
        elif key == "header":
            yield "a table without a header" if value is False else f"columns named in line {value}"


def look(place: str, given: Mapping[str, Any]) -> Looked:
    """Return the rows behind a file, a folder of `save_to_disk`, a pattern or an `hf://` address.

    Args:
        place: What the user named.
        given: Settings of `format` that the user gave; the others are detected.

    Raises:
        RecipeError: it cannot be read, with what is wrong and what to do.
        EngineError: it has no rows.
    """
    with _named_here():
        origin = _origin(place)
        if not isinstance(origin, Files):
            return _checked(_read(place, origin, {}))
        settings = {
            k: v for k, v in given.items() if k in READERS[ending(origin.files[0])].settings
        }
        origin = replace(origin, form=_form(settings))
        settings |= origin.detected()
        looked = _read(place, replace(origin, form=_form(settings)), settings)
        can = READERS[ending(origin.files[0])].settings - settings.keys()
        if "header" in can and _is_headerless(looked):
            settings["header"] = False
            looked = _read(place, replace(origin, form=_form(settings)), settings)
        if "decimal" in can and _has_decimal_comma(looked):
            settings["decimal"] = ","
            looked = _read(place, replace(origin, form=_form(settings)), settings)
        return _checked(looked)


def form_of(assignments: Sequence[str]) -> dict[str, Any]:
    """Return what `--format key=value` says, in the types of a recipe's `format`; raises EngineError."""
    form: dict[str, Any] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or key not in Format.model_fields:
            known = ", ".join(Format.model_fields)
            raise EngineError(f"--format {text}: no setting", f"write KEY=VALUE; keys are {known}")
        words: dict[str, Any] = {"true": True, "false": False, "\\t": "\t", "tab": "\t"}
        is_count = key in ("header", "sheet") and value.isdecimal()
        form[key] = int(value) if is_count else words.get(value, value)
    _form(form)
    return form


def _form(settings: Mapping[str, Any]) -> Format:
    try:
        return Format.model_validate(dict(settings))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        what = f"--format {key}={describe(settings.get(key))}"
        reason = first["msg"].removeprefix("Value error, ")
        raise EngineError(f"{what}: {reason}", "docs/data.md, How files are written") from None


@contextmanager
def _named_here() -> Iterator[None]:
    """Say of advice on a recipe's `format` how `pada init` is told the same: there is no recipe yet."""
    try:
        yield
    except RecipeError as error:
        problems = [
            replace(
                each, hint=f"{each.hint}; here: `--format KEY=VALUE`, such as `--format header=3`"
            )
            if "format" in each.hint
            else each
            for each in error.problems
        ]
        raise RecipeError(problems) from None


def _origin(place: str) -> Origin:
    if is_hub(place):
        return resolve_path(place, Path())
    path = Path(place)
    if path.exists():
        # The user named it, so it may be read wherever it leads.
        found = Path(os.path.realpath(path))
        return resolve_path(found.name, found.parent)
    near = path.parent
    if not near.is_dir() and re.fullmatch(r"[\w.-]+/[\w.-]+", place, re.ASCII):
        message = "there is no such file or folder"
        hint = f"check the path; a data set of the Hugging Face Hub is named hf://{place}"
        raise RecipeError([Problem(Location.at(path), message, hint, code="data")])
    return resolve_path(path.name, near.absolute())


def _read(place: str, origin: Origin, form: Mapping[str, Any]) -> Looked:
    rows: list[dict[str, Any]] = []
    bad: list[BadRow] = []
    is_cut = False
    for number, row in enumerate(islice(origin.rows(), _MOST + 1)):
        if number == _MOST:
            is_cut = True
        elif isinstance(row, Record):
            rows.append(row.values)
        else:
            bad.append(row)
    told = tuple(told_once(bad, origin.name, by_row=origin.by_row))
    rename = _renamed(dict.fromkeys(name for row in rows for name in row))
    if rename:
        new_names = {old: new for new, old in rename.items()}
        rows = [{new_names.get(name, name): value for name, value in row.items()} for row in rows]
    return Looked(place, dict(form), rows, told, len(bad), is_cut, profiled(rows), rename)


def _renamed(names: Collection[str]) -> dict[str, str]:
    """Return new name -> name of columns that SQL would take for the student's answer, a score or another column."""
    scores = [score for m in METRICS.values() for score in (m.name, m.by_label and m.by_label.name)]
    known = {"prediction", *(score.casefold() for score in scores if score)}
    taken = {name.casefold() for name in names}
    found: dict[str, str] = {}
    for name in names:
        if name.casefold() in known:
            found[_free(name, ("column", "in_data"), taken)] = name
        known.add(name.casefold())
    return found


def _free(name: str, endings: Sequence[str], taken: set[str]) -> str:
    """Return a name for a column that none has, which it takes."""
    numbered = (f"{name}_{number}" for number in count(2))
    free = next(
        n for n in chain((f"{name}_{e}" for e in endings), numbered) if n.casefold() not in taken
    )
    taken.add(free.casefold())
    return free


def _checked(looked: Looked) -> Looked:
    """Return what was looked at; raises where it has no rows, or mostly bad ones."""
    if looked.bad_rows > len(looked.rows):
        raise RecipeError(list(looked.bad[:10]))
    if not looked.rows:
        raise EngineError(
            f"{looked.place}: this has no rows",
            "give a file whose first line names the columns, with a row below it for each example",
        )
    return looked


def _is_headerless(looked: Looked) -> bool:
    """Tell whether what was taken for the names of columns is a row like those below it."""
    for name, column in looked.columns.items():
        if not column.values:
            continue
        numbers = sum(map(is_number, column.values))
        if is_number(name) and numbers >= _HEADERLESS * len(column.values):
            return True
        if column.is_label and [str(value) for value in column.values].count(name) > 1:
            return True
    return False


def _has_decimal_comma(looked: Looked) -> bool:
    """Tell whether a column holds numbers with a decimal comma, and none holds other numbers with a full stop."""
    found = False
    for column in looked.columns.values():
        texts = [str(value).strip() for value in column.values]
        if any(re.fullmatch(r"[-+]?\d+\.(?:\d{1,2}|\d{4,})", text) for text in texts):
            return False
        are_numbers = texts and all(_ANY_COMMA.fullmatch(text) for text in texts)
        found = found or bool(are_numbers and any(_COMMA.fullmatch(text) for text in texts))
    return found
