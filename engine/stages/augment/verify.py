"""verify: rows that passed the gates are answered by somebody who does not see their targets.

Where `k` answers of a row mostly come to another one than its target, the target is wrong or the row can be read both
ways: either way it is no row to train on. A program looks first, at no cost: calculations in a target are done again.
Options are put in another order for each answer, so that a liking for one place cannot agree with itself. Who answers
is the judge's model, or the teacher in calls of its own where no judge is named. Reads the candidates, the gates'
findings and the training rows; writes a `Verification` per answer, or a `Drop`. What follows is for `judge` to say.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.judging import Verification
from engine.metrics import METRICS, Answered
from engine.rows import Candidate, Drop, Row
from engine.stages import schemas
from engine.stages.augment.judging.blind import (
    KEY,
    VARIABLES,
    Answer,
    BlindParams,
    ask_blind,
    blind_sends,
)
from engine.stages.augment.nearest import ANSWERED
from engine.stages.evaluate.measure import UsedMetric
from engine.stages.forecast import Forecast, Range, Situation
from engine.stages.numbered import NOT_ASKED
from engine.stages.outputs import Gated, Generated, Loaded, NamedPatterns, Verified
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.tasks import Task

PROMPT = "verify.md"
NONE_FITS = "no answer fits"
"""What is kept of a blind answer that says so."""


@dataclass(frozen=True, kw_only=True)
class VerifyParams(BlindParams):
    """The task, how often each row is answered, and how answers are compared with its target."""

    metric: UsedMetric
    """By which an answer agrees with a target."""


@dataclass(frozen=True)
class VerifyInputs(Inputs):
    """The candidates, what the gates say of them, and the training rows that define labels."""

    load: Loaded
    generate: Generated
    gate: Gated
    name: NamedPatterns | None = None
    """Whose rules of annotation are told; None where nothing is analysed."""


def verify(params: VerifyParams, inputs: VerifyInputs, ctx: Context) -> Verified:
    """Return the answers to each candidate that passed the gates and the program, sample by sample."""
    standing = inputs.gate.standing(inputs.generate.candidates)
    kind, task = params.task.entry, params.task.task(inputs.load.examples)
    rows: list[Row] = []
    solvable = []
    for candidate in standing:
        if why := kind.miscalculated(candidate.target, task):
            rows.append(Verification(candidate.id, 0, None, None, 0.0, "program", why, None))
        else:
            solvable.append(candidate)
    found = ask_blind(
        params, solvable, inputs.load.train, inputs.name.conventions if inputs.name else (),
        role="judge", prompt=PROMPT, stage="verify", form=kind.blind_form, answer=kind.blind_schema, ctx=ctx,
    )  # fmt: skip
    rows.extend(one if isinstance(one, Drop) else _verification(params, task, one) for one in found)
    return Verified(tuple(rows))


def _verification(params: VerifyParams, task: Task, reply: Answer[Candidate]) -> Verification:
    kind, shown, item = params.task.entry, reply.shown, reply.item
    candidate = shown.row

    def read(value: Any) -> str | None:
        answer = None if value is None else kind.blind_answer(value, shown.inputs, task)
        return None if answer is None else shown.was.get(answer, answer)

    answer = read(item["answer"])
    try:
        right = kind.reference(candidate.inputs, candidate.target, task.params).references
    except ValueError:
        right = (candidate.target,)
    agrees = METRICS[params.metric.name].score(
        Answered(answer, right, "" if answer is None else answer), params.metric.settings
    )
    return Verification(
        candidate=candidate.id,
        sample=reply.sample,
        answer=answer,
        second=read(item.get("second")),
        agrees=agrees or 0.0,
        how="blind",
        detail=NONE_FITS if item["answer"] is None else "",
        call=reply.call,
    )


def _sends(params: VerifyParams) -> Mapping[str, str]:
    return blind_sends(params, "{candidates} ({inputs})")


def _expect(params: VerifyParams, situation: Situation) -> Forecast:
    calls = params.samples * calls_for(situation.candidates.high, params.rows_per_call)
    rows = params.rows_per_call
    reply = schemas.reply_tokens(schemas.per_row(params.schema, KEY, rows))
    shown = rows if params.task.labelled else rows + ANSWERED
    return Forecast(Range(0, calls), Range(1, shown), reply)


def calls_for(rows: float, rows_per_call: int) -> int:
    """Return the calls that so many rows need."""
    return math.ceil(rows / rows_per_call)


def _accounts(params: VerifyParams, inputs: VerifyInputs, output: Verified) -> Iterable[Account]:
    standing = inputs.gate.standing(inputs.generate.candidates)
    found = output.of(Verification)
    wrong = sum(row.how == "program" for row in found)
    dropped = [drop for drop in output.drops if drop.reason != NOT_ASKED]
    yield Account(
        "answers", params.samples * (len(standing) - wrong), len(found) - wrong, len(dropped)
    )


VERIFY = Stage(
    "verify", 6, VerifyParams, VerifyInputs, Verified, verify,
    description="The judge answers a new row without being told its label.",
    asks=("judge", "embedder"),
    prompts={PROMPT: VARIABLES},
    replies=("answers",),
    sends=_sends, embeds="{candidates}, train rows ({inputs})", expect=_expect, accounts=_accounts,
)  # fmt: skip
