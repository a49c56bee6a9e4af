"""judge: every candidate gets one verdict, from the gates first (they cost nothing) and the judge last.

The gates are those of `engine.stages.quality`, in their order. The judge, a separate model, scores what is left for
adherence, utility and relevance (PaDA-Agent, arXiv 2510.18143, quality control). Feedback for the next attempt is
written from the candidate's side and never quotes an evaluation row. Reads the candidates of one attempt and the rows
that they are compared with; writes one `Verdict` per candidate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.backends.protocol import Completion
from engine.identity import Params
from engine.rows import Candidate, Verdict
from engine.spec.parts import GateMode
from engine.spec.recipe import Minimum
from engine.stages import schemas
from engine.stages.forecast import Forecast, Range, Situation
from engine.stages.outputs import Attempt, Drafted, Generated, Judged, Loaded, SelectedRows
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.stages.quality import GATES, AnyGate, Batch, GateResult, apply_gates
from engine.stages.task_view import TaskView

PROMPT = "judge.md"
COVERAGE_STRATEGY = "Write new rows of every kind that the task has."
"""What stands for the strategy of rows that are written against no pattern."""


@dataclass(frozen=True, kw_only=True)
class UsedGate(Params):
    """A gate as a recipe uses it."""

    name: str
    version: int
    settings: Any
    """What `Gate.settings` makes of the recipe: a model or nothing."""
    mode: GateMode = "reject"
    """Whether what it finds rejects a candidate, or is advice."""

    @property
    def entry(self) -> AnyGate:
        """The gate itself."""
        return GATES[self.name]


@dataclass(frozen=True, kw_only=True)
class JudgeParams(Params):
    """The task, and what a candidate must pass."""

    task: TaskView
    gates: tuple[UsedGate, ...]
    """In the order in which they are asked; those that are off are left out."""
    keeping: tuple[str, ...]
    """Operators whose rows keep their seed row's target."""
    judge: Literal["decides", "advises", "off"]
    minimum: Minimum
    """The judge's scores below which a candidate is rejected."""
    schema: schemas.Schema


@dataclass(frozen=True)
class JudgeInputs(Inputs):
    """The candidates, their strategies, and all rows that they must not repeat."""

    load: Loaded
    generate: Generated
    strategy: Drafted | None = None
    """None where nothing is analysed."""
    attempts: tuple[Attempt, ...] = ()
    """Earlier ones of this round."""
    earlier: tuple[SelectedRows, ...] = ()
    """What earlier rounds added."""


def judge(params: JudgeParams, inputs: JudgeInputs, ctx: Context) -> Judged:
    """Return exactly one `Verdict` per candidate of this attempt."""
    candidates = inputs.generate.candidates
    if not candidates:
        return Judged()
    results = apply_gates(
        _batch(params, inputs, ctx),
        [(used.entry, used.settings, used.mode) for used in params.gates],
    )
    replies = _ask(params, inputs, results, ctx)
    return Judged(
        tuple(
            _verdict(params, candidate, result, reply)
            for candidate, result, reply in zip(candidates, results, replies, strict=True)
        )
    )


def _batch(params: JudgeParams, inputs: JudgeInputs, ctx: Context) -> Batch:
    examples = inputs.load.examples
    accepted = [(e.inputs, e.target) for selected in inputs.earlier for e in selected.examples]
    accepted += [(c.inputs, c.target) for attempt in inputs.attempts for c in attempt.accepted]
    return Batch(
        candidates=inputs.generate.candidates,
        kind=params.task.entry,
        task=params.task.task(examples),
        train=inputs.load.train,
        accepted=accepted,
        keeping=params.keeping,
        embed=ctx.embed,
        leak_guard=lambda ngram, quantile: ctx.leak_guard(examples, ngram, quantile),
    )


def _ask(
    params: JudgeParams, inputs: JudgeInputs, results: Sequence[GateResult], ctx: Context
) -> list[Completion | None]:
    """Return the judge's replies, for the candidates that the gates let through."""
    candidates = inputs.generate.candidates
    if params.judge == "off":
        return [None] * len(candidates)
    strategies = {s.id: s.text for s in inputs.strategy.strategies} if inputs.strategy else {}
    prompt = ctx.prompt(PROMPT)
    standing = [i for i, result in enumerate(results) if not result.reason]
    requests = [
        ctx.request(
            "judge",
            prompt,
            {
                "description": params.task.description,
                "row": dict(candidates[i].inputs),
                "target": candidates[i].target,
                "strategy": strategies.get(candidates[i].strategy, COVERAGE_STRATEGY),
            },
            params.schema,
        )
        for i in standing
    ]
    replies: list[Completion | None] = [None] * len(candidates)
    if requests:
        for number, reply in zip(standing, ctx.ask("judge", requests), strict=True):
            replies[number] = reply
    return replies


def _verdict(
    params: JudgeParams, candidate: Candidate, result: GateResult, reply: Completion | None
) -> Verdict:
    scores: Mapping[str, Any] = reply.value if reply is not None and reply.value is not None else {}
    reason, detail, feedback = result.reason, result.detail, result.feedback
    agrees: bool | None = None
    if scores:
        minimum = params.minimum.model_dump()
        low = [name for name, least in minimum.items() if scores[name] < least]
        agrees = not low
        if low and params.judge == "decides":
            reason = "judge"
            detail = ", ".join(f"{name} {scores[name]} below {minimum[name]}" for name in low)
            feedback = str(scores["feedback"]).strip() or f"Improve: {detail}."
    elif reply is not None and params.judge == "decides":
        reason, detail = "judge_failed", f"{reply.error}: {reply.detail}"
    return Verdict(
        candidate=candidate.id,
        accepted=not reason,
        reason=reason or "accepted",
        detail=detail,
        feedback=feedback,
        adherence=scores.get("adherence"),
        utility=scores.get("utility"),
        relevance=scores.get("relevance"),
        judge_agrees=agrees,
        similarity=result.numbers.get("similarity"),
        neighbour=result.numbers.get("neighbour"),
        call=reply.request if reply is not None else None,
        advice=result.advice,
    )


def _skips(params: JudgeParams) -> frozenset[str]:
    return frozenset({"judge"}) if params.judge == "off" else frozenset()


def _sends(params: JudgeParams) -> Mapping[str, str]:
    return {
        "row": "generated rows ({inputs})",
        "target": "their {target}",
        "strategy": "strategies",
    }


def _expect(params: JudgeParams, situation: Situation) -> Forecast | None:
    if params.judge == "off":
        return None
    reply = schemas.reply_tokens(params.schema)
    return Forecast(Range(0, situation.candidates.high), Range(1, 1), reply)


def _accounts(params: JudgeParams, inputs: JudgeInputs, output: Judged) -> Iterable[Account]:
    yield Account("candidates", len(inputs.generate.candidates), len(output.verdicts))


JUDGE = Stage(
    "judge", 5, JudgeParams, JudgeInputs, Judged, judge,
    asks=("judge", "embedder"),
    prompts={PROMPT: frozenset({"description", "row", "target", "strategy"})},
    replies=("verdict",),
    sends=_sends, embeds="generated rows and rows of all splits ({inputs})", skips=_skips,
    expect=_expect, accounts=_accounts,
)  # fmt: skip
