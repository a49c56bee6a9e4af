"""Parts of a cluster that the namer calls incoherent: those that it proposes, and what is nearest to each.

The namer says of the diagnoses that it was shown which part each belongs to. Those that it leaves out, names twice or
was not shown go to the part whose named diagnoses are nearest. Misfits, which are of no part, and of no pattern where
the cluster stays whole, are left out. What a part has to do with its cluster, and with a pattern of an earlier round,
is kept as what clusters have to do with these (`matching`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

from engine.rows import Drop, Pattern, PatternLink
from engine.stages.analyse.clusterers import centroid
from engine.stages.analyse.matching import SHARED, cosine
from engine.stages.numbered import NOT_ASKED, TWICE
from engine.stages.outputs import NamedPatterns

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

PARTS = "parts"
"""Key of the parts in a reply."""
MISFITS = "misfits"
"""Key of the diagnoses in a reply that are of no part, or not of the cluster."""
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

    Misfits are in no part.

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
    placed = {place for places in named for place in places} | misfits_of(reply, shown)
    for place, nearest in enumerate((vectors @ centres.T).argmax(axis=1).tolist()):
        if place not in placed:
            parts[nearest].append(place)
    return sorted((sorted(places) for places in parts), key=lambda places: (-len(places), places))


def misfits_of(reply: Mapping[str, Any], shown: Mapping[str, Sequence[int]]) -> set[int]:
    """Return the places of the members that a reply calls misfits; an id that stands in a part as well is none."""
    times = _times(reply)
    named = _distinct(reply.get(MISFITS, ()))
    return {place for one in named if times[one] == 1 for place in shown.get(one, ())}


def unusable(reply: Mapping[str, Any], shown: Sequence[str], pattern: str) -> Iterator[Drop]:
    """Yield a drop per id that stands in a reply's parts twice, or that was not shown."""
    for one, count in _times(reply).items():
        if one not in shown:
            detail = f"the reply speaks of '{one[:20]}', which is not in the call"
            yield Drop("name", f"{pattern} {one[:20]}", NOT_ASKED, detail)
        elif count > 1:
            yield Drop(
                "name", f"{pattern} {one}", TWICE, f"{one} stands in two places of the reply"
            )


def links_of_parts(
    parts: Iterable[Pattern],
    members: Mapping[str, Sequence[str]],
    clusters: Mapping[str, Sequence[float]],
    earlier: Sequence[NamedPatterns],
    continued: Set[str],
) -> Iterator[PatternLink]:
    """Yield of each part what cluster it is of, and the earlier pattern that most of its members come from.

    Args:
        parts: The parts, as patterns.
        members: Part -> examples.
        clusters: Cluster that was split -> its centroid.
        earlier: The patterns of earlier rounds, in order.
        continued: Those of them that a cluster of this round continues.
    """
    latest = {m.example: m.pattern for named in earlier for m in named.members}
    centres = {pattern.id: pattern.centroid for named in earlier for pattern in named.patterns}
    for part in parts:
        if part.split_from is None:
            continue
        of, own = part.split_from, members[part.id]
        yield PatternLink(part.id, of, "part", part.size, cosine(part.centroid, clusters[of]), None)
        sources = Counter(latest[example] for example in own if example in latest)
        for parent, shared in sources.most_common(1):
            if parent in continued and shared >= SHARED and 2 * shared > len(own):
                near = cosine(part.centroid, centres[parent])
                yield PatternLink(part.id, parent, "split", shared, near, None)


def _times(reply: Mapping[str, Any]) -> Counter[str]:
    named = [_ids(part) for part in reply.get(PARTS, ())] + [_distinct(reply.get(MISFITS, ()))]
    return Counter(one for ids in named for one in ids)


def _ids(part: Mapping[str, Any]) -> list[str]:
    return _distinct(part["diagnoses"])


def _distinct(ids: Sequence[Any]) -> list[str]:
    return list(dict.fromkeys(str(one).strip().casefold() for one in ids))
