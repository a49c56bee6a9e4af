"""slice: the recipe's metrics over the parts that its slices cut out.

Nothing follows from them, so they are a node of their own: slices can be added to a run that is done, and nothing is
diagnosed or trained again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from engine.rows import SPLITS, Example, Prediction, Score, Split
from engine.stages.columns import sql_row
from engine.stages.measure import Answers, by_slice
from engine.stages.protocol import Context, Inputs, Output, Stage
from engine.stages.score import answered_of


def slices(params: Mapping[str, Any], inputs: Inputs, ctx: Context) -> Output:
    """Return a `MetricSlice` per split, part and metric, from the scores of the answers."""
    examples = {(e.split, e.id): e for e in inputs.of("load", Example)}
    values: dict[tuple[str, str], dict[str, float | None]] = defaultdict(dict)
    for score in inputs.of("score", Score):
        values[score.split, score.example][score.metric] = score.value
    answered = [p for p in inputs.of("predict", Prediction) if p.status != "backend_failed"]
    answers: dict[Split, Answers] = {}
    for split in SPLITS:
        pairs = [(examples[split, p.example], p) for p in answered if p.split == split]
        answers[split] = Answers(
            [answered_of(example, prediction) for example, prediction in pairs],
            [sql_row(e, p, params["target"], values[split, e.id]) for e, p in pairs],
        )
    return Output(tuple(by_slice(params, answers)))


SLICE = Stage("slice", 1, slices)
