"""What an augmentation operator is: a prompt, a reply schema and a few lines that read the reply.

An operator sees training rows only. What it writes is checked afterwards, following its `label`: a row that
keeps its seed's label must stay close to the seed, a row that changes it must sit among rows of its new label.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from engine.rows import Example


class OperatorParams(BaseModel):
    """Base of every operator's parameters."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )


TARGET = "target"
"""Key of a row's own target in a reply."""
WRITTEN = ""
"""The target of rows whose target the operator writes itself."""


class Seed(NamedTuple):
    """What one call of an operator starts from."""

    row: Example
    """The training row to start from."""
    pattern: str
    """The failure pattern, in words (guarded: quotes no evaluation row)."""
    strategy: str
    """What rows would cure it (guarded)."""
    labels: tuple[str, ...]
    """Targets that the pattern is about."""
    train: Sequence[Example]
    """All original training rows, to show as examples."""
    feedback: str
    """Why earlier attempts from this row were rejected; empty in the first attempt."""
    draw: int
    """A number that differs from call to call: the operator's source of variety, in place of randomness."""
    labelled: bool = True
    """Whether targets are labels; else `labels` is empty."""


class NewRow(NamedTuple):
    """A row as an operator wrote it."""

    inputs: Mapping[str, str]
    target: Any
    """Text, or the JSON value that a row brought as its own."""


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator by name; `version` is bumped when the same reply would be read as other rows."""

    name: str
    version: int
    description: str
    label: Literal["keep", "change"]
    """Whether the rows carry their seed's target."""
    params: type[OperatorParams]
    prompt: str
    """Prompt, a name under `prompts/`."""
    target: Callable[[Seed], str | None]
    """The target that the rows from this seed will carry, WRITTEN where each row brings its own; None when the seed is
    of no use to the operator."""
    variables: Callable[[Seed, str, Any], Mapping[str, Any]]
    """(seed, target, params) -> the prompt's variables."""
    count: Callable[[Any], int]
    """params -> rows asked for in one call."""
    needs_labels: bool = False
    """Whether it can only be used where targets are labels."""


def read_rows(value: Any, seed: Seed, target: str) -> list[NewRow]:
    """Return the rows of a reply `{"rows": [{column: text, …}, …]}`, with their own targets if `target` is WRITTEN."""
    return [
        NewRow(
            {column: str(row.get(column, "")).strip() for column in seed.row.inputs},
            row.get(TARGET, "") if target == WRITTEN else target,
        )
        for row in value["rows"]
    ]
