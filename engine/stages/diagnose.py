"""diagnose: the teacher says of each validation failure what went wrong and when that happens.

PaDA-Agent's sample-level error analysis (arXiv 2510.18143): the teacher sees the row, the student's answer and
the right answer. Only validation failures are shown; test rows never.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from engine.fingerprint import short
from engine.rows import Diagnosis, Drop, Example, Failure, Row
from engine.stages.columns import labels_of
from engine.stages.protocol import Context, Inputs, Output, Stage


def diagnose(params: Mapping[str, Any], inputs: Inputs, ctx: Context) -> Output:
    """Return one `Diagnosis` per failure that the teacher could explain; a seeded sample of more than `limit`."""
    examples = {e.id: e for e in inputs.of("load", Example) if e.split == "validation"}
    labels = labels_of(params, inputs.of("load", Example))
    failures = [f for f in inputs.of("score", Failure) if f.split == "validation"]
    rows: list[Row] = []
    if len(failures) > params["limit"]:
        chosen = set(random.Random(ctx.seed).sample(range(len(failures)), params["limit"]))
        rows.extend(
            Drop("diagnose", f.example, "not_sampled", f"patterns.diagnose is {params['limit']}")
            for i, f in enumerate(failures)
            if i not in chosen
        )
        failures = [f for i, f in enumerate(failures) if i in chosen]
    prompt = ctx.prompt("diagnose.md")
    requests = [
        ctx.request(
            "teacher",
            prompt,
            {
                "description": params["description"],
                "row": dict(examples[f.example].inputs),
                "answer": f.answer,
                "target": f.target,
                "labels": labels,
            },
            params["schema"],
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
    return Output(tuple(rows))


DIAGNOSE = Stage("diagnose", 1, diagnose, asks=("teacher",), prompts=("diagnose.md",))
