"""pass_rate: the student of the round answers each candidate that passes the gates, several times.

A row that it always answers right teaches it nothing; one that it never does may be wrong, or out of its reach. So rows
are chosen by the student's pass rate in Synthetic Data RL (arXiv 2505.17063). Where the student chooses among given
answers and tells likelihoods, nothing is drawn: the probability of the target is the share that answers would come to.
Reads the candidates, what the gates say of them and the trained model; writes a `PassRate` per candidate, or a `Drop`.
What follows is for `judge` to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.backends.protocol import Sampling
from engine.fingerprint import short
from engine.judging import PassRate
from engine.metrics import METRICS, Answered
from engine.rows import Candidate, Drop, Example, Row
from engine.stages.evaluate.measure import UsedMetric
from engine.stages.evaluate.predict import SHOWN
from engine.stages.forecast import ANSWER_TOKENS, Forecast, Range, Situation
from engine.stages.outputs import Gated, Generated, Loaded, Solved, Trained
from engine.stages.protocol import ALWAYS, Account, Context, Inputs, Stage
from engine.stages.task_view import PromptedTask, StudentPrompts
from engine.tasks import Answer, Task, TaskKind, probabilities, write


@dataclass(frozen=True, kw_only=True)
class PassRateParams(PromptedTask):
    """What the student is asked, how often, and what counts as right."""

    samples: int
    temperature: float
    metric: UsedMetric
    """By which an answer is compared with the target; its best value is right."""


@dataclass(frozen=True)
class PassRateInputs(Inputs):
    """The candidates, what the gates say of them, and the student that answers; the untuned one where none comes in."""

    load: Loaded
    generate: Generated
    gate: Gated
    train: Trained | None = None


def pass_rate(params: PassRateParams, inputs: PassRateInputs, ctx: Context) -> Solved:
    """Return how often the student answers each candidate right that passed the gates."""
    standing = inputs.gate.standing(inputs.generate.candidates)
    if not standing:
        return Solved()
    prompts = StudentPrompts(params, ctx.prompt(params.prompt), inputs.load.examples)
    rows = [Example(c.id, "train", c.inputs, c.target, {}, "", 0) for c in standing]
    asked = prompts.asked(rows)
    student = ctx.student()
    if inputs.train is not None:
        student = student.with_adapter(ctx.state / inputs.train.model.path)
    bar = ctx.progress("pass rate", len(standing))
    likely = probabilities(prompts.kind, student, asked, prompts.task, params.temperature, bar)
    if likely is not None:
        return Solved(tuple(_expected(prompts, standing, likely)))
    # All samples at once: the replies of a server come in one go, and batches are full.
    bar = ctx.progress("pass rate", params.samples * len(standing))
    sampling = Sampling(
        params.temperature,
        [_attempt(ctx, number) for _ in standing for number in range(1, params.samples + 1)],
    )
    repeated = asked.repeated(params.samples)
    drawn = write(prompts.kind, student, repeated, prompts.task, bar, sampling)
    return Solved(tuple(_counted(params, prompts, standing, drawn)))


def _attempt(ctx: Context, number: int) -> int:
    """Return what tells a sample from others, another seed's and another round's among them."""
    return int(short(["pass_rate", ctx.seed, ctx.round, number], 7), 16)


def _expected(
    prompts: StudentPrompts,
    candidates: Sequence[Candidate],
    likely: Sequence[Mapping[str, float]],
) -> Iterator[Row]:
    for candidate, probability in zip(candidates, likely, strict=True):
        right = _right(prompts.kind, candidate, prompts.task)
        rate = min(1.0, sum(probability.get(answer, 0.0) for answer in set(right)))
        yield PassRate(candidate.id, rate, None, None, "label_likelihood")


def _counted(
    params: PassRateParams,
    prompts: StudentPrompts,
    candidates: Sequence[Candidate],
    drawn: Sequence[Answer],
) -> Iterator[Row]:
    for place, candidate in enumerate(candidates):
        own = drawn[place * params.samples : (place + 1) * params.samples]
        usable = [answer for answer in own if answer.status != "backend_failed"]
        if not usable:
            yield Drop("pass_rate", candidate.id, "backend_failed", own[0].text[:200])
            continue
        references = _right(prompts.kind, candidate, prompts.task)
        right = sum(_is_right(params.metric, answer, references) for answer in usable)
        yield PassRate(candidate.id, right / len(usable), right, len(usable), "sampled")


def _right(kind: TaskKind, candidate: Candidate, task: Task) -> tuple[str, ...]:
    try:
        return kind.reference(candidate.inputs, candidate.target, task.params).references
    except ValueError:
        return (candidate.target,)


def _is_right(metric: UsedMetric, answer: Answer, references: tuple[str, ...]) -> bool:
    if answer.answer is None:
        return False
    value = METRICS[metric.name].score(
        Answered(answer.answer, references, answer.text), metric.settings
    )
    return value is not None and value >= METRICS[metric.name].best


def _sends(params: PassRateParams) -> Mapping[str, str]:
    sent = {"row": "generated rows ({inputs})", "labels": "the labels"}
    return {**sent, ALWAYS: SHOWN} if params.shots else sent


def _expect(params: PassRateParams, situation: Situation) -> Forecast | None:
    if not situation.in_calls:
        return None
    shown = 1 + (params.shots.n if params.shots else 0)
    labels = sum(map(len, params.task.labels or ()))
    calls = Range(0, params.samples * situation.candidates.high)
    return Forecast(calls, Range(shown, shown), ANSWER_TOKENS, labels)


def _accounts(params: PassRateParams, inputs: PassRateInputs, output: Solved) -> Iterable[Account]:
    standing = inputs.gate.standing(inputs.generate.candidates)
    yield Account("candidates", len(standing), len(output.by_candidate), len(output.drops))


PASS_RATE = Stage(
    "pass_rate", 1, PassRateParams, PassRateInputs, Solved, pass_rate,
    description="The student answers each new row several times, for how hard it is.",
    asks=("student",), sends=_sends, expect=_expect, accounts=_accounts,
)  # fmt: skip
