"""mend: the rows of the data as people mended them, for all that rests on training rows.

Training rows that people changed stand in their places, those that they rejected are left out; evaluation rows stay
as they are, for whoever mends those alone that the student fails makes its scores better than they are. A change that
would give away an evaluation row is refused, and its row stays as it was. Reads the rows as they were loaded;
writes all of them once more, a `Drop` for each that is left out, and a `Reviewed` for each verdict.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from engine.identity import Params
from engine.rows import Drop, Example, Reviewed, Row
from engine.spec.recipe import LeakLimits
from engine.stages.load import example_id
from engine.stages.outputs import Loaded
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.stages.reviewing.verdicts import Known, PersonVerdict, Ruling, rulings
from engine.stages.task_view import TaskView

PERSON: Literal["person"] = "person"
"""Reason for which a row is left out that people rejected."""


@dataclass(frozen=True, kw_only=True)
class MendParams(Params):
    """What people say of training rows."""

    task: TaskView
    guard: LeakLimits
    reviews: tuple[PersonVerdict, ...]


@dataclass(frozen=True)
class MendInputs(Inputs):
    """The rows as they were loaded."""

    load: Loaded


def mend(params: MendParams, inputs: MendInputs, ctx: Context) -> Loaded:
    """Return all rows, training rows as people mended them."""
    train = inputs.load.train
    found = rulings(
        params.reviews,
        (Known(e.id, e.id, e.inputs, e.target, is_clean=True) for e in train),
        inputs.load.examples,
        params.guard,
        ctx,
    )
    kept = {e.id for e in train if e.id not in found or found[e.id].refused}
    rows: list[Row] = []
    for example in inputs.load.examples:
        ruling = found.get(example.id) if example.split == "train" else None
        rows += [example] if ruling is None else _mended(params, example, ruling, kept)
    if refused := sum(bool(ruling.refused) for ruling in found.values()):
        what = (
            "1 changed training row stays as it was: it resembles"
            if refused == 1
            else f"{refused:,} changed training rows stay as they were: they resemble"
        )
        ctx.warn(f"{what} evaluation rows")
    return Loaded(tuple(rows))


def _mended(params: MendParams, example: Example, ruling: Ruling, kept: set[str]) -> list[Row]:
    """Return the row as it is now, or that it is left out; `kept`: the ids that are taken, its own is added."""
    if ruling.refused:
        return [example, ruling.record(example.id, example.id)]
    if ruling.verdict == "reject":
        return [
            Drop("mend", example.id, PERSON, f"{example.source}:{example.line} was rejected"),
            ruling.record(example.id, None),
        ]
    new = example_id(ruling.inputs, ruling.target)
    if new in kept:
        detail = f"{example.source}:{example.line} is another training row now"
        return [Drop("mend", example.id, "duplicate", detail), ruling.record(example.id, None)]
    kept.add(new)
    references = example.references
    if ruling.target != example.target or ruling.inputs != example.inputs:
        kind, settings = params.task.entry, params.task.settings
        references = kind.reference(ruling.inputs, ruling.target, settings).references
    changed = replace(
        example,
        id=new,
        inputs=dict(ruling.inputs),
        target=ruling.target,
        references=references,
    )
    return [changed, ruling.record(example.id, new)]


def _accounts(params: MendParams, inputs: MendInputs, output: Loaded) -> Iterable[Account]:
    yield Account("rows", len(inputs.load.examples), len(output.examples), len(output.drops))
    train = {example.id for example in inputs.load.train}
    said = sum(one.id in train for one in params.reviews)
    yield Account("verdicts on training rows", said, len(output.of(Reviewed)))


MEND = Stage(
    "mend", 1, MendParams, MendInputs, Loaded, mend,
    asks=("embedder",), embeds="rows of all splits ({inputs})", accounts=_accounts,
)  # fmt: skip
