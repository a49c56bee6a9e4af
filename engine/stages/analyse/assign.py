"""Which validation rows fall under a pattern besides its diagnosed members: those that lie as near as these do.

A row that was not diagnosed has no diagnosis, so rows are compared, each with its right answer: with the mean of the
members, and with how far each member lies from the mean of the others. It does not matter whether a row failed, and no
model is asked. Measured on the quickstart's rows, with three of ten intents as patterns of eight members each: of the
rows found 82, 51 and 89 % are of their pattern's intent, and of that intent's other rows 86, 86 and 76 % are found; by
the text without the right answer the first numbers are 30, 19 and 21 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from engine.rows import Example
from engine.stages.analyse.clusterers import centroid
from engine.stages.task_view import TaskView

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

REACH = 0.25
"""Quantile of the members' similarities from which another row belongs to them."""
MEMBERS = 3
"""Fewest members from which can be told how near is near."""


class Assigned(NamedTuple):
    """A row's pattern, and its similarity to the mean of the pattern's members."""

    pattern: str
    similarity: float


def text_with_answer(task: TaskView, example: Example) -> str:
    """Return what is embedded of a row."""
    return f"{task.text_of(example.inputs)}\n{example.target}"


def assign(vectors: Vectors, members: Mapping[str, Sequence[int]]) -> dict[int, Assigned]:
    """Return the pattern of each row that falls under one, by the row's place; members fall under their own.

    Args:
        vectors: Unit-length embeddings of all rows, shape (rows, dimensions).
        members: Pattern -> the places of its members.
    """
    import numpy as np

    assigned: dict[int, Assigned] = {}
    near: dict[str, tuple[Vectors, float]] = {}
    for pattern, places in members.items():
        own = vectors[list(places)]
        centre = centroid(own)
        assigned.update(
            (place, Assigned(pattern, _rounded(vectors[place] @ centre))) for place in places
        )
        if len(places) >= MEMBERS:
            near[pattern] = centre, float(np.quantile(_to_the_others(own), REACH))
    if not near:
        return assigned
    centres = np.stack([centre for centre, _ in near.values()])
    similarities = vectors @ centres.T
    names = list(near)
    for place, nearest in enumerate(similarities.argmax(axis=1)):
        similarity = float(similarities[place, nearest])
        if place not in assigned and similarity >= near[names[nearest]][1]:
            assigned[place] = Assigned(names[nearest], _rounded(similarity))
    return assigned


def _to_the_others(vectors: Vectors) -> Vectors:
    """Return each vector's similarity to the centroid of the others, shape (vectors,)."""
    import numpy as np

    others = vectors.sum(axis=0) - vectors
    lengths = np.linalg.norm(others, axis=1)
    similar: Vectors = (vectors * others).sum(axis=1) / np.where(lengths > 0, lengths, 1.0)
    return similar


def _rounded(similarity: float) -> float:
    return round(float(similarity), 6)
