"""ask_pool: the student is asked about the shortlist, for how sure it is.

Only where rows are chosen by that. Reads the shortlist and the trained model; writes a `PoolAnswer` per row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.identity import outside
from engine.rows import Example, PoolAnswer
from engine.stages.augment.mining.outputs import PoolAnswered, Shortlisted
from engine.stages.evaluate.predict import SHOWN
from engine.stages.forecast import ANSWER_TOKENS, Forecast, Range, Situation
from engine.stages.outputs import Loaded, Trained
from engine.stages.protocol import ALWAYS, Account, Context, Inputs, Stage
from engine.stages.task_view import PromptedTask, StudentPrompts
from engine.tasks import answers


@dataclass(frozen=True, kw_only=True)
class AskPoolParams(PromptedTask):
    """What the student is asked."""

    size: int = outside()
    """Most rows of the shortlist."""


@dataclass(frozen=True)
class AskPoolInputs(Inputs):
    """The rows of the pool, and the student that answers; the untuned one where no model comes in."""

    load: Loaded
    shortlist: Shortlisted
    train: Trained | None = None


def ask_pool(params: AskPoolParams, inputs: AskPoolInputs, ctx: Context) -> PoolAnswered:
    """Ask the student about each row of the shortlist."""
    rows = inputs.shortlist.pool
    if not rows:
        return PoolAnswered()
    prompts = StudentPrompts(params, ctx.prompt(params.prompt), inputs.load.examples)
    examples = [Example(r.id, "train", r.inputs, "", {}, r.source, r.line) for r in rows]
    asked = prompts.asked(examples)
    student = ctx.student()
    if inputs.train is not None:
        student = student.with_adapter(ctx.state / inputs.train.model.path)
    bar = ctx.progress("predict", len(rows))
    answered = answers(prompts.kind, student, asked, prompts.task, bar)
    return PoolAnswered(
        tuple(
            PoolAnswer(row.id, answer.answer, answer.confidence)
            for row, answer in zip(rows, answered, strict=True)
        )
    )


def _sends(params: AskPoolParams) -> Mapping[str, str]:
    sent = {"row": "rows of the pool ({inputs})", "labels": "the labels"}
    return {**sent, ALWAYS: SHOWN} if params.shots else sent


def _expect(params: AskPoolParams, situation: Situation) -> Forecast | None:
    if not situation.in_calls:
        return None
    shown = 1 + (params.shots.n if params.shots else 0)
    labels = sum(map(len, params.task.labels or ()))
    return Forecast(Range(0, params.size), Range(shown, shown), ANSWER_TOKENS, labels)


def _accounts(
    params: AskPoolParams, inputs: AskPoolInputs, output: PoolAnswered
) -> Iterable[Account]:
    yield Account("rows of the shortlist", len(inputs.shortlist.pool), len(output.rows))


ASK_POOL = Stage(
    "ask_pool", 2, AskPoolParams, AskPoolInputs, PoolAnswered, ask_pool,
    description="The student answers the rows that were kept of the pool, for how sure it is.",
    asks=("student",), sends=_sends, expect=_expect, essential=True, accounts=_accounts,
)  # fmt: skip
