"""generate: operators write candidates for each pattern, from its strategy and from training rows as seeds.

What reaches the generator's prompt: the pattern and the strategy (both guarded) and training rows, those that the
student gets wrong first. A training row equal to an evaluation row is never a seed, and a prompt in which an
evaluation row stands whole is not sent: both are recorded as drops.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from engine.backends.protocol import Completion, Request
from engine.fingerprint import canonical, short
from engine.operators import OPERATORS, WRITTEN, Operator, Seed, read_rows
from engine.rows import Candidate, Drop, Example, Failure, Pattern, Row, Strategy, Verdict
from engine.spec.prompts import Prompt
from engine.stages import shapes
from engine.stages.columns import task_of
from engine.stages.guard import LeakGuard
from engine.stages.protocol import Context, Inputs, Output, Stage
from engine.stages.shapes import LONGEST
from engine.tasks import TASKS


class Call(NamedTuple):
    """One planned call: which operator starts from which seed row, for which pattern and target."""

    operator: Operator
    prompt: Prompt
    pattern: Pattern
    strategy: Strategy
    seed: Seed
    target: str


def shares(patterns: Sequence[Pattern], wanted: int) -> dict[str, int]:
    """Return how many of `wanted` rows each pattern gets: by size, largest remainders, at least one each."""
    total = sum(p.size for p in patterns)
    exact = {p.id: wanted * p.size / total for p in patterns}
    given = {name: max(1, math.floor(value)) for name, value in exact.items()}
    for name in sorted(exact, key=lambda n: (math.floor(exact[n]) - exact[n], n)):
        if sum(given.values()) >= wanted:
            break
        given[name] += 1
    return given


def generate(params: Mapping[str, Any], inputs: Inputs, ctx: Context) -> Output:
    """Return the candidates of one attempt; later attempts make up for rejected ones and carry their feedback."""
    patterns = inputs.of("name", Pattern)
    if not patterns:
        return Output(())
    examples = inputs.of("load", Example)
    guard = LeakGuard(examples, ctx.embed, params["ngram"], params["quantile"])
    rows: list[Row] = [
        Drop(
            "generate",
            example,
            "seed_equals_evaluation",
            "the training row is an evaluation row too",
        )
        for example in (sorted(guard.equal_training_rows) if ctx.attempt == 1 else ())
    ]
    requests: list[Request] = []
    calls: list[Call] = []
    asked: Counter[str] = Counter()
    longest_text = longest(examples)
    written = _written_target(params, examples)
    kept = _keeping(params, examples)
    for call in _calls(params, inputs, ctx, patterns, guard.equal_training_rows):
        operator = call.operator
        settings = _settings(params, operator)
        variables = {
            **operator.variables(call.seed, call.target, settings),
            "description": params["description"],
            "pattern": call.seed.pattern,
            "strategy": call.seed.strategy,
            "feedback": call.seed.feedback,
            "keep": kept(call.seed.row.target),
        }
        columns = list(call.seed.row.inputs)
        request = ctx.request(
            "teacher",
            call.prompt,
            variables,
            _schema(columns, operator.count(settings), longest_text, call.target, written),
            temperature=params["temperature"],
        )
        asked[request.id] += 1
        request = _sample(request, ctx, asked[request.id])
        if any(guard.found_in(m.content) for m in request.messages):
            rows.append(
                Drop(
                    "generate",
                    call.seed.row.id,
                    "prompt_leak",
                    "an evaluation row is in the prompt",
                )
            )
            continue
        requests.append(request)
        calls.append(call)
    replies = ctx.ask("teacher", requests) if requests else []
    for call, reply in zip(calls, replies, strict=True):
        rows.extend(_candidates(params, call, reply, longest_text, ctx))
    return Output(tuple(rows))


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


def _written_target(params: Mapping[str, Any], examples: Sequence[Example]) -> Mapping[str, Any]:
    """Return the schema of a target that the teacher writes; none where every operator knows it beforehand."""
    if "kind" not in params:
        return {}
    most = longest_of(e.target for e in examples if e.split == "train")
    return TASKS[params["kind"]].target_schema(task_of(params, examples), most)


def _keeping(params: Mapping[str, Any], examples: Sequence[Example]) -> Callable[[str], str]:
    """Return what says what a rewording of a row must keep; labels ask for nothing but the meaning."""
    if "kind" not in params:
        return lambda _: ""
    kind, task = TASKS[params["kind"]], task_of(params, examples)
    return lambda target: kind.kept(target, task.params)


def _schema(
    columns: Sequence[str], count: int, longest: int, target: str, written: Mapping[str, Any]
) -> dict[str, Any]:
    return shapes.rows(columns, count, longest, written if target == WRITTEN else None)


def longest(examples: Sequence[Example]) -> int:
    """Return the most characters a generated text may have: a quarter more than the longest training text."""
    return longest_of(text for e in examples if e.split == "train" for text in e.inputs.values())


def longest_of(texts: Iterable[str]) -> int:
    """Return a quarter more than the longest of some texts has characters, between 40 and LONGEST."""
    return max(40, min(LONGEST, 5 * max(map(len, texts), default=80) // 4))


def _settings(params: Mapping[str, Any], operator: Operator) -> Any:
    chosen = next(o for o in params["operators"] if o["name"] == operator.name)
    return operator.params.model_validate(chosen["params"])


def _calls(
    params: Mapping[str, Any],
    inputs: Inputs,
    ctx: Context,
    patterns: Sequence[Pattern],
    barred: set[str],
) -> Iterator[Call]:
    """Plan the attempt's calls: for each pattern its share of rows, operators in turn, errors as seeds first."""
    strategies = {s.pattern: s for s in inputs.of("strategy", Strategy)}
    train = [e for e in inputs.of("load", Example) if e.split == "train"]
    # A row that is an evaluation row too is neither a seed nor shown as an example.
    shown = [e for e in train if e.id not in barred]
    wrong = {f.example for f in inputs.of("score", Failure) if f.split == "train"}
    given = shares(patterns, params["rows_per_round"])
    accepted, rejected = _history(inputs)
    draw = ctx.attempt * 7919 + ctx.seed
    labelled = params.get("labelled", True)
    for pattern in patterns:
        strategy = strategies[pattern.id]
        operators = [
            OPERATORS[o["name"]]
            for o in params["operators"]
            if not o["patterns"] or pattern.category in o["patterns"]
        ]
        usable = [e for e in train if e.target in strategy.labels or not labelled]
        pool = _pool(usable, strategy, wrong, barred, rejected.get(pattern.id, {}))
        missing = given[pattern.id] - accepted[pattern.id]
        if not operators or not pool or missing <= 0:
            continue
        needed = math.ceil(missing * params["oversample"])
        number = 0
        while needed > 0 and number < 4 * params["rows_per_round"]:
            operator = operators[number % len(operators)]
            # Each seed row meets every operator before it comes round again.
            row = pool[(number // len(operators)) % len(pool)]
            feedback = rejected.get(pattern.id, {}).get(row.id, "")
            # The draw counts per operator: operators in turn must not each see every second draw only.
            turn = draw + number // len(operators)
            seed = Seed(
                row, pattern.name, strategy.text, strategy.labels, shown, feedback, turn, labelled
            )
            number += 1
            target = operator.target(seed)
            if target is None:
                continue
            needed -= operator.count(_settings(params, operator))
            yield Call(operator, ctx.prompt(operator.prompt), pattern, strategy, seed, target)


def _history(inputs: Inputs) -> tuple[Counter[str], dict[str, dict[str, str]]]:
    """Return the rows accepted so far per pattern, and per pattern the feedback on each rejected seed row."""
    accepted: Counter[str] = Counter()
    rejected: dict[str, dict[str, str]] = {}
    for edge in inputs.edges("judge."):
        number = edge.removeprefix("judge.")
        candidates = {c.id: c for c in inputs.of(f"generate.{number}", Candidate)}
        for verdict in inputs.of(edge, Verdict):
            candidate = candidates[verdict.candidate]
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
    params: Mapping[str, Any], call: Call, reply: Completion, most: int, ctx: Context
) -> Iterator[Row]:
    if reply.value is None:
        yield Drop("generate", call.seed.row.id, reply.error or "no_reply", reply.detail)
        return
    for number, row in enumerate(read_rows(reply.value, call.seed, call.target)):
        texts = {column: whole_sentences(text, most) for column, text in row.inputs.items()}
        yield Candidate(
            id=short([ctx.node, reply.request, number]),
            parent=call.seed.row.id,
            pattern=call.pattern.id,
            strategy=call.strategy.id,
            operator=call.operator.name,
            attempt=ctx.attempt,
            inputs=texts,
            target=_own_target(params, texts, row.target) if call.target == WRITTEN else row.target,
            prompt=call.prompt.digest,
            model=ctx.model("teacher"),
            call=reply.request,
        )


def _own_target(params: Mapping[str, Any], inputs: Mapping[str, str], value: Any) -> str:
    """Return a written target in its kind's form; one that is none as it was written, for the rules to reject."""
    kind = TASKS[params["kind"]]
    try:
        settings = kind.params.model_validate(params.get("task_params", {}))
        return kind.gold(inputs, value, settings).target
    except ValueError:
        return value if isinstance(value, str) else canonical(value)


GENERATE = Stage("generate", 1, generate, asks=("teacher", "embedder"))
