"""verify: rows that passed the gates are answered by somebody who does not see their targets.

Where `k` answers of a row mostly come to another one than its target, the target is wrong or the row can be read both
ways: either way it is no row to train on. A program looks first, at no cost: calculations in a target are done again.
Options are put in another order for each answer, so that a liking for one place cannot agree with itself. Who answers
is the judge's model, or the teacher in calls of its own where no judge is named. Reads the candidates, the gates'
findings and the training rows; writes a `Verification` per answer, or a `Drop`. What follows is for `judge` to say.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from engine.backends.protocol import Completion, Request
from engine.fingerprint import short
from engine.identity import Params, outside
from engine.judging import Verification
from engine.metrics import METRICS, Answered
from engine.rows import Candidate, Drop, Row
from engine.stages import schemas
from engine.stages.augment.nearest import ANSWERED, NearRows, nearest_labels
from engine.stages.blocks import Briefing, row_block, task_block, task_sends
from engine.stages.evaluate.measure import UsedMetric
from engine.stages.forecast import Forecast, Range, Situation
from engine.stages.numbered import NOT_ASKED, by_id, calls_of, drops, ids
from engine.stages.outputs import Gated, Generated, Loaded, NamedPatterns, Verified
from engine.stages.protocol import ALWAYS, Account, Context, Inputs, Stage
from engine.stages.task_view import TaskView
from engine.tasks import Task

PROMPT = "verify.md"
KEY = "answers"
MOST_DEFINED = 40
"""Labels that are all defined; of more, those whose training rows are nearest to the call's rows."""
NONE_FITS = "no answer fits"
"""What is kept of a blind answer that says so."""
NEAREST = 5
"""Labels per row that are defined where there are more."""


@dataclass(frozen=True, kw_only=True)
class VerifyParams(Params):
    """The task, how often each row is answered, and how answers are compared with its target."""

    task: TaskView
    briefing: Briefing
    samples: int
    """Answers per row."""
    rows_per_call: int
    temperature: float
    metric: UsedMetric
    """By which an answer agrees with a target."""
    schema: schemas.Schema
    conventions: bool = outside(True)
    """Whether rules of annotation can be known."""


@dataclass(frozen=True)
class VerifyInputs(Inputs):
    """The candidates, what the gates say of them, and the training rows that define labels."""

    load: Loaded
    generate: Generated
    gate: Gated
    name: NamedPatterns | None = None
    """Whose rules of annotation are told; None where nothing is analysed."""


class _Shown(NamedTuple):
    """A candidate as it is shown in one sample."""

    candidate: Candidate
    inputs: Mapping[str, str]
    was: Mapping[str, str]
    """Answer to what is shown -> the same answer to the candidate."""


def verify(params: VerifyParams, inputs: VerifyInputs, ctx: Context) -> Verified:
    """Return the answers to each candidate that passed the gates and the program, sample by sample."""
    standing = inputs.gate.standing(inputs.generate.candidates)
    kind, task = params.task.entry, params.task.task(inputs.load.examples)
    rows: list[Row] = []
    solvable = []
    for candidate in standing:
        if why := kind.miscalculated(candidate.target, task):
            rows.append(Verification(candidate.id, 0, None, None, 0.0, "program", why, None))
        else:
            solvable.append(candidate)
    calls = [
        (sample, shown)
        for sample in range(1, params.samples + 1)
        for shown in _calls(params, solvable, sample, task)
    ]
    if not calls:
        return Verified(tuple(rows))
    write = _Writer(params, inputs, task, ctx)
    requests = [write(sample, shown) for sample, shown in calls]
    for (sample, shown), reply in zip(calls, ctx.ask("judge", requests), strict=True):
        rows.extend(_read(params, task, sample, shown, reply))
    return Verified(tuple(rows))


def _calls(
    params: VerifyParams, candidates: Sequence[Candidate], sample: int, task: Task
) -> Iterator[list[_Shown]]:
    """Yield the calls of one sample: another order of the rows each time, and of what they offer."""
    keys = [[sample, candidate.inputs] for candidate in candidates]
    for group in calls_of(candidates, keys, params.rows_per_call):
        shown = []
        for candidate in group:
            draw = random.Random(short([sample, candidate.inputs]))
            shown.append(
                _Shown(candidate, *params.task.entry.reordered(candidate.inputs, draw, task))
            )
        yield shown


