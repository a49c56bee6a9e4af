r"""Numbers in text: what a text is as a number, and the number that a text comes to.

Read as one number: `1,234`, `1_234`, `-$5.00`, `€ 5`, `50%`, `-2.5e3`, `3/4`, `1 3/4`, `1\frac{3}{4}`, a full stop
at the end. Signs of money and per cent are left out: 50% is 50, not 0.5. Arithmetic is exact.
"""

from __future__ import annotations

import re
from fractions import Fraction

_LONGEST = 4000
"""Characters of a number; Python reads whole numbers of up to 4,300 digits."""
_LONGEST_SAID = 200
"""Characters of a number among words: what it is written as is never longer than _LONGEST."""
_LATEX = re.compile(r"\\[dt]?frac\{([^{}]+)\}\{([^{}]+)\}")
_BEFORE_LATEX = re.compile(r"(?<=\d)\s*(?=\\[dt]?frac)")
_SIGNS = re.compile(r"[$€£¥₹%]|\\[,!;]")
_GROUPS = re.compile(r"(?<=\d)[,_](?=\d{3}(?!\d))")
_MIXED = re.compile(r"([-+]?\d+)\s+(\d+/\d+)")
_NUMBER = re.compile(r"([-+]?)(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?")
_MARKED = re.compile(r"####[ \t]*(.*)")
_BEGINS = re.compile(r"[-+−\s$€£¥₹*(\\]*(?:\.?\d|[dt]?frac\{)")
_BOX = "\\boxed{"
_SOMEWHERE = re.compile(
    r"(?:(?<![\w)])[-+−])?(?:\\?[$€£¥₹] ?)?(?:(?:\d+\s*)?\\[dt]?frac\{[^{}]+\}\{[^{}]+\}|\d+[ ]\d+/\d+"
    r"|(?:\d+(?:[,_]\d{3}(?!\d))*(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d{1,3}(?!\d))?(?:/\d+)?)"
)
"""What may be a number among words; a sign behind a digit or a letter is a minus between two numbers, or a hyphen."""


def number_in(text: str) -> Fraction | None:
    """Return the number that `text` is; None where it is none, or more than one."""
    if len(text) > _LONGEST:
        return None
    text = text.replace("−", "-").replace("\\$", "").replace("\\%", "").replace("{,}", ",")
    text = _LATEX.sub(r"\1/\2", _BEFORE_LATEX.sub(" ", text))
    text = _SIGNS.sub("", text).strip().rstrip(".")
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


def final_number(text: str) -> Fraction | None:
    r"""Return the number that a text comes to; None where there is none.

    It stands right after the first `####` that has one there, as GSM8K's own script looks for it: what a student that
    runs on says later is another answer. Else it is the first one in what the last `####` or the last `\boxed{}`
    marks, else the last one of all.
    """
    if marked := _MARKED.findall(text):
        return _first(next(filter(_BEGINS.match, marked), marked[-1]))
    if _BOX in text:
        return _first(_inside(text.rpartition(_BOX)[2]))
    found = _among(text)
    return found[-1] if found else None


def _first(text: str) -> Fraction | None:
    """Return the number that a short text is, or else the first one in it."""
    whole = number_in(text) if len(text) <= _LONGEST_SAID else None
    if whole is not None:
        return whole
    found = _among(text)
    return found[0] if found else None


def _among(text: str) -> list[Fraction]:
    """Return the numbers among words, in order."""
    said = (part for part in _SOMEWHERE.findall(text) if len(part) <= _LONGEST_SAID)
    return [number for number in map(number_in, said) if number is not None]


def _inside(text: str) -> str:
    """Return what stands before the brace that closes an open one."""
    depth = 1
    for at, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return text[:at]
    return text


def written(number: Fraction) -> str:
    """Return a number as text, the same for equal ones: `72`, `3.5`, and `1/3` for what has no end as a decimal."""
    below = number.denominator
    # A denominator of twos and fives divides ten to as many places as it has binary digits, or to fewer.
    most = below.bit_length()
    if 10**most % below:
        return f"{number.numerator}/{below}"
    places = next(fewer for fewer in range(most + 1) if 10**fewer % below == 0)
    digits = str(abs(int(number * 10**places))).zfill(places + 1)
    sign = "-" if number < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else sign + digits
