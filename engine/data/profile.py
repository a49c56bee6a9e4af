"""What the rows of a recipe are like, counted before anything is trained: types, repetitions, labels, overlap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.data.overlap import Overlap, overlap, text_in
from engine.data.split_rows import SplitRows
from engine.data.splits import Splits
from engine.rows import SPLITS
from engine.spec.loader import LoadedRecipe


@dataclass(frozen=True, slots=True)
class SplitProfile:
    """The rows of one split, counted."""

    split: str
    rows: int
    repeated: int
    """Rows whose inputs repeat an earlier row of the split."""
    blank: int
    """Rows with an input without text."""
    left_out: int
    """Bad rows that are left out."""
    labels: Mapping[str, int] | None
    """Label -> rows, the most frequent first; None where targets are free."""
    overlaps: tuple[Overlap, ...]


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """A column over all splits."""

    name: str
    types: str
    """In words: `text`, `text or number`."""
    empty: int
    """Rows without a value, in the splits that have the column."""
    lacking: tuple[str, ...]
    """Splits that do not have it."""


@dataclass(frozen=True, slots=True)
class DataProfile:
    """What the rows of a recipe are like."""

    splits: tuple[SplitProfile, ...]
    columns: tuple[ColumnProfile, ...]


def profile(loaded: LoadedRecipe, splits: Splits) -> DataProfile:
    """Return the counts for the splits that were read."""
    task = loaded.recipe.task
    named = splits.rules.labels or (lambda target: ())
    text_of = text_in(task)
    profiles = []
    for split in (split for split in SPLITS if split in splits.rows):
        rows = splits.rows[split]
        labels = Counter(label for r in rows.records for label in named(str(r.values[task.target])))
        earlier = [other for other in SPLITS[: SPLITS.index(split)] if other in splits.rows]
        profiles.append(
            SplitProfile(
                split=split,
                rows=len(rows.records),
                repeated=len(rows.records) - len(set(map(text_of, rows.records))),
                blank=sum(
                    any(not str(r.values[column]).strip() for column in task.input)
                    for r in rows.records
                ),
                left_out=splits.left_out.get(split, 0),
                labels=dict(labels.most_common()) if splits.rules.labels else None,
                overlaps=tuple(overlap(o, splits.shared(split, o)) for o in earlier),
            )
        )
    return DataProfile(tuple(profiles), tuple(_columns(splits.rows)))


def _columns(splits: Mapping[str, SplitRows]) -> Iterable[ColumnProfile]:
    every = {split: rows.types for split, rows in splits.items()}
    for name in dict.fromkeys(name for types in every.values() for name in types.first):
        having = {id(types): types for types in every.values() if name in types.first}.values()
        kinds = dict.fromkeys(kind for types in having for kind in types.first[name])
        lacking = tuple(split for split, types in every.items() if name not in types.first)
        empty = sum(types.empty(name) for types in having)
        yield ColumnProfile(name, " or ".join(kinds) or "nothing", empty, lacking)
