"""`pada plan`: the DAG with each node's state, the estimate, and which fields go to which model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from engine.plan.compile import compile_plan
from engine.plan.estimate import Estimate, estimate
from engine.plan.explain import NodeState, mermaid, states
from engine.plan.flow import flows, host_of, key_of, timed
from engine.plan.graph import Plan
from engine.plan.resources import Resources, gather, task_prompt
from engine.plan.validate import rules_for
from engine.report.numbers import between
from engine.rows import SPLITS, Example, Failure, Row
from engine.spec.data import Read, read_splits
from engine.spec.loader import LoadedRecipe
from engine.stages.forecast import Range
from engine.store import FILE, Store, reader

STYLE = {"cached": "green", "pending": "yellow", "changed": "magenta"}


def compiled(loaded: LoadedRecipe, limit: int | None) -> tuple[Plan, Resources]:
    """Return the plan of a recipe with what it rests on."""
    resources = gather(loaded)
    return compile_plan(loaded.recipe, resources, task_prompt(loaded), limit), resources


class Expected(NamedTuple):
    """What a run is expected to take."""

    estimate: Estimate
    minutes: Range | None
    """At the speed of earlier runs in the store, evaluation apart; None where there is no such run."""
    evaluated: bool
    """Whether some failures are known already, so that the range is narrow."""


def print_plan(loaded: LoadedRecipe, state: Path, limit: int | None, graph: bool) -> None:
    """Print the plan."""
    plan, resources = compiled(loaded, limit)
    store = Store.open(state, create_missing=False) if (state / FILE).exists() else None
    try:
        finished = store.finished([n.id for n in plan.nodes.values()]) if store else {}
        others = [node.name for node in plan.nodes.values() if node.id not in finished]
        found = states(plan, finished, store.last_identities(others) if store else {})
        if graph:
            print(mermaid(found))
            return
        expected = expect(loaded, plan, resources, store, limit)
    finally:
        if store:
            store.close()
    console = Console()
    console.print(_table(found))
    counts = Counter(s.state for s in found)
    console.print(", ".join(f"{n} {state}" for state, n in sorted(counts.items())), highlight=False)
    _print_expected(console, expected)
    _print_flow(console, loaded, plan, resources)


def expect(
    loaded: LoadedRecipe, plan: Plan, resources: Resources, store: Store | None, limit: int | None
) -> Expected:
    """Return what the unfinished nodes are expected to take; `store` is None where there is none yet."""
    nodes, load = plan.nodes.values(), plan.nodes["load"]
    finished = store.finished([n.id for n in nodes]) if store else {}
    failing = _failing(plan, store, finished)
    seen = _Seen(dict.fromkeys(SPLITS, 0), 0)
    if any(node.id not in finished for node in nodes):
        loaded_before = store.load_output(load.id) if store and load.id in finished else None
        seen = _read(loaded, limit) if loaded_before is None else _kept(loaded_before)
    found = estimate(plan, resources, finished, seen.rows, failing, seen.mean)
    return Expected(found, _minutes(found, store.state) if store else None, bool(failing))


def _failing(plan: Plan, store: Store | None, finished: object) -> dict[str, int]:
    """Return the validation failures of the scores that are known."""
    if store is None or not isinstance(finished, dict):
        return {}
    return {
        node.id: sum(
            isinstance(r, Failure) and r.split == "validation" for r in store.load_output(node.id)
        )
        for node in plan.nodes.values()
        if node.stage == "score" and node.id in finished
    }


class _Seen(NamedTuple):
    """The rows per split, and the characters of their inputs all together."""

    rows: dict[str, int]
    characters: int

    @property
    def mean(self) -> float:
        return self.characters / max(1, sum(self.rows.values()))


def _kept(rows: Sequence[Row]) -> _Seen:
    examples = [row for row in rows if isinstance(row, Example)]
    counts = Counter(example.split for example in examples)
    characters = sum(len(text) for example in examples for text in example.inputs.values())
    return _Seen({str(split): counts[split] for split in SPLITS}, characters)


def _read(loaded: LoadedRecipe, limit: int | None) -> _Seen:
    counts: dict[str, int] = {split: 0 for split in SPLITS}
    characters = 0
    columns = loaded.recipe.task.input
    for split, rows in _splits(loaded, network=True).splits.items():
        found = rows.records[:limit]
        counts[split] = len(found)
        characters += sum(len(str(record.values[c])) for record in found for c in columns)
    return _Seen(counts, characters)


def _splits(loaded: LoadedRecipe, *, network: bool) -> Read:
    return read_splits(loaded, rules_for(loaded), network=network)


def _table(found: list[NodeState]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("node", "state", "fingerprint", "because"):
        table.add_column(name, overflow="fold")
    for node, state, because in found:
        table.add_row(node.name, f"[{STYLE[state]}]{state}[/]", node.id[:10], because)
    return table


def _print_expected(console: Console, expected: Expected) -> None:
    calls, tokens, money, unpriced, steps = expected.estimate
    if not calls.high and not steps:
        console.print("nothing left to ask or to train")
        return
    basis = (
        "from the failures found so far"
        if expected.evaluated
        else "failures are not known before evaluation, so the range is wide"
    )
    cost = between(money, 2) if money else ""
    if unpriced:
        cost += f"{' and ' if cost else ''}unknown for the {' and the '.join(unpriced)} (no price)"
    parts = [
        f"{between(calls)} LLM calls",
        f"{between(tokens)} tokens",
        *([f"money {cost}"] if cost else []),
        f"{steps:,} optimizer steps",
    ]
    _say(console, f"estimate: {', '.join(parts)} ({basis})")
    known = (
        f"about {between(expected.minutes)} at the speed of earlier runs here, evaluation not counted"
        if expected.minutes
        else "not known before this store has seen a run of training and LLM calls"
    )
    _say(console, f"minutes: {known}")


_RATES = (
    "SELECT (SELECT sum(seconds) / sum(steps) FROM model) AS step, "
    "(SELECT sum(seconds) / nullif(sum(prompt_tokens + completion_tokens), 0) FROM llm_call) AS token"
)


def _minutes(found: Estimate, state: Path) -> Range | None:
    """Return how long that takes at the speed of earlier runs in this store; evaluation comes on top."""
    rates = reader(state)(_RATES, [])[0]
    if rates["step"] is None or rates["token"] is None:
        return None
    training = found.steps * rates["step"]
    low, high = ((tokens * rates["token"] + training) / 60 for tokens in found.tokens)
    return Range(low, high)


def _print_flow(console: Console, loaded: LoadedRecipe, plan: Plan, resources: Resources) -> None:
    """Say which fields of which rows go to which host."""
    rules = loaded.recipe.privacy.redact
    if rules:
        count = f"{len(rules)} {'pattern' if len(rules) == 1 else 'patterns'}"
        _say(
            console,
            f"before anything is stored or sent: {count} of privacy.redact, {_redacted(loaded)}",
        )
    _say(console, "what goes where:")
    for role, sent in flows(plan, resources, loaded.recipe).items():
        model = resources.models[role]
        key = f", with the key in {name}" if (name := key_of(model)) else ""
        _say(console, f"  {role}: {model.name} ({model.backend}) → {host_of(model)}{key}")
        for stage, what in sent:
            _say(console, f"    {stage:<9} {what}")
    if found := timed(resources, loaded.recipe):
        key = f", with the key in {found.key}" if found.key else ""
        _say(console, f"  benchmark: {found.model} → {found.host}{key}")
        _say(console, f"    {'benchmark':<9} {found.what}")


def _redacted(loaded: LoadedRecipe) -> str:
    """Say how many of the rows that can be read here are changed."""
    read = _splits(loaded, network=False)
    total = sum(len(rows.records) for rows in read.splits.values())
    where = "" if len(read.splits) == len(SPLITS) else " that are on this machine"
    return f"which change {read.redacted:,} of {total:,} rows{where}"


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
