"""One document laid over another: a recipe over the one that it extends, a method or `--set` over a recipe.

Mappings are merged, `null` takes a key away, anything else takes the place of what stood there. Every value keeps the
place that it is from, so that what is wrong with one is told where it was written.

What one recipe inherits from another is merged more strictly than what a method or a command decides: a list or a value
that would take the place of a mapping, or the other way round, is a problem; and `+key` adds to the list of `key`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.errors import Location, Problem, RecipeError
from engine.registry import did_you_mean
from engine.spec.yaml import Document, KeyPath

ADDS = "+"
"""Before a key: its list is added to the one of the recipe that is extended."""
EITHER: frozenset[KeyPath] = frozenset({("task", "labels"), ("augment", "shares")})
"""Keys that take a mapping, or something else: one form takes the place of the other."""
_SHORT: Mapping[KeyPath, str] = {("patterns", "taxonomy"): "file"}
"""Keys that may be written as the value of one key of their mapping."""
_GONE = object()


def laid_over(under: Document, over: Document, at: KeyPath = ()) -> Document:
    """Return a document with what stands at `at` in another one laid over it; raises RecipeError for a wrong place.

    A key of `over` that is a number counts in a list: `metrics.0.name`.
    """
    high: Any = over.data
    for key in at:
        high = high.get(key) or {}
    merge = _Merge(under, over, inherits=False)
    return merge.done(merge.mapping(under.data, high, (), at, ()), under)


def inherited(under: Document, over: Document) -> Document:
    """Return what a recipe is together with the one that it extends.

    Args:
        under: The recipe that is extended, without what nobody inherits.
        over: The recipe that extends it.

    Raises:
        RecipeError: they cannot be merged; every problem, with both places.
    """
    merge = _Merge(under, over, inherits=True)
    return merge.done(merge.mapping(under.data, over.data, (), (), ()), over)


class _Merge:
    """What is put together of two documents, with the places of its parts."""

    def __init__(self, under: Document, over: Document, *, inherits: bool) -> None:
        self.under, self.over, self.inherits = under, over, inherits
        self.keys: dict[KeyPath, Location] = {}
        self.values: dict[KeyPath, Location] = {}
        self.removed: dict[KeyPath, Location] = {}
        self.problems: list[Problem] = []

    def done(self, data: dict[str, Any], document: Document) -> Document:
        if self.problems:
            raise RecipeError(self.problems)
        removed = {**self.under.removed, **self.over.removed, **self.removed}
        return replace(
            document,
            data=data,
            keys=self.keys,
            values=self.values,
            warnings=(*self.under.warnings, *self.over.warnings),
            removed={path: place for path, place in removed.items() if path not in self.keys},
        )

    def mapping(
        self,
        low: Mapping[str, Any],
        high: Mapping[str, Any],
        below: KeyPath,
        above: KeyPath,
        path: KeyPath,
    ) -> dict[str, Any]:
        """Merge two mappings, at `below` and `above` in their documents; `path` is that of what comes of it."""
        written = self._names(low, high, above)
        merged: dict[str, Any] = {}
        for key in (*low, *(name for name in written if name not in low)):
            at = (*path, key)
            if key not in written:
                merged[key] = self.copied(self.under, low[key], (*below, key), at)
                continue
            value = self._pair(
                low, high, key, written[key], (*below, key), (*above, written[key]), at
            )
            if value is not _GONE:
                merged[key] = value
        return merged

    def _names(
        self, low: Mapping[str, Any], high: Mapping[str, Any], above: KeyPath
    ) -> dict[str, str]:
        """Return the keys that one mapping writes, without their `+`: key -> as it is written."""
        names: dict[str, str] = {}
        for key, value in high.items():
            plain = key.removeprefix(ADDS)
            adds = (
                self.inherits
                and key != plain
                and key not in low
                and (isinstance(value, list) or plain in low)
            )
            name = plain if adds else key
            if name in names:
                where = self.over.at((*above, key), key=True)
                other = self.over.at((*above, names[name]), key=True)
                hint = f"the other one is at {other}: keep one of the two"
                self.problems.append(
                    Problem(
                        where,
                        f"'{name}' and '{ADDS}{name}' stand in one mapping",
                        hint,
                        code="merge",
                    )
                )
            names[name] = key
        return names

    def _pair(
        self, low: Mapping[str, Any], high: Mapping[str, Any], key: str, written: str,
        below: KeyPath, above: KeyPath, path: KeyPath,
    ) -> Any:  # fmt: skip
        """Merge what two mappings have under one key."""
        value = high[written]
        if written != key:
            return self._added(low, key, value, below, above, path)
        old = low.get(key)
        if value is None:
            self.removed[path] = self.over.at(above)
            return _GONE
        if self.inherits:
            old, below = self._alike(self.under, old, value, below, path)
            value, above = self._alike(self.over, value, old, above, path)
        if isinstance(value, dict) and isinstance(old, list) and not self.inherits and value:
            self._place(self.under, below, path)
            return self._items(old, value, below, above, path)
        if isinstance(value, dict) and (isinstance(old, dict) or old is None):
            if not value and not self.inherits:
                return self.copied(self.over, value, above, path)
            source, start = (self.under, below) if isinstance(old, dict) else (self.over, above)
            self._place(source, start, path)
            return self.mapping(old or {}, value, below, above, path)
        if (
            self.inherits
            and old is not None
            and isinstance(old, dict) != isinstance(value, dict)
            and path not in EITHER
        ):
            self._unlike(old, value, below, above, path)
        return self.copied(self.over, value, above, path)

    def _alike(
        self, source: Document, value: Any, other: Any, at: KeyPath, path: KeyPath
    ) -> tuple[Any, KeyPath]:
        """Return a value as a mapping where it is short for one, and the other one is a mapping."""
        short = _SHORT.get(path) or (
            "default" if path[:1] == ("vars",) and len(path) == 2 else None
        )
        if short is None or not isinstance(other, dict) or isinstance(value, dict) or value is None:
            return value, at
        for places in (source.keys, source.values):
            assert isinstance(places, dict)
            places[(*at, short)] = source.at(at)
        return {short: value}, at

    def _added(
        self,
        low: Mapping[str, Any],
        key: str,
        value: Any,
        below: KeyPath,
        above: KeyPath,
        path: KeyPath,
    ) -> Any:
        """Return a list with another one behind it."""
        old = low.get(key)
        if isinstance(old, list) and isinstance(value, list):
            self._place(self.under, below, path)
            ours = [
                self.copied(self.under, each, (*below, i), (*path, i)) for i, each in enumerate(old)
            ]
            start = len(old)
            return ours + [
                self.copied(self.over, each, (*above, i), (*path, start + i))
                for i, each in enumerate(value)
            ]
        where = self.over.at(above, key=True)
        if old is None:
            lists = [name for name, each in low.items() if isinstance(each, list)]
            message = (
                f"'{ADDS}{key}' adds to a list, and the recipe that is extended has no '{key}' here"
            )
            hint = did_you_mean(key, lists) or f"write `{key}:` without the {ADDS}"
        else:
            message = f"'{ADDS}{key}' adds to a list, and {_kind(value if isinstance(old, list) else old)} stands "
            message += "behind it" if isinstance(old, list) else f"at {self.under.at(below)}"
            hint = (
                f"write `{key}:` without the {ADDS}"
                if not isinstance(old, list)
                else "write a list"
            )
        self.problems.append(Problem(where, message, hint, code="merge"))
        return self.copied(self.over, value, above, path)

    def _items(
        self, low: list[Any], high: Mapping[str, Any], below: KeyPath, above: KeyPath, path: KeyPath
    ) -> list[Any]:
        """Return a list in which items are changed by their numbers, from 0."""
        merged = [
            self.copied(self.under, each, (*below, i), (*path, i)) for i, each in enumerate(low)
        ]
        for key in high:
            if not key.isdecimal() or int(key) >= len(low):
                where = self.over.at((*above, key))
                name = ".".join(map(str, path))
                count = f"it has {len(low)}, numbered from 0" if low else "it has none"
                message = f"{name} is a list, and has no item '{key}'"
                self.problems.append(
                    Problem(where, message, f"write the number of an item: {count}", code="setting")
                )
                continue
            number = int(key)
            at, old = (*path, number), {str(number): low[number]}
            self._forget(at)
            # An item's places stand under its number, not under a text.
            value = self._pair(old, high, key, key, (*below, number), (*above, key), at)
            merged[number] = None if value is _GONE else value
        return merged

    def _unlike(self, old: Any, value: Any, below: KeyPath, above: KeyPath, path: KeyPath) -> None:
        name = ".".join(map(str, path))
        message = f"{name} is {_kind(value)} here, and {_kind(old)} at {self.under.at(below)}"
        hint = f"write {_kind(old)}, as there"
        self.problems.append(Problem(self.over.at(above), message, hint, code="merge"))

    def copied(self, source: Document, value: Any, at: KeyPath, path: KeyPath) -> Any:
        """Return a value as it is in one document, and note where its parts stand."""
        self._place(source, at, path)
        if isinstance(value, dict):
            if source is self.over:
                return self.mapping({}, value, path, at, path)
            return {
                key: self.copied(source, each, (*at, key), (*path, key))
                for key, each in value.items()
            }
        if isinstance(value, list):
            return [self._item(source, each, (*at, i), (*path, i)) for i, each in enumerate(value)]
        return value

    def _item(self, source: Document, value: Any, at: KeyPath, path: KeyPath) -> Any:
        """Return what stands in a list, as it is: nothing is merged there, and `null` is a value."""
        self._place(source, at, path)
        if isinstance(value, dict):
            return {
                key: self._item(source, each, (*at, key), (*path, key))
                for key, each in value.items()
            }
        if isinstance(value, list):
            return [self._item(source, each, (*at, i), (*path, i)) for i, each in enumerate(value)]
        return value

    def _place(self, source: Document, at: KeyPath, path: KeyPath) -> None:
        for ours, theirs in ((self.keys, source.keys), (self.values, source.values)):
            if (place := theirs.get(at)) is not None:
                ours[path] = place

    def _forget(self, path: KeyPath) -> None:
        for places in (self.keys, self.values):
            for known in [each for each in places if each[: len(path)] == path]:
                del places[known]


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else "a value"
