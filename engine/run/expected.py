"""What a run is expected to take: the estimate of its plan, from the rows at hand and what earlier runs showed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from engine.data.splits import Splits
from engine.plan.estimate import Estimate, estimates, summed
from engine.plan.graph import Plan
from engine.plan.resources import Resources
from engine.rows import SPLITS, Example, Failure, Row
from engine.spec.loader import LoadedRecipe
from engine.stages.forecast import Range
from engine.store import Store
from engine.store import rows as stored

_RATES = (
    "SELECT (SELECT sum(seconds) / nullif(sum(steps), 0) FROM model WHERE NOT interim) AS step, "
    "(SELECT sum(seconds) / nullif(sum(prompt_tokens + completion_tokens), 0) FROM llm_call) AS token"
)
_FAILING = (
    "SELECT n.id AS node, count(f.node) AS failing FROM node n"
    " LEFT JOIN failure f ON f.node = n.id AND f.run = n.run AND f.split = 'validation'"
    " WHERE list_contains(?, n.id) GROUP BY n.id"
)


class NodeExpected(NamedTuple):
    """What one node is expected to take."""

    estimate: Estimate
    minutes: Range | None
    """As of `Expected`."""


class Expected(NamedTuple):
    """What a run is expected to take."""

    estimate: Estimate
    minutes: Range | None
    """At the speed of earlier runs in the store, evaluation apart; None where there is no such run."""
    evaluated: bool
    """Whether some failures are known already, so that the range is narrow."""
    nodes: Mapping[str, NodeExpected]
    """By the names of those nodes that still ask or train."""


def expect(
    loaded: LoadedRecipe, plan: Plan, resources: Resources, store: Store | None, limit: int | None
) -> Expected:
    """Return what the unfinished nodes are expected to take; `store` is None where there is none yet.

    Rows that the store has as examples already are let go of.
    """
    nodes, load = plan.nodes.values(), plan.nodes["load"]
    finished = store.finished([n.id for n in nodes]) if store else {}
    failing = _failing(plan, store, finished)
    size = _Size(dict.fromkeys(SPLITS, 0), 0)
    if any(node.id not in finished for node in nodes):
        loaded_before = store.load_output(load.id) if store and load.id in finished else None
        if loaded_before is None:
            size = _read(resources.splits, loaded.recipe.task.input, limit)
        else:
            size = _kept(loaded_before)
    if load.id in finished:
        resources.splits.forget()
    each = estimates(plan, resources, finished, size.rows, failing, size.mean)
    whole, pace = summed(each.values()), _pace(store.state) if store else None
    priced = {name: NodeExpected(one, _minutes(one, pace)) for name, one in each.items()}
    return Expected(whole, _minutes(whole, pace), bool(failing), priced)


def _failing(plan: Plan, store: Store | None, finished: Collection[str]) -> dict[str, int]:
    """Return the validation failures of the scores that are known."""
    scores = [n.id for n in plan.nodes.values() if n.stage == "score" and n.id in finished]
    if store is None or not scores:
        return {}
    found = {row["node"]: row["failing"] for row in stored(store.state, _FAILING, [scores])}
    # What a run beside this one has just finished is not in the store's file yet.
    late = {node: store.load_output(node) for node in scores if node not in found}
    return found | {
        node: sum(isinstance(r, Failure) and r.split == "validation" for r in rows)
        for node, rows in late.items()
    }


class _Size(NamedTuple):
    """The rows per split, and the total characters of their inputs."""

    rows: dict[str, int]
    characters: int

    @property
    def mean(self) -> float:
        return self.characters / max(1, sum(self.rows.values()))


def _kept(rows: Sequence[Row]) -> _Size:
    examples = [row for row in rows if isinstance(row, Example)]
    counts = Counter(example.split for example in examples)
    characters = sum(len(text) for example in examples for text in example.inputs.values())
    return _Size({str(split): counts[split] for split in SPLITS}, characters)


def _read(splits: Splits, columns: Sequence[str], limit: int | None) -> _Size:
    splits.read(network=True)
    counts: dict[str, int] = {split: 0 for split in SPLITS}
    characters = 0
    for split, rows in splits.rows.items():
        records = rows.records[:limit]
        counts[split] = len(records)
        characters += sum(len(str(record.values[c])) for record in records for c in columns)
    return _Size(counts, characters)


class _Pace(NamedTuple):
    """Seconds that earlier runs of a store took for an optimizer step and for a token."""

    step: float
    token: float


def _pace(state: Path) -> _Pace | None:
    rates = stored(state, _RATES)[0]
    if rates["step"] is None or rates["token"] is None:
        return None
    return _Pace(rates["step"], rates["token"])


def _minutes(whole: Estimate, pace: _Pace | None) -> Range | None:
    """Return how long that takes at the speed of earlier runs in this store; evaluation comes on top."""
    if pace is None:
        return None
    training = whole.steps * pace.step
    low, high = ((tokens * pace.token + training) / 60 for tokens in whole.tokens)
    return Range(low, high)
