"""What a reply's rows become: candidates, and a drop for every row that was asked for and did not come just once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.backends.protocol import Completion
from engine.fingerprint import canonical, short
from engine.operators import NewRow, Unread, read_rows
from engine.rows import Candidate, Drop, Example, LabelSuspect, Row
from engine.stages.augment.calls import PlannedCall
from engine.stages.augment.judging.votes import agree, most_given
from engine.stages.augment.planning import CONTRAST, COVERAGE, KIND, NEAR, SIDE
from engine.stages.augment.prompts import Prompts
from engine.stages.augment.seeds import DECLINED
from engine.stages.numbered import unanswered
from engine.stages.protocol import Context
from engine.stages.task_view import TaskView


def whole_sentences(text: str, most: int) -> str:
    """Return a text that was cut at `most` characters without its torn end, where a whole sentence is left.

    Small teachers run on; the schema's limit then cuts them in the middle of a sentence.
    """
    if len(text) < most - 1:
        return text
    ends = [match.end() for match in re.finditer(r"[.!?](?=\s)", text)]
    return text[: ends[-1]].strip() if ends else text


def rows_of(
    task: TaskView, call: PlannedCall, replies: Sequence[Completion], prompts: Prompts, ctx: Context
) -> Iterator[Row]:
    """Yield a `Candidate` or a `Drop` for every row that a call asked for, and a `Drop` for each other.

    `replies` are those to the call, in order: one, or as many as the operator is asked for votes.
    """
    if call.used.operator.definition.votes is not None:
        yield from _voted(task, call, replies, prompts, ctx)
        return
    (reply,) = replies
    if reply.value is None:
        why = unanswered(reply)
        for spec in call.rows:
            yield Drop("generate", spec.seed.id, why, f"row {spec.id}: {reply.detail}")
        return
    for number, row in enumerate(_read(call, reply, prompts)):
        if isinstance(row, Unread) and row.reason == DECLINED and row.spec is not None:
            yield from _declined(call.used.name, row.spec.seed, row, reply.request)
        elif isinstance(row, Unread):
            item = call.rows[0].seed.id if row.spec is None else row.spec.seed.id
            yield Drop("generate", item, row.reason, row.detail)
        else:
            yield _candidate(task, call, reply, row, number, prompts, ctx)


def _declined(operator: str, seed: Example, row: Unread, call: str) -> Iterator[Row]:
    """Yield the drop of a row that an operator's writer left out, and that its label is suspect, where that is why."""
    yield Drop("generate", seed.id, DECLINED, f"{operator}: {row.detail}")
    if row.wrong_target:
        yield LabelSuspect(seed.id, "train", seed.target, None, row.detail, None, call)


def _read(call: PlannedCall, reply: Completion, prompts: Prompts) -> list[NewRow | Unread]:
    return read_rows(
        reply.value,
        prompts.asked_for(call),
        items=call.used.itemised,
        whole=call.used.operator.definition.writes == "row",
    )


def _voted(
    task: TaskView, call: PlannedCall, replies: Sequence[Completion], prompts: Prompts, ctx: Context
) -> Iterator[Row]:
    """Yield for each row the target that most replies come to, as the first of them has it; a drop where too few do."""
    votes = call.used.operator.definition.votes
    assert votes is not None
    said: dict[str, list[tuple[str, NewRow, Completion]]] = {spec.id: [] for spec in call.rows}
    for reply in replies:
        for row in _read(call, reply, prompts) if reply.value is not None else ():
            if isinstance(row, NewRow):
                target = _own_target(task, row.inputs, row.target)
                answer = _answer(task, row.inputs, target)
                said[row.spec.id].append((answer, row, reply))
    for number, spec in enumerate(call.rows):
        best, count = most_given(answer for answer, _, _ in said[spec.id])
        if not agree(count, len(replies), votes.agreement):
            why = f"row {spec.id}: {count} of {len(replies)} replies come to the same target"
            yield Drop(
                "generate", spec.seed.id, "no_majority", f"{why}: {best[:80]}" if best else why
            )
            continue
        row, reply = next((r, c) for answer, r, c in said[spec.id] if answer == best)
        made = _candidate(task, call, reply, row, number, prompts, ctx)
        yield replace(made, attributes={**made.attributes, "votes": f"{count} of {len(replies)}"})


def _answer(task: TaskView, inputs: Mapping[str, str], target: str) -> str:
    """Return what a target comes to, in the form in which answers are read; itself where it cannot be read."""
    try:
        return task.entry.reference(inputs, target, task.settings).references[0]
    except ValueError:
        return target


def _candidate(
    task: TaskView,
    call: PlannedCall,
    reply: Completion,
    row: NewRow,
    number: int,
    prompts: Prompts,
    ctx: Context,
) -> Candidate:
    spec, inputs = row.spec, dict(row.inputs)
    if call.used.operator.definition.writes == "row" and task.entry.inputs_are_texts:
        inputs = {c: whole_sentences(text, prompts.bound(call)) for c, text in inputs.items()}
    assert call.used.prompt is not None
    shown = dict.fromkeys((spec.seed.id, *(example.id for example in call.examples)))
    return Candidate(
        id=short([ctx.node, reply.request, number]),
        parent=spec.seed.id,
        pattern=call.pattern_id,
        strategy=COVERAGE if call.strategy is None else call.strategy.id,
        operator=call.used.name,
        attempt=ctx.attempt,
        inputs=inputs,
        target=_own_target(task, inputs, row.target) if spec.target is None else spec.target,
        prompt=call.used.prompt.digest,
        model=ctx.model("teacher"),
        call=reply.request,
        rationale=row.rationale,
        attributes={
            **spec.vary,
            **({NEAR: spec.near} if spec.near else {}),
            **({KIND: spec.kind} if spec.kind else {}),
            **({SIDE: CONTRAST} if spec.contrast else {}),
        },
        seeds=tuple(shown),
    )


def _own_target(task: TaskView, inputs: Mapping[str, str], value: Any) -> str:
    """Return a written target in its kind's form; an invalid one as it was written, for the rules to reject."""
    try:
        return task.entry.reference(inputs, value, task.settings).target
    except ValueError:
        return value if isinstance(value, str) else canonical(value)
