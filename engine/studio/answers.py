"""What pages are answered: JSON in which every text is as reports show it, whatever rows and models say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from engine.system.plain_text import clean

EXACT = 2**53
"""Whole numbers from here on are texts: a browser's numbers do not hold them."""
SHORT = 280
"""Characters of a text in a table; the row's own page has it whole."""


@dataclass(frozen=True, slots=True)
class Verbatim:
    """What a page is to get letter by letter, because it is edited there and comes back; an editor marks what hides."""

    value: Any


def encoded(value: Any) -> bytes:
    """Return a value as JSON: dataclasses as objects, times in UTC, numbers that JSON lacks as null or as texts.

    Texts are clean (`plain_text.clean`): what sets words in another order or cannot be seen stands as its code. What
    is to be edited is `Verbatim`.
    """
    return orjson.dumps(plain(value))


def plain(value: Any, shown: Callable[[str], Any] = clean) -> Any:
    """Return a value made of what JSON knows, its texts as `shown` makes them."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, int):
        return value if abs(value) < EXACT else str(value)
    if isinstance(value, Verbatim):
        return plain(value.value, _letters)
    if isinstance(value, Mapping):
        name = clean if shown is clean else _whole
        return {name(str(key)): plain(one, shown) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        ordered = sorted(value) if isinstance(value, set | frozenset) else value
        return [plain(one, shown) for one in ordered]
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name), shown) for one in fields(value)}
    return _other(value)


def _letters(text: str) -> Any:
    """Return a text as it is."""
    # As escapes, since half of a pair of surrogates is no UTF-8.
    return orjson.Fragment(json.dumps(text).encode())


def _whole(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _other(value: Any) -> Any:
    if isinstance(value, Decimal):
        # DuckDB sums whole numbers into HUGEINT, which comes as a decimal.
        is_whole = value.is_finite() and value == value.to_integral_value()
        return plain(int(value)) if is_whole else float(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds") + ("" if value.tzinfo else "Z")
    if isinstance(value, date | time | timedelta | Path):
        return clean(str(value))
    if isinstance(value, bytes):
        return value.hex()
    return clean(str(value))


def short(text: str | None) -> str | None:
    """Return a text as a table has it: its beginning, and how much is left."""
    if text is None or len(text) <= SHORT:
        return text
    return f"{text[:SHORT].rstrip()}… ({len(text):,} characters)"
