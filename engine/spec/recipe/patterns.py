"""The patterns block of a recipe: how failures become patterns."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine.spec.parts import Name, Spec


class Category(Spec):
    """One category of the taxonomy."""

    id: Name
    description: str = ""
    where: str | None = None
    """SQL condition on a failure's columns: failures for which it holds belong to this category."""

    @model_validator(mode="after")
    def _say_what_it_is(self) -> Category:
        if not self.description and self.where is None:
            raise ValueError("a category needs a description, a where, or both")
        return self


class Taxonomy(Spec):
    """The categories that patterns are sorted into."""

    mode: Literal["open", "closed", "hybrid"] = "open"
    """open: none are used; closed: one of `categories`; hybrid: one of `categories` or `other`."""
    categories: list[Category] = Field(default_factory=list)

    @model_validator(mode="after")
    def _categories_fit_mode(self) -> Taxonomy:
        if self.mode == "open" and self.categories:
            raise ValueError("mode open takes no categories; use hybrid")
        if self.mode != "open" and not self.categories:
            raise ValueError(f"mode {self.mode} needs categories")
        ids = [category.id for category in self.categories]
        if len(ids) != len(set(ids)):
            raise ValueError("two categories have the same id")
        return self


class Cluster(BaseModel):
    """How diagnoses are grouped into patterns; further keys are the algorithm's own settings."""

    model_config = ConfigDict(
        frozen=True, extra="allow", strict=True, use_attribute_docstrings=True
    )

    algorithm: str = "kmeans"
    """Clusterer (`pada list clusterers`)."""

    @property
    def settings(self) -> dict[str, Any]:
        """The algorithm's own settings, as written."""
        return dict(self.__pydantic_extra__ or {})


class Patterns(Spec):
    """How failures become patterns."""

    diagnose: int = Field(default=200, ge=1)
    """Most failures diagnosed in a round; a seeded sample is taken of more."""
    hold_out: float = Field(default=0.3, ge=0, lt=1)
    """Share of a round's validation failures that nobody looks at: what is mended of them is the honest number.

    Nothing is held out where that would be fewer than 20.
    """
    taxonomy: Taxonomy = Taxonomy()
    cluster: Cluster = Cluster()
    same_pattern: float = Field(default=0.8, ge=0, le=1)
    """Cosine similarity of centroids above which a cluster continues a pattern of an earlier round."""
