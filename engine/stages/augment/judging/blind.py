"""blind: rows are answered by somebody who does not see their targets, several rows a call and several times each.

Options are put in another order for each answer, so that a liking for one place cannot agree with itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from engine.backends.protocol import Completion, Request
from engine.fingerprint import short
from engine.identity import Params, outside
from engine.rows import Drop, Example
from engine.stages import schemas
from engine.stages.augment.nearest import NearestLabels, NearRows
from engine.stages.blocks import Briefing, Told, row_block, task_sends
from engine.stages.numbered import by_id, calls_of, drops, ids, unanswered
from engine.stages.protocol import ALWAYS, Context
from engine.stages.task_view import TaskView
from engine.tasks import Task

KEY = "answers"
VARIABLES = frozenset({"task", "rows", "form", "chosen"})


@dataclass(frozen=True, kw_only=True)
class BlindParams(Params):
    """The task, and how often each row is answered."""

    task: TaskView
    briefing: Briefing
    samples: int
    """Answers per row."""
    rows_per_call: int
    temperature: float
    schema: schemas.Schema
    conventions: bool = outside(True)
    """Whether rules of annotation can be known."""


class Answerable(Protocol):
    """A row to be answered."""

    @property
    def id(self) -> str:
        """What it is known by."""
        ...

    @property
    def inputs(self) -> Mapping[str, str]:
        """Its columns."""
        ...


A = TypeVar("A", bound=Answerable)


class Shown(NamedTuple, Generic[A]):
    """A row as it is shown in one sample."""

    row: A
    inputs: Mapping[str, str]
    was: Mapping[str, str]
    """Answer to what is shown -> the same answer to the row."""


class Answer(NamedTuple, Generic[A]):
    """What was replied about one row in one sample."""

    shown: Shown[A]
    sample: int
    item: Mapping[str, Any]
    call: str


def ask_blind(
    params: BlindParams,
    rows: Sequence[A],
    train: Sequence[Example],
    conventions: Sequence[str],
    *,
    role: str,
    prompt: str,
    stage: str,
    form: Callable[[Task], str],
    answer: Callable[[Task, int], Mapping[str, Any]],
    ctx: Context,
) -> Iterator[Answer[A] | Drop]:
    """Yield what was replied about each row in each sample, or why nothing was.

    Args:
        params: The task, and how often each row is answered.
        rows: The rows.
        train: The original training rows, which define labels.
        conventions: Rules of annotation that are told.
        role: Who answers.
        prompt: With what he is asked.
        stage: The name under which a missing answer is dropped.
        form: Task -> what an answer looks like, in words.
        answer: Task, most characters -> the JSON Schema of an answer.
        ctx: What the run offers.
    """
    task = params.task.task(train)
    calls = [
        (sample, shown)
        for sample in range(1, params.samples + 1)
        for shown in _calls(params, rows, sample, task)
    ]
    if not calls:
        return

    def requests() -> Iterator[Request]:
        write = _Writer(params, train, conventions, task, role, prompt, form, answer, ctx)
        for sample, shown in calls:
            yield write(sample, shown)

    for (sample, shown), reply in zip(calls, ctx.ask(role, requests()), strict=True):
        yield from _read(stage, sample, shown, reply)


def blind_sends(params: BlindParams, rows: str) -> Mapping[str, str]:
    """Return what prompts hold, by variable; `rows` says which rows are answered."""
    return {
        "rows": rows,
        "task": told_sends(params.task, conventions=params.conventions),
        "form": "",
        "chosen": "",
        ALWAYS: "the labels" if params.task.labelled else "",
    }


def told_sends(task: TaskView, *, conventions: bool) -> str:
    """Return what the task block holds where it tells how rows are answered, near some rows or by their labels."""
    return task_sends(
        "train rows that stand for labels ({inputs}, {target})"
        if task.labelled
        else "train rows near them, with their answers ({inputs}, {target})",
        conventions=conventions,
    )


def _calls(
    params: BlindParams, rows: Sequence[A], sample: int, task: Task
) -> Iterator[list[Shown[A]]]:
    """Yield the calls of one sample: another order of the rows each time, and of what they offer."""
    keys = [[sample, row.inputs] for row in rows]
    for group in calls_of(rows, keys, params.rows_per_call):
        shown = []
        for row in group:
            draw = random.Random(short([sample, row.inputs]))
            shown.append(Shown(row, *params.task.entry.reordered(row.inputs, draw, task)))
        yield shown


class _Writer:
    """Turns calls into requests: what is the same for all of them is made once."""

    def __init__(
        self,
        params: BlindParams,
        train: Sequence[Example],
        conventions: Sequence[str],
        task: Task,
        role: str,
        prompt: str,
        form: Callable[[Task], str],
        answer: Callable[[Task, int], Mapping[str, Any]],
        ctx: Context,
    ) -> None:
        self._params, self._ctx, self._role = params, ctx, role
        self._told = Told(params.task, params.briefing, train, conventions)
        self._labels = NearestLabels(params.task, train, ctx)
        self._prompt = ctx.prompt(prompt)
        self._near = NearRows(params.task, train, ctx)
        kind = params.task.entry
        # The task block tells the form of a target, which may be long.
        self._form = said if (said := form(task)) != kind.answer_form(task) else ""
        self._chosen = kind.chosen(params.task.settings)
        one = answer(task, schemas.longest_text(e.target for e in train))
        self._parts: dict[str, schemas.Schema] = {"answer": one, "second": {"type": "null"}}
        if self._chosen:
            # Of a few answers it may be that none fits, and that no other is likely.
            self._parts = dict.fromkeys(self._parts, schemas.or_none(one))
        self._schemas: dict[int, schemas.Schema] = {}

    def __call__(self, sample: int, shown: Sequence[Shown[Any]]) -> Request:
        """Return the request of one call, a sample of its own."""
        count, inputs = len(shown), [one.row.inputs for one in shown]
        if count not in self._schemas:
            self._schemas[count] = schemas.per_row(self._params.schema, KEY, count, self._parts)
        request = self._ctx.request(
            self._role,
            self._prompt,
            {
                "task": self._told(self._labels.to_define(inputs), self._near.around(inputs)),
                "rows": [
                    {"id": name, "columns": row_block(one.inputs)}
                    for name, one in zip(ids(count), shown, strict=True)
                ],
                "form": self._form,
                "chosen": self._chosen,
            },
            self._schemas[count],
            self._params.temperature,
        )
        return replace(request, attempt=sample)


def _read(
    stage: str, sample: int, shown: Sequence[Shown[A]], reply: Completion
) -> Iterator[Answer[A] | Drop]:
    """Yield what a reply says of the rows of its call, one answer or drop each."""
    if reply.value is None:
        for one in shown:
            yield Drop(stage, one.row.id, unanswered(reply), reply.detail)
        return
    asked = ids(len(shown))
    found = by_id(reply.value, KEY, asked)
    rows = dict(zip(asked, shown, strict=True))
    for name, item in found.items.items():
        yield Answer(rows[name], sample, item, reply.request)
    known = {name: one.row.id for name, one in rows.items()}
    yield from drops(stage, found, known, reply.request, f"the reply of sample {sample}")
