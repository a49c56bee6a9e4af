"""Which earlier patterns a round's clusters continue, which were split and which merged; nothing is asked of a model.

Rows say most: a failure that comes again was counted to a pattern before. Where few come again, embeddings decide, held
against what the round's own clusters show among themselves: a cluster continues a pattern that lies nearer to it than
its neighbours among the clusters do, and no further than members lie from the rest of theirs. All clusters and patterns
are matched at once, one to one, so that together they fit best (`scipy.optimize.linear_sum_assignment`: Crouse, IEEE
Transactions on Aerospace and Electronic Systems 52 (2016)).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

REACH = 0.25
"""Quantile of the members' similarities to the rest of their clusters that an earlier pattern must reach."""
NEIGHBOURS = 0.9
"""Quantile of a cluster's similarities to the others of its round that an earlier pattern must reach."""
MEMBERS = 3
"""Fewest members from which can be told how near is near."""
SHARED = 2
"""Fewest rows in common that say anything."""
SAME = 0.999999
"""Similarity of what is the same but for rounding: all that counts where a round shows nothing to compare with."""


class Group(NamedTuple):
    """One of this round's clusters."""

    members: frozenset[str]
    """Examples."""
    centre: Sequence[float] | Vectors
    similarities: Sequence[float]
    """The members' cosine similarities to the centre, which is their mean at unit length."""
    category: str | None = None
    """That of most members; None where none has one."""


class Known(NamedTuple):
    """A pattern found before."""

    id: str
    members: Set[str]
    """Examples that were counted to it when they last failed."""
    centre: Sequence[float] | Vectors | None
    """None where it cannot be compared: it is of another embedder."""
    category: str | None = None


@dataclass(frozen=True)
class Match:
    """What became of earlier patterns in one cluster."""

    continues: str | None = None
    """The earlier pattern that it is."""
    split_from: str | None = None
    """The earlier pattern that most of its members come from, and another cluster continues."""
    merged: tuple[str, ...] = ()
    """Earlier patterns that went into it, besides the one that it continues."""
    shared: Mapping[str, int] = field(default_factory=dict)
    """Earlier pattern -> members in common."""
    similarity: float | None = None
    """Of the centre to that of the pattern that it continues, or was split from."""
    threshold: float = SAME
    """Similarity from which it continues a pattern whatever the rows say."""


def match(groups: Sequence[Group], known: Sequence[Known]) -> list[Match]:
    """Return what each cluster continues; no two continue the same, and no cluster continues two.

    Raises:
        ValueError: two earlier patterns have the same id.
    """
    import numpy as np

    if len({one.id for one in known}) < len(known):
        raise ValueError("two earlier patterns have the same id")
    if not groups or not known:
        return [Match(threshold=limit) for limit in thresholds(groups)]
    pairs = _Pairs(groups, known)
    score = np.array(
        [[pairs.score(g, k) for k in range(len(known))] for g in range(len(groups))], dtype=float
    )
    from scipy.optimize import linear_sum_assignment

    taken = {
        int(g): int(k)
        for g, k in zip(*linear_sum_assignment(score, maximize=True), strict=True)
        if score[g, k] > 0
    }
    return [_match(pairs, g, taken) for g in range(len(groups))]


