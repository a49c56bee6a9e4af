"""The conditions that are tried: what SQL can say of a row without its answer, drawn up without a look at who failed.

Columns by their values, numbers, times and lengths by quantiles, labels and pairs of labels, the words of texts. Which
of them there are follows from the rows alone, so their number says how many were tried.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any, Literal

from engine.slicing.windows import times_in, windows
from engine.sql.expressions import is_name, quoted
from engine.wording import is_character, words

TARGET = "target"
"""What users' SQL calls the right answer."""
QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Where numbers and lengths are cut."""
VALUES = 20
"""Values up to which a column is one of values, not of texts; more where ten rows share each."""
PAIRED = 20
"""Labels, the most frequent ones, of which pairs are made: 190 of them."""
GRAMS, LONGEST = 300, 3
"""Word n-grams of a column, the most frequent ones, and the most words of one."""

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Predicate:
    """A condition on a row's own columns."""

    sql: str
    description: str
    """What it says, as a noun phrase: `rows whose text has the words 'not the'`."""
    slug: str
    """A short name, of which an id is made."""
    rank: int
    """How simple it is to say, 0 the simplest: of several slices of nearly the same rows this one stays."""
    family: str = ""
    """What it shares with the same condition at another threshold; empty for what has none."""


def predicates(rows: Rows, labelled: bool, least: int) -> Iterator[Predicate]:
    """Yield the conditions to try.

    Args:
        rows: The columns of each row, the right answer under TARGET.
        labelled: Whether right answers are labels.
        least: The fewest rows that a condition may hold for; also the fewest it may leave.
    """
    for name in _columns(rows):
        values = [row.get(name) for row in rows]
        kinds = {_kind(value) for value in values if value is not None}
        if "other" in kinds:
            continue
        if len(kinds) > 1:
            # As SQL has a column of unlike values: text.
            values = [None if value is None else str(value) for value in values]
        column = name if is_name(name) else quoted(name)
        yield from _column(name, column, values, least, labelled=labelled and name == TARGET)


def _columns(rows: Rows) -> list[str]:
    """Return the names of the columns, without those that differ in case alone: SQL takes one for the other."""
    names = dict.fromkeys(name for row in rows for name in row)
    spelled = Counter(name.lower() for name in names)
    return [name for name in names if spelled[name.lower()] == 1]


def _column(
    name: str, column: str, values: Sequence[Any], least: int, *, labelled: bool
) -> Iterator[Predicate]:
    there = [value for value in values if value is not None]
    if least <= len(values) - len(there) and there:
        yield Predicate(f"{column} IS NULL", f"rows without {name}", f"no-{name}", 0)
    counts = Counter(there)
    if not labelled and (times := times_in(there)) is not None:
        yield from _windows(name, column, times)
    elif labelled or _few(counts, values):
        yield from _values(name, column, counts, least)
        if labelled:
            yield from _pairs(name, column, counts, least)
    elif (numbers := _numbers(there)) is not None:
        number = column if _kind(there[0]) == "number" else f"try_cast({column} AS DOUBLE)"
        yield from _thresholds(name, number, name, numbers, least)
    else:
        texts = [str(value) for value in there]
        lengths = [float(len(text)) for text in texts]
        length = f"length({column})"
        yield from _thresholds(f"the length of {name}", length, f"{name}-length", lengths, least)
        if name != TARGET:
            yield from _grams(name, column, texts, len(values), least)


def circumstances(rows: Rows, least: int) -> Iterator[Predicate]:
    """Yield the conditions on when and where alone: windows of times, and columns of few values."""
    for name in _columns(rows):
        there = [value for row in rows if (value := row.get(name)) is not None]
        kinds = {_kind(value) for value in there}
        column = name if is_name(name) else quoted(name)
        if (times := times_in(there)) is not None:
            yield from _windows(name, column, times)
        elif len(kinds) == 1 and "other" not in kinds and _few(counts := Counter(there), rows):
            yield from _values(name, column, counts, least)


