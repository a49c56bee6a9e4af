"""CSV and TSV: fields between delimiters, under a header; what parts them is found where the ending does not say."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from engine.data.records import BadRow, Row
from engine.data.sources.headers import (
    INDEX_LEFT_OUT,
    Numbered,
    Title,
    check_named_line,
    check_names,
    index_fault,
    line_named,
    numbered_names,
    said_with,
    title_above,
)
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


class _Head(NamedTuple):
    """The first lines of a file, from the one that names the columns."""

    lines: Sequence[str]
    skipped: int
    """Lines before them."""
    is_named: bool
    """Whether the first one that is not empty names the columns."""
    is_cut: bool
    """Whether more follow: the last row may then be a half one."""


class Layout(NamedTuple):
    """How a file is laid out."""

    encoding: Encoding
    delimiter: str
    skipped: int
    """Lines before the first row."""
    width: int
    """Fields of most rows, where no line names the columns; else 0."""
    title: Title | None
    """That the first line looks like a title, where it does."""
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
    above = (line_named(form) or 1) - 1
    lines = _first_lines(file, encoding, above)
    said = [encoding.said] if encoding.said else []
    separator = _SEPARATOR.fullmatch(lines[0]) if lines else None
    skipped = max(above, 1 if separator else 0)
    below = lines[1 if separator or above else 0 :]
    is_cut = len(below) > _LOOKED_AT or sum(map(len, below)) > _CHARACTERS_LOOKED_AT
    head = _Head(below[:_LOOKED_AT], skipped, bool(form.header), is_cut)
    if form.delimiter is not None:
        _check_delimiter(file, head, form.delimiter)
    delimiter = form.delimiter or (separator[1] if separator else _delimiter(head, usual))
    if form.delimiter is None and delimiter != usual:
        said.append(_said(delimiter, usual))
    has_index = head.is_named and _has_index(head, delimiter)
    if has_index:
        said.append(INDEX_LEFT_OUT)
    title = _title(head, form, delimiter) if form.header is True else None
    if title:
        said.append(title.fault)
    empty = _empty_columns(head, delimiter) if form.header else 0
    width = 0 if form.header else _width(_sample(head, delimiter))
    return Layout(encoding, delimiter, skipped, width, title, has_index, empty, tuple(said))


def _check_delimiter(file: Path, head: _Head, said: str) -> None:
    """Raise RecipeError where the fields are parted by another sign than `format` says: no column has its name then."""
    rows = _numbered_sample(head, said)
    if not rows or len(rows[0][1]) > 1:
        return
    others = {each: _agreement(head, each) for each in _DELIMITERS if each != said}
    best = max(others, key=others.__getitem__)
    if others[best] > 0.5:
        message = (
            f"fields are separated by {shown(best)} here, not by {shown(said)} as `format` says"
        )
        written = "\\t" if best == "\t" else best
        hint = (
            f'write `format: {{delimiter: "{written}"}}`, or leave `delimiter` out, and it is found'
        )
        raise unreadable(file, rows[0][0], message, hint)


def _check_text_above(file: Path, broken: Sequence[BadRow], layout: Layout) -> None:
    """Raise RecipeError where the line that names the columns is no text: the next one must not be taken for it."""
    named = next((bad for bad in broken if bad.line > layout.skipped), None)
    if named is not None:
        fault = named.fault
        raise unreadable(file, named.line, *fault, column=named.column)


def detected_in(file: Path, form: Format, usual: str) -> dict[str, Any]:
    """Return what of a file's layout is not what its ending says, as settings of `format`; arguments as `layout_of`."""
    layout = layout_of(file, form, usual)
    found: dict[str, Any] = {}
    if layout.title:
        named = {"header": layout.title.names}
        return detected_in(file, form.model_copy(update=named), usual) | named
    if form.encoding is None and layout.encoding.said:
        found["encoding"] = layout.encoding.name
    if form.delimiter is None and layout.delimiter != usual:
        found["delimiter"] = layout.delimiter
    return found


def _first_lines(file: Path, encoding: Encoding, above: int) -> list[str]:
    """Return the first line, those below `above` that are looked at, and one more if there is.

    Raises RecipeError for a line without an end.
    """
    lines, characters = list[str](), 0
    for number, line in islice(text_lines(file, encoding), above + _LOOKED_AT + 1):
        if 1 < number <= above:
            continue
        lines.append("\n" if isinstance(line, BadRow) else line)
        characters += len(lines[-1])
        if characters > _CHARACTERS_LOOKED_AT:
            break
    return lines


