"""What an `operator.yaml` may hold, as frozen, typed objects: the source of `schemas/operator.schema.json`.

Says nothing of how parts must agree with one another or with the prompt: that is checked in `folder`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from engine.spec.parts import Name, Spec

ParameterName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Label = Literal["keep", "change", "written"]
Sight = Literal["row", "label", "target", "keep", "pattern", "strategy", "feedback"]


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
    """Training rows that the prompt shows as `examples`: a window that moves over them from call to call."""

    of: Literal["target", "other", "any"]
    """target: rows with the target of the rows to write; other: with another target than the seed row's; any: all.

    The seed row is never among them.
    """
    count: int | str
    """Most rows shown: a number, or the name of an integer parameter."""
    advance: Literal["row", "window"] = "window"
    """How far the window moves from one call to the next: by one row, or by all that it shows."""
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
    """keep: rows carry the target of their seed row; change: another label; written: each row brings its own target."""
    target: Literal["pattern", "task"] | None = None
    """Which label rows with `label: change` carry: another one that the pattern is about (the default), or another one
    of the training rows; each in turn, from call to call."""
    params: dict[ParameterName, Parameter] = Field(default_factory=dict)
    """What a recipe may set, by name. The prompt gets the values as `params`."""
    rows: int | str
    """Rows asked for in one call: a number, or the name of an integer parameter. The prompt gets it as `count`."""
    sees: list[Sight] = Field(default_factory=list)
    """What its prompt may use, besides `examples`, `params`, `count` and `description`.

    row: the seed row's inputs; label: its target; target: that of the rows to write; keep: what of its target a
    reworded row must keep; pattern: the failure pattern's name; strategy: what rows would cure it; feedback: why
    earlier rows from the seed were rejected.
    """
    examples: Examples | None = None
