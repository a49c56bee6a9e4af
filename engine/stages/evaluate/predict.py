"""predict: the student's answers to every example of the three splits, and to the rows of a log.

Of a log those are asked whose right answer is known. Reads the loaded rows and, after a fine-tune, the trained model;
writes one `Prediction` per example.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.backends.protocol import Likelihood
from engine.rows import Example, Prediction
from engine.stages.forecast import ANSWER_TOKENS, Forecast, Range, Situation
from engine.stages.outputs import Loaded, Logged, Predicted, Trained
from engine.stages.protocol import ALWAYS, Account, Context, Inputs, Stage
from engine.stages.task_view import PromptedTask, StudentPrompts
from engine.tasks import answers

SHOWN = "train rows with their {target}, shown before each"
"""What goes along wherever `task.shots` are."""


@dataclass(frozen=True, kw_only=True)
class PredictParams(PromptedTask):
    """What the student is asked, and whether the likelihood of the right answer is taken too."""

    reference: bool = False
    """Some metric wants the likelihood of the right answer."""
    logged: bool = False
    """Whether rows of a log are asked too."""


@dataclass(frozen=True)
class PredictInputs(Inputs):
    """The rows, and the student that answers; the untuned one where no model comes in."""

    load: Loaded
    train: Trained | None = None
    logged: Logged | None = None

    @property
    def asked(self) -> list[Example]:
        """All rows that the student is asked about."""
        return [*self.load.examples, *(self.logged.answered if self.logged else ())]


def predict(params: PredictParams, inputs: PredictInputs, ctx: Context) -> Predicted:
    """Ask the trained student, or the untuned one when no model comes in."""
    examples = inputs.asked
    prompts = StudentPrompts(params, ctx.prompt(params.prompt), inputs.load.examples)
    asked = prompts.asked(examples)
    student = ctx.student()
    if inputs.train is not None:
        student = student.with_adapter(ctx.state / inputs.train.model.path)
    bar = ctx.progress("predict", len(examples))
    answered = answers(prompts.kind, student, asked, prompts.task, bar)
    likely: list[Likelihood | None] = [None] * len(examples)
    if params.reference and student.likelihoods:
        right = [[prompts.completion(e)] for e in examples]
        bar = ctx.progress("references", len(examples))
        compared = student.compare(list(asked.prompts()), right, bar)
        likely = [likelihood for (likelihood,) in compared]
    return Predicted(
        tuple(
            Prediction(
                e.id,
                e.split,
                a.text,
                a.answer,
                a.status,
                a.confidence,
                a.how,
                None if r is None else -r.nats,
                None if r is None else r.tokens,
            )
            for e, a, r in zip(examples, answered, likely, strict=True)
        )
    )


def _sends(params: PredictParams) -> Mapping[str, str]:
    rows = "rows of all splits and of the log" if params.logged else "rows of all splits"
    sent = {"row": f"{rows} ({{inputs}})", "labels": "the labels"}
    return {**sent, ALWAYS: SHOWN} if params.shots else sent


def _expect(params: PredictParams, situation: Situation) -> Forecast | None:
    if not situation.in_calls:
        return None
    every = situation.every_row
    shown = 1 + (params.shots.n if params.shots else 0)
    labels = sum(map(len, params.task.labels or ()))
    return Forecast(Range(every, every), Range(shown, shown), ANSWER_TOKENS, labels)


def _accounts(params: PredictParams, inputs: PredictInputs, output: Predicted) -> Iterable[Account]:
    yield Account("examples", len(inputs.asked), len(output.predictions))


PREDICT = Stage(
    "predict", 4, PredictParams, PredictInputs, Predicted, predict,
    description="The student answers every row; the same turns are trained on.",
    asks=("student",), sends=_sends, expect=_expect, essential=True, accounts=_accounts,
)  # fmt: skip
