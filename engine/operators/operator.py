"""What an augmentation operator is once its folder is read: its definition, its prompts and the shape of its reply.

An operator sees training rows only. What it writes is checked afterwards, following its `label`: a row that
keeps its seed's label must stay close to the seed, a row that changes it must sit among rows of its new label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from engine.errors import Location, Problem, RecipeError
from engine.operators.definition import Definition, Label
from engine.rows import Example
from engine.spec.prompts import Prompt

SHARED = "prompt"
"""Name of the prompt for all packs that have none of their own in the folder."""
TARGET = "target"
"""Key of a row's own target in a reply, and in an example that is shown with it."""


class OperatorParams(BaseModel):
    """Base of every operator's parameters; their fields come from its `params`, with their descriptions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator, read from its folder and checked."""

    definition: Definition
    kinds: frozenset[str]
    """Names of the task kinds that it serves."""
    params: type[OperatorParams]
    prompts: Mapping[str, Prompt]
    """Pack -> prompt; SHARED stands for all that are not there."""
    reply: Mapping[str, Any]
    """JSON Schema of its reply, without the columns and the number of rows."""
    folder: Path
    own: bool
    """Whether it lies beside the recipe, and not in the engine."""
    digest: str
    """Hash of the definition and the reply's schema, without prose; the prompts have digests of their own."""

    @property
    def name(self) -> str:
        """The name a recipe uses."""
        return self.definition.name

    @property
    def description(self) -> str:
        """What it does, in one sentence."""
        return self.definition.description

    @property
    def label(self) -> Label:
        """Whether its rows keep their seed's target, carry another one, or bring their own."""
        return self.definition.label

    def prompt(self, pack: str) -> Prompt:
        """Return the prompt for a pack; raises RecipeError where the folder has none for it."""
        if prompt := self.prompts.get(pack) or self.prompts.get(SHARED):
            return prompt
        others = ", ".join(sorted(self.prompts))
        message = f"the operator '{self.name}' has no prompt for the pack '{pack}'"
        where = Location.at(self.folder)
        hint = f"write {where}/{pack}.md, or {SHARED}.md there for all packs; there is: {others}"
        raise RecipeError([Problem(where, message, hint, code="prompt")])


class Seed(NamedTuple):
    """What one call of an operator starts from."""

    row: Example
    """The training row to start from."""
    keep: str
    """What of the row's target a rewording must keep, in words behind "with"; often empty."""
    pattern: str
    """The failure pattern, in words (guarded: quotes no evaluation row)."""
    strategy: str
    """What rows would cure it (guarded)."""
    labels: Sequence[str]
    """Targets that the pattern is about; empty where targets are no labels."""
    task_labels: Sequence[str]
    """Targets of all training rows, sorted; empty where targets are no labels."""
    train: Sequence[Example]
    """The original training rows, to show as examples."""
    feedback: str
    """Why earlier attempts from this row were rejected; empty in the first attempt."""
    draw: int
    """A number that differs from call to call: the operator's source of variety, in place of randomness."""
    description: str
    """The recipe's description of the task; often empty."""


class NewRow(NamedTuple):
    """A row as an operator wrote it."""

    inputs: Mapping[str, str]
    target: Any
    """Text, or the JSON value that a row brought as its own."""
