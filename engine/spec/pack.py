"""A pack: how to talk to a teacher or a judge of one size, as a file beside the prompts written for it.

Lies in `prompts/<pack>/pack.yaml`, among the engine's prompts or beside the recipe, and says how much goes into one
call. Prompts and schemas are looked up in the recipe first, and there and here in the pack before what all packs share.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from engine.errors import Location
from engine.spec.named_files import NOTHING_FURTHER, Further, chosen, passed_file, read_named
from engine.spec.package_data import shipped
from engine.spec.parts import GateMode, Name, NamedSpec, Spec

FILE = "pack.yaml"


class Diagnosing(Spec):
    """How failures are put to the teacher."""

    failures_per_call: int = Field(ge=1, le=50)
    """Most failures that one call asks about."""
    passed: int = Field(ge=0, le=20)
    """Most passed rows, nearest to the failures, that are shown for contrast."""


class NamingPatterns(Spec):
    """How a cluster is put to the teacher for a name."""

    diagnoses: int = Field(ge=1, le=100)
    """Most diagnoses of the cluster that are shown: half of them central, half spread."""
    confusions: int = Field(ge=0, le=20)
    """Most pairs of right label and answer that are shown."""


class Confirming(Spec):
    """How patterns are tested on validation rows, by the judge's pack."""

    rows: int = Field(ge=0, le=1000)
    """Most rows per pattern, where the recipe says nothing; 0: no pattern is tested."""
    rows_per_call: int = Field(ge=1, le=100)
    """Most rows that one call asks about."""


class Generating(Spec):
    """How rows are asked for."""

    rows_per_call: int = Field(ge=1, le=50)
    """Most rows that one call asks for, where the operator leaves it to the pack."""
    seeds: int = Field(ge=1, le=20)
    """Most training rows shown as seeds."""
    oversample: float = Field(ge=1, le=10)
    """Rows asked for per row wanted, in the first attempt, where the recipe says nothing."""
    attempts: int = Field(ge=1, le=10)
    """Rounds of generation, each of which makes up for the rows rejected before."""


class Verifying(Spec):
    """How generated rows are solved blind."""

    samples: int = Field(ge=0, le=20)
    """Answers asked for, per row; 0: none are."""


class Judging(Spec):
    """How candidates are put to the judge."""

    rows_per_call: int = Field(ge=1, le=50)
    """Most candidates that one call asks about."""
    verdict: Literal["decides", "advises"]
    """What the judge does where the recipe leaves it open; it decides only once it is calibrated."""


class Pack(NamedSpec):
    """How to talk to a teacher or a judge of one size."""

    pack: Literal[1]
    """Format version of this file: 1."""
    description: str = Field(min_length=1)
    """For which models it is."""
    diagnose: Diagnosing
    name_pattern: NamingPatterns
    confirm: Confirming
    generate: Generating
    verify: Verifying
    judge: Judging
    thinking_tokens: int = Field(ge=0, le=200_000)
    """Tokens that a reply may spend on thinking, on top of what its schema needs."""
    gates: Mapping[Name, GateMode] = Field(default_factory=dict)
    """Gate -> whether it rejects, advises or is off; a gate that is not named rejects."""


def find_packs(base: Path | None = None, more: Further = NOTHING_FURTHER) -> dict[str, Path]:
    """Return name -> file of the available packs: those of a recipe in folder `base`, and the engine's own."""
    own = [*reversed(more.folders), *([base] if base else [])]
    folders = [shipped("prompts"), *(folder / "prompts" for folder in own)]
    files = [file for folder in folders for file in sorted(folder.glob(f"*/{FILE}"))]
    found = {file.parent.name: file for file in files} | dict(more.packs)
    return {name: passed_file(file, base, "pack") for name, file in found.items()}


def load_pack(
    name: str, base: Path | None, where: Location, more: Further = NOTHING_FURTHER
) -> Pack:
    """Read a pack by name.

    Args:
        name: As `models.teacher.pack` has it.
        base: The recipe's folder.
        where: Where the recipe names it.
        more: Where it may be besides.

    Raises:
        RecipeError: there is none of that name, or its file is wrong.
    """
    return read_pack(chosen("pack", name, find_packs(base, more), where))


def read_pack(file: Path) -> Pack:
    """Read the pack in a file; raises RecipeError with every problem found."""
    return read_named("pack", file, Pack, file.parent)
