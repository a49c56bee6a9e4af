"""What an `operator.yaml` may hold, as frozen, typed objects: the source of `schemas/operator.schema.json`.

Says nothing of how parts must agree with one another or with the prompt: that is checked in `folder`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from engine.spec.parts import Name, Spec

ParameterName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Label = Literal["keep", "change", "given", "written"]
Sight = Literal[
    "task", "row", "label", "target", "keep", "pattern", "about", "includes", "excludes", "strategy", "must",
    "must_not", "contrast", "kinds", "accepted", "rejected",
]  # fmt: skip


class Parameter(Spec):
    """A parameter that a recipe may set under `params`."""

    type: Literal["integer", "number", "boolean", "text", "choice"]
    default: bool | int | float | str
    """What holds where a recipe says nothing."""
    description: str = Field(min_length=1)
    """What it means, in one sentence."""
    minimum: int | float | None = None
    """Smallest value of an integer or a number."""
    maximum: int | float | None = None
    """Largest value of an integer or a number."""
    max_length: int | None = Field(default=None, ge=1)
    """Most characters of a text."""
    choices: list[str] | None = Field(default=None, min_length=2)
    """Values of a choice."""


class Examples(Spec):
    """Training rows that the prompt shows as `examples`: the engine ranks them for each call."""

    of: Literal["target", "other", "any"]
    """target: rows with the targets of the rows to write; other: rows with another than the seed row's; any: all.

    Where targets are no labels, all. The seed row is never among them.
    """
    count: int | str
    """Most rows shown: a number, the name of an integer parameter, or `pack`: as many as the teacher's pack says."""
    with_target: bool = False
    """Whether each row is shown with its target, under the key `target`."""
    seed: Literal["left out", "first", "last"] = "left out"
    """Whether the seed row is shown too, before or after the others."""


class Definition(Spec):
    """An operator: how new training rows are made from one training row."""

    operator: Literal[1]
    """Format version."""
    name: Name
    """The name that recipes use; also that of the folder."""
    version: int = Field(ge=1)
    """Raised by its author when it is meant to write other rows."""
    description: str = Field(min_length=1)
    """What it does, in one sentence."""
    source: str = ""
    """Where the method comes from: a paper, an address."""
    tasks: Literal["any", "labelled", "unlabelled"] | list[str] = Field(default="any")
    """Task kinds that it serves: all, those with labels, those without, or some by name (`pada list tasks`)."""
    label: Label
    """keep: rows carry the target of their seed row; change: a row of one label becomes one of another; given: new rows
    for a target that the plan gives, or, where targets are no labels, each with a target of its own; written: each row
    brings its own target in any case."""
    share: float = Field(default=1.0, gt=0)
    """Its part of the rows, relative to the recipe's other operators, where recipe and strategy say nothing."""
    params: dict[ParameterName, Parameter] = Field(default_factory=dict)
    """What a recipe may set, by name. The prompt gets the values as `params`."""
    rows: int | str
    """Rows written from one seed row: a number, or the name of an integer parameter."""
    sees: list[Sight] = Field(default_factory=list)
    """What its prompt may use, besides `rows`, `examples`, `params`, `count`, `longest`, `usual`, `description`,
    `kind` (of the task), `labelled` and `derived` (whether targets are labels, whether a rationale comes before them).

    A prompt that uses `rows` is asked for the rows of several seeds in one call, as many as the teacher's pack says.
    task: what the task is, in words; row: the first seed row's inputs; label: its target; target: that of the first row
    to write; keep: what of its target a reworded row must keep; pattern, about, includes, excludes: the failure
    pattern's name, its description, and what falls under it and what does not; strategy, must, must_not: what rows
    would cure it; contrast: what rows of the other side look like, where some of `rows` are such; kinds: the kinds of
    rows of which each of `rows` is one; accepted: rows written for it already; rejected: rows for it that were
    rejected, and why.
    """
    examples: Examples | None = None
