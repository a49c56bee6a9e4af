"""strategy: the teacher drafts, per pattern, how to write training rows that would cure it.

Reads the patterns and the confusions among their members, never a row; writes one `Strategy` per pattern, guarded as
names are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.fingerprint import short
from engine.identity import Params
from engine.rows import Row, Strategy
from engine.spec.recipe import LeakLimits
from engine.stages import schemas
from engine.stages.analyse.name import confusions
from engine.stages.forecast import Forecast, Situation
from engine.stages.outputs import Clustered, Drafted, Loaded, NamedPatterns, Scored
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.stages.task_view import TaskView

PROMPT = "draft_strategy.md"


@dataclass(frozen=True, kw_only=True)
class StrategyParams(Params):
    """The task, how many labels a strategy is about, and the guard over what the teacher writes."""

    task: TaskView
    guard: LeakLimits
    schema: schemas.Schema
    labels: int
    """Most labels that the new rows of one pattern may carry."""


@dataclass(frozen=True)
class StrategyInputs(Inputs):
    """The patterns, their members, and what these were taken for."""

    load: Loaded
    score: Scored
    cluster: Clustered
    name: NamedPatterns


def draft(params: StrategyParams, inputs: StrategyInputs, ctx: Context) -> Drafted:
    """Return one `Strategy` per pattern, with the labels its new rows are about."""
    patterns = inputs.name.patterns
    if not patterns:
        return Drafted()
    groups = inputs.cluster.by_pattern
    failures = {f.example: f for f in inputs.score.failures("validation")}
    prompt = ctx.prompt(PROMPT)
    labelled = params.task.labelled
    pairs = {p.id: confusions(groups[p.id], failures) if labelled else [] for p in patterns}
    requests = [
        ctx.request(
            "teacher",
            prompt,
            {
                "description": params.task.description,
                "pattern": p.name,
                "about": p.description,
                "confusions": pairs[p.id][:3],
            },
            params.schema,
        )
        for p in patterns
    ]
    known = {e.target for e in inputs.load.train}
    guard = ctx.leak_guard(inputs.load.examples, params.guard.ngram, params.guard.quantile)
    rows: list[Row] = []
    for pattern, reply in zip(patterns, ctx.ask("teacher", requests), strict=True):
        text = f"Write rows in which this matters: {pattern.name}."
        if labelled:
            target, answer, _ = pairs[pattern.id][0]
            text = f"Write rows that are clearly {target} and could be mistaken for {answer}."
        reason: str | None = f"no usable reply ({reply.error})"
        if reply.value is not None:
            written = reply.value["strategy"].strip()
            reason = guard.quotes(written)
            text = text if reason else written
        weights: Counter[str] = Counter()
        for right, wrong, count in pairs[pattern.id]:
            weights[right] += 2 * count
            weights[wrong] += count
        ranked = sorted(weights, key=lambda label: (-weights[label], label))
        labels = tuple(label for label in ranked if label in known)[: params.labels]
        identity = short([pattern.id, text])
        rows.append(Strategy(identity, pattern.id, text, labels, reply.request, reason))
    return Drafted(tuple(rows))


def _sends(params: StrategyParams) -> Mapping[str, str]:
    return {
        "pattern": "names of patterns",
        "about": "descriptions of patterns",
        "confusions": "{target} and the student's answers of failed validation rows, counted",
    }


def _expect(params: StrategyParams, situation: Situation) -> Forecast:
    calls = situation.new(situation.patterns)
    return Forecast(calls, reply_tokens=schemas.reply_tokens(params.schema))


def _accounts(params: StrategyParams, inputs: StrategyInputs, output: Drafted) -> Iterable[Account]:
    yield Account("patterns", len(inputs.name.patterns), len(output.strategies))


STRATEGY = Stage(
    "strategy", 2, StrategyParams, StrategyInputs, Drafted, draft,
    asks=("teacher", "embedder"),
    prompts={PROMPT: frozenset({"description", "pattern", "about", "confusions"})},
    replies=("strategy",),
    sends=_sends, embeds="strategies, validation and test rows ({inputs})",
    expect=_expect, accounts=_accounts,
)  # fmt: skip