def _title(head: _Head, form: Format, delimiter: str) -> Title | None:
    """Return that the first line looks like a title; what parts the fields below may be another sign than it has."""
    others = [] if form.delimiter else [each for each in _DELIMITERS if each != delimiter]
    for each in (delimiter, *others):
        if title := title_above(_numbered_sample(head, each), whole=False):
            return title
        if _agreement(head, each):
            break
    return None


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
    where = [header] if head.is_named else head.lines
    others = [e for e in _DELIMITERS if e != usual and any(e in line for line in where)]
    shares = {each: _agreement(head, each) for each in (usual, *others)} if others else {}
    best = max(shares, key=shares.__getitem__, default=usual)
    return best if shares.get(best, 0) > 0.5 else usual


def _agreement(head: _Head, delimiter: str) -> float:
    """Return the share of rows with as many fields as the header, or as most have; 0 where that is only one."""
    rows = _sample(head, delimiter)
    width = len(rows[0]) if rows and head.is_named else _width(rows)
    if width < 2:
        return 0.0
    below = rows[1:] if head.is_named else rows
    return sum(len(row) == width for row in below) / len(below) if below else 1.0


def _width(rows: Sequence[Sequence[str]]) -> int:
    """Return how many fields most rows have."""
    return max(Counter(map(len, rows)).items(), key=lambda one: one[::-1], default=(0, 0))[0]


def _sample(head: _Head, delimiter: str) -> list[list[str]]:
    """Return the rows of the first lines, as far as they can be read and are whole."""
    return [row for _, row in _numbered_sample(head, delimiter)]


def _numbered_sample(head: _Head, delimiter: str) -> list[tuple[int, list[str]]]:
    """Return the same with the line that each begins on."""
    rows: list[tuple[int, list[str]]] = []
    reader = csv.reader(head.lines, delimiter=delimiter)
    start = 1
    with suppress(csv.Error):
        for row in reader:
            if row:
                rows.append((head.skipped + start, row))
            start = reader.line_num + 1
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
    header: Numbered | None = None
    try:
        for fields in reader:
            line, start = start, reader.line_num + 1
            texts.begin(start)
            if form.header and header is None:
                _check_text_above(file, broken, layout)
            yield from broken
            broken.clear()
            if not fields:
                continue
            # A row that is shorter than the header was before is short of columns that have a name.
            whole = header is None or len(fields) == len(header[1]) + layout.empty
            if layout.empty and whole and not any(fields[-layout.empty :]):
                fields = fields[: -layout.empty]
            if header is None:
                check_named_line(file, form, line)
                header = (line, _names(file, fields, line, layout, form))
                if form.header:
                    continue
            names = header[1]
            if len(fields) != len(names):
                yield BadRow(line, _wrong_width(fields, header, layout, form))
                continue
            values = fields if form.decimal == "." else map(_pointed, fields)
            row = dict(zip(names, values, strict=True))
            fault = index_fault(row.pop(names[0])) if layout.has_index else None
            yield BadRow(line, fault) if fault else (line, row)
        if header is None:
            check_named_line(file, form, None)
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


def _names(file: Path, fields: list[str], line: int, layout: Layout, form: Format) -> list[str]:
    if not form.header:
        return numbered_names(layout.width or len(fields))
    named = fields[1:] if layout.has_index else fields
    check_names(file, named, line, before=layout.has_index, title=layout.title)
    return fields


def _wrong_width(fields: Sequence[str], header: Numbered, layout: Layout, form: Format) -> Fault:
    """Return what is wrong with a row that has not as many fields as the header, and what it may come from."""
    delimiter, width = layout.delimiter, len(header[1])
    many = f"{len(fields)} field{'s' if len(fields) > 1 else ''}"
    others = "the header has" if form.header else "most rows have"
    message = f"this row has {many}, {others} {width}"
    other = next((each for each in _DELIMITERS if each != delimiter and each in fields[0]), "")
    if len(fields) == 1 and fields[0].count(other or "\n") == width - 1:
        hint = (
            f"its fields are separated by {shown(other)}: write {shown(delimiter)} as in the header"
        )
    elif len(fields) > width:
        hint = f"put quotes around a field that contains {shown(delimiter)}"
    else:
        hint = "a field is missing, or one with a line break has no quotes around it"
    return Fault(message, said_with(layout.title, hint, header) if form.header else hint)


def _pointed(field: str) -> str:
    """Return a number with a decimal comma with a full stop; other text as it is."""
    text = field.strip()
    return text.replace(".", "").replace(",", ".") if _COMMA_NUMBER.fullmatch(text) else field
