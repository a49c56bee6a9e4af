"""Excel's XLSX files: the rows of one sheet under its header, with the values that Excel has computed."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

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
from engine.data.sources.texts import LONGEST, settled, unreadable
from engine.errors import RecipeError
from engine.registry import did_you_mean
from engine.spec.recipe import Format
from engine.sql.expressions import Fault
from engine.sql.row_values import json_value

_BATCH = 4096
_LOOKED_AT = 200
"""Filled rows by which a title is told."""
_COUNTED = 20_000
"""Rows of a sheet by which the table among several is told."""
_LARGEST = 1 << 30
"""Bytes of all parts of a file together, unpacked."""
_LARGEST_PART = 128 * 1024 * 1024
"""Bytes of a part that is held in memory whole, such as the texts that cells share."""
_ROW = re.compile(rb"<(?:\w+:)?row\b")
"""How a row begins."""
_CODED = "#"
"""How the values of cells begin in which Excel shows a mistake: `#N/A`, `#REF!`."""
_MISTAKES = frozenset(
    {"#N/A", "#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!"}
)


def read_excel(file: Path, form: Format) -> Iterator[Row | BadRow]:
    """Yield the rows of a sheet; empty cells have no value, numbers are numbers, dates become text."""
    with _opened(file) as book:
        sheet = _sheet(file, book, form)
        filled = ((n, cells) for n, cells in _rows(file, sheet) if _width(cells))
        if not form.header:
            yield from _without_names(filled)
            return
        wanted = line_named(form) or 1
        below = (row for row in filled if row[0] >= wanted)
        first = list(islice(below, _LOOKED_AT))
        line = first[0][0] if first else None
        check_named_line(file, form, line)
        if line is None:
            return
        title = _title(first) if form.header is True else None
        cells = first[0][1]
        names = _names(cells[: _width(cells)])
        has_index = _has_index(cells)
        check_names(file, names[1:] if has_index else names, line, before=has_index, title=title)
        for number, row in chain(first[1:], below):
            yield _row(number, row, (line, names), has_index, title)


def _without_names(rows: Iterable[tuple[int, Sequence[Any]]]) -> Iterator[Row | BadRow]:
    """Yield the rows of a sheet without names, with as many columns as any row had so far."""
    widest = 0
    for number, cells in rows:
        widest = max(widest, _width(cells))
        yield _row(number, cells, (0, numbered_names(widest)), False, None)


def excel_notes(file: Path, form: Format) -> list[Fault]:
    """Return what was chosen in an Excel file: nothing where it cannot be read."""
    try:
        with _opened(file) as book:
            names = [sheet.title for sheet in book.worksheets]
            wanted = line_named(form) or 1
            rows = _rows(file, _sheet(file, book, form))
            filled = (row for row in rows if row[0] >= wanted and _width(row[1]))
            first = list(islice(filled, _LOOKED_AT))
    except (RecipeError, OSError):
        return []
    said = [INDEX_LEFT_OUT] if form.header and first and _has_index(first[0][1]) else []
    title = _title(first) if form.header is True else None
    return [*said, *([title.fault] if title else []), *_sheet_note(names, form)]


def detected_sheet(file: Path, form: Format) -> dict[str, Any]:
    """Return which of several sheets is a table, and which line names its columns, as settings of `format`.

    The table is the sheet with the most rows of at least two cells, the first of equals.

    Raises:
        RecipeError: the file cannot be read.
    """
    found: dict[str, Any] = {}
    with _opened(file) as book:
        if form.sheet is None and len(book.worksheets) > 1:
            rows = {sheet.title: _table_rows(file, sheet) for sheet in book.worksheets}
            found["sheet"] = max(rows, key=lambda name: rows[name])
        chosen = form.model_copy(update=found)
        filled = (row for row in _rows(file, _sheet(file, book, chosen)) if _width(row[1]))
        title = _title(islice(filled, _LOOKED_AT)) if form.header is True else None
    return found | ({"header": title.names} if title else {})


def sheets_in(file: Path) -> list[str]:
    """Return the names of the sheets of an Excel file; raises RecipeError where it cannot be read."""
    with _opened(file) as book:
        return [sheet.title for sheet in book.worksheets]


def _table_rows(file: Path, sheet: Any) -> int:
    rows = islice(_rows(file, sheet), _COUNTED)
    return sum(sum(cell is not None for cell in cells) > 1 for _, cells in rows)


def _title(rows: Iterable[tuple[int, Sequence[Any]]]) -> Title | None:
    return title_above([(number, _names(cells)) for number, cells in rows])


def _sheet_note(names: Sequence[str], form: Format) -> list[Fault]:
    if form.sheet is not None or len(names) < 2:
        return []
    others = ", ".join(f"'{name}'" for name in names[1:4]) + (", …" if len(names) > 4 else "")
    message = f"this has {len(names)} sheets: the first, '{names[0]}', is read, not {others}"
    return [Fault(message, settled(f'sheet: "{names[0]}"'))]


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    # The library is slow to import and few recipes need it.
    import openpyxl

    try:
        with warnings.catch_warnings():
            # It tells of each kind of format and drawing that it does not know.
            warnings.simplefilter("ignore")
            _check_size(file)
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, SyntaxError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        message = f"this is not a readable Excel file: {reason}"
        hint = "save it again as XLSX, without a password"
        raise unreadable(file, 1, message, hint) from None
    try:
        yield book
    finally:
        book.close()


def _check_size(file: Path) -> None:
    """Refuse a file whose parts unpack to more than can be read; raises RecipeError, BadZipFile."""
    with zipfile.ZipFile(file) as parts:
        found = parts.infolist()
        unpacked = sum(part.file_size for part in found)
        if unpacked > _LARGEST:
            raise _too_large(
                file, f"it unpacks to {unpacked:,} bytes, more than {_LARGEST:,} (1 GiB)"
            )
        for part in found:
            if part.file_size > LONGEST:
                with parts.open(part) as stream:
                    _check_part(file, part, stream)


def _check_part(file: Path, part: zipfile.ZipInfo, stream: IO[bytes]) -> None:
    """Refuse a sheet with a row that has no end, and another part that is larger than memory should hold."""
    has_rows, longest, since = False, 0, 0
    for block in iter(lambda: stream.read(1 << 20), b""):
        begun = -since
        for found in _ROW.finditer(block):
            has_rows = True
            longest, begun = max(longest, found.start() - begun), found.start()
        since = len(block) - begun
    longest = max(longest, since)
    if has_rows and longest > LONGEST:
        said = f"a row of {part.filename} has more than {LONGEST:,} bytes ({LONGEST >> 20} MiB)"
        raise _too_large(file, said)
    if not has_rows and part.file_size > _LARGEST_PART:
        said = (
            f"{part.filename} has {part.file_size:,} bytes, more than {_LARGEST_PART:,} (128 MiB)"
        )
        raise _too_large(file, said)


def _too_large(file: Path, said: str) -> RecipeError:
    hint = "save the sheet as CSV or Parquet, which are read row by row"
    return unreadable(file, 1, f"this Excel file is not read: {said}", hint)


def _sheet(file: Path, book: Any, form: Format) -> Any:
    names: list[str] = [sheet.title for sheet in book.worksheets]
    wanted = 1 if form.sheet is None else form.sheet
    if isinstance(wanted, int) and wanted <= len(names):
        return book.worksheets[wanted - 1]
    if wanted in names:
        return book[wanted]
    message = f"there is no sheet {wanted!r}"
    known = ", ".join(f"'{name}'" for name in names)
    near = did_you_mean(str(wanted), names)
    raise unreadable(file, 1, message, near or f"the sheets are {known}")


def _rows(file: Path, sheet: Any) -> Iterator[tuple[int, Sequence[Any]]]:
    """Yield the rows with their numbers; raises RecipeError."""
    # Some programs write a wrong size, behind which nothing would be read.
    sheet.reset_dimensions()
    rows = enumerate(sheet.iter_rows(values_only=True), start=1)
    number = 0
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                batch = list(islice(rows, _BATCH))
        except (zipfile.BadZipFile, KeyError, ValueError, SyntaxError, EOFError) as error:
            message = f"this sheet cannot be read: {error}"
            raise unreadable(file, number + 1, message, "save the file again") from None
        if not batch:
            return
        yield from batch
        number = batch[-1][0]


def _width(cells: Sequence[Any]) -> int:
    """Return how many cells there are up to the last one with a value."""
    return max((place for place, cell in enumerate(cells, start=1) if cell is not None), default=0)


def _has_index(names: Sequence[Any]) -> bool:
    return _width(names) > 1 and names[0] is None


def _names(cells: Sequence[Any]) -> list[str]:
    """Return cells as the names of columns."""
    return ["" if cell is None else str(json_value(cell)) for cell in cells]


def _row(
    number: int, cells: Sequence[Any], header: Numbered, has_index: bool, title: Title | None
) -> Row | BadRow:
    names = header[1]
    if (width := _width(cells)) > len(names):
        message = f"this row has a value in column {width}, the header has {len(names)}"
        hint = said_with(title, "give the column a name, or empty the cell", header)
        return BadRow(number, Fault(message, hint))
    padded = [*cells[: len(names)], *[None] * (len(names) - len(cells))]
    row = {name: json_value(value) for name, value in zip(names, padded, strict=True)}
    for name, value in row.items():
        if isinstance(value, str) and value.startswith(_CODED) and value in _MISTAKES:
            hint = "correct the formula, or empty the cell"
            return BadRow(number, Fault(f"the cell of '{name}' shows the error {value}", hint))
    if has_index and (fault := index_fault(str(row.pop(names[0])))):
        return BadRow(number, fault)
    return number, row
