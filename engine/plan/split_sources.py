"""What decides the rows of a split or of a log."""

from __future__ import annotations

from engine.data.sources.origins import name_of
from engine.spec.recipe import Source
from engine.stages.load import SplitSource


def split_source(source: Source, digest: str | None) -> SplitSource:
    """Return what decides the rows of a split: the data, by its digest, and what is chosen of it."""
    return SplitSource(
        name=name_of(source),
        digest=digest,
        format=source.format,
        where=source.where,
        sample=source.sample,
        rename=source.rename,
        columns=source.columns,
        limit=source.limit,
        split_from=source.split_from,
    )
