"""`pada plan`: the DAG with each node's state, the estimate, and which fields go to which model."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from engine.plan.compile import compile_plan
from engine.plan.estimate import Estimate, estimate
from engine.plan.explain import NodeState, mermaid, states
from engine.plan.graph import Plan
from engine.plan.resources import Resources, gather, task_prompt
from engine.rows import SPLITS, Failure
from engine.spec.loader import LoadedRecipe
from engine.sql.sources import read_source
from engine.store import FILE, Store, reader

STYLE = {"cached": "green", "pending": "yellow", "changed": "magenta"}


def compiled(loaded: LoadedRecipe, limit: int | None) -> tuple[Plan, Resources]:
    """Return the plan of a recipe with what it rests on."""
    resources = gather(loaded)
    return compile_plan(loaded.recipe, resources, task_prompt(loaded), limit), resources


def print_plan(loaded: LoadedRecipe, state: Path, limit: int | None, graph: bool) -> None:
    """Print the plan."""
    plan, resources = compiled(loaded, limit)
    store = Store.open(state, create_missing=False) if (state / FILE).exists() else None
    try:
        finished = store.finished([n.id for n in plan.nodes.values()]) if store else {}
        found = states(plan, finished, store.last_identity if store else lambda name: None)
        failing = _failing(plan, store, finished)
    finally:
        if store:
            store.close()
    if graph:
        print(mermaid(found))
        return
    console = Console()
    console.print(_table(found))
    counts = Counter(s.state for s in found)
    console.print(", ".join(f"{n} {state}" for state, n in sorted(counts.items())), highlight=False)
    rows: dict[str, int] = {split: _count(loaded, resources, split, limit) for split in SPLITS}
    found_estimate = estimate(plan, resources, finished, rows, failing)
    _print_estimate(console, found_estimate, bool(failing))
    console.print(_minutes(found_estimate, state), highlight=False)
    _print_flow(console, loaded, resources)


def _failing(plan: Plan, store: Store | None, finished: object) -> dict[str, int]:
    """Return the validation failures of the scores that are known."""
    if store is None or not isinstance(finished, dict):
        return {}
    return {
        node.id: sum(
            isinstance(r, Failure) and r.split == "validation" for r in store.load_output(node.id)
        )
        for node in plan.nodes.values()
        if node.stage == "score" and node.round >= 0 and node.id in finished
    }


def _count(loaded: LoadedRecipe, resources: Resources, split: str, limit: int | None) -> int:
    source = getattr(loaded.recipe.data, split)
    sample = source.sample.model_dump() if source.sample else None
    total = sum(1 for _ in read_source(resources.places[split], where=source.where, sample=sample))
    return min(total, limit) if limit else total


def _table(found: list[NodeState]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("node", "state", "fingerprint", "because"):
        table.add_column(name, overflow="fold")
    for node, state, because in found:
        table.add_row(node.name, f"[{STYLE[state]}]{state}[/]", node.id[:10], because)
    return table


def _print_estimate(console: Console, found: Estimate, evaluated: bool) -> None:
    calls, tokens, steps = found
    if not calls.high and not steps:
        console.print("nothing left to ask or to train")
        return
    basis = (
        "from the failures found so far"
        if evaluated
        else "failures are not known before evaluation, so the range is wide"
    )
    console.print(
        f"estimate: {calls.low:,.0f} to {calls.high:,.0f} LLM calls, {tokens.low:,.0f} to {tokens.high:,.0f} tokens, "
        f"{steps:,} optimizer steps ({basis})",
        highlight=False,
    )


_RATES = (
    "SELECT (SELECT sum(seconds) / sum(steps) FROM model) AS step, "
    "(SELECT sum(seconds) / nullif(sum(prompt_tokens + completion_tokens), 0) FROM llm_call) AS token"
)


def _minutes(found: Estimate, state: Path) -> str:
    """Say how long that takes at the speed of earlier runs in this store; evaluation comes on top."""
    if not found.calls.high and not found.steps:
        return ""
    rates = (
        reader(state)(_RATES, [])[0] if (state / FILE).exists() else {"step": None, "token": None}
    )
    if rates["step"] is None or rates["token"] is None:
        return "minutes: not known before this store has seen a run of training and LLM calls"
    low, high = (
        (tokens * rates["token"] + found.steps * rates["step"]) / 60
        for tokens in (found.tokens.low, found.tokens.high)
    )
    return f"minutes: about {low:.0f} to {high:.0f} at the speed of earlier runs here, evaluation not counted"


def _print_flow(console: Console, loaded: LoadedRecipe, resources: Resources) -> None:
    """Say which fields of which rows go to which model."""
    fields = ", ".join([*loaded.recipe.task.input, loaded.recipe.task.target])
    sent = {
        "student": f"train, validation, test rows: {fields}",
        "teacher": f"failed validation rows and train rows: {fields}; the student's answers",
        "judge": f"generated rows: {fields}",
        "embedder": f"rows of all splits and generated rows: {', '.join(loaded.recipe.task.input)}; diagnoses",
    }
    console.print("what goes where:")
    for role, what in sent.items():
        model = resources.models[role]
        where = (
            "this machine"
            if model.path is not None or model.identity.startswith("unfetched")
            else model.backend
        )
        console.print(f"  {role:<9} {model.name} ({where}): {what}", highlight=False)
