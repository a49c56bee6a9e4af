"""What an `operator.yaml` may hold, as frozen, typed objects: the source of `schemas/operator.schema.json`.

Says nothing of how parts must agree with one another or with the prompt: that is checked in `folder`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from engine.bounds import Count, Whole
from engine.spec.parts import Name, Spec

ParameterName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Label = Literal["keep", "change", "given", "written"]
Sight = Literal[
    "task", "row", "label", "target", "near", "keep", "vary", "pattern", "about", "includes", "excludes", "strategy",
    "must", "must_not", "contrast", "kinds", "accepted", "rejected",
]  # fmt: skip


class Parameter(Spec):
    """A parameter that a recipe may set under `params`."""

    type: Literal["integer", "number", "boolean", "text", "choice", "texts"]
    """What may be written for it."""
    default: bool | Whole | float | str | list[str]
    """What holds where a recipe says nothing."""
    description: str = Field(min_length=1)
    """What it means, in one sentence."""
    minimum: Whole | float | None = None
    """Smallest value of an integer or a number."""
    maximum: Whole | float | None = None
    """Largest value of an integer or a number."""
    max_length: Count | None = Field(default=None, ge=1)
    """Most characters of a text, of each of several."""
    choices: list[str] | None = Field(default=None, min_length=2)
    """Values of a choice."""


class Examples(Spec):
    """Training rows that the prompt shows as `examples`: the engine ranks them for each call."""

    of: Literal["target", "other", "any"]
    """Which rows are shown. target: rows with the targets of the rows to write; other: rows with another than the seed
    row's; any: all.

    Where targets are no labels, all. The seed row is never among them.
    """
    count: Whole | str
    """Most rows shown: a number, the name of an integer parameter, or `pack`: as many as the teacher's pack says."""
    each: int = Field(default=0, ge=0, le=4)
    """With `of: target`: rows of each target that are shown at least, if there are, whatever `count` says."""
    with_target: bool = False
    """Whether each row is shown with its target, under the key `target`."""
    seed: Literal["left out", "first", "last"] = "left out"
    """Whether the seed row is shown too, before or after the others."""


class Checks(Spec):
    """What a program checks of each row against its seed row: one that breaks a promise is rejected, and says why."""

    kept_words: float = Field(default=0.0, ge=0, le=1)
    """Least share of the seed row's words that the row has, too."""
    new_words: float = Field(default=0.0, ge=0, le=1)
    """Least share of the row's words that the seed row has not."""
    swapped: bool = False
    """Whether a number or a name of the seed row must be gone, where it has one."""
    numbers: Literal["free", "kept"] = "free"
    """What numbers a row may have. kept: the row has no number, in digits, that its seed row has not."""
    answer: Literal["free", "kept"] = "free"
    """What answer a row may have. kept: the row's target comes to the same answer as the seed row's, and is longer."""


class Votes(Spec):
    """Several replies to the same call, of which the target holds that most come to."""

    samples: Whole | str
    """Replies: a number, or the name of an integer parameter."""
    agreement: float = Field(default=0.6, gt=0.5, le=1)
    """Least share of all replies that must come to that target; else the row is a drop, and says so."""


class Demonstration(Spec):
    """An example of what the operator does, for its readers alone: each row's columns, and its `target`."""

    kind: str = "classification"
    """The kind of the task that it is of."""
    before: dict[str, str] | None = None
    """A seed row; none where rows are made from none."""
    after: dict[str, str]
    """What becomes of it."""


class Definition(Spec):
    """An operator: how new training rows are made from one training row."""

    operator: Literal[1]
    """Format version of this file: 1."""
    name: Name
    """The name that recipes use; also that of the folder."""
    version: Count = Field(ge=1)
    """Raised by its author when it is meant to write other rows."""
    description: str = Field(min_length=1)
    """What it does, in one sentence."""
    source: str = ""
    """Where the method comes from: a paper, an address."""
    changes: str = ""
    """What may differ from the seed row, or from training rows at large, in words."""
    stays: str = ""
    """What must not, in words; `checks` is the part that a program can check."""
    example: Demonstration | None = None
    """A row before and after."""
    tasks: Literal["any", "labelled", "unlabelled"] | list[str] = Field(default="any")
    """Task kinds that it serves: all, those with labels, those without, or some by name (`pada list tasks`)."""
    label: Label
    """Where the target of a row comes from. keep: rows carry the target of their seed row; change: a row of one label
    becomes one of another; given: new rows for a target that the plan gives, or, where targets are no labels, each with
    a target of its own; written: each row brings its own target in any case."""
    seeded: bool = False
    """Whether rows of `given` or `written`, too, are made from training rows, as those of `keep` and `change` are."""
    writes: Literal["row", "target"] = "row"
    """What a reply brings. target: rows have the inputs of their seed rows, and the reply brings a target alone; they
    replace these.

    A training row is replaced once in a run: by the first accepted row that comes to it, whichever operator wrote it.
    """
    votes: Votes | None = None
    """Of an operator that writes targets: whether it is asked several times, and most replies decide."""
    copies: bool = False
    """Whether rows are near copies of their seed rows, on purpose: then no gate rejects them for that."""
    seeds: Literal["any", "failing"] = "any"
    """Which training rows are seed rows: all, or those that the student gets wrong."""
    make: str | None = None
    """The row function that makes the rows (`pada list row-functions`): no model is asked, and there is no prompt."""
    attempts: Count | None = Field(default=None, ge=1)
    """Attempts of a round in which it takes part, counted from the first; in all when left out."""
    checks: Checks = Field(default_factory=Checks)
    share: float = Field(default=1.0, gt=0)
    """Its part of the rows, relative to the recipe's other operators, where recipe and strategy say nothing."""
    params: dict[ParameterName, Parameter] = Field(default_factory=dict)
    """What a recipe may set, by name. The prompt gets the values as `params`."""
    rows: Whole | str
    """Rows written from one seed row: a number, or the name of an integer parameter."""
    vary: dict[ParameterName, list[str] | str] = Field(default_factory=dict)
    """What differs from row to row: name -> values, or the parameter of type texts that has them; each about as often.

    A prompt finds a row's own under `rows[].vary`, or under `vary`; under `rows[].wishes` what else is asked of it.
    """
    sees: list[Sight] = Field(default_factory=list)
    """What its prompt may use, besides `rows`, `examples`, `params`, `count`, `longest`, `usual`, `description`,
    `kind` (of the task), `labelled` and `derived` (whether targets are labels, whether a rationale comes before them),
    and `shared` (lines that the engine's operators have in common).

    A prompt that uses `rows` is asked for the rows of several seeds in one call, as many as the teacher's pack says.
    task: what the task is, in words; row: the first seed row's inputs; label: its target; target: that of the first row
    to write; near: the label that this may be mistaken for; vary: what is asked of it besides, by name; keep: what of
    its target a reworded row must keep; pattern, about, includes, excludes: the failure pattern's name, its
    description, and what falls under it and what does not; strategy, must, must_not: what rows would cure it; contrast:
    what rows of the other side look like, where some of `rows` are such; kinds: the kinds of rows of which each of
    `rows` is one; accepted: rows written for it already; rejected: rows for it that were rejected, and why.
    """
    examples: Examples | None = None
