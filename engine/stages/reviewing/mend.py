"""mend: the rows of the data as people mended them, for all that rests on training rows.

Training rows that people changed stand in their places, those that they rejected are left out; evaluation rows stay
as they are, for whoever mends those alone that the student fails makes its scores better than they are. A row that was
mended can be mended again: a verdict on what it became is followed after the one that made it that. A change that
would give away an evaluation row, or make no row of the task, is refused, and its row stays as it was. Reads the rows
as they were loaded; writes all of them once more, a `Drop` for each that is left out, and a `Reviewed` for each
verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from engine.identity import Params
from engine.rows import Drop, Example, Reviewed, Row
from engine.spec.recipe import LeakLimits
from engine.stages.load import example_id
from engine.stages.outputs import Loaded
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.stages.reviewing.verdicts import Known, PersonVerdict, Refusal, Ruling, rulings
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


class _Step(NamedTuple):
    id: str
    """The row that the verdict is on: a row of the data, or what an earlier verdict made of it."""
    ruling: Ruling


def mend(params: MendParams, inputs: MendInputs, ctx: Context) -> Loaded:
    """Return all rows, training rows as people mended them."""
    followed = _followed(params, inputs, ctx)
    kept = {e.id for e in inputs.load.train if _last(followed.get(e.id, ())) is None}
    rows: list[Row] = []
    reviewed: dict[str, Reviewed] = {}
    for example in inputs.load.examples:
        steps = followed.get(example.id, ()) if example.split == "train" else ()
        now = _mended(params, example, steps, kept)
        rows.append(now)
        for step in steps:
            became = now.id if isinstance(now, Example) else None
            reviewed.setdefault(step.id, step.ruling.record(step.id, became))
    refused = Counter(
        step.ruling.refusal
        for steps in followed.values()
        for step in steps
        if step.ruling.refusal is not None
    )
    if refused:
        ctx.warn(_stay(refused))
    return Loaded((*rows, *reviewed.values()))


def _followed(params: MendParams, inputs: MendInputs, ctx: Context) -> dict[str, list[_Step]]:
    """Return what people said of each training row, of what became of it by that, and so on; each verdict once."""
    followed: dict[str, list[_Step]] = {}
    known = [Known(e.id, e.id, e.inputs, e.target, is_clean=True) for e in inputs.load.train]
    while known:
        ids = {row.name: row.id for row in known}
        found = rulings(params.reviews, known, inputs.load.examples, params.task, params.guard, ctx)
        known = []
        for name, ruling in found.items():
            steps = followed.setdefault(name, [])
            steps.append(_Step(ids[name], ruling))
            new = example_id(ruling.inputs, ruling.target)
            if ruling.stays and all(step.id != new for step in steps):
                known.append(Known(name, new, ruling.inputs, ruling.target, is_clean=True))
    return followed


def _last(steps: Sequence[_Step]) -> Ruling | None:
    """Return what holds of a row; None where it stays as it was."""
    return next((step.ruling for step in reversed(steps) if not step.ruling.refused), None)


_STAY: Mapping[Refusal, tuple[str, str]] = {
    "leak": ("resembles evaluation rows", "resemble evaluation rows"),
    "malformed": ("is no row of the task", "are no rows of the task"),
}
"""What is said of one row, and of several."""


def _stay(refused: Mapping[Refusal, int]) -> str:
    total = sum(refused.values())
    one = total == 1
    parts = [
        (("it" if one else "they") if n == total else f"{n:,}") + f" {_STAY[why][n > 1]}"
        for why, n in sorted(refused.items())
    ]
    what = (
        "1 changed training row stays as it was"
        if one
        else f"{total:,} changed training rows stay as they were"
    )
    return f"{what}: {', '.join(parts)}; the table `reviewed` says why (`refused`)"


def _mended(
    params: MendParams, example: Example, steps: Sequence[_Step], kept: set[str]
) -> Example | Drop:
    """Return the row as it is now, or that it is left out; `kept`: the ids that are taken, its own is added."""
    ruling = _last(steps)
    if ruling is None:
        return example
    place = f"{example.source}:{example.line}"
    if ruling.verdict == "reject":
        return Drop("mend", example.id, PERSON, f"{place} was rejected")
    new = example_id(ruling.inputs, ruling.target)
    if new in kept:
        return Drop("mend", example.id, "duplicate", f"{place} is another training row now")
    kept.add(new)
    references = example.references
    if ruling.target != example.target or ruling.inputs != example.inputs:
        kind, settings = params.task.entry, params.task.settings
        references = kind.reference(ruling.inputs, ruling.target, settings).references
    return replace(
        example,
        id=new,
        inputs=dict(ruling.inputs),
        target=ruling.target,
        references=references,
    )


def _accounts(params: MendParams, inputs: MendInputs, output: Loaded) -> Iterable[Account]:
    yield Account("rows", len(inputs.load.examples), len(output.examples), len(output.drops))
    reviewed = output.of(Reviewed)
    there = {example.id for example in inputs.load.train}
    there |= {
        example_id(one.inputs, one.target)
        for one in reviewed
        if one.verdict != "reject" and not one.refused
    }
    said = sum(one.id in there for one in params.reviews)
    yield Account("verdicts on training rows", said, len(reviewed))


MEND = Stage(
    "mend", 2, MendParams, MendInputs, Loaded, mend,
    description="Hands on the rows of the data as people corrected them.",
    asks=("embedder",), embeds="rows of all splits ({inputs})", accounts=_accounts,
)  # fmt: skip
