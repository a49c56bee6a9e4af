"""Columns of data that nobody described: what their values are, and which could be a label, a number, a date, an id."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from engine import json_text
from engine.numbers import number_in

Shape = Literal["text", "number", "truth", "list", "object", "turns", "nothing"]

_LONGEST_LABEL = 100
"""Characters."""
_LOOKED_AT = 5000
"""Values by which it is told what a column holds."""
_WORDS_OF_LABEL = 6
_MOST_LABELS = 1000
_DATE = re.compile(
    r"\d{4}-\d\d?-\d\d?([T ].*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}( .*)?|\d{1,2}:\d\d(:\d\d)?"
)
_ID_NAME = re.compile(r"(?i)(.*[\W_])?(u?u?id|nr|no|number|nummer|key|index|hash)")
_ID_CAMEL = re.compile(r".*[a-z](Id|ID|Nr|No)")
_CODE = re.compile(r"[\w#.:/+-]*\d[\w#.:/+-]*")
_MOSTLY = 0.95


@dataclass(frozen=True, slots=True)
class Column:
    """A column, counted over the rows that were looked at."""

    name: str
    rows: int
    shape: Shape
    values: Sequence[Any]
    """Those that are not empty; JSON in text is read where all of the column is such."""
    distinct: int
    words: float
    """Of a value, on average."""
    longest: int
    """Characters of the longest value."""
    is_json: bool
    """Whether values are JSON in text, read here and not in the rows."""

    @property
    def _first(self) -> Sequence[Any]:
        """The values by which it is told what a column holds."""
        return self.values[:_LOOKED_AT]

    @property
    def filled(self) -> int:
        """Rows with a value."""
        return len(self.values)

    @property
    def is_empty_somewhere(self) -> bool:
        """Whether some rows have no value."""
        return self.filled < self.rows

    @property
    def is_date(self) -> bool:
        """Whether the values are dates or times."""
        return self.shape == "text" and all(_DATE.fullmatch(str(v).strip()) for v in self._first)

    @property
    def is_id(self) -> bool:
        """Whether the values tell rows apart and say nothing: numbers or codes, a different one in each row."""
        if self.shape not in ("text", "number") or not self.values:
            return False
        named = bool(_ID_NAME.fullmatch(self.name) or _ID_CAMEL.fullmatch(self.name))
        are_codes = all(_CODE.fullmatch(str(value).strip()) for value in self._first)
        if self.distinct < self.filled or not are_codes:
            return named and are_codes and self.distinct > self.filled / 2
        return named or not self.are_fractions

    @property
    def are_fractions(self) -> bool:
        """Whether numbers with a fraction are among the values."""
        return any(re.fullmatch(r"[-+]?\d+[.,]\d+", str(value).strip()) for value in self._first)

    @property
    def are_numbers(self) -> bool:
        """Whether all values are numbers, also as text."""
        return bool(self.values) and (self.shape == "number" or all(map(is_number, self._first)))

    @property
    def is_label(self) -> bool:
        """Whether the values are few, short and come again, as labels do."""
        if self.shape not in ("text", "number", "truth") or self.is_date:
            return False
        few = 2 <= self.distinct <= min(_MOST_LABELS, max(2, self.filled // 2))
        return few and self.words <= _WORDS_OF_LABEL and self.longest <= _LONGEST_LABEL

    @property
    def is_text(self) -> bool:
        """Whether the values are words of people: texts, most of them different."""
        return self.shape == "text" and not (self.is_date or self.is_id or self.are_numbers)


def is_number(value: Any) -> bool:
    """Tell whether a value is a number, also one written as text with a full stop or a comma."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return True
    text = str(value).strip()
    return number_in(text, "point") is not None or number_in(text, "comma") is not None


def is_filled(value: Any) -> bool:
    """Tell whether a row has a value: something, and no blank text."""
    return value is not None and not (isinstance(value, str) and not value.strip())


def profiled(rows: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """Return every column of rows, in the order in which they come."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _column(name, [row.get(name) for row in rows]) for name in names}


def _column(name: str, values: Sequence[Any]) -> Column:
    filled = [value for value in values if is_filled(value)]
    read = _as_json(filled)
    kinds = Counter(map(_shape, read))
    shape = kinds.most_common(1)[0][0] if kinds else "nothing"
    if len(kinds) > 1:
        # Texts and numbers in one column are texts; other mixtures are as most of them are.
        shape = "text" if kinds.keys() <= {"text", "number", "truth"} else shape
    texts = [str(value) for value in read]
    return Column(
        name=name,
        rows=len(values),
        shape=shape,
        values=read,
        distinct=len(set(texts)),
        words=fmean(len(text.split()) for text in texts) if texts else 0.0,
        longest=max(map(len, texts), default=0),
        is_json=read is not filled,
    )


def _as_json(values: Sequence[Any]) -> Sequence[Any]:
    """Return values with the JSON read that they are, where all of them are lists or objects as text."""
    if not values or not all(isinstance(v, str) and v.lstrip()[:1] in "[{" for v in values):
        return values
    try:
        read = [json_text.parse(value) for value in values]
    except ValueError:
        return values
    return read if all(isinstance(value, list | dict) for value in read) else values


def _shape(value: Any) -> Shape:
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, list):
        return "turns" if _are_turns(value) else "list"
    return "object" if isinstance(value, dict) else "text"


def _are_turns(value: Sequence[Any]) -> bool:
    return bool(value) and all(
        isinstance(turn, dict) and ("role" in turn or "from" in turn) for turn in value
    )


def mostly(hits: Iterable[bool]) -> bool:
    """Tell whether nearly all of some are so; not where there are none."""
    found = list(hits)
    return bool(found) and sum(found) >= _MOSTLY * len(found)
