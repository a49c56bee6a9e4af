"""What pages are answered: JSON in which every text is as reports show it, whatever rows and models say."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
class Exact:
    """A text that a page edits or sends back: it goes there as it is, not as reports show it."""

    text: str


def encoded(value: Any) -> bytes:
    """Return a value as JSON: dataclasses as objects, times in UTC, numbers that JSON lacks as null or as texts.

    Texts are clean (`plain_text.clean`): what sets words in another order or cannot be seen stands as its code. What
    is to be edited is `Exact`.
    """
    return orjson.dumps(plain(value))


def plain(value: Any) -> Any:
    """Return a value made of what JSON knows."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Exact):
        # As escapes: also halves of surrogate pairs, which are no UTF-8.
        return orjson.Fragment(json.dumps(value.text).encode())
    if isinstance(value, int):
        return value if abs(value) < EXACT else str(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [
            plain(one) for one in (sorted(value) if isinstance(value, set | frozenset) else value)
        ]
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    return _other(value)


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
