"""generate: operators write candidates for each pattern, from its strategy and from training rows as seeds.

What reaches the generator's prompt: the pattern and the strategy (both guarded) and training rows, those that the
student gets wrong first. A training row equal to an evaluation row is never a seed, and a prompt in which an
evaluation row stands whole is not sent: both are recorded as drops. Reads patterns, strategies, training failures and
the attempts so far; writes one `Candidate` per row that came back.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from engine.backends.protocol import Completion, Request
from engine.fingerprint import canonical, short
from engine.identity import Params, outside
from engine.operators import (
    Operator,
    OperatorParams,
    Seed,
    read_rows,
    reply_schema,
    row_count,
    usable,
    variables_of,
)
from engine.rows import Candidate, Drop, Example, Pattern, Row, Strategy
from engine.spec.prompts import Prompt
from engine.spec.recipe import LeakLimits
from engine.stages.augment.shares import shares
from engine.stages.forecast import JSON_TOKENS, Forecast, Range, Situation
from engine.stages.outputs import Attempt, Drafted, Generated, Loaded, NamedPatterns, Scored
from engine.stages.protocol import ALWAYS, Context, Inputs, Stage
from engine.stages.schemas import longest_text
from engine.stages.task_view import TaskView


@dataclass(frozen=True, kw_only=True)
class UsedOperator(Params):
    """An operator as a recipe uses it."""

    operator: Operator = outside()
    """The operator itself; `digest` stands for it."""
    prompt: Prompt = outside()
    """Its prompt for this teacher, which is part of the fingerprint by its own digest."""
    name: str
    digest: str
    """Of the operator's definition and reply; its prompt has one of its own."""
    settings: OperatorParams
    patterns: tuple[str, ...] | None = None
    """Only for patterns of these taxonomy categories; None for all."""

    @property
    def rows_per_call(self) -> int:
        """Rows that one call asks for."""
        return row_count(self.operator, self.settings)


@dataclass(frozen=True, kw_only=True)
class GenerateParams(Params):
    """The task, the operators, and how many rows are wanted."""

    task: TaskView
    guard: LeakLimits
    operators: tuple[UsedOperator, ...]
    rows_per_round: int
    oversample: float
    """Candidates asked for per row wanted, in the first attempt."""
    temperature: float
    errors_first: bool = True
    """Whether training rows that the student gets wrong are seeds before all others."""


@dataclass(frozen=True)
class GenerateInputs(Inputs):
    """The rows, what the student fails at, the patterns with their strategies, and this round's attempts so far."""

    load: Loaded
    score: Scored
    name: NamedPatterns
    strategy: Drafted
    attempts: tuple[Attempt, ...] = ()


class PlannedCall(NamedTuple):
    """One planned call: which operator starts from which seed row, for which pattern."""

    used: UsedOperator
    pattern: Pattern
    strategy: Strategy
    seed: Seed


def generate(params: GenerateParams, inputs: GenerateInputs, ctx: Context) -> Generated:
    """Return the candidates of one attempt; later attempts make up for rejected ones and carry their feedback."""
    if not inputs.name.patterns:
        return Generated()
    examples = inputs.load.examples
    guard = ctx.leak_guard(examples, params.guard.ngram, params.guard.quantile)
    barred = guard.equal_training_rows
    why = "the training row is an evaluation row too"
    rows: list[Row] = [
        Drop("generate", example, "seed_equals_evaluation", why)
        for example in (sorted(barred) if ctx.attempt == 1 else ())
    ]
    requests: list[Request] = []
    calls: list[PlannedCall] = []
    asked: Counter[str] = Counter()
    writer = _Writer(params, examples)
    for call in _calls(params, inputs, ctx, barred):
        request = writer.request(call, ctx)
        asked[request.id] += 1
        request = _sample(request, ctx, asked[request.id])
        if any(guard.stands_in(m.content) for m in request.messages):
            why = "an evaluation row is in the prompt"
            rows.append(Drop("generate", call.seed.row.id, "prompt_leak", why))
            continue
        requests.append(request)
        calls.append(call)
    replies = ctx.ask("teacher", requests) if requests else []
    for call, reply in zip(calls, replies, strict=True):
        rows.extend(_candidates(params, call, reply, writer.longest_text, ctx))
    return Generated(tuple(rows))


