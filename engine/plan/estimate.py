"""estimate: what a run will ask of the LLMs, as a range, because failures are not known before evaluation.

Calls follow from the recipe; before a round was evaluated, between 10 % and 60 % of the validation rows are taken
to fail, afterwards their true number. Tokens are the prompt's characters / 4 plus a share of the reply's bound.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from engine.operators import OPERATORS
from engine.plan.graph import Node, Plan
from engine.plan.resources import Resources
from engine.stages.shapes import token_limit

FAILING = (0.10, 0.60)
CHARACTERS_PER_TOKEN = 4.0


class Range(NamedTuple):
    """A smallest and a largest value."""

    low: float
    high: float

    def __add__(self, other: object) -> Range:
        if not isinstance(other, Range):
            return NotImplemented
        return Range(self.low + other.low, self.high + other.high)

    def times(self, low: float, high: float) -> Range:
        """Scale both ends."""
        return Range(self.low * low, self.high * high)


class Estimate(NamedTuple):
    """Calls and tokens still to be asked for, and the optimizer steps still to be trained."""

    calls: Range
    tokens: Range
    steps: int


def estimate(
    plan: Plan,
    resources: Resources,
    finished: Collection[str],
    rows: Mapping[str, int],
    failing: Mapping[str, int],
) -> Estimate:
    """Estimate the unfinished nodes.

    Args:
        plan: the plan.
        resources: the prompts, for their length.
        finished: fingerprints of finished nodes.
        rows: rows per split.
        failing: node id of a finished `score` -> number of validation failures.
    """
    calls, tokens, steps = Range(0, 0), Range(0, 0), 0
    for node in plan.nodes.values():
        if node.id in finished:
            continue
        if node.stage == "train":
            steps += _steps(node.identity["params"]["train"], rows["train"])
        found = _calls(node, plan, rows["validation"], failing)
        if found is not None:
            calls += found
            tokens += _tokens(node, resources, found)
    return Estimate(calls, tokens, steps)


def _steps(settings: Mapping[str, Any], rows: int) -> int:
    if settings["steps"]:
        return int(settings["steps"])
    return max(1, math.ceil(float(settings["epochs"]) * rows / int(settings["batch_size"])))


def _calls(node: Node, plan: Plan, validation: int, failing: Mapping[str, int]) -> Range | None:
    params = node.identity["params"]
    score = node.inputs.get("score")
    known = failing.get(plan.nodes[score].id) if score else None
    failures = (
        Range(known, known) if known is not None else Range(validation, validation).times(*FAILING)
    )
    if node.stage == "diagnose":
        return Range(min(failures.low, params["limit"]), min(failures.high, params["limit"]))
    if node.stage in {"name", "strategy"}:
        return Range(1, 8)
    if node.stage in {"generate", "judge"}:
        generate = node if node.stage == "generate" else plan.nodes[node.inputs["generate"]]
        wanted = generate.identity["params"]
        most = wanted["rows_per_round"] * wanted["oversample"]
        # The first attempt asks for everything; a later one only for what was rejected.
        least = most if node.attempt == 1 else 0.0
        if node.stage == "judge":
            return Range(0, most) if params["judge"] != "off" else None
        each = [
            OPERATORS[o["name"]].count(OPERATORS[o["name"]].params.model_validate(o["params"]))
            for o in wanted["operators"]
        ]
        per_call = sum(each) / len(each)
        return Range(math.floor(least / per_call), math.ceil(most / per_call))
    return None


def _tokens(node: Node, resources: Resources, calls: Range) -> Range:
    prompts = [resources.prompts[name] for name in node.identity["prompts"]]
    characters = sum(len(s.text) for p in prompts for s in p.sections) / max(1, len(prompts))
    prompt = characters / CHARACTERS_PER_TOKEN
    schema = node.identity["params"].get("schema")
    longest = token_limit(schema) if schema else 200
    # Replies run from a tenth to a third of their bound, which counts a token per character.
    return Range(calls.low * (prompt + longest / 10), calls.high * (1.5 * prompt + longest / 3))
