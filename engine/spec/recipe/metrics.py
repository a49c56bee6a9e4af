"""The metrics and slices of a recipe: what is measured, and for which parts of the rows."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from engine.spec.parts import Name, Spec


class Rubric(Spec):
    """How the judge rates one answer."""

    rubric: str = Field(min_length=1, max_length=4000)
    """What a good answer is, in words."""
    scale: list[Annotated[int, Field(ge=0, le=100)]] = Field(
        default=[1, 5], min_length=2, max_length=2
    )
    """Lowest and highest rating, whole numbers; higher is better."""

    @field_validator("scale")
    @classmethod
    def _ascends(cls, scale: list[int]) -> list[int]:
        if not (0 <= scale[0] < scale[1] <= 100):
            raise ValueError("the lower number comes first, and both are within 0 to 100")
        return scale


class MetricSpec(Spec):
    """A metric of the engine with parameters, or one of the recipe's own: in SQL, or by a rubric for the judge."""

    name: Name
    """One of the engine's metrics (`pada list metrics`); a name of its own with `sql` or `judge`."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the metric."""
    sql: str | None = None
    """Aggregate expression over the columns of the rows, `prediction`, `target` and the per-example scores."""

    judge: Rubric | None = None
    """The judge rates every answer of every split, one call each."""

    @model_validator(mode="after")
    def _one_kind(self) -> MetricSpec:
        if (self.sql is not None) + (self.judge is not None) + bool(self.params) > 1:
            raise ValueError("a metric takes one of params, sql and judge")
        return self

    @property
    def own(self) -> bool:
        """Whether the recipe itself says what is measured."""
        return self.sql is not None or self.judge is not None


class Slice(Spec):
    """A way to part the rows, by a SQL expression."""

    name: Name
    """Name of the slice in tables and reports."""
    sql: str
    """Expression over the columns of the rows and `target`; each of its values is a part."""
