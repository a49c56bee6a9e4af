"""What every part of a recipe is made of: immutable models that refuse unknown keys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
SIZE = r"^[0-9]+([.][0-9]+)?[MBT]$"
Name = Annotated[str, Field(pattern=NAME)]
Size = Annotated[str, Field(pattern=SIZE)]
"""Parameters of a model: `135M`, `8B`, `1T`."""
GateMode = Literal["reject", "advise", "off"]
"""What a quality gate does with a row in which it finds fault."""


class Spec(BaseModel):
    """Base of every part of a recipe: immutable, unknown keys refused, no silent conversions."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        serialize_by_alias=True,
    )


class NamedSpec(Spec):
    """Base of what lies in a file of its own, which a recipe names."""

    name: Name
    """The name that recipes use; also that of the file or its folder."""
