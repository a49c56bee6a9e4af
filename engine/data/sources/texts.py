"""Text files as lines: decompressed, and decoded as the recipe says, or a mark at the start, or the bytes."""

from __future__ import annotations

import codecs
import gzip
import io
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from engine.data.records import BadRow
from engine.errors import Location, Problem, RecipeError
from engine.spec.recipe import Format
from engine.sql.expressions import Fault

COMPRESSED = (".gz", ".zst")
UTF8 = "utf-8"
_WESTERN = "cp1252"
LONGEST = 16 * 1024 * 1024
"""Bytes of a line or a row, decompressed (characters, where those are counted): a longer one is no row of any task."""
_BLOCK = 1 << 20
_HEAD = 4096
"""Bytes in which UTF-16 without a mark is looked for."""
# UTF-32 first: its little-endian mark starts with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HIGH = re.compile(rb"[\x80-\xff]+")
_NEVER_WESTERN = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
"""Bytes that Windows-1252 leaves undefined."""

_SMALL, _CAPITAL = "a-zß-öø-ÿœšž", "A-ZÀ-ÖØ-ÞŒŠŽŸ"
_STRANGE = re.compile(
    rf"(?<=[{_SMALL}{_CAPITAL}])[^\x00-\x7f{_SMALL}{_CAPITAL}’‘´·–—…\xad\xa0](?=[{_SMALL}{_CAPITAL}])"
    rf"|(?<=[{_SMALL}])[À-ÖØ-ÞŒŠŽŸ](?=[{_SMALL}])"
)
"""What no Western word has: a sign between two letters, a capital beyond ASCII between two small ones.

So read is what Windows-1250 and 1251, DOS and the old Macintosh write for single letters.
"""
_STRANGE_AT_MOST = 0.1
"""Share of the characters beyond ASCII."""


class Encoding(NamedTuple):
    """How the bytes of a file are text."""

    name: str
    """As Python names it; `utf-8` also where a byte order mark stands in front."""
    said: Fault | None = None
    """What to tell the user, where it was detected and is not UTF-8."""

    @property
    def is_wide(self) -> bool:
        """Whether a line's end is more than one byte."""
        return self.name.startswith(("utf-16", "utf-32"))


def opened(file: Path) -> BinaryIO:
    """Open a file for reading, decompressed; raises OSError."""
    compression = file.suffix.lower()
    if compression == ".gz":
        return cast(BinaryIO, gzip.open(file, "rb"))
    if compression == ".zst":
        import pyarrow as pa

        # pyarrow's stream has no lines of its own.
        return io.BufferedReader(pa.input_stream(str(file), compression="zstd"))
    return file.open("rb")


def unreadable(file: Path, line: int, message: str, hint: str, column: int = 1) -> RecipeError:
    """Return a mistake behind which nothing of the file can be read."""
    return RecipeError([Problem(Location.at(file, line, column), message, hint, code="data")])


def too_long(file: Path, line: int, what: str = "line") -> RecipeError:
    """Return the mistake that a line, or a row, has no end: it is not read on, so that it does not fill the memory."""
    return unreadable(
        file,
        line,
        f"this {what} has more than {LONGEST:,} bytes ({LONGEST >> 20} MiB), decompressed: it is not read on",
        f"no row is that long: look whether the file is what its name says; if it is, leave this {what} out",
    )


def encoding_of(file: Path, form: Format, *, western: bool = False) -> Encoding:
    """Return how a file is encoded: as the recipe says, by its byte order mark, or by its bytes; raises OSError.

    With `western`, what is no UTF-8 anywhere may be Windows-1252, as Excel writes CSV: the whole file is looked at.
    """
    if form.encoding is not None:
        name = codecs.lookup(form.encoding).name
        return Encoding(UTF8 if name == "utf-8-sig" else name)
    with opened(file) as stream:
        head = stream.read(_HEAD)
        for mark, name in _MARKS:
            if head.startswith(mark):
                return Encoding(name) if name == UTF8 else _detected(name)
        if name := _wide(head):
            return _detected(name)
        if not western or _is_utf8(head, stream):
            return Encoding(UTF8)
    return _detected(_WESTERN) if _is_western(file) else Encoding(UTF8)


def settled(setting: str) -> str:
    """Return how a recipe says itself what was detected."""
    return f"beside `path` in the recipe, `format: {{{setting}}}` settles it"


