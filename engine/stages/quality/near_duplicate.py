"""near_duplicate: the row is not nearer to an earlier row than training rows are among themselves.

Earlier rows are training rows, rows accepted before, and earlier candidates that still stand. A row is compared with
those of its own label: a row that differs in few words and in its label is no repetition but a contrast. Where a
training set is so sparse that a good rewording is nearer than any two of its rows, the threshold is what a row shows
with one of its words left out. What is a copy of its seed row on purpose passes, and is nothing that others may repeat:
its seed row is.

Up to `exact_up_to` earlier rows, all of a row's label are compared. Above it those alone that share most of their words
with it (`lookalikes`): a row that says the same in other words is then not found, and nothing is copied or compared
row by row. Where very many candidates may come (`Batch.many`), these and the earlier rows together are counted, and
above that number they are compared in blocks (`many`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Protocol

from engine.spec.recipe import NearDuplicate
from engine.stages.quality.calibration import places_of
from engine.stages.quality.lookalikes import lookalikes
from engine.stages.quality.many import ManyEarlier
from engine.stages.quality.protocol import Batch, Finding, Gate

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class _Earlier(Protocol):
    """The rows that a candidate may repeat."""

    def nearest(self, place: int, own: Collection[str]) -> float:
        """Return the cosine of a candidate, by its place and its labels, to the nearest like it; -1 without any."""
        ...

    def keep(self, place: int, own: Collection[str]) -> None:
        """Count a candidate among the rows that later ones may repeat."""
        ...


class _All:
    """Every earlier row of its label is compared."""

    def __init__(self, batch: Batch) -> None:
        import numpy as np

        self._batch = batch
        # Room for every candidate, so that nothing is copied when one is kept.
        self._rows = len(batch.train) + len(batch.accepted_texts)
        self._kept = np.empty(
            (self._rows + len(batch.candidates), batch.vectors.shape[1]), dtype=np.float32
        )
        self._kept[: len(batch.train)] = batch.train_vectors
        if batch.accepted_texts:
            self._kept[len(batch.train) : self._rows] = batch.accepted_vectors
        self._places = places_of(_labels(batch))

    def nearest(self, place: int, own: Collection[str]) -> float:
        alike = sorted({row for label in own for row in self._places.get(label, ())})
        vector = self._batch.vectors[place]
        return float((self._kept[alike] @ vector).max()) if alike else -1.0

    def keep(self, place: int, own: Collection[str]) -> None:
        self._kept[self._rows] = self._batch.vectors[place]
        for label in own:
            self._places.setdefault(label, []).append(self._rows)
        self._rows += 1


class _ByWords:
    """Those earlier rows of its label are compared that share most of their words with it."""

    def __init__(self, batch: Batch) -> None:
        labels = _labels(batch)
        self._batch, self._own = batch, [batch.labels_of(c.target) for c in batch.candidates]
        self._kept: set[int] = set()
        self._found = lookalikes(
            batch.texts,
            [*batch.train_texts, *batch.accepted_texts],
            lambda new, earlier: any(label in labels[earlier] for label in self._own[new]),
        )

    def nearest(self, place: int, own: Collection[str]) -> float:
        import numpy as np

        batch, found = self._batch, self._found[place]
        train = [row for row in found.earlier if row < len(batch.train)]
        accepted = [row - len(batch.train) for row in found.earlier if row >= len(batch.train)]
        new = [
            row for row in found.new if row in self._kept and any(x in self._own[row] for x in own)
        ]
        vectors: list[npt.NDArray[np.float32]] = []
        if train:
            vectors.append(batch.train_vectors[train])
        if accepted:
            vectors.append(batch.accepted_vectors[accepted])
        if new:
            vectors.append(batch.vectors[new])
        if not vectors:
            return -1.0
        return float((np.concatenate(vectors) @ batch.vectors[place]).max())

    def keep(self, place: int, own: Collection[str]) -> None:
        self._kept.add(place)


def _labels(batch: Batch) -> list[Collection[str]]:
    """Return the labels of each earlier row: training rows, then those accepted before."""
    return [*batch.train_labels, *(batch.labels_of(t) for t in batch.accepted_targets)]


def _earlier(batch: Batch, exact_up_to: int) -> _Earlier:
    """Return the rows that candidates may repeat, in the way that their number asks for."""
    count = len(batch.train) + len(batch.accepted_texts)
    if batch.many and count + len(batch.candidates) > exact_up_to:
        own = [batch.labels_of(candidate.target) for candidate in batch.candidates]
        there = [(batch.train_vectors, batch.train_labels)]
        if batch.accepted_texts:
            accepted = [batch.labels_of(target) for target in batch.accepted_targets]
            there.append((batch.accepted_vectors, accepted))
        return ManyEarlier(batch.vectors, own, there, exact_up_to)
    return _All(batch) if count <= exact_up_to else _ByWords(batch)


def _check(batch: Batch, settings: NearDuplicate) -> Sequence[Finding]:
    among_rows = batch.shown.quantile(batch.shown.nearest, settings.quantile)
    known = [value for value in (among_rows, batch.shown.near_copy) if value is not None]
    if not known:
        return [Finding()] * len(batch.candidates)
    threshold = max(known)
    earlier = _earlier(batch, settings.exact_up_to)
    findings = []
    for place, (candidate, stands) in enumerate(zip(batch.candidates, batch.standing, strict=True)):
        if batch.copies(candidate) != "none":
            findings.append(Finding())
            continue
        own = batch.labels_of(candidate.target)
        nearest = earlier.nearest(place, own)
        if nearest > threshold:
            detail = f"similarity {nearest:.3f} to an earlier row (training rows: at most {threshold:.3f})"
            findings.append(Finding(detail, "There is a row very much like it: write another."))
            continue
        findings.append(Finding())
        if stands:
            earlier.keep(place, own)
    return findings


NEAR_DUPLICATE = Gate(
    name="near_duplicate",
    version=3,
    description="the row is no nearer to a row of its label than training rows are to one another",
    settings=lambda quality: quality.near_duplicate,
    check=_check,
)
