"""nearest: training rows by their likeness to other rows, and labels by that of their rows, as the embedder sees it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice, zip_longest
from typing import TYPE_CHECKING

from engine.rows import Example
from engine.stages.protocol import Context
from engine.stages.task_view import TaskView
from engine.wording import words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

ANSWERED = 4
"""Most training rows that show what right answers are like."""
MOST_DEFINED = 40
"""Labels that are all defined; of more, those whose training rows are nearest to the rows to be answered."""
DEFINED_BY_ROW = 5
"""Labels per row that are defined where there are more."""
_AT_ONCE = 1000
"""Rows of very many that are compared together."""


def nearest_rows(
    task: TaskView, train: Sequence[Example], inputs: Sequence[Mapping[str, str]], ctx: Context
) -> list[list[Example]]:
    """Return for each of some rows, by its inputs, all training rows, the nearest first."""
    import numpy as np

    if not inputs or not train:
        return [[] for _ in inputs]
    vectors = ctx.embed([task.text_of(example.inputs) for example in train])
    rows = ctx.embed([task.text_of(row) for row in inputs])
    return [
        [train[int(place)] for place in np.argsort(-(vectors @ row), kind="stable")] for row in rows
    ]


class NearestLabels:
    """Labels by the likeness of their training rows to other rows, for many rows beside the same training rows."""

    def __init__(self, task: TaskView, train: Sequence[Example], ctx: Context) -> None:
        """Take the task and the rows, which are embedded once, when they are first asked for."""
        self._task, self._train, self._ctx = task, train, ctx

    @cached_property
    def labels(self) -> Sequence[str]:
        """All labels of the task."""
        return self._task.labels_among(self._train)

    @cached_property
    def _vectors(self) -> npt.NDArray[np.float32]:
        return self._ctx.embed([self._task.text_of(example.inputs) for example in self._train])

    @cached_property
    def _carried(self) -> tuple[list[str], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Labels; the places of the rows that carry each, label by label; and where those of each label begin."""
        import numpy as np

        entry, settings = self._task.entry, self._task.settings
        of_label: dict[str, list[int]] = {}
        for place, example in enumerate(self._train):
            for label in dict.fromkeys(entry.labels_in(example.target, settings)):
                of_label.setdefault(label, []).append(place)
        begins = np.cumsum([0, *map(len, of_label.values())][:-1])
        places = np.array([place for own in of_label.values() for place in own], dtype=np.intp)
        return list(of_label), places, begins

    def of(self, inputs: Sequence[Mapping[str, str]]) -> list[list[str]]:
        """Return for each of some rows, by its inputs, all labels of training rows, that of the nearest first."""
        if not inputs or not self._train:
            return [[] for _ in inputs]
        rows = self._ctx.embed([self._task.text_of(row) for row in inputs])
        # One by one: of many rows at once the last digits are others.
        return [next(self._by_likeness((self._vectors @ row)[None, :])) for row in rows]

    def of_many(self, inputs: Iterable[Mapping[str, str]], most: int) -> Iterator[list[str]]:
        """Yield for each of very many rows the labels of the `most` that are nearest, as `of` does but for last digits.

        Rows are compared in blocks, many times faster than one by one.
        """
        waiting = iter(inputs)
        while part := list(islice(waiting, _AT_ONCE)):
            rows = self._ctx.embed([self._task.text_of(row) for row in part])
            for labels in self._by_likeness(rows @ self._vectors.T):
                yield labels[:most]

    def _by_likeness(self, likeness: npt.NDArray[np.float32]) -> Iterator[list[str]]:
        """Yield all labels by the likeness of the nearest training row of each, of shape (some rows, training rows)."""
        import numpy as np

        labels, places, begins = self._carried
        nearest = np.maximum.reduceat(likeness[:, places], begins, axis=1)
        order = np.argsort(-nearest, axis=1, kind="stable")
        ranked = np.take_along_axis(nearest, order, axis=1)
        even = (ranked[:, 1:] == ranked[:, :-1]).any(axis=1)
        for row, own in enumerate(order.tolist()):
            if even[row]:
                yield self._one_by_one(likeness[row])
            else:
                yield [labels[place] for place in own]

    def _one_by_one(self, likeness: npt.NDArray[np.float32]) -> list[str]:
        """Return the labels where some are equally near: the first of such rows counts, with its labels in order."""
        import numpy as np

        entry, settings = self._task.entry, self._task.settings
        near = (self._train[int(place)] for place in np.argsort(-likeness, kind="stable"))
        named = (entry.labels_in(example.target, settings) for example in near)
        return list(dict.fromkeys(label for own in named for label in own))

    def to_define(self, inputs: Sequence[Mapping[str, str]]) -> Sequence[str]:
        """Return the labels that are defined to whoever answers some rows: chosen by their inputs alone.

        So nothing tells a target, as long as none of the training rows is one of these rows.
        """
        if len(self.labels) <= MOST_DEFINED:
            return self.labels
        return sorted({label for near in self.of(inputs) for label in near[:DEFINED_BY_ROW]})


