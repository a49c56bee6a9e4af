"""generate: operators write candidates, against each pattern by its strategy and for what does not fail.

What is to be written is planned as rows, each with its target and what it may be mistaken for (`planning`), and given
to calls, each with its seeds (`calls`, `seeds`). What reaches the writer's prompt (`prompts`): the task, the pattern
and the strategy (both guarded), training rows, and rows of earlier attempts. A training row equal to an evaluation row
is never a seed, and a prompt in which an evaluation row stands whole is not sent: both are recorded as drops. A later
attempt asks for what is missing; it asks for nothing of a pattern that is dry. Reads patterns, strategies, the
student's training errors and answers, and the attempts so far; writes one `Candidate` per row that came back.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.backends.protocol import Request
from engine.identity import Params
from engine.operators import brings_target, itemised
from engine.rows import Drop, Example, Pattern, Row, Strategy
from engine.spec.recipe import LeakLimits
from engine.stages.augment.calls import PlannedCall, Planner, UsedOperator
from engine.stages.augment.planning import History, Sources, asked_for, quotas
from engine.stages.augment.prompts import Prompts, sample
from engine.stages.augment.reading import rows_of
from engine.stages.augment.seeds import Seeds, ranked
from engine.stages.blocks import Briefing, defining
from engine.stages.forecast import JSON_TOKENS, Forecast, Range, Situation
from engine.stages.outputs import (
    Attempt,
    Clustered,
    Drafted,
    Generated,
    Loaded,
    NamedPatterns,
    Predicted,
    Scored,
)
from engine.stages.protocol import ALWAYS, Context, Inputs, Stage
from engine.stages.task_view import TaskView


@dataclass(frozen=True, kw_only=True)
class GenerateParams(Params):
    """The task, the operators, and how many rows are wanted."""

    task: TaskView
    briefing: Briefing
    guard: LeakLimits
    operators: tuple[UsedOperator, ...]
    rows_per_round: int
    oversample: float
    """Candidates asked for per row wanted, in the first attempt; in no attempt more in all."""
    coverage: float
    """Share of the rows for what does not fail."""
    rows_per_call: int
    """Most rows that one call asks for, by the teacher's pack."""
    seeds_shown: int
    """Most training rows that one prompt shows, by the teacher's pack."""
    temperature: float
    errors_first: bool = True
    """Whether seeds are ranked by the student's errors and losses and by nearness to the pattern, or come in turn."""


@dataclass(frozen=True)
class GenerateInputs(Inputs):
    """The rows, what the student fails at, the patterns with their strategies, and this round's attempts so far."""

    load: Loaded
    predict: Predicted
    score: Scored
    cluster: Clustered | None = None
    name: NamedPatterns | None = None
    """None where nothing is analysed: then all rows are for what does not fail."""
    strategy: Drafted | None = None
    attempts: tuple[Attempt, ...] = ()

    @property
    def sources(self) -> Sources:
        """What decides how many rows of which kind are wanted."""
        return Sources(self.load, self.score, self.cluster, self.name, self.strategy)


def generate(params: GenerateParams, inputs: GenerateInputs, ctx: Context) -> Generated:
    """Return the candidates of one attempt; later attempts make up for rejected ones."""
    wanted = quotas(
        params.task, inputs.sources, params.rows_per_round, params.coverage, [ctx.seed, ctx.round]
    )
    if not wanted:
        return Generated()
    examples = inputs.load.examples
    guard = ctx.leak_guard(examples, params.guard.ngram, params.guard.quantile)
    barred = guard.equal_training_rows
    why = "the training row is an evaluation row too"
    rows: list[Row] = [
        Drop("generate", example, "seed_equals_evaluation", why)
        for example in (sorted(barred) if ctx.attempt == 1 else ())
    ]
    history = History(params.task, inputs.attempts)
    # A row that is an evaluation row too is neither a seed nor shown as an example.
    shown = [e for e in inputs.load.train if e.id not in barred]
    prompts = Prompts(params.task, params.briefing, examples, shown, inputs.attempts)
    requests: list[Request] = []
    calls: list[PlannedCall] = []
    asked: Counter[str] = Counter()
    planner = _planner(params, inputs, shown, ctx)
    for pattern, slots in asked_for(wanted, history, params.oversample).items():
        for call in planner.calls(*_named(inputs, pattern), slots):
            request = prompts.request(call, params.temperature, ctx)
            asked[request.id] += 1
            request = sample(request, ctx, asked[request.id])
            if any(guard.stands_in(m.content) for m in request.messages):
                rows.extend(_leaking(call))
                continue
            requests.append(request)
            calls.append(call)
    rows.extend(_left_out(planner))
    rows.extend(_dry(params, wanted, history))
    replies = ctx.ask("teacher", requests) if requests else []
    for call, reply in zip(calls, replies, strict=True):
        rows.extend(rows_of(params.task, call, reply, prompts, ctx))
    return Generated(tuple(rows))


