"""diagnose: the teacher says of each validation failure what went wrong and when that happens.

PaDA-Agent's sample-level error analysis (arXiv 2510.18143): the teacher sees the row, the student's answer and
the right answer. Only validation failures are shown; test rows never. Reads the rows and the failures that were drawn;
writes one `Diagnosis` per failure, or a `Drop`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.fingerprint import short
from engine.identity import Params
from engine.rows import Diagnosis, Drop, Row
from engine.stages import schemas
from engine.stages.forecast import Forecast, Range, Situation
from engine.stages.outputs import Diagnosed, Drawn, Loaded
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.stages.task_view import TaskView

PROMPT = "diagnose.md"


@dataclass(frozen=True, kw_only=True)
class DiagnoseParams(Params):
    """The task, and the base of the reply's schema."""

    task: TaskView
    schema: schemas.Schema


@dataclass(frozen=True)
class DiagnoseInputs(Inputs):
    """The rows, and the failures that were drawn."""

    load: Loaded
    draw: Drawn


def diagnose(params: DiagnoseParams, inputs: DiagnoseInputs, ctx: Context) -> Diagnosed:
    """Return one `Diagnosis` per failure that the teacher could explain."""
    examples = {e.id: e for e in inputs.load.split("validation")}
    labels = params.task.labels_among(inputs.load.examples)
    failures = inputs.draw.failures
    rows: list[Row] = []
    prompt = ctx.prompt(PROMPT)
    requests = [
        ctx.request(
            "teacher",
            prompt,
            {
                "description": params.task.description,
                "row": dict(examples[f.example].inputs),
                "answer": f.answer,
                "target": f.target,
                "labels": labels,
            },
            params.schema,
        )
        for f in failures
    ]
    for failure, reply in zip(failures, ctx.ask("teacher", requests), strict=True):
        if reply.value is None:
            rows.append(Drop("diagnose", failure.example, reply.error or "no_reply", reply.detail))
            continue
        cause, scenario = reply.value["root_cause"].strip(), reply.value["scenario"].strip()
        identity = short([failure.example, failure.answer, cause, scenario])
        rows.append(Diagnosis(identity, failure.example, cause, scenario, reply.request))
    return Diagnosed(tuple(rows))


def _sends(params: DiagnoseParams) -> Mapping[str, str]:
    return {
        "row": "failed validation rows ({inputs})",
        "target": "their {target}",
        "answer": "the student's answers",
        "labels": "the labels",
    }


def _expect(params: DiagnoseParams, situation: Situation) -> Forecast:
    calls = situation.new(situation.failures)
    return Forecast(calls, Range(1, 1), schemas.reply_tokens(params.schema))


def _accounts(
    params: DiagnoseParams, inputs: DiagnoseInputs, output: Diagnosed
) -> Iterable[Account]:
    failures = len(inputs.draw.failures)
    yield Account("drawn failures", failures, len(output.diagnoses), len(output.drops))


DIAGNOSE = Stage(
    "diagnose", 2, DiagnoseParams, DiagnoseInputs, Diagnosed, diagnose,
    asks=("teacher",),
    prompts={PROMPT: frozenset({"description", "row", "answer", "target", "labels"})},
    replies=("diagnosis",),
    sends=_sends, expect=_expect, essential=True, accounts=_accounts,
)  # fmt: skip
