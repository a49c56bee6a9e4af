"""A round's clusters as the namer is shown them, and what becomes of one that it splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.fingerprint import short
from engine.rows import Diagnosis, Example, Failure, PatternMember
from engine.stages.analyse.cluster import diagnosis_text
from engine.stages.analyse.clusterers import centroid
from engine.stages.analyse.mistakes import labels_of
from engine.stages.analyse.targets import Confusions, confusions, worded_confusions
from engine.stages.blocks import Briefing, inert, task_block
from engine.stages.numbered import ids
from engine.stages.protocol import Context
from engine.stages.task_view import TaskView

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

CONTRAST = 5
"""Diagnoses of the nearest other cluster that are shown."""
LETTER = "d"
"""Of the ids of shown diagnoses."""


class Limits(NamedTuple):
    """The task, and how much of a cluster is shown."""

    task: TaskView
    briefing: Briefing
    diagnoses: int
    confusions: int


class Clusters:
    """A round's clusters, with what prompts show of them."""

    def __init__(
        self,
        limits: Limits,
        members: Mapping[str, Sequence[PatternMember]],
        diagnoses: Iterable[Diagnosis],
        failures: Iterable[Failure],
        train: Sequence[Example],
        ctx: Context,
    ) -> None:
        """Take what is shown, the clusters' members by falling size, and what these are made of."""
        self._limits, self._train = limits, train
        self._diagnoses = {d.id: d for d in diagnoses}
        self._failures = {f.example: f for f in failures}
        self.members: dict[str, list[PatternMember]] = {}
        self.vectors: dict[str, Vectors] = {}
        self.centres: dict[str, Vectors] = {}
        self.pairs: dict[str, Confusions] = {}
        for pattern, found in members.items():
            self._add(
                pattern,
                found,
                ctx.embed([diagnosis_text(self._diagnoses[m.diagnosis]) for m in found]),
            )

    def _add(self, pattern: str, members: Sequence[PatternMember], vectors: Vectors) -> None:
        self.members[pattern], self.vectors[pattern] = list(members), vectors
        self.centres[pattern] = centroid(vectors)
        self.pairs[pattern] = confusions(members, self._failures)

    def split(self, pattern: str, parts: Sequence[Sequence[int]]) -> list[str]:
        """Put a cluster's parts in its place and return their ids; a part is the places of its members."""
        members, vectors = self.members.pop(pattern), self.vectors.pop(pattern)
        del self.centres[pattern], self.pairs[pattern]
        added = []
        for part in parts:
            name = "p-" + short([pattern, sorted(members[place].diagnosis for place in part)], 8)
            # How near it was to the next cluster says nothing of the parts.
            own = [replace(members[place], pattern=name, silhouette=None) for place in part]
            self._place(name, own, vectors[list(part)])
            added.append(name)
        return added

    def leave_out(self, pattern: str, misfits: Set[int]) -> list[PatternMember]:
        """Take members out of a cluster, by their places, and return them."""
        members = self.members[pattern]
        kept = [place for place in range(len(members)) if place not in misfits]
        out = [members[place] for place in sorted(misfits)]
        self._place(pattern, [members[place] for place in kept], self.vectors[pattern][kept])
        return out

    def _place(self, pattern: str, members: Sequence[PatternMember], vectors: Vectors) -> None:
        """Add a cluster of members that lay in another one: their distances are to a new centroid."""
        distances = (1.0 - vectors @ centroid(vectors)).clip(min=0.0)
        order = sorted(range(len(members)), key=lambda place: (distances[place], place))
        moved = [
            replace(members[place], distance=round(float(distances[place]), 6)) for place in order
        ]
        self._add(pattern, moved, vectors[order])

    def shown(self, pattern: str) -> tuple[list[list[PatternMember]], int]:
        """Return the members whose diagnoses are shown, those worded alike together, and how many of these are central.

        The first ones are central.
        """
        wordings = self._wordings(pattern)
        firsts = [self.members[pattern].index(same[0]) for same in wordings]
        central, edge = half_spread(self.vectors[pattern][firsts], self._limits.diagnoses)
        return [wordings[place] for place in (*central, *edge)], len(central)

    def variables(self, pattern: str) -> dict[str, Any]:
        """Return the prompt's variables for one cluster, without what is the same for all."""
        limits, members = self._limits, self.members[pattern]
        shown, central = self.shown(pattern)
        nearest = self._nearest(pattern)
        others = self._wordings(nearest)[:CONTRAST] if nearest else []
        about = labels_of(limits.task, [self._failures[m.example] for m in members])
        return {
            "task": task_block(limits.task, limits.briefing, self._train, about),
            "size": len(members),
            "diagnoses": [
                {"id": name, **self._said(same, number < central)}
                for number, (name, same) in enumerate(
                    zip(ids(len(shown), LETTER), shown, strict=True)
                )
            ],
            "confusions": worded_confusions(limits.task, self.pairs[pattern], limits.confusions),
            "others": [self._said(same, True) for same in others],
        }

    def _wordings(self, pattern: str) -> list[list[PatternMember]]:
        """Return a cluster's members, those together of which the same is said word for word, in their order."""
        same: dict[str, list[PatternMember]] = {}
        for member in self.members[pattern]:
            text = diagnosis_text(self._diagnoses[member.diagnosis])
            same.setdefault(text, []).append(member)
        return list(same.values())

    def _said(self, members: Sequence[PatternMember], central: bool) -> dict[str, Any]:
        """Return what is said of some members, with their own confusions, most frequent first."""
        diagnosis: Diagnosis = self._diagnoses[members[0].diagnosis]
        task, pairs = self._limits.task, confusions(members, self._failures)
        worded = worded_confusions(task, pairs, len(pairs))
        right, wrong, _ = worded[0] if worded else ("", "", 0)
        return {
            "text": diagnosis_text(diagnosis),
            "root_cause": inert(diagnosis.root_cause),
            "scenario": inert(diagnosis.scenario),
            "skill": inert(diagnosis.skill),
            "right": right,
            "wrong": wrong,
            "count": len(members),
            "pairs": "; ".join(
                f"{t} answered as {a}" + (f": {n}" if len(worded) > 1 else "") for t, a, n in worded
            ),
            "central": central,
        }

    def _nearest(self, pattern: str) -> str:
        """Return the cluster whose centroid is nearest to that of another; "" where there is none."""
        near = {
            other: float(self.centres[pattern] @ centre)
            for other, centre in self.centres.items()
            if other != pattern
        }
        return max(near, key=lambda other: near[other], default="")


def half_spread(vectors: Vectors, most: int) -> tuple[list[int], list[int]]:
    """Return the places of the vectors to show: half of them the first, half as far from all shown as there are.

    Args:
        vectors: Unit-length, shape (n, dimensions), nearest to their centroid first.
        most: Most places in all.
    """
    import numpy as np

    shown = min(most, len(vectors))
    central = list(range((shown + 1) // 2))
    edge: list[int] = []
    nearest = (vectors @ vectors[central].T).max(axis=1)
    nearest[central] = np.inf
    while len(central) + len(edge) < shown:
        farthest = int(nearest.argmin())
        edge.append(farthest)
        nearest = np.maximum(nearest, vectors @ vectors[farthest])
        nearest[farthest] = np.inf
    return central, edge
