"""diagnose: the teacher says of each validation failure what went wrong and when that happens.

PaDA-Agent's sample-level error analysis (arXiv 2510.18143): the teacher sees the row, the student's whole answer and
the right answer; as in LLMs-as-Instructors (arXiv 2407.00497) also the nearest rows that the student gets right. Only
validation rows are shown, or training or logged ones where the recipe says so; test rows never. Reads the rows, the
answers, the failures and the patterns of earlier rounds; writes one `Diagnosis` per drawn failure, or a `Drop`.

Two kinds of failures are diagnosed and go no further, because rows written for them would teach nothing or something
wrong: those whose given answer may be wrong (each a `LabelSuspect` too), and those that no training row could mend,
such as a row that can be read in two ways. Both are drops.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Any, Final

from engine.backends.protocol import Completion
from engine.fingerprint import short
from engine.identity import Params, outside
from engine.rows import Diagnosis, Drop, Example, Failure, LabelSuspect, Prediction, Row, Split
from engine.spec.taxonomies import OTHER
from engine.stages import schemas
from engine.stages.analyse.mistakes import (
    is_quoted,
    labels_of,
    mistake,
    nearest_pairs,
    success,
)
from engine.stages.analyse.taxonomy import OfferedCategory, as_shown
from engine.stages.blocks import Briefing, task_block, task_sends
from engine.stages.division import Divide, selection_part
from engine.stages.forecast import Forecast, Range, Situation
from engine.stages.logged import by_precedence
from engine.stages.numbered import by_id, drops, ids, unanswered
from engine.stages.outputs import (
    Diagnosed,
    Drawn,
    Loaded,
    Logged,
    NamedPatterns,
    Predicted,
    Scored,
    conventions_of,
)
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.stages.task_view import TaskView

PROMPT = "diagnose.md"
REPLIES = "diagnoses"
"""Key of the list in a reply."""
UNANSWERED = "unanswered"
"""Variable of a prompt that says what to do about failures without a right answer; others are not shown any."""
UNFOUND: Final = "evidence_not_found"
"""Reason of a drop: a quote that does not stand in its row. The diagnosis stays, without it."""


@dataclass(frozen=True, kw_only=True)
class DiagnoseParams(Params):
    """The task, how many failures are shown at once, and the base of the reply's schema."""

    task: TaskView
    briefing: Briefing
    per_call: int = 1
    """Most failures of one call."""
    passed: int = 0
    """Most passed rows shown beside them."""
    divide: Divide = "auto"
    """Whether only one part of the validation rows is analysed."""
    sources: tuple[Split, ...] = ("validation",)
    """Where the failures are from."""
    categories: tuple[OfferedCategory, ...] = ()
    """Of which each diagnosis names one; none where the teacher gives names of its own."""
    closed: bool = False
    """Whether a diagnosis must be of one of these, and cannot propose another."""
    schema: schemas.Schema
    conventions: bool = outside(True)
    """Whether rules of annotation can be known."""


@dataclass(frozen=True)
class DiagnoseInputs(Inputs):
    """The rows, the student's answers, the failures that were drawn, and the patterns of earlier rounds."""

    load: Loaded
    score: Scored
    predict: Predicted
    draw: Drawn
    earlier: tuple[NamedPatterns, ...] = ()
    logged: Logged | None = None


def diagnose(params: DiagnoseParams, inputs: DiagnoseInputs, ctx: Context) -> Diagnosed:
    """Return one `Diagnosis` per failure that the teacher could explain."""
    failures = inputs.draw.failures
    rows: list[Row] = []
    if not failures:
        return Diagnosed(tuple(rows))
    prompt = ctx.prompt(PROMPT)
    if UNANSWERED not in prompt.variables:
        detail = "nobody knows its right answer, and the prompt has no word for that"
        rows += [
            Drop("diagnose", f.example, "no_right_answer", detail) for f in failures if not f.target
        ]
        failures = [f for f in failures if f.target]
        if not failures:
            return Diagnosed(tuple(rows))
    shown = _Shown(params, inputs, ctx)
    calls = _calls(params, failures)
    schema = cache(lambda count: schemas.per_row(params.schema, REPLIES, count))
    requests = (
        ctx.request("teacher", prompt, shown.variables(call), schema(len(call))) for call in calls
    )
    for call, reply in zip(calls, ctx.ask("teacher", requests), strict=True):
        rows.extend(_read(call, reply, shown))
    return Diagnosed(tuple(rows))


