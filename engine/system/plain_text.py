"""Text from others as it may be shown and exported: nothing in it is obeyed or unseen.

What steers a terminal (escape codes, C0 and C1 controls), what puts words in another order (bidi marks) and what cannot
be seen at all (invisible format characters) is written as its code: `[U+001B]`. A name that holds such a character must
not look like one that does not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

_UNSEEN = re.compile(
    "\r\n|["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\u00ad\u034f\u061c\u070f\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\ud800-\udfff"  # halves of surrogate pairs, as YAML and JSON escapes make them
    "\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "]"
)
_JOINERS = "\u200c\u200d"
"""Needed between letters of some scripts, and in emoji; elsewhere they hide."""
_JOINED = frozenset({"Lo", "Mn", "Mc", "So", "Sk"})
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a cell begins that a spreadsheet takes for a formula; the last four are the full-width forms of the first."""
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


def is_plain(text: str) -> bool:
    """Return whether `clean` leaves a text as it is."""
    return next(replaced(text), None) is None


def clean(text: str) -> str:
    """Return a text with whatever steers a terminal or cannot be seen written as its code; lines and tabs stay."""
    return _UNSEEN.sub(_shown, text)


def replaced(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield what `clean` replaces: from where to where, and by what."""
    for found in _UNSEEN.finditer(text):
        if (shown := _shown(found)) != found.group():
            yield found.start(), found.end(), shown


def on_one_line(text: str) -> str:
    """Return a clean text without line breaks and tabs."""
    return clean(text.replace("\r\n", "\n")).replace("\n", " ").replace("\t", " ")


def clean_json(text: str) -> str:
    """Return JSON with the same characters as JSON's own escapes: who reads it gets them back."""
    return _UNSEEN.sub(_escaped, text)


def cell(value: Any, *, raw: bool = False) -> Any:
    """Return a value for a CSV file: texts clean, and no spreadsheet takes one for a formula; others as they are.

    Args:
        value: What the cell holds.
        raw: Leave texts as they are, too.
    """
    if raw or not isinstance(value, str):
        return value
    is_formula = value.startswith(_FORMULA) and not _NUMBER.fullmatch(value)
    return f"'{clean(value)}" if is_formula else clean(value)


def code_of(character: str) -> str:
    """Return what stands for a character that is not shown: `[U+001B]`."""
    return f"[U+{ord(character):04X}]"


def _shown(found: re.Match[str]) -> str:
    character = found.group()
    if character == "\r\n":
        return "\n"
    joins = character in _JOINERS and _is_joined(found)
    return character if joins else code_of(character)


def _is_joined(found: re.Match[str]) -> bool:
    before, after = found.string[: found.start()][-1:], found.string[found.end() :][:1]
    return all(near and unicodedata.category(near) in _JOINED for near in (before, after))


def _escaped(found: re.Match[str]) -> str:
    # Controls cannot stand in JSON but as escapes already; line breaks between its values may.
    if found.group() == "\r\n":
        return "\n"
    pair = found.group().encode("utf-16-be", "surrogatepass")
    units = (pair[at : at + 2] for at in range(0, len(pair), 2))
    return "".join(f"\\u{int.from_bytes(unit):04x}" for unit in units)
