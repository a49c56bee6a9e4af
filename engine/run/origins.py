"""Where the patterns of a run were first seen: matched to those of earlier runs of recipes of the same name.

It happens beside the plan, when a run ends: what a node is must not depend on what the store has seen before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from engine.plan.graph import Node
from engine.rows import Pattern, PatternMember
from engine.stages.analyse.matching import Group, Known, match
from engine.store import PatternOriginRow, Sighting, Store

_SQL = "category:"
"""How the ids of patterns begin that SQL gives: the same in all runs and seeds, with no need to be matched."""


class _Found(NamedTuple):
    """A pattern as this run found it last, with all its members."""

    pattern: Pattern
    members: frozenset[str]
    similarities: tuple[float, ...]
    """Of the members of the round that found it last, to their centroid."""
    embedder: str


class _First(NamedTuple):
    """What is written down of a pattern that is new."""

    run: str
    seen: datetime
    recipe: str
    version: str


class Origins:
    """Says of each pattern of a run where it was first seen."""

    def __init__(self, store: Store, run: str, recipe: str, version: str) -> None:
        """Take the run and its recipe's name and version, and read what earlier runs saw.

        At the run's end the store's file may be in use by others.
        """
        self._store, self._run = store, run
        row = store.run_row(run)
        self._first = _First(run, row.started, row.recipe, version)
        self._known = {_key(one.origin): one for one in store.sightings(recipe, run)}

    def record(self, nodes: Sequence[Node]) -> None:
        """Write down the origin of each pattern that a run has found, given the nodes that it has reached."""
        nodes = [node for node in nodes if node.stage in {"cluster", "name"}]
        for seed in dict.fromkeys(node.seed for node in nodes):
            found = self._found([node for node in nodes if node.seed == seed])
            # Seed by seed: a weakness that shows with several seeds is one.
            for one, origin in self._origins(seed, found):
                self._known[_key(origin)] = Sighting(
                    origin, one.members, one.pattern.centroid, one.pattern.category, one.embedder
                )
                self._store.note([origin])

    def _found(self, nodes: Sequence[Node]) -> dict[str, _Found]:
        """Return the patterns of one seed, each as found last."""
        patterns: dict[str, Pattern] = {}
        members: dict[str, set[str]] = {}
        similarities: dict[str, tuple[float, ...]] = {}
        embedder = ""
        for node in sorted(nodes, key=lambda node: node.round):
            rows = self._store.load_output(node.id)
            patterns.update((row.id, row) for row in rows if isinstance(row, Pattern))
            groups: dict[str, list[PatternMember]] = {}
            for row in rows:
                if isinstance(row, PatternMember):
                    groups.setdefault(row.pattern, []).append(row)
            for pattern, group in groups.items():
                members.setdefault(pattern, set()).update(row.example for row in group)
                similarities[pattern] = tuple(1 - row.distance for row in group)
            if node.stage == "cluster":
                embedder = _embedder(node.identity)
        return {
            name: _Found(pattern, frozenset(members[name]), similarities[name], embedder)
            for name, pattern in patterns.items()
            if name in members
        }

    def _origins(
        self, seed: int, found: Mapping[str, _Found]
    ) -> Iterator[tuple[_Found, PatternOriginRow]]:
        same = {name: key for name in found if (key := self._same(seed, name)) is not None}
        rest = [name for name in found if name not in same and not name.startswith(_SQL)]
        free = [
            key
            for key, one in self._known.items()
            if key not in same.values() and not one.origin.pattern.startswith(_SQL)
        ]
        groups = [
            Group(one.members, one.pattern.centroid, one.similarities, one.pattern.category)
            for one in map(found.__getitem__, rest)
        ]
        matched = match(groups, [self._as_known(key, found) for key in free])
        similar = {name: one.similarity for name, one in zip(rest, matched, strict=True)}
        same |= {
            name: one.continues for name, one in zip(rest, matched, strict=True) if one.continues
        }
        for name, one in found.items():
            earlier = self._known.get(same[name]) if name in same else None
            yield one, self._row(seed, name, one, earlier, similar.get(name))

    def _same(self, seed: int, pattern: str) -> str | None:
        """Return the known pattern with this very id: what a run takes over, and what SQL gives."""
        for key, one in self._known.items():
            if one.origin.pattern == pattern and (
                one.origin.seed == seed or pattern.startswith(_SQL)
            ):
                return key
        return None

    def _as_known(self, key: str, found: Mapping[str, _Found]) -> Known:
        one = self._known[key]
        comparable = {each.embedder for each in found.values()} == {one.embedder}
        return Known(key, one.members, one.centre if comparable else None, one.category)

    def _row(
        self,
        seed: int,
        pattern: str,
        found: _Found,
        earlier: Sighting | None,
        similarity: float | None,
    ) -> PatternOriginRow:
        first = self._first
        if earlier is None:
            return PatternOriginRow(
                self._run, seed, pattern, first.run, seed, pattern, first.seen, first.recipe,
                first.version, None, None, None, 0, None,
            )  # fmt: skip
        before = earlier.origin
        return replace(
            before,
            run=self._run,
            seed=seed,
            pattern=pattern,
            earlier_run=before.run,
            earlier_seed=before.seed,
            earlier_pattern=before.pattern,
            shared=len(found.members & earlier.members),
            similarity=similarity,
        )


def _key(origin: PatternOriginRow) -> str:
    return f"{origin.first_run} {origin.first_seed} {origin.first_pattern}"


def _embedder(identity: Mapping[str, object]) -> str:
    models = identity.get("models")
    named = models.get("embedder") if isinstance(models, Mapping) else None
    return str(named[0]) if isinstance(named, Sequence) and named else ""
