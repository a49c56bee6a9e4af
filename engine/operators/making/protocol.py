"""What a row function is: a program that makes a row, from a seed row or from files in the operator's folder.

It asks no model, sees one seed row, and draws from what it is given, so the same run makes the same rows. What it makes
is checked as rows are that a model writes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel

from engine.operators.definition import Label
from engine.rows import Example
from engine.tasks import Task, TaskKind

Copies = Literal["none", "near", "exact"]
"""near: a row is its seed row but for little, on purpose; exact: its inputs are the seed row's own."""


class NotMade(Exception):
    """No row can be made of this seed row, and why."""


class Material(NamedTuple):
    """What one row is made of."""

    seed: Example
    """The training row that it is made from; the nearest one, where it is made from none."""
    target: str | None
    """The target that it must have; None where it brings its own."""
    kind: TaskKind
    task: Task
    params: Mapping[str, Any]
    """The operator's parameters."""
    draw: random.Random
    """The source of chance: the same for the same row of the same run."""
    read: Any = None
    """What `RowFunction.read` made of the operator's folder."""

    @property
    def fixed(self) -> Mapping[str, tuple[str, ...]]:
        """What of each column must stay, character by character, so that the target stays right."""
        return self.kind.fixed(self.seed.inputs, self.seed.target, self.task.params)


class Made(NamedTuple):
    """A row that was made."""

    inputs: Mapping[str, str]
    target: str | None = None
    """None where the row has the target that it must have."""


@dataclass(frozen=True, slots=True)
class RowFunction:
    """A row function by name; `version` is bumped when it would make other rows."""

    name: str
    version: int
    description: str
    label: Label
    """The only rule by which its rows get their targets."""
    copies: Copies
    params: Mapping[str, str]
    """Parameters that an operator must declare for it, and their types."""
    make: Callable[[Material], Made]
    """Make one row; raises NotMade."""
    file: str = ""
    """The file in the operator's folder that it needs; empty for none."""
    read: Callable[[Path], BaseModel] | None = None
    """Read and check that file; raises RecipeError with every problem."""
    targets: Callable[[Any], frozenset[str] | None] | None = None
    """The targets that it can make rows of, from what was read; None: of any."""
    columns: Callable[[Any], Sequence[frozenset[str]]] | None = None
    """The input columns that its rows have, from what was read, one set a source; None: those of their seed rows."""
