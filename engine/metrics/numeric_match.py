r"""Numeric match: the share of answers whose number is the right one, exactly or within a tolerance.

Read as one number: `1,234`, `1_234`, `$5.00`, `€ 5`, `50%`, `-2.5e3`, `3/4`, `1 3/4`, `\frac{3}{4}`, a full stop at
the end. Signs of money and per cent are left out, on both sides: 50% is 50, not 0.5. Units in words are not read.
Arithmetic is exact: with tolerance 0.1, 1.1 matches 1.
"""

from __future__ import annotations

import re
from fractions import Fraction

from pydantic import Field

from engine.metrics.protocol import Answered, Metric, MetricParams

_LONGEST = 200
_LATEX = re.compile(r"\\d?frac\{([^{}]+)\}\{([^{}]+)\}")
_SIGNS = re.compile(r"[$€£¥₹%]|\\[,!;]")
_GROUPS = re.compile(r"(?<=\d)[,_](?=\d{3}(?!\d))")
_MIXED = re.compile(r"([-+]?\d+)\s+(\d+/\d+)")
_NUMBER = re.compile(r"([-+]?)(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?")


class Params(MetricParams):
    """How far from the right number an answer may be; the wider of the two holds."""

    tolerance: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """In the number's own unit."""
    relative: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)
    """As a share of the right number."""


def number_in(text: str) -> Fraction | None:
    """Return the number that `text` is; None where it is none, or more than one."""
    if len(text) > _LONGEST:
        return None
    text = text.replace("−", "-").replace("\\$", "").replace("\\%", "").replace("{,}", ",")
    text = _SIGNS.sub("", _LATEX.sub(r"\1/\2", text)).strip().rstrip(".")
    if mixed := _MIXED.fullmatch(text):
        whole, part = _plain(mixed[1]), number_in(mixed[2])
        if whole is None or part is None:
            return None
        return whole - part if mixed[1].startswith("-") else whole + part
    above, slash, below = text.partition("/")
    top = _plain(above)
    if not slash or top is None:
        return top
    bottom = _plain(below)
    return top / bottom if bottom else None


def _plain(text: str) -> Fraction | None:
    text = _GROUPS.sub("", text)
    return Fraction(text) if _NUMBER.fullmatch(text) else None


def numeric_match(answered: Answered, params: Params) -> float | None:
    """Return 1 where the answer is near enough to an acceptable number; None where no gold is a number."""
    golds = [gold for text in answered.golds if (gold := number_in(text)) is not None]
    if not golds:
        return None
    given = None if answered.answer is None else number_in(answered.answer)
    if given is None:
        return 0.0
    # Through text: a tolerance of 0.1 means a tenth, not the binary fraction next to it.
    absolute, relative = Fraction(str(params.tolerance)), Fraction(str(params.relative))
    return float(any(abs(given - gold) <= max(absolute, relative * abs(gold)) for gold in golds))


NUMERIC_MATCH = Metric(
    "numeric_match",
    1,
    "Share of answers whose number is right.",
    numeric_match,
    params=Params,
    targets=("3", "1,000", "-2.5", "7/8"),
)
