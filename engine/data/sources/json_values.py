"""JSON values out of one stream, one at a time: the elements of an array, or values one after the other.

For `.json` files, which may be larger than memory and in which a row may span lines. JSON Lines have a reader of
their own, which is faster and goes on behind a broken line.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

from engine import json_text
from engine.data.sources.texts import LONGEST
from engine.sql.expressions import Fault

_BLOCK = 1 << 18
_SPACE = re.compile(r"[ \t\r\n]*")
_AT_THE_END = 16
"""A literal or escape that a block cuts in two is reported so many characters before the block's end, at most."""


class JsonMistake(Exception):
    """A mistake in the syntax: it cannot be told where the next value starts."""

    def __init__(self, line: int, column: int, fault: Fault) -> None:
        """Take the place in the stream, counted from 1, and what is wrong there."""
        super().__init__(fault.message)
        self.line, self.column, self.fault = line, column, fault


class _Text:
    """A window onto the decoded stream that knows the line and column of each place in it."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream, self._encoding = stream, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self.text, self.at, self.done = "", 0, False
        self._line, self._column, self._counted = 1, 1, 0

    def more(self) -> bool:
        """Read on, at least as much again as is there; return False at the end of the stream."""
        if self.done:
            return False
        self._forget()
        raw = self._stream.read(max(_BLOCK, len(self.text)))
        self.done = not raw
        try:
            self.text += self._decoder.decode(raw, final=self.done)
        except UnicodeDecodeError as error:
            self.text += error.object[: error.start].decode(self._encoding, "ignore")
            is_utf8 = self._encoding.startswith("utf-8")
            name = "UTF-8" if is_utf8 else self._encoding
            message = (
                f"this is not {name}: the byte 0x{error.object[error.start]:02x} does not belong"
            )
            hint = "save the file as UTF-8, or say what it is: `format: {encoding: …}`"
            self.fail(message, len(self.text), hint)
        return not self.done

    def _forget(self) -> None:
        self.place(self.at)
        self.text, self.at, self._counted = self.text[self.at :], 0, 0

    def place(self, at: int) -> tuple[int, int]:
        """Return line and column of a place not before the last one asked for."""
        lines = self.text.count("\n", self._counted, at)
        if lines:
            self._line += lines
            self._column = at - self.text.rfind("\n", self._counted, at)
        else:
            self._column += at - self._counted
        self._counted = at
        return self._line, self._column

    def skip(self) -> str:
        """Move behind white space; return the next character, empty at the end."""
        while True:
            if found := _SPACE.match(self.text, self.at):
                self.at = found.end()
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def fail(self, message: str, at: int, hint: str) -> NoReturn:
        raise JsonMistake(*self.place(max(at, self._counted)), Fault(message, hint))


def read_values(stream: BinaryIO, encoding: str = "utf-8") -> Iterator[tuple[int, Any]]:
    """Yield the values with the line each starts on; raises JsonMistake at the first mistake."""
    # A mark at the start is no text.
    text = _Text(stream, "utf-8-sig" if encoding == "utf-8" else encoding)
    if text.skip() != "[":
        while text.skip():
            yield _value(text)
        return
    text.at += 1
    first = True
    while (character := text.skip()) != "]":
        if not first:
            if character != ",":
                text.fail(
                    "a ',' or the list's ']' is missing here", text.at, "separate rows by commas"
                )
            text.at += 1
            text.skip()
        yield _value(text)
        first = False
    text.at += 1
    if text.skip():
        text.fail("there is more after the list's end", text.at, "put all rows into one list")


def _value(text: _Text) -> tuple[int, Any]:
    """Return the value that starts here and its line; reads on while it is not whole."""
    line, _ = text.place(text.at)
    while True:
        start = text.at
        try:
            value, text.at = json_text.parse_at(text.text, text.at)
        except json.JSONDecodeError as error:
            cut = error.pos >= len(text.text) - _AT_THE_END or error.msg.startswith("Unterminated")
            if cut and len(text.text) - start >= LONGEST:
                message = f"this value has more than {LONGEST:,} characters: it is not read on"
                text.fail(
                    message, text.at, "no row is that long: check quotes and brackets from here on"
                )
            if cut and text.more():
                continue
            # Where there was nothing more, what lies before the value may still be dropped.
            at = error.pos - start + text.at
            hint = "check commas, quotes and brackets here"
            text.fail(f"this is not valid JSON: {error.msg}", at, hint)
        except json_text.HalfCharacter:
            text.fail("half of a surrogate pair is not text", text.at, "write the whole character")
        except json_text.TooDeep:
            hint = "a row is an object with a few levels at most"
            text.fail("lists and objects lie too deep in one another here", text.at, hint)
        except ValueError as error:
            hint = (
                "write each key once, null where there is no value, and a number that is too long "
                "as text"
            )
            text.fail(f"this is not valid JSON: {error}", text.at, hint)
        return line, value
