"""confirm: is a pattern real? Somebody who sees its description alone says which validation rows fall under it.

Diagnoses that lie together may carry a name that says nothing of where the student fails (arXiv 2306.08167: of slices
that an algorithm found and people described, most descriptions did not hold of further rows). So the judge, or the
teacher in calls of its own where no judge is named, is shown rows without being told which of them failed: held-out
failures first, then those that were not sampled, or were not drawn from since failures of a log or of training rows
are looked at, and passed rows. Diagnosed failures, which the description was written
from, come in only where the others are too few. What is said are ids and yes or no: nothing of it reaches a writer of
rows. Reads the patterns, what was drawn, the validation rows and earlier tests; writes a `PatternTest` per pattern, a
`PatternTestRow` per answer, and a `Drop` per row without one.

A pattern that goes on from an earlier round keeps its texts, and with them what the test has found.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, NamedTuple

from engine.backends.protocol import Completion, Request
from engine.fingerprint import short
from engine.identity import Params, outside
from engine.rows import Drop, Example, Pattern, PatternTest, PatternTestRow, PatternWord, Row
from engine.stages import schemas
from engine.stages.analyse.mistakes import answered, right_of
from engine.stages.analyse.reworded import REPLACED
from engine.stages.analyse.verdicts import LEAST, most_tested, outcome, too_few, words
from engine.stages.blocks import Briefing, shown_row, task_block
from engine.stages.division import Divide, selection_part
from engine.stages.forecast import Forecast, Range, Situation
from engine.stages.numbered import NOT_ASKED, by_id, calls_of, drops, ids, unanswered
from engine.stages.outputs import Confirmed, Drawn, Loaded, NamedPatterns, Scored
from engine.stages.protocol import ALWAYS, Account, Context, Inputs, Stage
from engine.stages.task_view import TaskView

PROMPT = "confirm.md"
KEY = "rows"
"""Key of the list in a reply."""


@dataclass(frozen=True, kw_only=True)
class ConfirmParams(Params):
    """The task, how many rows a pattern is tested on, and which verdicts have rows written."""

    task: TaskView
    briefing: Briefing
    rows: int
    """Most rows per pattern, half of them failed ones where there are as many."""
    rows_per_call: int
    fund: tuple[PatternWord, ...] = ("confirmed", "untested")
    """Verdicts of patterns that rows are written against."""
    divide: Divide = "auto"
    regardless: bool = outside(False)
    """In a rehearsal, which shows what would be asked: every pattern is tested, however few rows there are."""
    schema: schemas.Schema


@dataclass(frozen=True)
class ConfirmInputs(Inputs):
    """The patterns, the failures as they were drawn, in this round and before, and what earlier tests found."""

    load: Loaded
    score: Scored
    draw: Drawn
    name: NamedPatterns
    drawn: tuple[Drawn, ...] = ()
    """Of the earlier rounds."""
    earlier: tuple[Confirmed, ...] = ()


class _Row(NamedTuple):
    """A validation row that may be asked about."""

    example: Example
    part: Literal["held_out", "not_sampled", "diagnosed", "passed"]


class _Pools(NamedTuple):
    """The validation rows that may be asked about: neither those that stop and choose, nor those without an answer."""

    fresh: Sequence[_Row]
    """Failures that nobody diagnosed: held out, then not sampled."""
    diagnosed: Sequence[_Row]
    passed: Sequence[_Row]

    @property
    def failing(self) -> float:
        """Share of all of them that fail."""
        failed = len(self.fresh) + len(self.diagnosed)
        return failed / max(1, failed + len(self.passed))


def confirm(params: ConfirmParams, inputs: ConfirmInputs, ctx: Context) -> Confirmed:
    """Return one `PatternTest` per pattern, and what was said of the rows."""
    patterns = inputs.name.patterns
    if not patterns:
        return Confirmed()
    known = _known(inputs)
    pools = _pools(params, inputs)
    diagnosed = max(1, len(inputs.draw.failures))
    tests: dict[str, PatternTest] = {}
    samples: dict[str, Sequence[_Row]] = {}
    for pattern in patterns:
        share = min(1.0, pattern.size / diagnosed)
        if pattern.id in known:
            tests[pattern.id] = replace(known[pattern.id], asked=0)
            continue
        rows = _sample(params.rows, pools, [ctx.seed, pattern.id])
        why = "" if params.regardless else _untestable(pattern, share, rows)
        if why:
            tests[pattern.id] = PatternTest(pattern.id, "untested", True, why)
        else:
            samples[pattern.id] = rows
    said = _ask(params, inputs, {p.id: p for p in patterns}, samples, ctx)
    answers = [row for row in said if isinstance(row, PatternTestRow)]
    for pattern in patterns:
        if pattern.id in samples:
            share = min(1.0, pattern.size / diagnosed)
            own = [row for row in answers if row.pattern == pattern.id]
            asked = len(samples[pattern.id])
            tests[pattern.id] = outcome(pattern.id, share, pools.failing, asked, own)
    final = [
        replace(test, funded=test.verdict in params.fund)
        for test in words([tests[pattern.id] for pattern in patterns])
    ]
    if not any(test.funded for test in final):
        ctx.warn(
            f"round {ctx.round}: no pattern is real enough to write rows against ({_counted(final)}): "
            "all rows are for what does not fail; `patterns.fund` changes that"
        )
    return Confirmed((*final, *said))


def _known(inputs: ConfirmInputs) -> dict[str, PatternTest]:
    """Return what was found of patterns that go on; one that could not be tested may be by now."""
    found = {test.pattern: test for earlier in inputs.earlier for test in earlier.tests}
    return {pattern: test for pattern, test in found.items() if test.verdict != "untested"}


def _pools(params: ConfirmParams, inputs: ConfirmInputs) -> _Pools:
    drawn = {d.example: d.part for d in inputs.draw.drawn}
    before = {f.example for earlier in inputs.drawn for f in earlier.failures}
    apart = selection_part(inputs.load, params.divide)
    unanswered = {drop.item for drop in inputs.score.drops}
    # Where failures are looked for elsewhere alone, those of validation are not drawn: nobody diagnoses them.
    failing = {failure.example for failure in inputs.score.failures("validation")}
    held_out, not_sampled, diagnosed, passed = [], [], [], []
    for example in inputs.load.split("validation"):
        part = drawn.get(example.id)
        if part is None:
            if example.id in apart | unanswered:
                continue
            if example.id in failing:
                not_sampled.append(_Row(example, "not_sampled"))
            else:
                passed.append(_Row(example, "passed"))
        elif part == "diagnose" or (part != "selection" and example.id in before):
            diagnosed.append(_Row(example, "diagnosed"))
        elif part == "held_out":
            held_out.append(_Row(example, "held_out"))
        elif part == "not_sampled":
            not_sampled.append(_Row(example, "not_sampled"))
    return _Pools([*held_out, *not_sampled], diagnosed, passed)


def _sample(most: int, pools: _Pools, turn: Sequence[object]) -> list[_Row]:
    """Return the rows that a pattern is tested on: failed ones, not told from the passed ones that follow."""

    def shuffled(rows: Sequence[_Row]) -> list[_Row]:
        return sorted(rows, key=lambda row: short([*turn, row.example.id]))

    held_out = [row for row in pools.fresh if row.part == "held_out"]
    others = [row for row in pools.fresh if row.part != "held_out"]
    failed = [*shuffled(held_out), *shuffled(others)]
    failed += shuffled(pools.diagnosed)[: max(0, LEAST - len(failed))]
    failed = failed[: most // 2]
    return [*failed, *shuffled(pools.passed)[: most - len(failed)]]


def _untestable(pattern: Pattern, share: float, rows: Sequence[_Row]) -> str:
    """Return why a pattern is not tested; "" where it is."""
    if (pattern.guard or "").startswith(REPLACED):
        return "its description was replaced by a neutral one"
    failed = sum(row.part != "passed" for row in rows)
    return too_few(share, failed, len(rows) - failed)


def _ask(
    params: ConfirmParams,
    inputs: ConfirmInputs,
    patterns: Mapping[str, Pattern],
    samples: Mapping[str, Sequence[_Row]],
    ctx: Context,
) -> list[Row]:
    """Return what is said of each pattern's rows, an answer or a drop each."""
    calls = [
        (patterns[pattern], call)
        for pattern, rows in samples.items()
        for call in calls_of(
            rows,
            # By content, so that nothing of the order tells a failed row.
            [[patterns[pattern].description, row.example.inputs] for row in rows],
            params.rows_per_call,
        )
    ]
    if not calls:
        return []
    prompt = ctx.prompt(PROMPT)
    schema = cache(lambda count: schemas.per_row(params.schema, KEY, count))
    task = task_block(params.task, params.briefing, inputs.load.train)

    def request(pattern: Pattern, call: Sequence[_Row]) -> Request:
        variables = {
            "task": task,
            "name": pattern.name,
            "description": pattern.description,
            "includes": pattern.includes,
            "excludes": pattern.excludes,
            "rows": [
                {
                    "id": name,
                    "inputs": shown_row(row.example.inputs),
                    "right": right_of(params.task, row.example)["right answer"],
                    **answered(params.task, row.example),
                }
                for name, row in zip(ids(len(call)), call, strict=True)
            ],
        }
        return ctx.request("judge", prompt, variables, schema(len(call)))

    replies = ctx.ask("judge", (request(*call) for call in calls))
    return [
        row
        for (pattern, call), reply in zip(calls, replies, strict=True)
        for row in _read(pattern, call, reply)
    ]


