"""The recipe's categories as the teacher is offered them."""

from __future__ import annotations

from dataclasses import dataclass

from engine.identity import Params

OTHER = "other"
"""What a hybrid taxonomy offers besides its categories."""


@dataclass(frozen=True, kw_only=True)
class OfferedCategory(Params):
    """A category of the taxonomy that the teacher may choose."""

    id: str
    description: str
