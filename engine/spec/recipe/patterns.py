"""The patterns block of a recipe: how failures become patterns."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.bounds import Count
from engine.rows import PatternWord
from engine.spec.parts import Spec
from engine.spec.recipe.taxonomy import Taxonomy


class Cluster(BaseModel):
    """How diagnoses are grouped into patterns; further keys are the algorithm's own settings."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    algorithm: str = "kmeans"
    """How clusters are found (`pada list clusterers`)."""

    @property
    def settings(self) -> dict[str, Any]:
        """The algorithm's own settings, as written."""
        return dict(self.__pydantic_extra__ or {})


class Patterns(Spec):
    """How failures become patterns."""

    diagnose: Count = Field(default=200, ge=1)
    """Most failures diagnosed in a round; a seeded sample is taken of more."""
    hold_out: float = Field(default=0.3, ge=0, lt=1)
    """Share of a round's validation failures that are never diagnosed: what is mended of them is the honest number.

    Patterns are tested on them. Nothing is held out where that would be fewer than 20.
    """
    taxonomy: Taxonomy = Taxonomy()
    cluster: Cluster = Cluster()
    exclude: list[str] = Field(default_factory=list)
    """Patterns that no rows are written against, by id, name or category: for ablations. All else stays as it is."""
    confirm: Literal["off"] | Annotated[int, Field(ge=40, le=1000)] | None = None
    """Validation rows on which each pattern's description is tested, by the judge; `off`: none is tested.

    As the judge's pack says where left out (small 0, standard 80, frontier 100).
    """
    fund: list[PatternWord] = Field(default=["confirmed", "untested"], min_length=1)
    """Patterns that rows are written against, by what their tests say; the budget of the others goes to these."""
