"""A recipe's metrics and slices: their names, their parameters, and whether they fit its targets.

Also whether what decides can: the failure predicate where targets are short, the metric that the loop stops by where
few rows have it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
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
_NEARLY = frozenset({"token_f1", "rouge1", "rouge2", "rouge_l", "bleu", "chrf"})
"""Metrics that give an answer with one wrong word of several most of their value."""
_FEW_WORDS = 5
"""So many words or fewer make a short target; twice as many where a number is among them, such as an amount's."""
_EXACT = "exact_match"
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
    rows = _references(loaded, splits.values())
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


def check_short_targets(loaded: LoadedRecipe, splits: Mapping[str, SplitRows]) -> Iterator[Problem]:
    """Warn of short targets whose near misses the failure predicate takes for right: another amount, another year."""
    failure = loaded.recipe.failure or ""
    asked = set(re.findall(r"\w+", failure)) & {m.name for m in loaded.recipe.measured}
    rows = _references(loaded, splits.values())
    short = [row[0] for row in rows if is_short(row[0])]
    if not asked or asked - _NEARLY or 2 * len(short) < len(rows) or not short:
        return
    shown = next((target for target in short if _has_digit(target)), short[0])
    message = (
        f"{len(short)} of {len(rows)} targets are short (few words, amounts, dates), such as "
        f"'{shown[:60]}': by `failure: {failure}` an answer with some of the right words is right, "
        "whatever the others are"
    )
    kept = ", ".join(name for name in (m.name for m in loaded.recipe.measured) if name != _EXACT)
    hint = f"write `failure: {_EXACT} < 1` and `metrics: [{_EXACT}, {kept}]`: docs/metrics.md, Short targets"
    where = loaded.at("failure") if "failure" in loaded.document.data else loaded.at("task", "kind")
    yield Problem(where, message, hint, "warning", "metric")


def is_short(target: str) -> bool:
    """Tell whether a target is a few words, an amount or a date, which is right or wrong as a whole."""
    return len(target.split()) <= (2 * _FEW_WORDS if _has_digit(target) else _FEW_WORDS)


def _has_digit(target: str) -> bool:
    return any(character.isdigit() for character in target)


def check_deciding(loaded: LoadedRecipe, splits: Mapping[str, SplitRows]) -> Iterator[Problem]:
    """Warn where the metric that the loop stops by is of less than half of the validation rows, another of more."""
    kind = TASKS[loaded.recipe.task.kind]
    if not kind.mixed or "validation" not in splits:
        return
    rows = _references(loaded, [splits["validation"]])
    of = {
        metric.name: sum(kind.scores(metric.name, row) for row in rows)
        for metric in loaded.recipe.measured
        if not metric.own
    }
    stop = loaded.recipe.loop.stop.metric
    more = {name: n for name, n in of.items() if n > of.get(stop, len(rows))}
    if not more or 2 * of[stop] >= len(rows):
        return
    message = (
        f"few rows decide: {stop}, by which the loop stops and students are compared, is defined for {of[stop]} of "
        f"{len(rows)} validation rows"
    )
    named = ", ".join(f"{name} for {n}" for name, n in sorted(more.items(), key=lambda o: o[1]))
    hint = f"others are for more ({named}): name one as loop.stop.metric, or add validation rows that {stop} is about"
    yield Problem(loaded.at("loop", "stop", "metric"), message, hint, "warning", "metric")


def _references(loaded: LoadedRecipe, splits: Iterable[SplitRows]) -> list[tuple[str, ...]]:
    """Return what is right for the first rows."""
    target = loaded.recipe.task.target
    records = islice((record for split in splits for record in split.records), _TRIED)
    return [
        references_of(record, target) for record in records if record.values.get(target) is not None
    ]