def _calls(params: DiagnoseParams, failures: Sequence[Failure]) -> list[Sequence[Failure]]:
    """Return the failures call by call; like confusions stand together, so that they are told apart."""
    if params.task.labelled and params.per_call > 1:
        failures = sorted(failures, key=lambda f: (f.target, f.answer or ""))
    size = params.per_call
    return [failures[start : start + size] for start in range(0, len(failures), size)]


class _Shown:
    """What the teacher is shown: of all calls made once."""

    def __init__(self, params: DiagnoseParams, inputs: DiagnoseInputs, ctx: Context) -> None:
        self._params, self._load, self._ctx = params, inputs.load, ctx
        log = inputs.logged or Logged()
        # A row may stand in several splits.
        of = {f.example: f.split for f in inputs.draw.failures}
        every = (*inputs.load.examples, *log.examples)
        self.examples = {e.id: e for e in every if e.split == of.get(e.id, "validation")}
        said = by_precedence(inputs.predict.answered, log.predictions, ctx.round)
        self.predictions: dict[str, Prediction] = {
            p.example: p for p in said if p.split == of.get(p.example, "validation")
        }
        self._scores: dict[str, dict[str, float | None]] = {}
        for score in by_precedence(inputs.score.scores, log.scores, ctx.round):
            if score.split == of.get(score.example, "validation"):
                self._scores.setdefault(score.example, {})[score.metric] = score.value
        failing = {f.example for f in inputs.score.failures("validation")}
        # What chooses among rounds is not looked at.
        apart = selection_part(inputs.load, params.divide)
        passed = [
            self.examples[p.example]
            for p in self.predictions.values()
            if p.split == "validation" and p.example not in failing | apart
        ]
        self._passed: Sequence[Example] = passed if params.passed else ()
        if self._passed:
            self._vectors = ctx.embed([params.task.text_of(e.inputs) for e in self._passed])
        known = {p.id: p for named in inputs.earlier for p in named.patterns}
        self._conventions = conventions_of(inputs.earlier)
        self._known = [{"name": p.name, "description": p.description} for p in known.values()]

    def variables(self, call: Sequence[Failure]) -> dict[str, Any]:
        """Return the prompt's variables for one call."""
        params, task = self._params, self._params.task
        train = self._load.train
        return {
            "task": task_block(
                task, params.briefing, train, labels_of(task, call), self._conventions
            ),
            "kind": task.kind,
            "labelled": task.labelled,
            "failures": [
                mistake(
                    task,
                    number,
                    failure,
                    self.examples[failure.example],
                    self.predictions.get(failure.example),
                    self._scores.get(failure.example, {}),
                )
                for number, failure in enumerate(call, 1)
            ],
            "passed": [success(task, e, self.predictions[e.id]) for e in self._contrast(call)],
            "categories": as_shown(params.categories),
            "closed": params.closed,
            UNANSWERED: any(not f.target for f in call),
            "known": self._known,
        }

    def category_of(self, said: Mapping[str, Any]) -> tuple[str | None, str | None]:
        """Return the category of one diagnosis, and the name that it proposes where none fits."""
        category = (said.get("category") or "").strip() or None
        if not self._params.categories:
            return None, category
        proposed = (said.get("proposed") or "").strip() or None
        return category, proposed if category == OTHER else None

    def _contrast(self, call: Sequence[Failure]) -> list[Example]:
        if not self._passed:
            return []
        failed = self._ctx.embed(
            [self._params.task.text_of(self.examples[f.example].inputs) for f in call]
        )
        places = nearest_pairs(failed, self._vectors, self._params.passed)
        return [self._passed[place] for place in places]


def _read(call: Sequence[Failure], reply: Completion, shown: _Shown) -> Iterator[Row]:
    """Yield what a reply says of the failures of its call."""
    if reply.value is None:
        for failure in call:
            yield Drop("diagnose", failure.example, unanswered(reply), reply.detail)
        return
    asked = ids(len(call), "f")
    said = by_id(reply.value, REPLIES, asked)
    failures = dict(zip(asked, call, strict=True))
    examples = {name: failure.example for name, failure in failures.items()}
    where = f"the reply to a call about {len(call)} failures"
    yield from drops("diagnose", said, examples, reply.request, where)
    for name, item in said.items.items():
        yield from _diagnosis(failures[name], item, reply.request, shown)


