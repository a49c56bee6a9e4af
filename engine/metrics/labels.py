"""Counting labels: how often each is right, answered, and hit, for one label per example or several.

An example has several labels when its target is a JSON list of texts, and this holds for all of the split. Labels are
those that occur as a reference or as an answer, as scikit-learn takes them; an unreadable answer names none. With
several acceptable answers of one label each, the answer's own is taken where it is acceptable, else the target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from engine import json_text
from engine.metrics.protocol import Answered, Scored

if TYPE_CHECKING:
    from engine.metrics.protocol import Floats


def label_set(text: str | None) -> frozenset[str] | None:
    """Return the labels in a JSON list of texts; None where `text` is no such list."""
    if text is None or not text.lstrip().startswith("["):
        return None
    try:
        labels = json_text.parse(text)
    except ValueError:
        return None
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        return None
    return frozenset(labels)


def has_many(split: Scored) -> bool:
    """Return whether every target of the split is a list of labels."""
    return bool(split.items) and all(label_set(i.references[0]) is not None for i in split.items)


def _pair(item: Answered, many: bool) -> tuple[frozenset[str], frozenset[str]]:
    """Return the right labels and the answered ones."""
    if many:
        answered = label_set(item.answer) or frozenset()
        right = [label_set(reference) or frozenset() for reference in item.references]
        return (answered if answered in right else right[0]), answered
    if item.answer is None:
        return frozenset(item.references[:1]), frozenset()
    return frozenset([_right_one(item)]), frozenset([item.answer])


def _right_one(item: Answered) -> str:
    """Return the right label of an example that has one."""
    return item.answer if item.answer in item.references else item.references[0]


def _pairs(split: Scored) -> list[tuple[frozenset[str], frozenset[str]]]:
    many = has_many(split)
    return [_pair(item, many) for item in split.items]


def labels_of(split: Scored) -> list[str]:
    """Return the labels of a split in the order in which `tally_labels` counts them."""
    if not has_many(split):
        answers = {item.answer for item in split.items if item.answer is not None}
        return sorted({*map(_right_one, split.items), *answers})
    return sorted({label for pair in _pairs(split) for labels in pair for label in labels})


def tally_labels(split: Scored, params: Any) -> Any:
    """Return for each example three ones or zeros per label: right, answered, both; sparse, (examples, 3 labels)."""
    from scipy.sparse import csr_array

    if not has_many(split):
        return _tally_single(split)
    pairs = _pairs(split)
    labels = sorted({label for pair in pairs for labels in pair for label in labels})
    column = {label: number for number, label in enumerate(labels)}
    rows: list[int] = []
    columns: list[int] = []
    for row, (right, answered) in enumerate(pairs):
        for block, marked in enumerate((right, answered, right & answered)):
            rows += [row] * len(marked)
            columns += [block * len(labels) + column[label] for label in marked]
    return csr_array(
        ([1.0] * len(rows), (rows, columns)), shape=(len(pairs), max(1, 3 * len(labels)))
    )


def _tally_single(split: Scored) -> Any:
    """Return the tally where each example has one label: by arrays of numbers, since splits have millions of rows."""
    import numpy as np
    from scipy.sparse import csr_array

    right = [_right_one(item) for item in split.items]
    labels = sorted({*right, *(i.answer for i in split.items if i.answer is not None)})
    column = {label: number for number, label in enumerate(labels)}
    rights = np.array([column[label] for label in right], dtype=np.int64)
    answers = np.array(
        [-1 if item.answer is None else column[item.answer] for item in split.items], dtype=np.int64
    )
    every = np.arange(len(right))
    named, hit = answers >= 0, answers == rights
    rows = np.concatenate([every, every[named], every[hit]])
    columns = np.concatenate([rights, len(labels) + answers[named], 2 * len(labels) + answers[hit]])
    shape = (len(right), max(1, 3 * len(labels)))
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)


class Counts(NamedTuple):
    """How often each label was right, answered, and both, each of shape (draws, labels)."""

    right: Floats
    answered: Floats
    hits: Floats

    @property
    def seen(self) -> Floats:
        """Right or answered, twice where both: zero for a label that is not in the draw."""
        return self.right + self.answered


def counts_of(sums: Floats) -> Counts:
    """Return the sums of `tally_labels` over each draw, by what they count."""
    labels = sums.shape[1] // 3
    return Counts(*(sums[:, labels * block : labels * (block + 1)] for block in range(3)))
