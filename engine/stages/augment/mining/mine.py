"""mine: rows of the shortlist become candidates, with a label and what it is known by.

Rows are chosen for what the round's plan asks for (`choice`). Labels come from neighbours, from the pool's own column,
or from several answers by teacher or judge that must agree; a row that nobody labels waits, and is written down for
somebody to label. What is taken passes the gates and all that follows as generated rows do. Reads the plan's sources,
the shortlist and what the student says of it; writes a `Candidate` and a `Mined` per row that is labelled, a `Drop` per
row that is not, and a `PoolCount` of the others.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from engine.fingerprint import short
from engine.operators import MINED
from engine.rows import Candidate, Drop, Mined, PoolCount, PoolRow, Row, RowCall
from engine.spec.recipe import LabelBy, MineBy
from engine.stages import schemas
from engine.stages.augment.generate import GenerateInputs
from engine.stages.augment.judging.blind import (
    KEY,
    VARIABLES,
    Answer,
    BlindParams,
    ask_blind,
    blind_sends,
)
from engine.stages.augment.judging.votes import agree, most_given
from engine.stages.augment.mining.choice import Signals, Taken, choose, unsureness, with_spare
from engine.stages.augment.mining.likeness import Likeness
from engine.stages.augment.mining.outputs import MinedRows, PoolAnswered, Shortlisted
from engine.stages.augment.planning import COVERAGE, NEAR, Quotas, RowPlan, Slot, quotas
from engine.stages.augment.shares import apportion
from engine.stages.forecast import Forecast, Range, Situation
from engine.stages.outputs import Drafted
from engine.stages.protocol import Account, Context, Stage
from engine.tasks import Task

TEACHER_PROMPT, JUDGE_PROMPT = "label.md", "verify.md"
WAITS: Final = "awaits_label"
"""Reason for which a row of the pool waits for a person."""


@dataclass(frozen=True, kw_only=True)
class LabelParams(BlindParams):
    """How teacher or judge are asked for labels."""

    agreement: float
    """Share of the answers that must be the same."""


@dataclass(frozen=True, kw_only=True)
class MineParams(RowPlan):
    """What is wanted, what rows are chosen by, and who labels them."""

    by: tuple[MineBy, ...]
    label: LabelBy
    answers: LabelParams | None = None
    """None where no model is asked for labels."""
    rows: int
    """Most of the rows wanted in a round that are mined."""
    fill: bool
    """Whether other rows stand in for what the pool lacks: nobody writes them."""


@dataclass(frozen=True)
class MineInputs(GenerateInputs):
    """What rows are planned by, the shortlist, and what the student says of it."""

    shortlist: Shortlisted = field(default_factory=Shortlisted)
    answers: PoolAnswered | None = None
    """None where rows are not chosen by that."""


def mine(params: MineParams, inputs: MineInputs, ctx: Context) -> MinedRows:
    """Return the candidates that the pool has for this round."""
    pool = inputs.shortlist.pool
    wanted = _wanted(params, inputs, ctx)
    labelled = [row for row in pool if row.target or params.label != "column"]
    taken, lacking = _choose(params, inputs, labelled, wanted, ctx, fill=params.fill)
    waiting = [row for row in pool if not row.target and params.label == "column"]
    waits = _choose(params, inputs, waiting, lacking, ctx, fill=False)[0] if waiting else []
    rows: list[Row] = []
    for one in taken if params.label in ("neighbours", "column") else ():
        is_own = params.label == "column"
        label = one.row.target if is_own else one.row.guess
        by = "" if is_own else ctx.model("embedder")
        confidence = None if is_own else one.row.confidence
        rows += _labelled(params, inputs, one, _Label(label, confidence, by, "", ""), ctx)
    if params.answers is not None:
        rows += _answered(params, params.answers, inputs, taken, ctx)
    for one in waits:
        row = one.row
        rows.append(Mined(row.id, None, "column", None, None, row.source, row.line))
        rows.append(Drop("mine", row.id, WAITS, f"{row.source}:{row.line} has no label yet"))
    if others := len(pool) - len(taken) - len(waits):
        rows.append(PoolCount("mine", "not_chosen", others, "others fit better"))
    return MinedRows(tuple(rows))


def _wanted(params: MineParams, inputs: MineInputs, ctx: Context) -> Quotas:
    """Return what of the round's plan is mined; where rows do not go by patterns, nothing against any.

    Of a row that was chosen by something else nobody knows that it has to do with a pattern.
    """
    planned = quotas(params, inputs.sources(ctx.round), [ctx.seed, ctx.round])
    sizes = {
        (pattern, slot): count
        for pattern, slots in planned.items()
        for slot, count in slots.items()
        if pattern == COVERAGE or "pattern" in params.by
    }
    if sum(sizes.values()) > params.rows:
        sizes = apportion(sizes, params.rows, each=False)
    wanted: dict[str, dict[Slot, int]] = {}
    for (pattern, slot), count in sizes.items():
        if count:
            wanted.setdefault(pattern, {})[slot] = count
    return wanted


class _Label(NamedTuple):
    target: str
    confidence: float | None
    by: str
    """Identity of the model that gave it."""
    prompt: str
    call: str


def _choose(
    params: MineParams,
    inputs: MineInputs,
    rows: Sequence[PoolRow],
    wanted: Quotas,
    ctx: Context,
    *,
    fill: bool,
) -> tuple[list[Taken], Quotas]:
    import numpy as np

    if not rows or not wanted:
        return [], wanted
    vectors = ctx.embed([params.task.text_of(row.inputs) for row in rows])
    likeness = None
    if "pattern" in params.by and inputs.name is not None:
        sources = inputs.sources(ctx.round)
        looks = Likeness(
            params.task, sources.patterns, inputs.name, inputs.load, inputs.logged, ctx
        )
        found = looks(vectors)
        likeness = {pattern: found[:, place] for place, pattern in enumerate(looks.patterns)}
    unsure = None
    if inputs.answers is not None:
        unsure = np.array(unsureness(rows, inputs.answers.by_row), dtype=np.float32)
    chance = [short([ctx.seed, ctx.round, row.id]) for row in rows]
    signals = Signals(vectors, likeness, unsure, "diverse" in params.by, chance)
    return choose(rows, wanted, signals, fill=fill, labelled=params.task.labelled)


def _labelled(
    params: MineParams, inputs: MineInputs, taken: Taken, label: _Label, ctx: Context
) -> Iterator[Row]:
    """Yield a row of the pool as a candidate, and where it comes from."""
    row, slot = taken.row, taken.slot
    near = slot.near if slot.target == label.target else None
    answer = inputs.answers.by_row.get(row.id) if inputs.answers else None
    candidate = Candidate(
        id=short([ctx.node, row.id]),
        parent=row.parent,
        pattern=taken.pattern,
        strategy=_strategy(inputs.strategy, taken.pattern),
        operator=MINED,
        attempt=ctx.attempt,
        inputs=row.inputs,
        target=label.target,
        prompt=label.prompt,
        model=label.by,
        call=label.call,
        attributes={NEAR: near} if near else {},
        label_source=params.label,
    )
    yield candidate
    yield Mined(
        pool_row=row.id,
        candidate=candidate.id,
        label_source=params.label,
        confidence=label.confidence,
        agrees=None if answer is None else answer.answer == label.target,
        source=row.source,
        line=row.line,
    )


def _strategy(drafted: Drafted | None, pattern: str) -> str:
    """Return the strategy of a row's pattern: it is no plan of the row, but what its pattern is cured by."""
    strategies = drafted.strategies if drafted else ()
    return next((s.id for s in strategies if s.pattern == pattern), COVERAGE)


