"""Which categories of a taxonomy the teacher chooses among, which SQL gives, and which an operator is for."""

from __future__ import annotations

from collections.abc import Sequence

from engine.spec.recipe import Taxonomy
from engine.spec.taxonomies import OTHER
from engine.stages.analyse.cluster import WhereCategory
from engine.stages.analyse.taxonomy import OfferedCategory


def offered(taxonomy: Taxonomy) -> tuple[OfferedCategory, ...]:
    """Return the categories among which the teacher chooses: one with a condition is SQL's to give."""
    if taxonomy.sorting == "open":
        return ()
    choices = [
        OfferedCategory(
            id=c.id, description=c.description, examples=tuple(c.examples), parent=c.parent
        )
        for c in taxonomy.categories
        if not c.where
    ]
    if choices and taxonomy.sorting == "hybrid":
        choices.append(OfferedCategory(id=OTHER, description="None of these."))
    return tuple(choices)


def by_sql(taxonomy: Taxonomy) -> list[WhereCategory]:
    """Return the categories that SQL gives, in the order in which they are tried: parts before the whole."""
    deepest = sorted(taxonomy.categories, key=lambda c: -taxonomy.depth(c))
    return [WhereCategory(id=c.id, where=c.where) for c in deepest if c.where]


def with_parts(taxonomy: Taxonomy, named: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the categories that an operator is for, with their parts; None for all."""
    if named is None:
        return None
    return tuple(dict.fromkeys(part for name in named for part in taxonomy.within(name)))
