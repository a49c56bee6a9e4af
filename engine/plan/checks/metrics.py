"""A recipe's metrics and slices: their names, their parameters, and whether they fit its targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from engine.data.records import references_of
from engine.data.split_rows import SplitRows
from engine.errors import Problem
from engine.metrics import METRICS, Answered
from engine.registry import did_you_mean
from engine.spec.error_messages import check_part
from engine.spec.loader import LoadedRecipe
from engine.spec.recipe import MetricSpec
from engine.tasks import TASKS

_TRIED = 2000
_ALREADY = "give the recipe's own metric another name"
_TAKEN = {"prediction": "the student's answer", "target": "the right answer"}
"""Columns of users' SQL that no score may hide."""


def check_metrics(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield what is wrong with the metrics' names and parameters, and with the one that the loop stops by."""
    known = {*METRICS, *(m.by_label.name for m in METRICS.values() if m.by_label)}
    names = [metric.name for metric in loaded.recipe.measured]
    for index, metric in enumerate(loaded.recipe.measured):
        at = loaded.at("metrics", index)
        if metric.own and metric.name in known:
            yield Problem(at, f"'{metric.name}' is a metric already", _ALREADY, code="metric")
        if metric.judge and metric.name in _TAKEN:
            message = f"'{metric.name}' means {_TAKEN[metric.name]} in SQL"
            yield Problem(at, message, _ALREADY, code="metric")
        if not metric.own:
            yield from _engines(loaded, index, metric)
        if metric.name in names[:index]:
            message = f"the metric '{metric.name}' is given twice"
            yield Problem(at, message, "leave one out", code="metric")
    stop = loaded.recipe.loop.stop.metric
    if stop not in names:
        where = loaded.at("loop", "stop", "metric")
        message = f"loop.stop.metric is '{stop}', which is not one of this recipe's metrics"
        hint = did_you_mean(stop, names) + ", or add it to metrics"
        yield Problem(where, message, hint, code="stop")


def _engines(loaded: LoadedRecipe, index: int, metric: MetricSpec) -> Iterator[Problem]:
    """Yield what is wrong with a metric that must be one of the engine's."""
    if metric.name in METRICS:
        path = ("metrics", index, "params")
        yield from check_part(METRICS[metric.name].params, metric.params, loaded.document, path)
        return
    message, hint = METRICS.unknown(metric.name)
    yield Problem(loaded.at("metrics", index), message, hint, code="unknown-metric")


def check_slices(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield slices of one name; their columns and SQL are checked with the rest of the recipe's SQL."""
    names = [s if isinstance(s, str) else s.name for s in loaded.recipe.slices]
    for index, name in enumerate(names):
        if name in names[:index]:
            message = f"the slice '{name}' is given twice"
            yield Problem(loaded.at("slices", index), message, "leave one out", code="slice")


def check_targets(loaded: LoadedRecipe, splits: Mapping[str, SplitRows]) -> Iterator[Problem]:
    """Warn of metrics that cannot score this recipe's targets, such as a numeric match of words."""
    target = loaded.recipe.task.target
    records = list(
        islice((record for split in splits.values() for record in split.records), _TRIED)
    )
    rows = [
        references_of(record, target) for record in records if record.values.get(target) is not None
    ]
    for index, metric in enumerate(loaded.recipe.measured):
        if metric.own or metric.name not in METRICS:
            continue
        # Of rows that ask for something else nothing is lacking, unless all of them do.
        kind = TASKS[loaded.recipe.task.kind]
        of = [row for row in rows if kind.scores(metric.name, row)]
        lacking = [row for row in of if not _scorable(metric, row)] if of else rows
        if not lacking:
            continue
        which = (
            f"{len(lacking)} of {len(of)} rows cannot" if len(lacking) < len(of) else "no row can"
        )
        message = f"{which} be scored by {metric.name}: the targets are not what it compares"
        hint = f"such rows do not count; the first is '{lacking[0][0][:60]}'"
        yield Problem(loaded.at("metrics", index), message, hint, "warning", "metric")


def _scorable(metric: MetricSpec, references: tuple[str, ...]) -> bool:
    # An unreadable answer has a value, the lowest, wherever the target can be scored at all.
    entry = METRICS[metric.name]
    try:
        params = entry.params.model_validate(metric.params)
    except ValueError:
        return True  # reported elsewhere
    item = Answered(None, references, "", 0.0, 1.0, 1)
    return entry.score(item, params) is not None