def _answered(
    params: MineParams,
    asked: LabelParams,
    inputs: MineInputs,
    taken: Sequence[Taken],
    ctx: Context,
) -> Iterator[Row]:
    """Yield the rows on whose answer several replies agree, and a drop for each other."""
    kind = params.task.entry
    prompt = TEACHER_PROMPT if params.label == "teacher" else JUDGE_PROMPT
    replies: dict[str, list[Answer[PoolRow]]] = {}
    missing: dict[str, Drop] = {}
    rows = [one.row for one in taken]
    found = ask_blind(
        asked, rows, inputs.load.train, inputs.name.conventions if inputs.name else (),
        role=params.label, prompt=prompt, stage="mine", form=kind.answer_form, answer=kind.target_schema, ctx=ctx,
    )  # fmt: skip
    pattern_of = {one.row.id: one.pattern for one in taken}
    calls = Counter[tuple[str, str]]()
    for one in found:
        if isinstance(one, Drop):
            missing.setdefault(one.item, one)
        else:
            replies.setdefault(one.shown.row.id, []).append(one)
            calls[one.call, pattern_of[one.shown.row.id]] += 1
    for (call, pattern), count in calls.items():
        yield RowCall(call, pattern, _strategy(inputs.strategy, pattern), MINED, count)
    task = params.task.task(inputs.load.examples)
    digest, model = ctx.prompt(prompt).digest, ctx.model(params.label)
    for each in taken:
        given = [
            (target, answer, reply.call)
            for reply in replies.get(each.row.id, ())
            if (read := _read(params, task, reply)) is not None
            for target, answer in [read]
        ]
        best, count = most_given(answer for _, answer, _ in given)
        if agree(count, asked.samples, asked.agreement):
            target, call = next((t, call) for t, answer, call in given if answer == best)
            label = _Label(target, count / asked.samples, model, digest, call)
            yield from _labelled(params, inputs, each, label, ctx)
        elif not given and each.row.id in missing:
            yield missing[each.row.id]
        else:
            why = f"{count} of {asked.samples} answers agree"
            yield Drop("mine", each.row.id, "disagreement", why)