def _diagnosis(
    failure: Failure, said: Mapping[str, Any], call: str, shown: _Shown
) -> Iterator[Row]:
    """Yield the diagnosis of one failure, and what keeps it from going further."""
    cause, scenario = said["root_cause"].strip(), said["scenario"].strip()
    identity = short([failure.example, failure.answer, cause, scenario])
    evidence = said.get("evidence", "").strip()
    prediction = shown.predictions.get(failure.example)
    texts = [*shown.examples[failure.example].inputs.values()]
    if evidence and not is_quoted(evidence, [*texts, prediction.text if prediction else ""]):
        evidence = ""
        yield Drop("diagnose", identity, UNFOUND, "what it quotes stands in no column of its row")
    suspect, mendable = said.get("suspect", False), said.get("mendable", True)
    category, proposed = shown.category_of(said)
    yield Diagnosis(
        id=identity,
        example=failure.example,
        root_cause=cause,
        scenario=scenario,
        call=call,
        evidence=evidence,
        reasoning=said.get("reasoning", "").strip(),
        skill=said.get("skill", "").strip(),
        category=category,
        proposed=proposed,
        suspect=suspect,
        mendable=mendable,
        confidence=said.get("confidence"),
        convention=said.get("convention", "").strip(),
    )
    if suspect:
        yield LabelSuspect(
            example=failure.example,
            split=failure.split,
            target=failure.target,
            answer=failure.answer,
            reason=said.get("suspect_reason", "").strip() or cause,
            confidence=said.get("confidence"),
            call=call,
        )
        detail = "its given answer may be wrong: see label_suspect"
        yield Drop("diagnose", failure.example, "label_suspect", detail)
    elif not mendable:
        detail = "no training row could mend it, the teacher says: see diagnosis"
        yield Drop("diagnose", failure.example, "not_mendable", detail)


def _named(sources: Sequence[str]) -> str:
    """Return the places of failures in words."""
    return " and ".join(filter(None, [", ".join(sources[:-1]), sources[-1]]))


def _sends(params: DiagnoseParams) -> Mapping[str, str]:
    labelled = params.task.labelled
    return {
        "task": task_sends(
            "the labels, train rows ({inputs}) that stand for those without a definition"
            if labelled
            else "",
            conventions=params.conventions,
        ),
        "failures": f"failed {_named(params.sources)} rows ({{inputs}}), their {{target}}, "
        "the student's answers and their scores",
        "passed": "passed validation rows ({inputs}), their {target}",
        "known": "names and descriptions of patterns",
        "kind": "",
        "labelled": "",
        "categories": "",
        "closed": "",
        UNANSWERED: "",
    }


def _expect(params: DiagnoseParams, situation: Situation) -> Forecast:
    failures = situation.failures
    size = params.per_call
    calls = situation.new(Range(ceil(failures.low / size), ceil(failures.high / size)))
    reply = schemas.per_row(params.schema, REPLIES, size)
    return Forecast(calls, Range(1, size + params.passed), schemas.reply_tokens(reply))


def _accounts(
    params: DiagnoseParams, inputs: DiagnoseInputs, output: Diagnosed
) -> Iterable[Account]:
    failures = inputs.draw.failures
    ids = {f.example for f in failures}
    # Other drops are about parts of a reply.
    dropped = sum(drop.item in ids for drop in output.drops)
    yield Account("drawn failures", len(failures), len(output.diagnoses), dropped)


DIAGNOSE = Stage(
    "diagnose", 7, DiagnoseParams, DiagnoseInputs, Diagnosed, diagnose,
    description="The teacher says why an answer is wrong.",
    asks=("teacher", "embedder"),
    prompts={
        PROMPT: frozenset(
            {"task", "kind", "labelled", "failures", "passed", "categories", "closed", "known", UNANSWERED}
        )
    },
    replies=("diagnosis",),
    skips=lambda params: frozenset() if params.passed else frozenset({"embedder"}),
    sends=_sends, embeds="validation rows ({inputs})",
    expect=_expect, essential=True, accounts=_accounts,
)  # fmt: skip