def _read(pattern: Pattern, call: Sequence[_Row], reply: Completion) -> Iterator[Row]:
    """Yield what a reply says of the rows of its call, one row or drop each."""
    asked = ids(len(call))
    items = {name: f"{pattern.id} {row.example.id}" for name, row in zip(asked, call, strict=True)}
    if reply.value is None:
        for item in items.values():
            yield Drop("confirm", item, unanswered(reply), reply.detail)
        return
    found = by_id(reply.value, KEY, asked)
    rows = dict(zip(asked, call, strict=True))
    for name, said in found.items.items():
        example, part = rows[name]
        yield PatternTestRow(pattern.id, example.id, part, said["falls_under"], reply.request)
    yield from drops("confirm", found, items, reply.request, f"the reply on '{pattern.name}'")


def _counted(tests: Sequence[PatternTest]) -> str:
    verdicts = [test.verdict for test in tests]
    return ", ".join(f"{verdicts.count(word)} {word}" for word in dict.fromkeys(verdicts))


def _sends(params: ConfirmParams) -> Mapping[str, str]:
    return {
        "rows": "validation rows ({inputs}), failed and passed ones, their {target}",
        "name": "names of patterns",
        "description": "descriptions of patterns",
        "includes": "",
        "excludes": "",
        "task": "",
        ALWAYS: "the labels" if params.task.labelled else "",
    }


