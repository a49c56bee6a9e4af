"""How numbers, rounds and durations are written: once, so that HTML, Markdown and console agree."""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine.report.records import Measured
from engine.rows import CONTROL, UNTUNED

NONE = "–"
"""Shown where there is no value; never a zero."""


def count(value: int | None) -> str:
    """Return an integer with thousands separators."""
    return NONE if value is None else f"{value:,}"


def hundredfold(number: float, sign: str = "") -> str:
    """Return a share, or a difference of shares, times 100 with one decimal: 37 of 400 read 9.2 however computed."""
    return f"{round(100 * number, 9):{sign}.1f}"


def share(part: int, whole: int) -> str:
    """Return `part` of `whole` as a percentage with one decimal."""
    return NONE if not whole else f"{hundredfold(part / whole)}%"


def value(number: float | None, percent: bool) -> str:
    """Return a metric's value: a percentage with one decimal, or a plain number."""
    if number is None:
        return NONE
    return f"{hundredfold(number)}%" if percent else decimal(number)


def decimal(number: float) -> str:
    """Return a number with thousands separators and three decimals, fewer for large ones."""
    return f"{number:,.1f}" if abs(number) >= 100 else f"{number:,.3f}"


def points(
    difference: float | None, percent: bool, *, signed: bool = False, unit: bool = True
) -> str:
    """Return a difference of two metric values, in percentage points where they are percentages."""
    if difference is None:
        return NONE
    sign = "+" if signed else ""
    if not percent:
        return f"{difference:{sign},.3f}"
    text = hundredfold(difference, sign)
    return f"{text} {'point' if text.lstrip('+-') == '1.0' else 'points'}" if unit else text


def interval(cell: Measured | None, percent: bool) -> str:
    """Return the 95 % interval (several seeds: lowest to highest) as `low to high`, or nothing."""
    if cell is None or cell.low is None or cell.high is None:
        return ""
    if percent:
        return f"{hundredfold(cell.low)} to {hundredfold(cell.high)}"
    return f"{decimal(cell.low)} to {decimal(cell.high)}"


def measured(cell: Measured | None, percent: bool) -> str:
    """Return value and interval: `72.5% (66.0 to 78.5)`."""
    if cell is None:
        return NONE
    spread = interval(cell, percent)
    return f"{value(cell.value, percent)} ({spread})" if spread else value(cell.value, percent)


def gap(cell: Measured | None, percent: bool) -> str:
    """Return a generalization gap in points with its interval: `+27.5 (21.0 to 34.0)`."""
    if cell is None:
        return NONE
    number = points(cell.value, percent, signed=True, unit=False)
    spread = interval(cell, percent)
    return f"{number} ({spread})" if spread else number


def identity(model: str) -> str:
    """Return a model's identity: short where it ends in a digest, whole where it is a name."""
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{20,}\b", r"\1", model)


def duration(seconds: float | None) -> str:
    """Return a time span in the unit that suits it."""
    if seconds is None:
        return NONE
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:,.1f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"


def money(cost: float | None) -> str:
    """Return an amount in the currency of the recipe's prices: two decimals, more of a small one."""
    if cost is None:
        return NONE
    return f"{cost:,.2f}" if abs(cost) >= 1 or not cost else f"{cost:.2g}"


def between(ends: Sequence[float], decimals: int = 0) -> str:
    """Return a range as `120 to 400`, or one number where both ends read the same; small ones keep two digits."""
    low, high = (
        f"{end:,.{decimals}f}" if end >= 1 or not decimals or not end else f"{end:.2g}"
        for end in ends
    )
    return low if low == high else f"{low} to {high}"


def round_name(round_: int, *, capital: bool = False) -> str:
    """Return how a round is called: `the untuned student`, `round 0`."""
    names = {UNTUNED: "the untuned student", CONTROL: "the control"}
    name = names.get(round_, f"round {round_}")
    return name[0].upper() + name[1:] if capital else name


def round_label(round_: int) -> str:
    """Return the short name for tables and axes: `untuned`, `round 0`, `control`."""
    return {UNTUNED: "untuned", CONTROL: "control"}.get(round_, f"round {round_}")