def _named(inputs: GenerateInputs, pattern: str) -> tuple[Pattern | None, Strategy | None]:
    """Return a pattern and its strategy; nothing for rows against no pattern."""
    patterns = {p.id: p for p in inputs.name.patterns} if inputs.name else {}
    strategies = {s.pattern: s for s in inputs.strategy.strategies} if inputs.strategy else {}
    return patterns.get(pattern), strategies.get(pattern)


def _planner(
    params: GenerateParams, inputs: GenerateInputs, shown: list[Example], ctx: Context
) -> Planner:
    earlier = [c for attempt in inputs.attempts for c in attempt.generate.candidates]
    if params.errors_first:
        patterns = inputs.name.patterns if inputs.name else ()
        wrong = {f.example for f in inputs.score.failures("train")}
        seeds = ranked(shown, patterns, wrong, inputs.predict.predictions, earlier, ctx)
    else:
        seeds = Seeds(shown, {}, [seed for candidate in earlier for seed in candidate.seeds])
    return Planner(
        task=params.task,
        operators=params.operators,
        pack_rows=params.rows_per_call,
        pack_seeds=params.seeds_shown,
        seeds=seeds,
        vary=params.task.entry.varied(e.target for e in shown),
        told=frozenset(e.id for e in defining(params.task, params.briefing, shown)),
        turn=[ctx.seed, ctx.round, ctx.attempt],
    )


def _leaking(call: PlannedCall) -> Iterator[Drop]:
    for spec in call.rows:
        why = f"row {spec.id}: an evaluation row is in the prompt"
        yield Drop("generate", spec.seed.id, "prompt_leak", why)


def _left_out(planner: Planner) -> Iterator[Drop]:
    for pattern, slot in planner.left_out:
        what = "a row" if slot.target is None else f"a row for '{slot.target}'"
        why = f"{what}: no operator of the recipe has a training row to start from"
        yield Drop("generate", pattern, "no_seed", why)


def _dry(params: GenerateParams, wanted: Mapping[str, object], history: History) -> Iterator[Drop]:
    """Yield the patterns that have just become dry."""
    before = History(params.task, history.attempts[:-1])
    for pattern in wanted:
        if history.dry(pattern) and not before.dry(pattern):
            why = f"{history.judged[pattern]} rows were written and none was accepted lately: no more are asked for"
            yield Drop("generate", pattern, "dry", why)


def _sends(params: GenerateParams) -> Mapping[str, str]:
    labelled, used = params.task.labelled, params.operators
    labels = {u.operator.label for u in used}
    made_from = bool(labels & {"keep", "change"})
    several = any(itemised(u.prompt) for u in used)
    brings = any(brings_target(u.operator, labelled=labelled) for u in used)
    return {
        "task": "the labels, each with train rows ({inputs})" if labelled else "",
        "row": "train rows ({inputs})",
        "label": "their {target}",
        "target": "the {target} of the rows to write",
        # Labels have nothing to keep.
        "keep": "" if labelled else "what of their {target} a rewording must keep",
        "rows": ("train rows ({inputs}, {target})" if made_from else "")
        or ("the {target} of the rows to write" if labelled and several else ""),
        "examples": "further train rows ({inputs}, {target})",
        "pattern": "names of patterns",
        "about": "descriptions of patterns",
        "includes": "",
        "excludes": "",
        "strategy": "strategies",
        "must": "",
        "must_not": "",
        "accepted": "generated rows ({inputs}, {target})",
        "rejected": "generated rows ({inputs}, {target}), and why they were rejected",
        "count": "",
        "params": "",
        # The reply's schema lists those among which the teacher chooses.
        ALWAYS: "the labels" if labelled and brings else "",
    }


def _expect(params: GenerateParams, situation: Situation) -> Forecast:
    per_call = [used.per_call(params.rows_per_call) for used in params.operators]
    most = math.floor(params.rows_per_round * params.oversample)
    # The first attempt asks for everything, if there is an operator for every pattern; a later one only for what was
    # rejected.
    everywhere = any(not used.patterns for used in params.operators)
    least = most if situation.attempt == 1 and everywhere and not situation.patterns.high else 0
    if situation.attempt == 1 and everywhere and situation.patterns.low:
        least = most
    # An operator's last call for a pattern may be short, and so may those for one slot.
    fully = max(1, min(per_call)) if all(itemised(u.prompt) for u in params.operators) else 1
    groups = (situation.patterns.high + 1) * len(params.operators)
    calls = Range(math.floor(least / max(per_call)), min(most, math.ceil(most / fully) + groups))
    mean = sum(per_call) / len(per_call)
    reply = Range(
        mean * (situation.row_tokens + JSON_TOKENS / 2),
        mean * (2 * situation.row_tokens + JSON_TOKENS),
    )
    shown = Range(1, params.seeds_shown + max(per_call))
    return Forecast(calls, shown, reply, rows_written=Range(least, most))


GENERATE = Stage(
    "generate", 2, GenerateParams, GenerateInputs, Generated, generate,
    asks=("teacher", "embedder"), sends=_sends, embeds="rows of all splits ({inputs})",
    expect=_expect, essential=True,
)  # fmt: skip
