"""estimate: what a run will ask of the LLMs, as a range, because failures are not known before evaluation.

Calls follow from the recipe; before a round was evaluated, between 10 % and 60 % of the validation rows are taken
to fail, afterwards their true number. Tokens are the characters of prompts and of the rows in them / 4, plus a share of
the reply's bound.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from engine.backends import BACKENDS
from engine.operators import OPERATORS
from engine.plan.graph import Node, Plan
from engine.plan.resources import Resources, RoleModel
from engine.stages import STAGES
from engine.stages.shapes import token_limit

FAILING = (0.10, 0.60)
CHARACTERS_PER_TOKEN = 4.0
JSON_TOKENS = 12
"""What keys and quotes add to a row in a reply."""
ANSWER_TOKENS = (1, 16)
"""What a student behind a server writes for one row."""
_ROWS = {
    "predict": (1, 1),
    "rate": (1, 2),
    "diagnose": (1, 1),
    "generate": (1, 4),
    "judge": (1, 1),
}
"""Stage -> the fewest and the most rows that a prompt shows."""
ASKED = ("student", "teacher", "judge")
"""The roles that are asked in calls; a student only where its backend cannot be asked otherwise."""


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
    """What is still to be asked for, and the optimizer steps still to be trained."""

    calls: Range
    tokens: Range
    money: Range | None
    """In the currency of the models' prices, without the roles in `unpriced`; None where no asked model has a price."""
    unpriced: tuple[str, ...]
    """Roles whose calls cost money, nobody knows how much."""
    steps: int

    def stored(self, minutes: Range | None) -> dict[str, Any]:
        """Return it as the store keeps it with a run; `minutes` is None where they are not known."""
        return {
            "calls": [round(end) for end in self.calls],
            "tokens": [round(end) for end in self.tokens],
            "money": list(self.money) if self.money else None,
            "unpriced": list(self.unpriced),
            "steps": self.steps,
            "minutes": list(minutes) if minutes else None,
        }


def estimate(
    plan: Plan,
    resources: Resources,
    finished: Collection[str],
    rows: Mapping[str, int],
    failing: Mapping[str, int],
    characters: float = 0.0,
) -> Estimate:
    """Estimate the unfinished nodes.

    Args:
        plan: the plan.
        resources: the prompts, for their length, and the models, for their prices.
        finished: fingerprints of finished nodes.
        rows: rows per split.
        failing: node id of a finished `score` -> number of validation failures.
        characters: mean length of a row's inputs.
    """
    calls, tokens, steps = Range(0, 0), Range(0, 0), 0
    money: Range | None = None
    unpriced: dict[str, None] = {}
    for node in plan.nodes.values():
        if node.id in finished:
            continue
        if node.stage == "train":
            steps += _steps(node.identity["params"]["train"], rows["train"])
        found = _calls(node, plan, resources, rows, failing)
        if found is None or not found.high:
            continue
        prompt, completion = _tokens(node, resources, found, characters / CHARACTERS_PER_TOKEN)
        calls, tokens = calls + found, tokens + prompt + completion
        role = next(role for role in STAGES[node.stage].asks if role in ASKED)
        price = price_of(resources.models[role])
        if price is not None:
            money = (money or Range(0, 0)) + _cost(price, prompt, completion)
        elif costs_money(resources.models[role]):
            unpriced[role] = None
    return Estimate(calls, tokens, money, tuple(unpriced), steps)


def costs_money(model: RoleModel) -> bool:
    """Return whether a model's calls may cost money: its backend takes a price."""
    return "price" in BACKENDS[model.backend].settings.model_fields


def price_of(model: RoleModel) -> Mapping[str, float] | None:
    """Return a model's price per million tokens, by `prompt` and `completion`; None where it has none."""
    price: Mapping[str, float] | None = model.settings.get("price")
    return price


def _cost(price: Mapping[str, float], prompt: Range, completion: Range) -> Range:
    """Return what tokens cost; nothing is known of caching beforehand, so none is assumed."""
    by_prompt, by_completion = price["prompt"] / 1e6, price["completion"] / 1e6
    return prompt.times(by_prompt, by_prompt) + completion.times(by_completion, by_completion)


def _written(node: Node) -> float:
    """Return how many rows one call of the operators writes, on the mean."""
    each = [
        OPERATORS[o["name"]].count(OPERATORS[o["name"]].params.model_validate(o["params"]))
        for o in node.identity["params"]["operators"]
    ]
    return sum(each) / len(each)


def _steps(settings: Mapping[str, Any], rows: int) -> int:
    if settings["steps"]:
        return int(settings["steps"])
    return max(1, math.ceil(float(settings["epochs"]) * rows / int(settings["batch_size"])))


def _calls(
    node: Node,
    plan: Plan,
    resources: Resources,
    rows: Mapping[str, int],
    failing: Mapping[str, int],
) -> Range | None:
    params, validation, every = node.identity["params"], rows["validation"], sum(rows.values())
    if node.stage == "rate":
        return Range(every, every).times(len(params["metrics"]), len(params["metrics"]))
    if node.stage == "predict":
        in_calls = BACKENDS[resources.models["student"].backend].student is None
        return Range(every, every) if in_calls else None
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
        per_call = _written(generate)
        return Range(math.floor(least / per_call), math.ceil(most / per_call))
    return None


def _tokens(node: Node, resources: Resources, calls: Range, row: float) -> tuple[Range, Range]:
    """Return the tokens of prompts and of replies; a row has `row` tokens."""
    prompts = [resources.prompts[name] for name in node.identity["prompts"]]
    text = sum(len(s.text) for p in prompts for s in p.sections) / max(1, len(prompts))
    shown = node.identity["params"].get("labels") if node.stage == "predict" else None
    prompt = (text + sum(map(len, shown or ()))) / CHARACTERS_PER_TOKEN
    fewest, most = _ROWS.get(node.stage, (0, 0))
    if node.stage == "predict" and (shots := node.identity["params"].get("shots")):
        fewest, most = fewest + shots["n"], most + shots["n"]
    asked = calls.times(prompt + fewest * row, 1.5 * prompt + most * row)
    if node.stage == "predict":
        return asked, calls.times(*ANSWER_TOKENS)
    schema = node.identity["params"].get("schema")
    if schema:
        # Replies run from a tenth to a third of their bound, which counts a token per character.
        longest = token_limit(schema)
        return asked, calls.times(longest / 10, longest / 3)
    written = _written(node)
    return asked, calls.times(written * (row + JSON_TOKENS / 2), written * (2 * row + JSON_TOKENS))
