"""CSV and TSV: fields between delimiters, under a header; what parts them is found where the ending does not say."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from engine.data.records import BadRow, Row
from engine.data.sources.texts import (
    LONGEST,
    Encoding,
    encoding_of,
    settled,
    text_lines,
    too_long,
    unreadable,
)
from engine.spec.recipe import Format
from engine.sql.expressions import Fault

_DELIMITERS = ",;\t|"
_SHOWN = {"\t": "a tab"}
_LOOKED_AT = 200
"""Lines by which the delimiter is told."""
_CHARACTERS_LOOKED_AT = 4 * 1024 * 1024
"""Most characters of these lines."""
_SEPARATOR = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)
"""The line that tells Excel what parts the fields."""
_COMMA_NUMBER = re.compile(r"[-+−]?(?:\d+|\d{1,3}(?:\.\d{3})+)(?:,\d+)?")


INDEX_LEFT_OUT = Fault(
    "the first column has no name and holds whole numbers, as pandas' index does: it is left out",
    "pandas writes none with `index=False`; to keep it, give it a name",
)


def index_fault(value: str) -> Fault | None:
    """Return what is wrong with a value in a first column without a name; nothing for a whole number."""
    if value.isdecimal():
        return None
    message = "the first column has no name, and holds whole numbers but here"
    return Fault(message, "give the column a name in the first line")


class _Head(NamedTuple):
    """The first lines of a file."""

    lines: Sequence[str]
    is_cut: bool
    """Whether more follow: the last row may then be a half one."""


class Layout(NamedTuple):
    """How a file is laid out."""

    encoding: Encoding
    delimiter: str
    skipped: int
    """Lines before the first row."""
    has_index: bool
    """Whether the first column has no name and holds whole numbers alone, as pandas writes its index."""
    empty: int
    """Columns at the end without a name and without a value, as spreadsheets write them."""
    said: tuple[Fault, ...]
    """What was detected."""


def layout_of(file: Path, form: Format, usual: str) -> Layout:
    """Return how a file is laid out; raises OSError, and RecipeError for one that is no text.

    Args:
        file: CSV or TSV.
        form: What the recipe says of it.
        usual: What parts the fields of files with this ending.
    """
    encoding = encoding_of(file, form, western=True)
    lines = _first_lines(file, encoding)
    said = [encoding.said] if encoding.said else []
    separator = _SEPARATOR.fullmatch(lines[0]) if lines else None
    skipped = 1 if separator else 0
    is_cut = len(lines) > _LOOKED_AT or sum(map(len, lines)) > _CHARACTERS_LOOKED_AT
    head = _Head(lines[skipped:_LOOKED_AT], is_cut)
    delimiter = form.delimiter or (separator[1] if separator else _delimiter(head, usual))
    if form.delimiter is None and delimiter != usual:
        said.append(_said(delimiter, usual))
    has_index = form.header and _has_index(head, delimiter)
    if has_index:
        said.append(INDEX_LEFT_OUT)
    empty = _empty_columns(head, delimiter) if form.header else 0
    return Layout(encoding, delimiter, skipped, has_index, empty, tuple(said))


def _first_lines(file: Path, encoding: Encoding) -> list[str]:
    """Return the lines that are looked at, and one more if there is; raises RecipeError for one without an end."""
    lines, characters = list[str](), 0
    for _, line in islice(text_lines(file, encoding), _LOOKED_AT + 1):
        lines.append("\n" if isinstance(line, BadRow) else line)
        characters += len(lines[-1])
        if characters > _CHARACTERS_LOOKED_AT:
            break
    return lines


def _said(delimiter: str, usual: str) -> Fault:
    message = f"fields are separated by {shown(delimiter)} here, not by {shown(usual)}: the file is read that way"
    written = "\\t" if delimiter == "\t" else delimiter
    return Fault(message, settled(f'delimiter: "{written}"'))


def shown(delimiter: str) -> str:
    """Return a delimiter as messages show it."""
    return _SHOWN.get(delimiter, f"'{delimiter}'")


def _delimiter(head: _Head, usual: str) -> str:
    """Return what parts the header into names and most rows into as many fields; `usual` where it is as good.

    A sniffer that also guesses quotes would read good files otherwise than they are.
    """
    header = next((line for line in head.lines if line.strip()), "")
    others = [each for each in _DELIMITERS if each != usual and each in header]
    shares = {each: _agreement(head, each) for each in (usual, *others)} if others else {}
    best = max(shares, key=shares.__getitem__, default=usual)
    return best if shares.get(best, 0) > 0.5 else usual


def _agreement(head: _Head, delimiter: str) -> float:
    """Return the share of rows with as many fields as the header; 0 where that has only one."""
    rows = _sample(head, delimiter)
    width = len(rows[0]) if rows else 0
    if width < 2:
        return 0.0
    return sum(len(row) == width for row in rows[1:]) / len(rows[1:]) if rows[1:] else 1.0


def _sample(head: _Head, delimiter: str) -> list[list[str]]:
    """Return the rows of the first lines, as far as they can be read and are whole."""
    rows: list[list[str]] = []
    with suppress(csv.Error):
        rows.extend(row for row in csv.reader(head.lines, delimiter=delimiter) if row)
    return rows[:-1] if head.is_cut and len(rows) > 1 else rows


def _has_index(head: _Head, delimiter: str) -> bool:
    header, *rows = _sample(head, delimiter) or [[]]
    is_nameless = len(header) > 1 and not header[0].strip() and all(map(str.strip, header[1:]))
    return is_nameless and bool(rows) and all(row[0].isdecimal() for row in rows)


def _empty_columns(head: _Head, delimiter: str) -> int:
    header, *rows = _sample(head, delimiter) or [[]]
    named = max((place for place, name in enumerate(header, start=1) if name.strip()), default=0)
    is_empty = named and all(len(row) == len(header) and not any(row[named:]) for row in rows)
    return len(header) - named if is_empty else 0


def read_delimited(file: Path, form: Format, usual: str) -> Iterator[Row | BadRow]:
    """Yield the rows of a file whose fields are parted by `usual`, unless it shows otherwise; every value is text."""
    csv.field_size_limit(LONGEST)
    layout = layout_of(file, form, usual)
    broken: list[BadRow] = []
    texts = _Texts(file, layout, broken)
    reader = csv.reader(texts, delimiter=layout.delimiter, strict=True)
    start = 1
    header: list[str] | None = None
    try:
        for fields in reader:
            line, start = start, reader.line_num + 1
            texts.begin(start)
            yield from broken
            broken.clear()
            if not fields:
                continue
            # A row that is shorter than the header was before is short of columns that have a name.
            whole = header is None or len(fields) == len(header) + layout.empty
            if layout.empty and whole and not any(fields[-layout.empty :]):
                fields = fields[: -layout.empty]
            if header is None:
                header = _header(file, fields, line, layout, form)
                if form.header:
                    continue
            if len(fields) != len(header):
                yield BadRow(line, _wrong_width(fields, header, layout.delimiter))
                continue
            values = fields if form.decimal == "." else map(_pointed, fields)
            row = dict(zip(header, values, strict=True))
            fault = index_fault(row.pop(header[0])) if layout.has_index else None
            yield BadRow(line, fault) if fault else (line, row)
    except csv.Error as error:
        yield from broken
        # What follows cannot be told apart into rows any more.
        hint = "check the quotes of this row: it may be one that is never closed"
        raise unreadable(file, start, f"this is not valid CSV: {error}", hint) from None


class _Texts:
    """The lines of a file as text, for rows that may go over several; those that are not text join `broken`."""

    def __init__(self, file: Path, layout: Layout, broken: list[BadRow]) -> None:
        self._file, self._lines = file, text_lines(file, layout.encoding)
        self._skipped, self._broken = layout.skipped, broken
        self._row, self._characters = 1, 0

    def begin(self, line: int) -> None:
        """Note that a row begins on a line."""
        self._row, self._characters = line, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        number, line = next(self._lines)
        # An empty line keeps the count of lines and is no row.
        if isinstance(line, BadRow):
            self._broken.append(line)
            return "\n"
        self._characters += len(line)
        if self._characters > LONGEST:
            raise too_long(self._file, self._row, "row")
        return "\n" if number <= self._skipped else line


def _header(file: Path, fields: list[str], line: int, layout: Layout, form: Format) -> list[str]:
    if not form.header:
        return [f"column{number}" for number in range(len(fields))]
    check_names(file, fields[1:] if layout.has_index else fields, line, layout.has_index)
    return fields


def check_names(file: Path, names: Sequence[str], line: int, before: int = 0) -> None:
    """Raise RecipeError for names of columns that are empty or there twice; `before` stand in front of them."""
    for index, name in enumerate(names, start=1 + before):
        if not name.strip():
            message = f"column {index} has no name"
            hint = "give every column a name in the first line, or say `format: {header: false}`"
            raise unreadable(file, line, message, hint)
    check_different(file, names, line)


def check_different(file: Path, names: Sequence[str], line: int) -> None:
    """Raise RecipeError for names of columns that are there twice."""
    for name, times in Counter(names).items():
        if times > 1:
            message = f"two columns are called '{name}'"
            raise unreadable(file, line, message, "give each column a name of its own")


def _wrong_width(fields: Sequence[str], header: Sequence[str], delimiter: str) -> Fault:
    """Return what is wrong with a row that has not as many fields as the header, and what it may come from."""
    many = f"{len(fields)} field{'s' if len(fields) > 1 else ''}"
    message = f"this row has {many}, the header has {len(header)}"
    other = next((each for each in _DELIMITERS if each != delimiter and each in fields[0]), "")
    if len(fields) == 1 and fields[0].count(other or "\n") == len(header) - 1:
        hint = (
            f"its fields are separated by {shown(other)}: write {shown(delimiter)} as in the header"
        )
    elif len(fields) > len(header):
        hint = f"put quotes around a field that contains {shown(delimiter)}"
    else:
        hint = "a field is missing, or one with a line break has no quotes around it"
    return Fault(message, hint)


def _pointed(field: str) -> str:
    """Return a number with a decimal comma with a full stop; other text as it is."""
    text = field.strip()
    return text.replace(".", "").replace(",", ".") if _COMMA_NUMBER.fullmatch(text) else field