class _Writer:
    """Turns calls into requests: what is the same for all of them is made once."""

    def __init__(
        self, params: VerifyParams, inputs: VerifyInputs, task: Task, ctx: Context
    ) -> None:
        self._params, self._ctx, self._task = params, ctx, task
        self._train = inputs.load.train
        self._conventions = inputs.name.conventions if inputs.name else ()
        self._prompt = ctx.prompt(PROMPT)
        self._near = NearRows(params.task, self._train, ctx)
        answer = params.task.entry.blind_schema(
            task, schemas.longest_text(e.target for e in self._train)
        )
        self._parts: dict[str, schemas.Schema] = {"answer": answer, "second": {"type": "null"}}
        if params.task.entry.chosen(params.task.settings):
            # Of a few answers it may be that none fits, and that no other is likely.
            self._parts = dict.fromkeys(self._parts, schemas.or_none(answer))
        self._schemas: dict[int, schemas.Schema] = {}

    def __call__(self, sample: int, shown: Sequence[_Shown]) -> Request:
        """Return the request of one call, a sample of its own."""
        count, kind = len(shown), self._params.task.entry
        if count not in self._schemas:
            self._schemas[count] = schemas.per_row(self._params.schema, KEY, count, self._parts)
        request = self._ctx.request(
            "judge",
            self._prompt,
            {
                "task": task_block(
                    self._params.task,
                    self._params.briefing,
                    self._train,
                    self._relevant(shown),
                    self._conventions,
                    self._near.around([one.candidate.inputs for one in shown]),
                ),
                "rows": [
                    {"id": name, "columns": row_block(one.inputs)}
                    for name, one in zip(ids(count), shown, strict=True)
                ],
                # The task block tells that of a target, which may be long.
                "form": blind
                if (blind := kind.blind_form(self._task)) != kind.answer_form(self._task)
                else "",
                "chosen": self._params.task.entry.chosen(self._params.task.settings),
            },
            self._schemas[count],
            self._params.temperature,
        )
        return replace(request, attempt=sample)

    def _relevant(self, shown: Sequence[_Shown]) -> Sequence[str]:
        """Return the labels that are defined: chosen by the rows alone, so that nothing tells a target."""
        labels = self._task.labels
        if len(labels) <= MOST_DEFINED:
            return labels
        inputs = [one.candidate.inputs for one in shown]
        near = nearest_labels(self._params.task, self._train, inputs, self._ctx)
        return sorted({label for labels_of_row in near for label in labels_of_row[:NEAREST]})


def _read(
    params: VerifyParams, task: Task, sample: int, shown: Sequence[_Shown], reply: Completion
) -> Iterator[Row]:
    """Yield what a reply says of the rows of its call, one row or drop each."""
    if reply.value is None:
        for one in shown:
            yield Drop("verify", one.candidate.id, reply.error or "no_reply", reply.detail)
        return
    asked = ids(len(shown))
    found = by_id(reply.value, KEY, asked)
    rows = dict(zip(asked, shown, strict=True))
    for name, item in found.items.items():
        yield _verification(params, task, sample, rows[name], item, reply.request)
    candidates = {name: one.candidate.id for name, one in rows.items()}
    yield from drops("verify", found, candidates, reply.request, f"the reply of sample {sample}")


def _verification(
    params: VerifyParams,
    task: Task,
    sample: int,
    one: _Shown,
    item: Mapping[str, Any],
    call: str,
) -> Verification:
    kind, candidate = params.task.entry, one.candidate

    def read(value: Any) -> str | None:
        answer = None if value is None else kind.blind_answer(value, one.inputs, task)
        return None if answer is None else one.was.get(answer, answer)

    answer = read(item["answer"])
    try:
        right = kind.reference(candidate.inputs, candidate.target, task.params).references
    except ValueError:
        right = (candidate.target,)
    agrees = METRICS[params.metric.name].score(
        Answered(answer, right, "" if answer is None else answer), params.metric.settings
    )
    return Verification(
        candidate=candidate.id,
        sample=sample,
        answer=answer,
        second=read(item.get("second")),
        agrees=agrees or 0.0,
        how="blind",
        detail=NONE_FITS if item["answer"] is None else "",
        call=call,
    )


def _sends(params: VerifyParams) -> Mapping[str, str]:
    return {
        "rows": "generated rows ({inputs})",
        "task": task_sends(
            "train rows that stand for labels ({inputs}, {target})"
            if params.task.labelled
            else "train rows near them, with their answers ({inputs}, {target})",
            conventions=params.conventions,
        ),
        "form": "",
        "chosen": "",
        ALWAYS: "the labels" if params.task.labelled else "",
    }


def _expect(params: VerifyParams, situation: Situation) -> Forecast:
    calls = params.samples * calls_for(situation.candidates.high, params.rows_per_call)
    rows = params.rows_per_call
    reply = schemas.reply_tokens(schemas.per_row(params.schema, KEY, rows))
    shown = rows if params.task.labelled else rows + ANSWERED
    return Forecast(Range(0, calls), Range(1, shown), reply)


def calls_for(rows: float, rows_per_call: int) -> int:
    """Return the calls that so many rows need."""
    return math.ceil(rows / rows_per_call)


def _accounts(params: VerifyParams, inputs: VerifyInputs, output: Verified) -> Iterable[Account]:
    standing = inputs.gate.standing(inputs.generate.candidates)
    found = output.of(Verification)
    wrong = sum(row.how == "program" for row in found)
    dropped = [drop for drop in output.drops if drop.reason != NOT_ASKED]
    yield Account(
        "answers", params.samples * (len(standing) - wrong), len(found) - wrong, len(dropped)
    )


VERIFY = Stage(
    "verify", 4, VerifyParams, VerifyInputs, Verified, verify,
    asks=("judge", "embedder"),
    prompts={PROMPT: frozenset({"task", "rows", "form", "chosen"})},
    replies=("answers",),
    sends=_sends, embeds="generated rows and train rows ({inputs})", expect=_expect, accounts=_accounts,
)  # fmt: skip
