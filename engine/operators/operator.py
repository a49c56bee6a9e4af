"""What an augmentation operator is once its folder is read: its definition, its prompts and the shape of its reply.

An operator sees training rows only. What it writes is checked afterwards, following its `label`: a row that
keeps its seed's label must stay close to the seed, a row that changes it must sit among rows of its new label.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from engine.errors import Location, Problem, RecipeError
from engine.operators.definition import Definition, Label
from engine.operators.making.protocol import Copies, RowFunction
from engine.rows import Example
from engine.spec.prompts import Prompt

SHARED = "prompt"
"""Name of the prompt for all packs that have none of their own in the folder."""
MINED = "mine"
"""As what rows of a pool are counted among those of operators: none has this name."""
TARGET = "target"
"""Key of a row's own target in a reply, and in an example that is shown with it."""
ITEM_KEYS = ("id", "plan", "rationale")
"""What a row of a reply holds besides columns and target, where a call asks for rows of several seeds."""
SKIPPED = "skipped"
"""Key of the rows that a reply leaves out, each with its id and why."""
PACK = "pack"
"""Stands for a number that the teacher's pack has."""


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
    """Hash of the definition, the reply's schema and the row function, without prose; prompts have their own."""
    make: RowFunction | None = None
    """What makes its rows where no model does."""
    material: Any = None
    """What the row function read from the folder."""

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

    @property
    def made_from(self) -> bool:
        """Whether each row is made from a training row, its seed row."""
        rule = self.definition
        return self.label in ("keep", "change") or rule.seeded or rule.writes == "target"

    @property
    def may_skip(self) -> bool:
        """Whether a writer of rows of several seeds may leave one out: not one that is asked for what a target is."""
        return self.made_from and self.definition.votes is None

    @property
    def copies(self) -> Copies:
        """How far its rows are copies of their seed rows, on purpose."""
        if self.make is not None:
            return self.make.copies
        if self.definition.writes == "target":
            return "exact"
        return "near" if self.definition.copies else "none"

    @property
    def covers(self) -> bool:
        """Whether its rows can be for what does not fail: not those that need a confusion, or repeat a row."""
        return self.label != "change" and self.copies != "exact"

    def varied(self, params: OperatorParams) -> dict[str, Sequence[str]]:
        """Return what differs from row to row, by name."""
        return {
            name: getattr(params, values) if isinstance(values, str) else values
            for name, values in self.definition.vary.items()
        }

    def prompt(self, pack: str) -> Prompt:
        """Return the prompt for a pack; raises RecipeError where the folder has none for it."""
        if prompt := self.prompts.get(pack) or self.prompts.get(SHARED):
            return prompt
        others = ", ".join(sorted(self.prompts))
        message = f"the operator '{self.name}' has no prompt for the pack '{pack}'"
        where = Location.at(self.folder)
        hint = f"write {where}/{pack}.md, or {SHARED}.md there for all packs; there is: {others}"
        raise RecipeError([Problem(where, message, hint, code="prompt")])


class RowSpec(NamedTuple):
    """One row that a call asks for."""

    id: str
    """By which the reply names it, such as `r3`."""
    seed: Example
    """The training row that it is made from; the nearest one, where it is made from none."""
    target: str | None
    """The target that it must have; None where it brings its own."""
    near: str | None = None
    """The label that it may be mistaken for."""
    keep: str = ""
    """What of the seed row's target a rewording must keep, in words behind "with"; often empty."""
    vary: Mapping[str, str] = MappingProxyType({})
    """What is asked of this row besides: name -> value."""
    kind: str = ""
    """Of the kinds of its strategy, by name; empty for none."""
    contrast: bool = False
    """Whether it is a row of the other side of its pattern."""


class RowKind(NamedTuple):
    """A kind of rows of which some of a call are."""

    name: str
    description: str


class KnownRow(NamedTuple):
    """A row that was written before, as a prompt shows it."""

    inputs: Mapping[str, str]
    target: str
    why: str = ""
    """Why it was rejected."""


def texts_read(written: Mapping[str, Any], seed: Mapping[str, str]) -> dict[str, str]:
    """Return the texts that a writer wrote for the columns of a row."""
    return {column: str(written.get(column, "")).strip() for column in seed}


class Assignment(NamedTuple):
    """What one call of an operator is to write, and what its writer is told."""

    rows: Sequence[RowSpec]
    """The rows to write, at least one."""
    examples: Sequence[Example] = ()
    """Training rows to show, the best first; the seed row is not among them."""
    task: str = ""
    """What the task is, in words."""
    longest: int = 200
    """Most characters of a text."""
    usual: tuple[int, int] = (5, 20)
    """Words of a row: eight of ten training rows have so many."""
    description: str = ""
    """The recipe's description of the task; often empty."""
    kind: str = ""
    """The task's kind."""
    labelled: bool = False
    """Whether its targets are labels."""
    derived: bool = False
    """Whether a row that brings its target gives its reasons first."""
    pattern: str = ""
    """The failure pattern's name (guarded: quotes no evaluation row); empty for rows against no pattern."""
    about: str = ""
    includes: Sequence[str] = ()
    excludes: Sequence[str] = ()
    strategy: str = ""
    """What rows would cure it (guarded)."""
    must: Sequence[str] = ()
    must_not: Sequence[str] = ()
    contrast: str = ""
    """What rows of the other side look like (guarded); empty where none of the rows is one."""
    kinds: Sequence[RowKind] = ()
    """The kinds of these rows (guarded)."""
    accepted: Sequence[KnownRow] = ()
    """Rows written for the pattern already."""
    rejected: Sequence[KnownRow] = ()
    """Rows that were rejected, for the same pattern and for targets of these rows alone."""
    as_written: Callable[[str], Any] = str
    """Turns a target into what a writer would write: text, or a JSON value."""
    inputs_as_written: Callable[[Mapping[str, str]], Mapping[str, Any]] = dict
    """Turns inputs into what a writer would write."""
    inputs_read: Callable[[Mapping[str, Any], Mapping[str, str]], dict[str, str]] = texts_read
    """(what a writer wrote, the seed row's inputs) -> the row's inputs."""


class NewRow(NamedTuple):
    """A row as an operator wrote it."""

    spec: RowSpec
    """What was asked for."""
    inputs: Mapping[str, str]
    target: Any
    """Text, or the JSON value that a row brought as its own."""
    rationale: str = ""
    """How its writer came to the target."""


class Unread(NamedTuple):
    """A row that was asked for and is not there once, one that its writer left out, or one that was not asked for."""

    spec: RowSpec | None
    """None for a row that was not asked for."""
    reason: Literal["missing_in_reply", "twice_in_reply", "not_asked", "declined"]
    detail: str
    """What is wrong with the reply; of a row that its writer left out, why."""
    wrong_target: bool = False
    """Whether it was left out because its seed row's target is wrong, as its writer says."""
