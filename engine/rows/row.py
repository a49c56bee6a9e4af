"""What every record is, and the splits and rounds that records name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

Split = Literal["train", "validation", "test", "logged"]
"""logged: rows of logged traffic, which the student is not asked about again."""
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
"""Those of the data."""
UNTUNED = -1
"""The round of the untuned student: it answers once, for all seeds."""
CONTROL = -2
"""The round of the control: a plain fine-tune once more, on the original rows with another training seed."""


@dataclass(frozen=True, slots=True)
class Row:
    """Base of every stored record; `table` is where it goes."""

    table: ClassVar[str] = ""
