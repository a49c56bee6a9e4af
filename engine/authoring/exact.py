"""A file's text as an editor has it, and what is needed to write it back byte for byte: line ends, byte order mark."""

from __future__ import annotations

import codecs
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from engine.errors import EngineError
from engine.spec.yaml import decode

_LONE = re.compile(r"\r(?!\n)|(?<!\r)\n")


@dataclass(frozen=True, slots=True)
class Exact:
    """The text of a file, without what every line of it shares."""

    text: str
    """With `\\n` at the ends of lines where all lines of the file end alike; else as it is."""
    is_crlf: bool = False
    """Whether each line of the file ends with `\\r\\n`, which is `\\n` in the text."""
    has_mark: bool = False
    """Whether the file begins with a byte order mark, which is not in the text."""

    def bytes(self) -> bytes:
        """Return what stands in the file; raises EngineError for half a character."""
        text = self.text.replace("\n", "\r\n") if self.is_crlf else self.text
        try:
            raw = text.encode()
        except UnicodeEncodeError as error:
            line = text.count("\n", 0, error.start) + 1
            raise EngineError(
                f"line {line}: half a character stands here, which no file can hold",
                "delete it, and type the character again",
            ) from None
        return codecs.BOM_UTF8 + raw if self.has_mark else raw


def exact(raw: bytes, path: Path) -> Exact:
    """Return the text in a file's bytes; raises RecipeError for what is not UTF-8."""
    text = decode(raw, path)
    is_crlf = "\r\n" in text and not _LONE.search(text)
    return Exact(
        text.replace("\r\n", "\n") if is_crlf else text,
        is_crlf,
        raw.startswith(codecs.BOM_UTF8),
    )


def digest(raw: bytes) -> str:
    """Return what tells one content of a file from another."""
    return hashlib.sha256(raw).hexdigest()
