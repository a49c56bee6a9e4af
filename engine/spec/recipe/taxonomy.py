"""The taxonomy: the categories that failures are sorted into, in a recipe or in a file that recipes share."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from engine.spec.parts import Name, Spec

Sorting = Literal["open", "closed", "hybrid"]


class Category(Spec):
    """One category of a taxonomy."""

    id: Name
    """The category's name: small letters, digits, `-` and `_`."""
    description: str = ""
    """What kind of failure it is, in a sentence or two, for the teacher."""
    examples: list[str] = Field(default_factory=list, max_length=10)
    """Short texts of failures of this kind, for the teacher."""
    parent: Name | None = None
    """The category of which it is a part."""
    where: str | None = None
    """SQL condition on a failure's columns: failures for which it holds belong to this category, no model is asked."""

    @model_validator(mode="after")
    def _say_what_it_is(self) -> Category:
        if not self.description and self.where is None:
            raise ValueError("a category needs a description, a where, or both")
        return self


class Taxonomy(Spec):
    """The categories that failures and patterns are sorted into; a path alone names a file of them."""

    file: str | None = None
    """A taxonomy of its own, which several recipes may share; relative to the recipe."""
    mode: Sorting | None = None
    """Whether failures may fall under other categories than these. closed: each failure is of one of `categories`.
    hybrid: of one, or `other` with a name that the teacher proposes. open: all names are the teacher's, and only
    categories with a `where` are used. Left out: as the file says; else hybrid where there are categories, and open
    where there are none. """
    categories: list[Category] = Field(default_factory=list)
    """The categories themselves; with `file` they stand there."""

    @model_validator(mode="before")
    @classmethod
    def _may_be_a_path(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str) else value

    @property
    def sorting(self) -> Sorting:
        """The mode, also where it is left out."""
        return self.mode or ("hybrid" if self.categories else "open")

    def depth(self, category: Category) -> int:
        """Return how many categories a category is part of; they form no circle."""
        above = {one.id: one.parent for one in self.categories}
        depth, parent = 0, category.parent
        while parent is not None:
            depth, parent = depth + 1, above.get(parent)
        return depth

    def within(self, id: str) -> list[str]:
        """Return a category and all that are part of it, at any depth."""
        found = [id]
        for name in found:
            found += [one.id for one in self.categories if one.parent == name]
        return found


class TaxonomyFile(Spec):
    """A taxonomy file, format version 1: categories that recipes share."""

    taxonomy: Literal[1]
    """Format version of this file: 1."""
    description: str = ""
    """Which failures the categories are for, in a sentence."""
    mode: Sorting | None = None
    """Whether failures may fall under other categories than these; hybrid when left out. A recipe may say otherwise."""
    categories: list[Category] = Field(min_length=1)
    """The categories that failures are sorted into."""
