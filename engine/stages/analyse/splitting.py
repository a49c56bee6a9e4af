"""Parts of a cluster that the namer calls incoherent: those that it proposes, and what is nearest to each.

The namer says of the diagnoses that it was shown which part each belongs to. Those that it leaves out, names twice or
was not shown go to the part whose named diagnoses are nearest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.rows import Drop
from engine.stages.analyse.clusterers import centroid
from engine.stages.numbered import NOT_ASKED, TWICE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

PARTS = "parts"
"""Key of the parts in a reply."""
MOST_PARTS = 8
"""Parts that a reply may propose, by its schema: where a clusterer finds no structure, all mistakes are one cluster."""
LEAST = 2
"""Fewest failures that make a part, of those that were shown."""


def parts_of(
    reply: Mapping[str, Any],
    shown: Mapping[str, Sequence[int]],
    vectors: npt.NDArray[np.float32],
) -> list[list[int]]:
    """Return the places of each part's members, largest part first; none where there are not two parts.

    Args:
        reply: The namer's.
        shown: Id of a diagnosis in the prompt -> the places of the members of which it is said.
        vectors: Unit-length embeddings of all members' diagnoses, shape (members, dimensions).
    """
    import numpy as np

    times = _times(reply)
    named = [
        [place for one in _ids(part) if times[one] == 1 for place in shown.get(one, ())]
        for part in reply.get(PARTS, ())
    ]
    named = [places for places in named if len(places) >= LEAST]
    if len(named) < 2:
        return []
    centres = np.stack([centroid(vectors[places]) for places in named])
    parts = [list(places) for places in named]
    placed = {place for places in named for place in places}
    for place, nearest in enumerate((vectors @ centres.T).argmax(axis=1).tolist()):
        if place not in placed:
            parts[nearest].append(place)
    return sorted((sorted(places) for places in parts), key=lambda places: (-len(places), places))


def unusable(reply: Mapping[str, Any], shown: Sequence[str], pattern: str) -> Iterator[Drop]:
    """Yield a drop per id that stands in a reply's parts twice, or that was not shown."""
    for one, count in _times(reply).items():
        if one not in shown:
            detail = f"a part of the cluster speaks of '{one[:20]}', which is not in the call"
            yield Drop("name", f"{pattern} {one[:20]}", NOT_ASKED, detail)
        elif count > 1:
            yield Drop(
                "name", f"{pattern} {one}", TWICE, f"{one} stands in two parts of the cluster"
            )


def _times(reply: Mapping[str, Any]) -> Counter[str]:
    return Counter(one for part in reply.get(PARTS, ()) for one in _ids(part))


def _ids(part: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(str(one).strip().casefold() for one in part["diagnoses"]))