def _read(params: MineParams, task: Task, reply: Answer[PoolRow]) -> tuple[str, str] | None:
    """Return the target that a reply gives, and the answer that is read from it; None where it fits no row."""
    kind, value = params.task.entry, reply.item["answer"]
    if value is None:
        return None
    was = reply.shown.was
    try:
        right = kind.reference(reply.shown.inputs, value, task.params)
    except ValueError:
        return None
    answer = right.references[0]
    return was.get(right.target, right.target), was.get(answer, answer)


def _sends(params: MineParams) -> Mapping[str, str]:
    return blind_sends(params.answers, "rows of the pool ({inputs})") if params.answers else {}


def _expect(params: MineParams, situation: Situation) -> Forecast:
    most = with_spare(params.rows)
    asked = params.answers
    if asked is None:
        return Forecast(Range(0, 0), rows_written=Range(0, most))
    each = asked.rows_per_call
    reply = schemas.reply_tokens(schemas.per_row(asked.schema, KEY, each))
    calls = Range(0, asked.samples * math.ceil(most / each))
    return Forecast(calls, Range(1, each), reply, rows_written=Range(0, most))


def _accounts(params: MineParams, inputs: MineInputs, output: MinedRows) -> Iterable[Account]:
    others = sum(count.rows for count in output.counts)
    yield Account(
        "rows of the shortlist",
        len(inputs.shortlist.pool),
        len(output.candidates),
        len(output.drops) + others,
    )


_EMBEDS = "rows of the pool, train rows and failures ({inputs})"

MINE = Stage(
    "mine", 2, MineParams, MineInputs, MinedRows, mine,
    description="Takes rows of the pool that have a label, or get one from rows near them.",
    asks=("embedder",), embeds=_EMBEDS, expect=_expect, accounts=_accounts,
)  # fmt: skip
MINE_BY_TEACHER = Stage(
    "mine_by_teacher", 3, MineParams, MineInputs, MinedRows, mine,
    description="The teacher labels rows of the pool.",
    asks=("teacher", "embedder"), prompts={TEACHER_PROMPT: VARIABLES}, replies=("labels",),
    sends=_sends, embeds=_EMBEDS, expect=_expect, accounts=_accounts,
)  # fmt: skip
MINE_BY_JUDGE = Stage(
    "mine_by_judge", 3, MineParams, MineInputs, MinedRows, mine,
    description="The judge says which label fits a row of the pool.",
    asks=("judge", "embedder"), prompts={JUDGE_PROMPT: VARIABLES}, replies=("answers",),
    sends=_sends, embeds=_EMBEDS, expect=_expect, accounts=_accounts,
)  # fmt: skip
MINERS = {"teacher": MINE_BY_TEACHER, "judge": MINE_BY_JUDGE}
"""Who labels -> the stage that asks him; MINE asks nobody."""
