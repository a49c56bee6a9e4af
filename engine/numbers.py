r"""Numbers in text: what a text is as a number, and the number that a text comes to. The one reader of the engine.

The rule, the same for targets and for what a student or a teacher writes: a number is read whole or not at all. A
full stop parts the decimals, and three digits each may be set apart by `,`, `_`, `'` or a space (`1,234`, `1 234`;
in India's way `1,00,000`). With `decimal: comma` the comma and the full stop change places: `1.234,56`. What breaks the
rule, such as `0,5` or `1.000.000` where the full stop parts decimals, `12:30`, `2020-01-31`, `2^10` or `5k`, is one
number that cannot be read: never a part of it.

Also read: `-$5.00`, `€ 5`, `50%`, `-2.5e3`, `2.5 × 10^3`, `3/4`, `1 3/4`, `5½`, `1\frac{3}{4}`, a full stop at the end.
Signs of money, per cent and units are left out: 50% is 50, not 0.5. Digits behind letters are part of a name: H2O.
Arithmetic is exact.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from fractions import Fraction
from typing import Literal, NamedTuple

Decimal = Literal["point", "comma"]
"""What parts the decimals of a number from the rest; the other of the two parts thousands."""

_LONGEST = 4000
"""Characters of a number; Python reads whole numbers of up to 4,300 digits."""
_LONGEST_SAID = 200
"""Characters of a number among words: what it is written as is never longer than _LONGEST."""

_SPACES = " \u00a0\u2009\u202f"
_LETTERS = "A-Za-z\u00c0-\u024f\u0370-\u03ff\u0400-\u04ff"
"""Of scripts in which digits behind a letter make a name; in others they stand behind words without a space."""
_LATEX = re.compile(r"\\[dt]?frac\{([^{}]+)\}\{([^{}]+)\}")
_BEFORE_LATEX = re.compile(r"(?<=\d)\s*(?=\\[dt]?frac)")
_THIN = re.compile(r"(?<=\d)\\[,!;](?=\d)")
_POINTS = re.compile(r"(?<=\d)[.,](?=\d)|(?<![\w.,])[.,](?=\d)")
_WIDE = re.compile(r"[－＋]?[０-９](?:[０-９．，／％]*[０-９％])?")
_VULGAR = re.compile("(\\d)?([¼-¾⅐-⅞])")
_SIGNS = re.compile(r"[$€£¥₹%]")
_MARKED = re.compile(r"####[ \t]*(.*)")
_BEGINS = re.compile(r"[-+−\s$€£¥₹*(\\]*(?:\.?\d|[dt]?frac\{)")
_BOX = "\\boxed{"

_WHOLE = rf"(?:\d+|(?!0)\d{{1,3}}(?:([,_'’{_SPACES}])\d{{3}})(?:\1\d{{3}})*|(?!0)\d{{1,2}}(?:,\d\d)+,\d{{3}})"
_NUMBER = re.compile(rf"[-+]?(?:{_WHOLE}(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{{1,3}})?")
_GROUPS = re.compile(rf"[,_'’{_SPACES}]")
_MIXED = re.compile(r"([-+]?\d+)\s+(\d+/\d+)")
_RAISED = "⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹"
_TIMES_TEN = rf"\s*[×x*·⋅]\s*10(?:\s?\^\s?\{{?[-+]?\d+\}}?|\*\*[-+]?\d+|[{_RAISED}]+)"
_POWER_OF_TEN = re.compile(
    rf"(?:(?P<times>[-+]?[^×x*·⋅]+?)\s*[×x*·⋅]\s*|(?P<sign>[-+]?))"
    rf"10(?:\s?\^\s?\{{?|\*\*|(?=[{_RAISED}]))(?P<power>[-+]?\d{{1,3}}|[{_RAISED}]{{1,4}})\}}?"
)
_TO_DIGITS = str.maketrans(_RAISED, "-+0123456789")
_SOMEWHERE = re.compile(
    rf"""
    (?P<sign>[-+])?(?P<money>[$€£¥₹][ ]?[-+]?)?
    (?P<number>
        (?:0[xX][0-9a-fA-F]+|\d{{4}}-\d\d-\d\d)(?!\d)          # no number
      | \d+[ ]\d+/\d+(?![\d/])
      | (?!0)\d{{1,3}}(?:(?P<by>[{_SPACES}])\d{{3}})(?:(?P=by)\d{{3}})*(?!\d)(?:\.\d+)?(?![.,:/'’_]\d)
      | (?:(?<![\w.])\.)?\d+(?:[.,'’_:]\d+|[ ]?/[ ]?\d+)*
    )
    (?P<raised>[eE][-+]?\d+(?!\w))?
    (?P<power>{_TIMES_TEN}|\s?\^\s?\{{?[-+]?\d+\}}?|\*\*[-+]?\d+|[{_RAISED}]+)?
    (?P<glued>(?:[kKMB]|bn|mn)(?![{_LETTERS}])|[万萬亿億千만억천]|(?![xX]\d)[{_LETTERS}_]+\d\w*)?
    """,
    re.VERBOSE,
)
"""What may be a number among words, whole: with its sign, and with what is part of it although it cannot be read."""
_MONEY = re.compile(rf"(?<![{_LETTERS}])(?:rs|inr|usd|eur|gbp|chf|jpy|cny|rmb|aud|cad|kr)$", re.I)
_NAME = re.compile(rf"[{_LETTERS}_]$")
_FACTOR = re.compile(r"\d[xX]$")
_EXPONENT = re.compile(r"\^\{?$")
_HYPHENED = re.compile(rf"[{_LETTERS}\d_)\]}}]$")


class Said(NamedTuple):
    """A number among words, as it stands there."""

    text: str
    number: Fraction | None
    """None where it breaks the rule."""


def number_in(text: str, decimal: Decimal = "point") -> Fraction | None:
    """Return the number that `text` is; None where it is none, or more than one."""
    return None if len(text) > _LONGEST else _read(plain_numbers(text, decimal))


def final_number(text: str, decimal: Decimal = "point") -> Fraction | None:
    """Return the number that a text comes to; None where there is none, or it cannot be read."""
    said = final_said(text, decimal)
    return said.number if said else None


def final_said(text: str, decimal: Decimal = "point") -> Said | None:
    r"""Return the number that a text comes to as it stands there; None where there is none.

    It stands right after the first `####` that has one there, as GSM8K's own script looks for it: what a student that
    runs on says later is another answer. Else it is the first one in what the last `####` or the last `\boxed{}`
    marks, else the last one of all.
    """
    text = plain_numbers(text, decimal)
    if marked := _MARKED.findall(text):
        said = _first(next(filter(_BEGINS.match, marked), marked[-1]))
    elif _BOX in text:
        said = _first(_inside(text.rpartition(_BOX)[2]))
    else:
        said = None
        for said in _among(text):  # noqa: B007
            pass
    if said is not None and decimal == "comma":
        return said._replace(text=_swapped(said.text))
    return said


def pointed(text: str, decimal: Decimal) -> str:
    """Return a text with its numbers as they are written where a full stop parts the decimals."""
    return text if decimal == "point" else _swapped(text)


def _swapped(text: str) -> str:
    return _POINTS.sub(lambda found: "," if found[0] == "." else ".", text)


def plain_numbers(text: str, decimal: Decimal) -> str:
    """Return a text with the signs of its numbers in plain characters, and a full stop before decimals."""
    text = text.replace("{,}", ",")
    if "\\" in text:
        text = text.replace("\\$", "").replace("\\%", "")
        text = text.replace("\\times", "×").replace("\\cdot", "·")
        text = _LATEX.sub(r"\1/\2", _BEFORE_LATEX.sub(" ", _THIN.sub("", text)))
    if not text.isascii():
        text = text.replace("−", "-").replace("⁄", "/")
        text = _WIDE.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
        text = _VULGAR.sub(_spelled_out, text)
    text = pointed(text, decimal)
    # These two are what they are wherever they are used.
    return text.replace("٫", ".").replace("٬", ",")


def _spelled_out(found: re.Match[str]) -> str:
    """Return a fraction that is one character as two numbers."""
    fraction = unicodedata.normalize("NFKC", found[2]).replace("⁄", "/")
    return f"{found[1]} {fraction}" if found[1] else fraction


def _read(text: str) -> Fraction | None:
    """Return the number that a text in plain characters is."""
    text = _SIGNS.sub("", text).strip().rstrip(".")
    if mixed := _MIXED.fullmatch(text):
        whole, part = _plain(mixed[1]), _read(mixed[2])
        if whole is None or part is None:
            return None
        return whole - part if mixed[1].startswith("-") else whole + part
    if scientific := _POWER_OF_TEN.fullmatch(text):
        times = _plain(scientific["times"] or f"{scientific['sign']}1")
        power = int(scientific["power"].translate(_TO_DIGITS))
        return None if times is None else times * Fraction(10) ** power
    above, slash, below = text.partition("/")
    top = _plain(above.rstrip(" "))
    if not slash or top is None:
        return top
    bottom = _plain(below.lstrip(" "))
    return top / bottom if bottom else None


def _plain(text: str) -> Fraction | None:
    return Fraction(_GROUPS.sub("", text)) if _NUMBER.fullmatch(text) else None


def _first(text: str) -> Said | None:
    """Return the number that a short text is, or else the first one in it."""
    whole = _read(text) if len(text) <= _LONGEST_SAID else None
    return Said(text.strip(), whole) if whole is not None else next(_among(text), None)


def _among(text: str) -> Iterator[Said]:
    """Yield the numbers among words, in order."""
    for found in _SOMEWHERE.finditer(text):
        before = text[max(0, found.start() - 4) : found.start()]
        if _EXPONENT.search(before):
            continue
        sign = found["sign"] or ""
        if sign and _HYPHENED.search(before):
            # A minus between two numbers, or a hyphen.
            sign = ""
        elif not sign and not found["money"] and _in_a_name(before):
            continue
        written_so = found["number"] + (found["raised"] or "") + (found["power"] or "")
        said = sign + (found["money"] or "") + written_so + (found["glued"] or "")
        readable = not found["glued"] and len(said) <= _LONGEST_SAID
        yield Said(said, _read(sign + (found["money"] or "") + written_so) if readable else None)


def _in_a_name(before: str) -> bool:
    """Return whether digits behind these characters are part of a name; a factor or a sum of money is none."""
    if not _NAME.search(before):
        return False
    return not _FACTOR.search(before) and not _MONEY.search(before)


def _inside(text: str) -> str:
    """Return what stands before the brace that closes an open one."""
    depth = 1
    for at, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return text[:at]
    return text


def written(number: Fraction, decimal: Decimal = "point") -> str:
    """Return a number as text, the same for equal ones: `72`, `3.5`, and `1/3` for what has no end as a decimal."""
    below = number.denominator
    # A denominator of twos and fives divides ten to as many places as it has binary digits, or to fewer.
    most = below.bit_length()
    if 10**most % below:
        return f"{number.numerator}/{below}"
    places = next(fewer for fewer in range(most + 1) if 10**fewer % below == 0)
    digits = str(abs(int(number * 10**places))).zfill(places + 1)
    sign = "-" if number < 0 else ""
    point = "." if decimal == "point" else ","
    return f"{sign}{digits[:-places]}{point}{digits[-places:]}" if places else sign + digits