def _few(counts: Mapping[Any, int], rows: Sequence[Any]) -> bool:
    """Return whether a column is one of values, not of texts."""
    return len(counts) <= max(VALUES, len(rows) // 10)


def _windows(name: str, column: str, times: Sequence[datetime]) -> Iterator[Predicate]:
    for window in windows(times):
        one_sided = window.start is None or window.end is None
        sign = "before" if window.start is None else "from"
        yield Predicate(
            window.sql(column),
            f"rows whose {name} is {window.said}",
            f"{name}-{window.said}",
            1 if one_sided else 2,
            family=f"{column} {sign}" if one_sided else "",
        )


def _values(name: str, column: str, counts: Mapping[Any, int], least: int) -> Iterator[Predicate]:
    for value, count in counts.items():
        if count < least or not str(value).isprintable():
            continue
        if isinstance(value, bool):
            sql, said = (column, "true") if value else (f"NOT {column}", "false")
        elif isinstance(value, str):
            sql, said = f"{column} = {literal(value)}", f"'{_short(value)}'"
        else:
            sql, said = f"{column} = {value!r}", f"{value}"
        yield Predicate(sql, f"rows whose {name} is {said}", f"{name}-{said}", 0)


def _pairs(name: str, column: str, counts: Counter[Any], least: int) -> Iterator[Predicate]:
    frequent = sorted(sorted(counts), key=lambda value: -counts[value])[:PAIRED]
    for one, other in combinations(sorted(frequent), 2):
        if counts[one] + counts[other] >= least and f"{one}{other}".isprintable():
            yield Predicate(
                f"{column} IN ({literal(one)}, {literal(other)})",
                f"rows whose {name} is '{_short(one)}' or '{_short(other)}'",
                f"{name}-{one}-or-{other}",
                2,
            )


def _thresholds(
    said: str, sql: str, slug: str, numbers: Sequence[float], least: int
) -> Iterator[Predicate]:
    import numpy as np

    places = np.quantile(np.asarray(numbers, dtype=np.float64), QUANTILES, method="nearest")
    for number in dict.fromkeys(places.tolist()):
        shown = int(number) if number == int(number) else number
        for sign, word in (("<=", "at most"), (">=", "at least")):
            text = f"rows in which {said} is {word} {shown}"
            condition, name = f"{sql} {sign} {shown!r}", f"{slug}-{word}-{shown}"
            yield Predicate(condition, text, name, 1, family=f"{sql} {sign}")


def _grams(
    name: str, column: str, texts: Sequence[str], rows: int, least: int
) -> Iterator[Predicate]:
    """Yield the most frequent runs of one to LONGEST words, none in nearly all rows."""
    counts: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        sequence = words(text)
        counts.update(
            {
                sequence[start : start + n]
                for n in range(1, LONGEST + 1)
                for start in range(len(sequence) - n + 1)
            }
        )
    usual = [(gram, n) for gram, n in counts.items() if least <= n <= rows - least]
    for gram, _ in sorted(usual, key=lambda pair: (-pair[1], pair[0]))[:GRAMS]:
        said = _said(gram)
        what = "word" if len(gram) == 1 else "words"
        yield Predicate(
            f"regexp_matches({column}, {literal(_pattern(gram))})",
            f"rows whose {name} has the {what} '{said}'",
            f"{name}-with-{said}",
            2 + len(gram),
        )


def _said(gram: Sequence[str]) -> str:
    """Return a run of words as it is written: without spaces where its script has none."""
    pairs = zip(gram, ("", *gram), strict=False)
    return "".join(
        f" {word}" if before and not (is_character(word) and is_character(before)) else word
        for word, before in pairs
    )


def _pattern(gram: Sequence[str]) -> str:
    r"""Return the regular expression of a run of words. RE2's `\b` and `\W` know ASCII alone."""
    if all(word.isascii() for word in gram):
        return r"(?i)\b" + r"\W+".join(gram) + r"\b"
    edge, between = r"[^\p{L}\p{M}\p{N}_]", r"[^\p{L}\p{M}\p{N}_]"
    pattern = "" if is_character(gram[0]) else f"(^|{edge})"
    for word, before in zip(gram, ("", *gram), strict=False):
        if before:
            loose = is_character(word) or is_character(before)
            pattern += f"{between}{'*' if loose else '+'}"
        pattern += word
    return f"(?i){pattern}" + ("" if is_character(gram[-1]) else f"($|{edge})")


def _numbers(values: Sequence[Any]) -> list[float] | None:
    """Return the values as numbers; None where one is not."""
    try:
        return [float(value) for value in values]
    except (TypeError, ValueError):
        return None


def _kind(value: Any) -> Literal["truth", "number", "text", "other"]:
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, (int, float)):
        return "number"
    return "text" if isinstance(value, str) else "other"


def literal(text: str) -> str:
    """Return a text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"


def slug_of(text: str) -> str:
    """Return a text as an id may be written; empty where nothing of it can be."""
    return re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-_")[:56].rstrip("-_")
