"""slice: the recipe's metrics over the parts that its slices cut out.

Reads the rows, the answers and their scores; writes one `MetricSlice` per split, part and metric. Nothing follows from
them, so they are a node of their own: slices can be added to a run that is done, and nothing is diagnosed or trained
again.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from engine.rows import SPLITS, Split
from engine.stages.evaluate.measure import Answers, Cut, Measures, by_slice
from engine.stages.evaluate.score import answered_of
from engine.stages.outputs import Loaded, Predicted, Scored, Sliced
from engine.stages.protocol import Context, Inputs, Stage
from engine.stages.task_view import sql_row


@dataclass(frozen=True, kw_only=True)
class SliceParams(Measures):
    """What is measured, and over which parts."""

    slices: tuple[Cut, ...]


@dataclass(frozen=True)
class SliceInputs(Inputs):
    """The rows, the answers and their scores."""

    load: Loaded
    predict: Predicted
    score: Scored


def slices(params: SliceParams, inputs: SliceInputs, ctx: Context) -> Sliced:
    """Return a `MetricSlice` per split, part and metric, from the scores of the answers."""
    examples = {(e.split, e.id): e for e in inputs.load.examples}
    values: dict[tuple[str, str], dict[str, float | None]] = defaultdict(dict)
    for score in inputs.score.scores:
        values[score.split, score.example][score.metric] = score.value
    answers: dict[Split, Answers] = {}
    for split in SPLITS:
        pairs = [
            (examples[split, p.example], p) for p in inputs.predict.answered if p.split == split
        ]
        answers[split] = Answers(
            [answered_of(example, prediction) for example, prediction in pairs],
            [sql_row(e, p, params.target, values[split, e.id]) for e, p in pairs],
        )
    return Sliced(tuple(by_slice(params, params.slices, answers)))


SLICE = Stage(
    "slice", 2, SliceParams, SliceInputs, Sliced, slices,
    description="Scores parts of the rows by themselves, as the recipe cuts them out.",
)  # fmt: skip
