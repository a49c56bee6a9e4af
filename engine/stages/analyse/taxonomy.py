"""The recipe's categories as the teacher is offered them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.identity import Params


@dataclass(frozen=True, kw_only=True)
class OfferedCategory(Params):
    """A category of the taxonomy that the teacher may choose."""

    id: str
    description: str
    examples: tuple[str, ...] = ()
    parent: str | None = None
    """The category of which it is a part."""


def as_shown(categories: Iterable[OfferedCategory]) -> list[dict[str, str]]:
    """Return the categories as a prompt's variable: `id`, and a `description` with all that is known of it."""
    shown = []
    for category in categories:
        more = [f"part of {category.parent}"] if category.parent else []
        if category.examples:
            more.append(f"such as {', '.join(f'“{example}”' for example in category.examples)}")
        description = category.description
        if more:
            description = f"{'; '.join([description.rstrip('.'), *more])}."
        shown.append({"id": category.id, "description": description})
    return shown
