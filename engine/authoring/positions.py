"""Where problems stand in a text that is being edited: as an editor counts characters, and which key is meant."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.errors import Location, Problem
from engine.spec.yaml import LINE_BREAK, Document, KeyPath

_TOKEN = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|[^\s,\[\]{}#:]+|.")
_NAMED = re.compile(r"^([^\s:]+) is missing")


@dataclass(frozen=True, slots=True)
class Placed:
    """A problem, and where in the text it is shown."""

    problem: Problem
    start: int
    """From the text's beginning, in UTF-16 units, as browsers count."""
    end: int
    path: KeyPath | None
    """The key that it is about; None where none is."""


class Text:
    """A text whose places are asked for by line and column, by index, or as a browser counts."""

    def __init__(self, text: str) -> None:
        """Take the text as it was parsed."""
        self.text = text
        self._starts = [0, *(found.end() for found in LINE_BREAK.finditer(text))]
        self._beyond = [found.start() for found in re.finditer("[\U00010000-\U0010ffff]", text)]

    def index(self, line: int, column: int) -> int:
        """Return the index of a place, both counted from 1 as messages do; the nearest one that there is."""
        start = self._starts[min(max(line, 1), len(self._starts)) - 1]
        return min(start + max(column, 1) - 1, len(self.text))

    def units(self, index: int) -> int:
        """Return an index as browsers count: characters beyond the first 65,536 are two."""
        return index + bisect_right(self._beyond, index - 1)


def placed(
    problems: Sequence[Problem], text: str, file: str, document: Document | None
) -> list[Placed]:
    """Return problems with their places in a text.

    Args:
        problems: What was found.
        text: What stands in the file.
        file: The file, as problems name it; those of other files have the text's beginning for a place.
        document: The text as it was parsed; None where it cannot be.
    """
    inside = Text(text)
    by_place = _by_place(document) if document is not None else {}
    return [_placed(problem, inside, file, by_place) for problem in problems]


def _placed(
    problem: Problem, text: Text, file: str, by_place: Mapping[Location, list[KeyPath]]
) -> Placed:
    where = problem.where
    if where.file != file:
        return Placed(problem, 0, 0, None)
    start = text.index(where.line, where.column)
    found = _TOKEN.match(text.text, start)
    end = found.end() if found and where.line else start
    path = _path(problem, by_place.get(where, [])) if where.line or not by_place else None
    return Placed(problem, text.units(start), text.units(end), path)


def _path(problem: Problem, here: Sequence[KeyPath]) -> KeyPath | None:
    """Return the key that a problem is about: of those that begin where it stands, the one that it names."""
    if problem.code == "missing" and (found := _NAMED.match(problem.message)):
        return read_name(found[1])
    named = [path for path in here if path and name_of(path) in problem.message]
    if named:
        return max(named, key=len)
    return max(here, key=len, default=None) or None


def _by_place(document: Document) -> dict[Location, list[KeyPath]]:
    found: dict[Location, list[KeyPath]] = {}
    for places in (document.values, document.keys):
        for path, where in places.items():
            found.setdefault(where, []).append(path)
    return found


def name_of(path: KeyPath) -> str:
    """Return a path as messages have it: `metrics[1].sql`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".")


def read_name(name: str) -> KeyPath:
    """Return the path of a name in a message."""
    return tuple(
        int(part[1:-1]) if part.startswith("[") else part
        for part in re.findall(r"\[\d+\]|[^.\[\]]+", name)
    )