class _Writer:
    """Turns planned calls into requests: what is the same for all calls of a node is made once."""

    def __init__(self, params: GenerateParams, examples: Sequence[Example]) -> None:
        self._params = params
        task, train = params.task, [e for e in examples if e.split == "train"]
        self.longest_text = longest_text(text for e in train for text in e.inputs.values())
        longest_target = longest_text(e.target for e in train)
        self._target_schema = task.entry.target_schema(task.task(examples), longest_target)

    def request(self, call: PlannedCall, ctx: Context) -> Request:
        """Return the request of one call, before it is made distinct from others like it."""
        operator, settings, seed = call.used.operator, call.used.settings, call.seed
        variables = variables_of(operator, seed, settings)
        columns = list(seed.row.inputs)
        schema = reply_schema(operator, settings, columns, self.longest_text, self._target_schema)
        prompt = call.used.prompt
        return ctx.request("teacher", prompt, variables, schema, self._params.temperature)


def _sample(request: Request, ctx: Context, number: int) -> Request:
    """Return the request as a sample of its own: another seed, round or attempt must not be served the same rows."""
    attempt = int(short([ctx.seed, ctx.round, ctx.attempt, number], 7), 16)
    return Request(
        request.messages,
        request.schema,
        request.max_tokens,
        request.temperature,
        request.model,
        attempt,
    )