def _expect(params: ConfirmParams, situation: Situation) -> Forecast:
    # A pattern is tested only where enough of the failed rows could fall under it, so few can be.
    failed = max(LEAST, params.rows // 2)
    most = min(situation.patterns.high, most_tested(failed))
    calls = situation.new(Range(0, most * math.ceil(params.rows / params.rows_per_call)))
    reply = schemas.reply_tokens(schemas.per_row(params.schema, KEY, params.rows_per_call))
    return Forecast(calls, Range(1, params.rows_per_call), reply)


def _accounts(params: ConfirmParams, inputs: ConfirmInputs, output: Confirmed) -> Iterable[Account]:
    yield Account("patterns", len(inputs.name.patterns), len(output.tests))
    asked = sum(test.asked for test in output.tests)
    dropped = sum(drop.reason != NOT_ASKED for drop in output.drops)
    yield Account("rows of tests", asked, len(output.answers), dropped)


CONFIRM = Stage(
    "confirm", 4, ConfirmParams, ConfirmInputs, Confirmed, confirm,
    description="The judge says which rows fall under a pattern, to see whether it is real.",
    asks=("judge",),
    prompts={
        PROMPT: frozenset({"task", "name", "description", "includes", "excludes", "rows"})
    },
    replies=("membership",),
    sends=_sends, expect=_expect, accounts=_accounts,
)  # fmt: skip