class NearRows:
    """Training rows that show what right answers to other rows are like, where targets are no labels.

    Labels are defined by rows of theirs: rows chosen by their nearness would tell which of them is right.
    """

    def __init__(self, task: TaskView, train: Sequence[Example], ctx: Context) -> None:
        """Take the task and the rows, which are embedded once."""
        self._train = () if task.labelled else train
        self._ctx, self._task = ctx, task
        self._places: dict[str, int] = {e.id: place for place, e in enumerate(self._train)}
        self._same: dict[tuple[str, ...], list[int]] = {}
        for place, example in enumerate(self._train):
            self._same.setdefault(words(task.text_of(example.inputs)), []).append(place)
        self._vectors = (
            ctx.embed([task.text_of(e.inputs) for e in self._train]) if self._train else None
        )

    def around(
        self, inputs: Sequence[Mapping[str, str]], without: Collection[str] = ()
    ) -> list[Example]:
        """Return the rows nearest to some, by their inputs: ANSWERED at most, the nearest of each in turn.

        None has the same words as one of these, which would give its answer away, or is in `without`.
        """
        import numpy as np

        if self._vectors is None or not inputs:
            return []
        likeness = self._ctx.embed([self._task.text_of(row) for row in inputs]) @ self._vectors.T
        barred = {self._places[name] for name in without if name in self._places}
        for row in inputs:
            barred.update(self._same.get(words(self._task.text_of(row)), ()))
        likeness[:, list(barred)] = -np.inf
        near = np.argsort(-likeness, axis=1, kind="stable")[:, :ANSWERED]
        places = dict.fromkeys(int(place) for place in near.T.ravel() if int(place) not in barred)
        return [self._train[place] for place in places][:ANSWERED]


def labels_to_define(
    task: TaskView, train: Sequence[Example], inputs: Sequence[Mapping[str, str]], ctx: Context
) -> Sequence[str]:
    """Return the labels that are defined to whoever answers some rows; see `NearestLabels.to_define`."""
    return NearestLabels(task, train, ctx).to_define(inputs)


class SameWords:
    """Which rows have the same words as others."""

    def __init__(self, task: TaskView, rows: Iterable[Example]) -> None:
        """Take the task and the rows."""
        self._task = task
        self._ids: dict[tuple[str, ...], list[str]] = {}
        for row in rows:
            self._ids.setdefault(words(task.text_of(row.inputs)), []).append(row.id)

    def as_one_of(self, others: Iterable[Example]) -> frozenset[str]:
        """Return the ids of the rows with the same words as one of the others: each of these, where it is a row."""
        said = {words(self._task.text_of(other.inputs)) for other in others}
        return frozenset(row for text in said for row in self._ids.get(text, ()))


class NearLabels:
    """Which labels are nearest to a label: by the means of the embeddings of the training rows that carry them."""

    def __init__(self, task: TaskView, train: Sequence[Example], ctx: Context) -> None:
        """Take the task, its training rows, which are embedded here, and what embeds them."""
        import numpy as np

        rows_of: dict[str, list[int]] = {}
        for place, example in enumerate(train):
            for label in task.entry.labels_in(example.target, task.settings):
                rows_of.setdefault(label, []).append(place)
        vectors = ctx.embed([task.text_of(example.inputs) for example in train])
        means = [vectors[rows].mean(axis=0) for rows in rows_of.values()]
        self._places = {label: place for place, label in enumerate(rows_of)}
        self._labels = list(rows_of)
        self._means = np.stack([mean / (np.linalg.norm(mean) or 1.0) for mean in means])

    def around(self, labels: Iterable[str], each: int, most: int) -> list[str]:
        """Return other labels, the `each` nearest to every one of some; at most `most` in all, the nearest first."""
        own = list(dict.fromkeys(label for label in labels if label in self._places))
        near = [self._near(label)[:each] for label in own]
        # The nearest of each label come before the second nearest of any.
        found = dict.fromkeys(label for turn in zip_longest(*near) for label in turn if label)
        return [label for label in found if label not in own][:most]

    def _near(self, label: str) -> list[str]:
        import numpy as np

        order = np.argsort(-(self._means @ self._means[self._places[label]]), kind="stable")
        ranked = (self._labels[int(place)] for place in order)
        return [other for other in ranked if other != label]