class _Pairs:
    """What each cluster and each earlier pattern have in common."""

    def __init__(self, groups: Sequence[Group], known: Sequence[Known]) -> None:
        self.groups, self.known = groups, known
        now = frozenset[str]().union(*(group.members for group in groups))
        self.shared = [[len(g.members & k.members) for k in known] for g in groups]
        self._again = [len(now & k.members) for k in known]
        self.similar = [[_similarity(g, k) for k in known] for g in groups]
        self.thresholds = thresholds(groups)
        self.merging = [self._merging(number) for number in range(len(groups))]

    def comes_from(self, g: int, k: int) -> bool:
        """Return whether most of a cluster's members were counted to a pattern."""
        return self.shared[g][k] >= SHARED and 2 * self.shared[g][k] > len(self.groups[g].members)

    def goes_to(self, g: int, k: int) -> bool:
        """Return whether most of a pattern's members that fail again are in a cluster."""
        return self.shared[g][k] >= SHARED and 2 * self.shared[g][k] > self._again[k]

    def _merging(self, g: int) -> list[int]:
        """Return the patterns of which a cluster is made, where it is made of several."""
        sources = [k for k in range(len(self.known)) if self.goes_to(g, k)]
        together = sum(self.shared[g][k] for k in sources)
        whole = 2 * together > len(self.groups[g].members)
        return sources if len(sources) > 1 and whole else []

    def score(self, g: int, k: int) -> float:
        """Return how well a cluster continues a pattern, 0 where it cannot."""
        group, known = self.groups[g], self.known[k]
        similar = self.similar[g][k]
        agree = None
        if group.category is not None and known.category is not None:
            agree = group.category == known.category
        by_rows = self.comes_from(g, k) or k in self.merging[g]
        near = similar is not None and similar >= self.thresholds[g] and agree is not False
        if not (by_rows or near):
            return 0.0
        overlap = self.shared[g][k] / len(group.members) if group.members else 0.0
        again = self.shared[g][k] / self._again[k] if self._again[k] else 0.0
        # Rows in common count twice: of the cluster, and of what fails again of the pattern.
        return overlap + again + max(0.0, similar or 0.0) + 0.5 * bool(agree) + 1e-6


def _match(pairs: _Pairs, g: int, taken: Mapping[int, int]) -> Match:
    known = pairs.known
    shared = {known[k].id: n for k, n in enumerate(pairs.shared[g]) if n}
    limit = pairs.thresholds[g]
    if g in taken:
        free = [k for k in pairs.merging[g] if k not in taken.values()]
        own = taken[g]
        merged = tuple(known[k].id for k in free)
        return Match(known[own].id, None, merged, shared, pairs.similar[g][own], limit)
    sources = [k for k in range(len(known)) if pairs.comes_from(g, k)]
    # Most of the members come from one at most.
    if sources and sources[0] in taken.values():
        parent = sources[0]
        return Match(None, known[parent].id, (), shared, pairs.similar[g][parent], limit)
    return Match(shared=shared, threshold=limit)


def thresholds(groups: Sequence[Group]) -> list[float]:
    """Return for each cluster the similarity from which an earlier pattern is the same, by the embeddings alone."""
    import numpy as np

    inside = [
        value
        for group in groups
        if len(group.similarities) >= MEMBERS
        for value in to_the_others(group.similarities)
    ]
    together = float(np.quantile(inside, REACH)) if inside else None
    limits = []
    for group in groups:
        apart = [cosine(group.centre, other.centre) for other in groups if other is not group]
        neighbour = float(np.quantile(apart, NEIGHBOURS)) if apart else None
        shown = [limit for limit in (together, neighbour) if limit is not None]
        # Of one cluster, or of single members, nothing can be learnt about how near is near.
        limits.append(min(max(shown), SAME) if together is not None else SAME)
    return limits


def to_the_others(similarities: Sequence[float]) -> list[float]:
    """Return each member's similarity to the mean of the others, given those to the mean of all.

    For unit vectors the mean's length is the mean of these similarities, so no vector is needed.
    """
    n = len(similarities)
    whole = sum(similarities)
    found = []
    for one in similarities:
        length = whole * whole - 2 * whole * one + 1
        found.append((whole * one - 1) / math.sqrt(length) if n > 1 and length > 0 else 1.0)
    return found


def most_frequent(values: Iterable[str | None]) -> str | None:
    """Return the value that more than half have, None where there is none."""
    known = list(values)
    for value in dict.fromkeys(known):
        if value is not None and 2 * known.count(value) > len(known):
            return value
    return None


def _similarity(group: Group, known: Known) -> float | None:
    if known.centre is None or len(known.centre) != len(group.centre):
        return None
    return cosine(group.centre, known.centre)


def cosine(one: Sequence[float] | Vectors, other: Sequence[float] | Vectors) -> float:
    """Return the similarity of two unit vectors, rounded."""
    import numpy as np

    return round(float(np.asarray(one, dtype=float) @ np.asarray(other, dtype=float)), 6)
