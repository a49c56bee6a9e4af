"""What differs between two recipes by what they say: keys and values, whatever their comments, order and form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.run.kept import packages_of
from engine.spec.extending.places import referenced
from engine.spec.loader import LoadedRecipe

Path = tuple[str | int, ...]
_NOT_SETTINGS = {"recipe", "look_in"}
"""What says nothing by itself: what is found in folders is compared as files."""
_CATEGORIES = ("patterns", "taxonomy", "categories")
_NAMES = ("name", "id")


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that is another, new or gone."""

    key: str
    """Its dotted key; what has a name stands under it: `augment.operators.paraphrase.share`."""
    how: Literal["changed", "added", "removed"]
    before: Any
    """The value; None for one that is new."""
    after: Any
    before_at: str
    """File and line; empty where it stands in none: a default, or what a command said."""
    after_at: str

    @property
    def is_category(self) -> bool:
        """Whether it is of the taxonomy's categories."""
        return self.key.startswith(".".join(_CATEGORIES))


@dataclass(frozen=True, slots=True)
class Placed:
    """A recipe whose settings are compared, and what says where one stands."""

    loaded: LoadedRecipe
    place: Any
    """Path -> file and line, or empty."""


class _Part:
    """A value of a recipe: one by itself, or all that has one name."""

    def __init__(self, path: Path, value: Any, whole: bool = False) -> None:
        self.path, self.value, self.whole = path, value, whole


def changes(before: Placed, after: Placed) -> list[Change]:
    """Return what is said otherwise, in the order of the second recipe, what is gone last."""
    old, new = (
        {key: value for key, value in _said(one.loaded).items() if key not in _NOT_SETTINGS}
        for one in (before, after)
    )
    return list(_between(old, new, (), (), (), before, after))


def _said(loaded: LoadedRecipe) -> dict[str, Any]:
    """Return a recipe with its defaults; what lies in packages is named by them, wherever they lie."""
    return referenced(loaded.effective, loaded.base, packages_of(loaded))


def _between(
    old: Any, new: Any, key: Path, old_at: Path, new_at: Path, before: Placed, after: Placed
) -> Iterator[Change]:
    """Yield the differences of two values; `key` is what they are called, the others where they stand."""
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys([*new, *old]):
            here = (*key, name)
            yield from _between(
                old.get(name), new.get(name), here, (*old_at, name), (*new_at, name), before, after
            )
        return
    olds, news = _named(old), _named(new)
    if olds is not None and news is not None and (olds or news):
        yield from _between_named(olds, news, key, old_at, new_at, before, after)
        return
    how: Literal["changed", "added", "removed"] = "changed"
    yield Change(_dotted(key), how, old, new, _place(before, old_at), _place(after, new_at))


def _between_named(
    olds: Mapping[str, tuple[int, Any]],
    news: Mapping[str, tuple[int, Any]],
    key: Path,
    old_at: Path,
    new_at: Path,
    before: Placed,
    after: Placed,
) -> Iterator[Change]:
    """Yield the differences of two lists whose items have names."""
    for name in dict.fromkeys([*news, *olds]):
        here = _dotted((*key, name))
        if name not in olds:
            at = (*new_at, news[name][0])
            yield Change(
                here, "added", None, _written(after, at, news[name][1]), "", _place(after, at)
            )
        elif name not in news:
            at = (*old_at, olds[name][0])
            yield Change(
                here, "removed", _written(before, at, olds[name][1]), None, _place(before, at), ""
            )
        else:
            (i, old), (j, new) = olds[name], news[name]
            yield from _between(old, new, (*key, name), (*old_at, i), (*new_at, j), before, after)
    common = [name for name in olds if name in news]
    if common != [name for name in news if name in olds]:
        yield Change(
            _dotted(key), "changed", list(olds), list(news), _place(before, old_at), _place(after, new_at)
        )  # fmt: skip


def _named(value: Any) -> dict[str, tuple[int, Any]] | None:
    """Return the items of a list by their names, with their places; None of what is no such list."""
    if value is None:
        return {}
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        return None
    for known in _NAMES:
        names = [item.get(known) for item in value]
        if all(isinstance(name, str) for name in names) and len({*names}) == len(names):
            return {
                str(name): (at, item)
                for at, (name, item) in enumerate(zip(names, value, strict=True))
            }
    return None


def _written(one: Placed, at: Path, value: Any) -> Any:
    """Return an item as it is written, without the defaults of what it leaves out."""
    here: Any = one.loaded.document.data
    source = one.loaded.taxonomy_file
    if source is not None and at[: len(_CATEGORIES)] == _CATEGORIES:
        here, at = source.data, at[2:]
    for part in at:
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            return value
    return here


def _place(one: Placed, at: Path) -> str:
    """Return where a value stands; empty for a default, which stands nowhere."""
    if at[: len(_CATEGORIES)] == _CATEGORIES and one.loaded.taxonomy_file is not None:
        return str(one.place(at))
    here: Any = one.loaded.document.data
    for part in at:
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            return ""
    return str(one.place(at))


def _dotted(path: Sequence[str | int]) -> str:
    return ".".join(map(str, path))
