"""What the rows of a recipe are like, counted before anything is trained: types, repetitions, labels, overlap."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from engine.data.split_rows import SplitRows
from engine.data.splits import Splits
from engine.rows import SPLITS
from engine.spec.loader import LoadedRecipe
from engine.tasks import TASKS
from engine.wording import ngrams, words

NEAR = 0.8
"""Share of a row's word n-grams that one row of another split holds, from which it counts as near."""
_MOST_CHARACTERS = 10_000_000
"""Of two splits, beyond which near rows are not searched for: a profile should take seconds."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many rows of a split are in an earlier one too."""

    other: str
    same: int
    """With the same words in the same order, whatever case and punctuation."""
    near: int | None
    """Others of which most word n-grams occur in one row; None where that was not searched for."""


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
    n = loaded.recipe.quality.leak_guard.ngram
    text_of = TASKS[task.kind].text_of
    texts = {
        split: [text_of({c: str(r.values[c]) for c in task.input}) for r in rows.records]
        for split, rows in splits.rows.items()
    }
    profiles = []
    for split in (split for split in SPLITS if split in splits.rows):
        rows = splits.rows[split]
        labels = Counter(label for r in rows.records for label in named(str(r.values[task.target])))
        earlier = [other for other in SPLITS[: SPLITS.index(split)] if other in texts]
        profiles.append(
            SplitProfile(
                split=split,
                rows=len(rows.records),
                repeated=len(texts[split]) - len(set(texts[split])),
                blank=sum(
                    any(not str(r.values[column]).strip() for column in task.input)
                    for r in rows.records
                ),
                left_out=splits.left_out.get(split, 0),
                labels=dict(labels.most_common()) if splits.rules.labels else None,
                overlaps=tuple(overlap(o, texts[split], texts[o], n) for o in earlier),
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


def overlap(other: str, rows: Sequence[str], others: Sequence[str], n: int) -> Overlap:
    """Count the rows that are the same as, or near to, a row of another split.

    Args:
        other: The other split's name.
        rows: Texts to look for.
        others: Texts to look in.
        n: Length in words of the n-grams compared; shorter texts are compared whole.
    """
    whole = {words(text) for text in others}
    same = {number for number, text in enumerate(rows) if words(text) in whole}
    if sum(map(len, rows)) + sum(map(len, others)) > _MOST_CHARACTERS:
        return Overlap(other, len(same), None)
    grams = {
        number: hashed
        for number, text in enumerate(rows)
        if number not in same and (hashed := _hashed(text, n))
    }
    return Overlap(other, len(same), len(_near(grams, others, n)))


def _hashed(text: str, n: int) -> set[int]:
    """Return a text's n-grams as numbers, which take a tenth of the memory."""
    return set(map(hash, ngrams(text, n)))


def _near(grams: Mapping[int, set[int]], others: Iterable[str], n: int) -> set[int]:
    """Return the rows of whose n-grams one other text holds the share NEAR.

    A row that shares so many shares one of any few of its n-grams, so only its rarest are looked up.
    Source: prefix filtering, S. Chaudhuri, V. Ganti, R. Kaushik, "A Primitive Operator for Similarity Joins in Data
    Cleaning", ICDE 2006, section 4.
    """
    common = Counter(gram for hashed in grams.values() for gram in hashed)
    index: dict[int, list[int]] = defaultdict(list)
    for number, hashed in grams.items():
        few = len(hashed) - ceil(NEAR * len(hashed)) + 1
        for gram in sorted(hashed, key=common.__getitem__)[:few]:
            index[gram].append(number)
    near: set[int] = set()
    for text in others:
        here = _hashed(text, n)
        for gram in here & index.keys():
            # Rows found already are taken out: a beginning that all rows share must not bring them up each time.
            index[gram] = [number for number in index[gram] if number not in near]
            near |= {n for n in index[gram] if len(grams[n] & here) >= NEAR * len(grams[n])}
    return near