def _detected(name: str) -> Encoding:
    hint = settled(f"encoding: {name}")
    if name == _WESTERN:
        hint = f"if letters come out wrong, it is another one; {hint}"
    return Encoding(name, Fault(f"this is not UTF-8: it is read as {name}", hint))


def _wide(head: bytes) -> str:
    """Return the name of a UTF-16 without a mark, empty for anything else: every other byte of plain text is 0."""
    even, odd = head[::2], head[1::2]
    if len(odd) < 2:
        return ""
    if odd.count(0) > len(odd) / 2 and not even.count(0):
        return "utf-16-le"
    return "utf-16-be" if even.count(0) > len(even) / 2 and not odd.count(0) else ""


def _is_utf8(head: bytes, rest: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder(UTF8)()
    block = head
    try:
        while block:
            decoder.decode(block)
            block = rest.read(_BLOCK)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _is_western(file: Path) -> bool:
    """Tell whether a file that is not UTF-8 is Windows-1252.

    Where some lines are UTF-8 that is more than ASCII, the others are damaged. Western letters beyond ASCII mostly
    stand alone or in pairs; Cyrillic words and Chinese text are long runs of such bytes. Other alphabets of single
    letters make signs in the middle of words.
    """
    few, many, strange = 0, 0, 0
    with opened(file) as stream:
        for _, line in _raw_lines(file, stream):
            if line.isascii():
                continue
            if _NEVER_WESTERN.search(line) or _is_utf8(line, io.BytesIO()):
                return False
            for run in _HIGH.findall(line):
                few, many = (few + len(run), many) if len(run) < 3 else (few, many + len(run))
            strange += len(_STRANGE.findall(line.decode(_WESTERN)))
    return few > many and strange <= _STRANGE_AT_MOST * (few + many)


def byte_lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file with their numbers, without UTF-8's byte order mark."""
    with opened(file) as stream:
        for number, raw in _raw_lines(file, stream):
            yield number, raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw


def _raw_lines(file: Path, stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a stream with their numbers; raises RecipeError for one without an end."""
    for number, raw in enumerate(iter(partial(stream.readline, LONGEST + 1), b""), start=1):
        if len(raw) > LONGEST:
            raise too_long(file, number)
        yield number, raw


def text_lines(file: Path, encoding: Encoding) -> Iterator[tuple[int, str | BadRow]]:
    """Yield the lines of a file with their numbers, a bad row for one that is no text.

    Raises:
        RecipeError: for UTF-16 and UTF-32 that is damaged, behind which no line can be told from the next, and for a
            line without an end.
    """
    if encoding.is_wide:
        yield from _wide_lines(file, encoding.name)
        return
    for number, raw in byte_lines(file):
        try:
            yield number, raw.decode(encoding.name)
        except UnicodeDecodeError as error:
            yield number, undecodable(number, raw, error)


def _wide_lines(file: Path, name: str) -> Iterator[tuple[int, str]]:
    number = 0
    with opened(file) as stream, io.TextIOWrapper(stream, name, newline="\n") as lines:
        try:
            for number, line in enumerate(iter(partial(lines.readline, LONGEST + 1), ""), start=1):
                if len(line) > LONGEST:
                    raise too_long(file, number)
                yield number, line.removeprefix("\ufeff") if number == 1 else line
        except UnicodeError as error:
            message = f"this is not {name} after this line: {error}"
            hint = f"if `format` says {name}, the file has another encoding; else it is damaged here: write it again"
            raise unreadable(file, max(number, 1), message, hint) from None


def undecodable(line: int, raw: bytes, error: UnicodeDecodeError) -> BadRow:
    """Return a line that is no text, at the first byte that does not belong."""
    is_utf8 = error.encoding == UTF8
    column = len(raw[: error.start].decode(error.encoding, "replace")) + 1
    name = "UTF-8" if is_utf8 else error.encoding
    message = f"this is not {name}: the byte 0x{raw[error.start]:02x} does not belong here"
    hint = (
        "save the file as UTF-8, or say what it is: `format: {encoding: cp1252}`, if it is Western "
        "text of Windows"
        if is_utf8
        else "the file has another encoding than `format` says, or is damaged here"
    )
    return BadRow(line, Fault(message, hint), column)