def _calls(
    params: GenerateParams, inputs: GenerateInputs, ctx: Context, barred: set[str]
) -> Iterator[PlannedCall]:
    """Plan the attempt's calls: for each pattern its share of rows, operators in turn, errors as seeds first."""
    patterns = inputs.name.patterns
    strategies = {s.pattern: s for s in inputs.strategy.strategies}
    train = inputs.load.train
    # A row that is an evaluation row too is neither a seed nor shown as an example.
    shown = [e for e in train if e.id not in barred]
    failures = inputs.score.failures("train") if params.errors_first else ()
    wrong = {f.example for f in failures}
    wanted = shares(patterns, params.rows_per_round)
    accepted, rejected = _history(inputs)
    draw = ctx.attempt * 7919 + ctx.seed
    task = params.task
    task_labels = sorted({e.target for e in shown}) if task.labelled else []
    for pattern in patterns:
        strategy = strategies[pattern.id]
        operators = [
            used
            for used in params.operators
            if not used.patterns or pattern.category in used.patterns
        ]
        fitting = [e for e in train if e.target in strategy.labels or not task.labelled]
        pool = _pool(fitting, strategy, wrong, barred, rejected.get(pattern.id, {}))
        missing = wanted[pattern.id] - accepted[pattern.id]
        if not operators or not pool or missing <= 0:
            continue
        needed = math.ceil(missing * params.oversample)
        # Operators may have no target for a seed row: they are not asked for ever.
        number, last = 0, 4 * max(needed, params.rows_per_round)
        while needed > 0 and number < last:
            used = operators[number % len(operators)]
            # Each seed row meets every operator before it comes round again.
            row = pool[(number // len(operators)) % len(pool)]
            feedback = rejected.get(pattern.id, {}).get(row.id, "")
            # The draw counts per operator: operators in turn must not each see every second draw only.
            turn = draw + number // len(operators)
            seed = Seed(
                row=row,
                keep=task.entry.kept(row.target, task.settings),
                pattern=pattern.name,
                strategy=strategy.text,
                labels=strategy.labels,
                task_labels=task_labels,
                train=shown,
                feedback=feedback,
                draw=turn,
                description=task.description,
            )
            number += 1
            if not usable(used.operator, seed):
                continue
            needed -= used.rows_per_call
            yield PlannedCall(used, pattern, strategy, seed)


def _history(inputs: GenerateInputs) -> tuple[Counter[str], dict[str, dict[str, str]]]:
    """Return the rows accepted so far per pattern, and per pattern the feedback on each rejected seed row."""
    accepted: Counter[str] = Counter()
    rejected: dict[str, dict[str, str]] = {}
    for attempt in inputs.attempts:
        for candidate, verdict in attempt.judged:
            if verdict.accepted:
                accepted[candidate.pattern] += 1
            elif verdict.feedback:
                rejected.setdefault(candidate.pattern, {})[candidate.parent] = verdict.feedback
    return accepted, rejected


def _pool(
    rows: Sequence[Example],
    strategy: Strategy,
    wrong: set[str],
    barred: set[str],
    rejected: Mapping[str, str],
) -> list[Example]:
    """Return the seed rows of a pattern: rejected ones again, then errors, then its labels in turn."""
    rank = {label: i for i, label in enumerate(strategy.labels)}
    seen: Counter[str] = Counter()
    keyed = []
    for example in (e for e in rows if e.id not in barred):
        seen[example.target] += 1
        keyed.append(
            (
                (
                    example.id not in rejected,
                    example.id not in wrong,
                    seen[example.target],
                    rank.get(example.target, 0),
                ),
                example,
            )
        )
    return [example for _, example in sorted(keyed, key=lambda item: item[0])]


def whole_sentences(text: str, most: int) -> str:
    """Return a text that was cut at `most` characters without its torn end, where a whole sentence is left.

    Small teachers run on; the schema's limit then cuts them in the middle of a sentence.
    """
    if len(text) < most - 1:
        return text
    ends = [match.end() for match in re.finditer(r"[.!?](?=\s)", text)]
    return text[: ends[-1]].strip() if ends else text


def _candidates(
    params: GenerateParams, call: PlannedCall, reply: Completion, most: int, ctx: Context
) -> Iterator[Row]:
    if reply.value is None:
        yield Drop("generate", call.seed.row.id, reply.error or "no_reply", reply.detail)
        return
    operator = call.used.operator
    for number, row in enumerate(read_rows(operator, reply.value, call.seed)):
        texts = {column: whole_sentences(text, most) for column, text in row.inputs.items()}
        brought = operator.label == "written"
        yield Candidate(
            id=short([ctx.node, reply.request, number]),
            parent=call.seed.row.id,
            pattern=call.pattern.id,
            strategy=call.strategy.id,
            operator=operator.name,
            attempt=ctx.attempt,
            inputs=texts,
            target=_own_target(params.task, texts, row.target) if brought else row.target,
            prompt=call.used.prompt.digest,
            model=ctx.model("teacher"),
            call=reply.request,
        )


def _own_target(task: TaskView, inputs: Mapping[str, str], value: Any) -> str:
    """Return a written target in its kind's form; an invalid one as it was written, for the rules to reject."""
    try:
        return task.entry.reference(inputs, value, task.settings).target
    except ValueError:
        return value if isinstance(value, str) else canonical(value)


def _sends(params: GenerateParams) -> Mapping[str, str]:
    labels = params.task.labelled
    chosen = any(used.operator.label == "written" for used in params.operators)
    return {
        "row": "train rows ({inputs})",
        "label": "their {target}",
        "target": "the {target} of the rows to write",
        # Labels have nothing to keep.
        "keep": "" if labels else "what of their {target} a rewording must keep",
        "examples": "further train rows ({inputs}, {target})",
        "pattern": "names of patterns",
        "strategy": "strategies",
        "feedback": "the judge's feedback",
        "count": "",
        "params": "",
        # The reply's schema lists those among which the teacher chooses.
        ALWAYS: "the labels" if labels and chosen else "",
    }


def _expect(params: GenerateParams, situation: Situation) -> Forecast:
    rows_per_call = [used.rows_per_call for used in params.operators]
    wanted = params.rows_per_round * params.oversample
    # The first attempt asks for everything, if there is an operator for every pattern; a later one only for what was
    # rejected.
    certain = situation.attempt == 1 and any(not used.patterns for used in params.operators)
    least = wanted if certain else 0.0
    # Each pattern rounds its share up, and its last call too.
    most = wanted + situation.patterns.high
    calls = Range(
        math.floor(least / max(rows_per_call)),
        math.ceil(most / min(rows_per_call)) + situation.patterns.high,
    )
    mean = sum(rows_per_call) / len(rows_per_call)
    reply = Range(
        mean * (situation.row_tokens + JSON_TOKENS / 2),
        mean * (2 * situation.row_tokens + JSON_TOKENS),
    )
    written = Range(least, most + situation.patterns.high * max(rows_per_call))
    return Forecast(calls, Range(1, 4), reply, rows_written=written)


GENERATE = Stage(
    "generate", 1, GenerateParams, GenerateInputs, Generated, generate,
    asks=("teacher", "embedder"), sends=_sends, embeds="rows of all splits ({inputs})",
    expect=_expect, essential=True,
)  # fmt: skip
