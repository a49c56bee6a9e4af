"""What row functions make: candidates as models write them, and a drop for every row that could not be made."""

from __future__ import annotations

import random
from collections.abc import Iterator

from engine.fingerprint import short
from engine.operators import Made, Material, NotMade, RowFunction, RowSpec
from engine.rows import Candidate, Drop, Row
from engine.stages.augment.calls import PlannedCall
from engine.stages.augment.planning import COVERAGE, NEAR
from engine.stages.protocol import Context
from engine.stages.task_view import TaskView
from engine.tasks import Task


def model_of(make: RowFunction) -> str:
    """Return what stands for a model's identity with rows that a row function makes."""
    return f"row function {make.name} {make.version}"


def made_rows(
    task: TaskView, view: Task, call: PlannedCall, first: int, ctx: Context
) -> Iterator[Row]:
    """Yield a `Candidate` or a `Drop` for every row that a call of an operator without a model is to make.

    Args:
        task: The task as stages see it.
        view: The same as its kind sees it, labels included.
        call: The call.
        first: Number of its first row among those that are made in this attempt.
        ctx: The node.
    """
    make, operator = call.used.operator.make, call.used.operator
    assert make is not None
    for number, spec in enumerate(call.rows, first):
        key = [operator.name, ctx.seed, ctx.round, ctx.attempt, number]
        material = Material(
            spec.seed,
            spec.target,
            task.entry,
            view,
            call.used.settings.model_dump(),
            random.Random(short([*key, spec.seed.id])),
            operator.material,
        )
        try:
            row = make.make(material)
        except NotMade as why:
            yield Drop("generate", spec.seed.id, "not_made", f"{operator.name}: {why}")
        else:
            yield _candidate(call, spec, row, make, short([ctx.node, *key]), ctx)


def _candidate(
    call: PlannedCall, spec: RowSpec, row: Made, make: RowFunction, name: str, ctx: Context
) -> Candidate:
    target = spec.target if row.target is None else row.target
    return Candidate(
        id=name,
        parent=spec.seed.id,
        pattern=call.pattern_id,
        strategy=COVERAGE if call.strategy is None else call.strategy.id,
        operator=call.used.name,
        attempt=ctx.attempt,
        inputs=dict(row.inputs),
        target=spec.seed.target if target is None else target,
        prompt=call.used.digest,
        model=model_of(make),
        call="",
        attributes={NEAR: spec.near} if spec.near else {},
        seeds=(spec.seed.id,) if call.used.operator.made_from else (),
    )
