"""The validation rows of one finished round, as a search for slices sees them.

Rows of the part that stops the loop and chooses among students are left out: what is made of a slice must not be
measured on the rows that showed it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from engine.errors import EngineError
from engine.plan.graph import Node, Plan
from engine.rows import Example
from engine.slicing.predicates import TARGET
from engine.stages.division import Divide, selection_part
from engine.stages.outputs import Loaded, Predicted, Scored
from engine.stages.task_view import named
from engine.store import Store


class NotScored(EngineError):
    """No run of the recipe as it is, with these rows, has scored a round yet."""


class ValidationRows(NamedTuple):
    """Validation rows with their outcome in one round."""

    seed: int
    round: int
    """-1 is the untuned student."""
    columns: Sequence[Mapping[str, Any]]
    failed: Sequence[bool]
    apart: int
    """Validation rows that are left out because they choose."""


def validation_rows(
    plan: Plan, store: Store, divide: Divide, seed: int | None, round: int | None
) -> ValidationRows:
    """Return the validation rows that were answered in a round, and whether they failed.

    Args:
        plan: The recipe's plan.
        store: Where its runs left their rows.
        divide: Whether validation is divided.
        seed: One of the recipe's; its first when left out.
        round: A round that is scored; the last one when left out.

    Raises:
        NotScored: no round is scored.
        EngineError: there is no such seed, or the round is not scored.
    """
    score = _scored(plan, store, seed, round)
    loaded = Loaded(tuple(store.load_output(plan.nodes[score.inputs["load"]].id)))
    predicted = Predicted(tuple(store.load_output(plan.nodes[score.inputs["predict"]].id)))
    scored = Scored(tuple(store.load_output(score.id)))
    apart = selection_part(loaded, divide)
    answered = {p.example for p in predicted.answered if p.split == "validation"}
    failing = {failure.example for failure in scored.failures("validation")}
    examples = [e for e in loaded.split("validation") if e.id in answered and e.id not in apart]
    return ValidationRows(
        score.seed,
        score.round,
        [own_columns(e) for e in examples],
        [e.id in failing for e in examples],
        len(apart),
    )


def own_columns(example: Example) -> dict[str, Any]:
    """Return a row's columns as users' SQL names them, without what was answered."""
    return named({**example.columns, **example.inputs}, {TARGET: example.target})


def _scored(plan: Plan, store: Store, seed: int | None, round: int | None) -> Node:
    nodes = [node for node in plan.nodes.values() if node.stage == "score" and node.round >= -1]
    seeds = list(dict.fromkeys(node.seed for node in nodes))
    seed = seeds[0] if seed is None else seed
    if seed not in seeds:
        listed = ", ".join(map(str, seeds))
        raise EngineError(f"this recipe has no seed {seed}", f"its seeds: {listed}")
    finished = store.finished([node.id for node in nodes])
    by_round = {n.round: n for n in nodes if n.id in finished and n.seed == seed}
    if not by_round:
        raise NotScored(
            f"no round of seed {seed} is scored yet",
            "`pada run RECIPE` first; after a change of the recipe, or with other rows (--limit), too",
        )
    round = max(by_round) if round is None else round
    if round not in by_round:
        listed = ", ".join(map(str, sorted(by_round)))
        raise EngineError(
            f"round {round} of seed {seed} is not scored", f"rounds that are: {listed}"
        )
    return by_round[round]
