"""estimate: what a run will ask of the LLMs, as a range, because failures are not known before evaluation.

Calls follow from the recipe; before a round was evaluated, between 10 % and 60 % of the validation rows are taken
to fail, afterwards their true number. Tokens are the characters of prompts and of the rows in them / 4, plus a share of
the reply's bound.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from engine.backends import BACKENDS
from engine.backends.entry import Rates
from engine.identity import Params
from engine.plan.graph import Node, Plan
from engine.plan.resources import Resources, RoleModel
from engine.stages import STAGES
from engine.stages.analyse.cluster import ClusterParams
from engine.stages.analyse.draw import DrawParams, diagnosed_of
from engine.stages.analyse.name import NameParams
from engine.stages.analyse.splitting import MOST_PARTS
from engine.stages.augment.select import SelectParams
from engine.stages.forecast import Forecast, Range, Situation
from engine.stages.preference.pair import PairParams
from engine.stages.preference.prefer import PreferParams
from engine.stages.train import TrainParams, preference_steps, steps_of

FAILING = (0.10, 0.60)
CHARACTERS_PER_TOKEN = 4.0
ASKED = ("student", "teacher", "judge")
"""The roles that are asked in calls; a student only where its backend cannot be asked otherwise."""


class Estimate(NamedTuple):
    """What is still to be asked for, and the optimizer steps still to be trained."""

    calls: Range
    tokens: Range
    money: Range | None
    """In the currency of the models' prices, without the roles in `unpriced`; None where no asked model has a price."""
    unpriced: tuple[str, ...]
    """Roles whose calls cost money, but have no known price."""
    steps: int
    """At most: with `train.steps: per_row` they depend on the rows that are selected."""

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


NOTHING = Estimate(Range(0, 0), Range(0, 0), None, (), 0)


def estimates(
    plan: Plan,
    resources: Resources,
    finished: Collection[str],
    rows: Mapping[str, int],
    failing: Mapping[str, int],
    characters: float = 0.0,
) -> dict[str, Estimate]:
    """Estimate each unfinished node that asks or trains, by its name.

    Args:
        plan: the plan.
        resources: the prompts, for their length, and the models, for their prices.
        finished: fingerprints of finished nodes.
        rows: rows per split.
        failing: node id of a finished `score` -> number of validation failures.
        characters: mean length of a row's inputs.
    """
    outlook = Outlook(plan, resources, rows, failing, characters / CHARACTERS_PER_TOKEN)
    found: dict[str, Estimate] = {}
    for node in plan.nodes.values():
        if node.id in finished:
            continue
        steps = _steps(plan, node, rows["train"])
        forecast = outlook.of(node)
        if forecast is None or not forecast.calls.high:
            if steps:
                found[node.name] = NOTHING._replace(steps=steps)
            continue
        prompt, completion = outlook.tokens(node, forecast)
        role = next(role for role in STAGES[node.stage].asks if role in ASKED)
        price = price_of(resources.models[role])
        money = None if price is None else _cost(price, prompt, completion)
        unpriced = (
            (role,) if price is None and BACKENDS[resources.models[role].backend].priced else ()
        )
        found[node.name] = Estimate(forecast.calls, prompt + completion, money, unpriced, steps)
    return found


def summed(each: Iterable[Estimate]) -> Estimate:
    """Return what several nodes take together."""
    calls, tokens, steps = Range(0, 0), Range(0, 0), 0
    money: Range | None = None
    unpriced: dict[str, None] = {}
    for one in each:
        calls, tokens, steps = calls + one.calls, tokens + one.tokens, steps + one.steps
        if one.money is not None:
            money = (money or Range(0, 0)) + one.money
        unpriced.update(dict.fromkeys(one.unpriced))
    return Estimate(calls, tokens, money, tuple(unpriced), steps)


def _steps(plan: Plan, node: Node, rows: int) -> int:
    """Return the most optimizer steps that a node trains for."""
    params = node.params
    if not isinstance(params, TrainParams) or isinstance(params, PairParams):
        return 0
    total = steps_of(params.train, rows, _most_generated(plan, node))
    preferring = preference_steps(params.train, total)
    return preferring if isinstance(params, PreferParams) else total - preferring


def _most_generated(plan: Plan, node: Node) -> int:
    """Return how many generated rows a fine-tune may see."""
    earlier = (plan.nodes[source].params for source in node.inputs.values())
    return sum(params.rows_per_round for params in earlier if isinstance(params, SelectParams))


def price_of(model: RoleModel) -> Rates | None:
    """Return a model's price per million tokens; None where it has none."""
    backend = BACKENDS[model.backend]
    return backend.price(backend.parse(model.settings)) if backend.price else None


def _cost(price: Rates, prompt: Range, completion: Range) -> Range:
    """Return what tokens cost; nothing is known of caching beforehand, so none is assumed."""
    by_prompt, by_completion = price.prompt / 1e6, price.completion / 1e6
    return prompt.times(by_prompt, by_prompt) + completion.times(by_completion, by_completion)


class Outlook:
    """What each node of a plan is expected to ask for."""

    def __init__(
        self,
        plan: Plan,
        resources: Resources,
        rows: Mapping[str, int],
        failing: Mapping[str, int],
        row_tokens: float = 0.0,
    ) -> None:
        """Take the plan, the models, rows per split, known failures (see `estimate`), and tokens of a row's inputs."""
        self._plan, self._resources, self._rows = plan, resources, rows
        self._failing, self._row_tokens = failing, row_tokens
        self._in_calls = BACKENDS[resources.models["student"].backend].student is None
        first: dict[str, str] = {}
        for node in plan.nodes.values():
            first.setdefault(node.stage, node.name)
        self._first = frozenset(first.values())

    def of(self, node: Node) -> Forecast | None:
        """Return a node's forecast; None where it asks no model in calls."""
        return STAGES[node.stage].expect(node.params, self._situation(node))

    def _situation(self, node: Node) -> Situation:
        failures = self._failures(node)
        written = (
            self.of(self._plan.nodes[node.inputs["generate"]])
            if "generate" in node.inputs
            else None
        )
        return Situation(
            rows=self._rows,
            failures=failures,
            patterns=self._patterns(node, failures),
            attempt=node.attempt,
            row_tokens=self._row_tokens,
            in_calls=self._in_calls,
            candidates=written.rows_written if written else Range(0, 0),
            again=node.name not in self._first,
        )

    def _failures(self, node: Node) -> Range:
        """Return how many validation rows fail in the evaluation that a node looks at, or were drawn for it."""
        validation = self._rows["validation"]
        draw = self._plan.nodes[node.inputs["draw"]] if "draw" in node.inputs else None
        if draw is not None and isinstance(draw.params, DrawParams):
            return diagnosed_of(
                draw.params, self._failures(draw), validation, self._elsewhere(draw.params)
            )
        score = node.inputs.get("score")
        known = self._failing.get(self._plan.nodes[score].id) if score else None
        if known is not None:
            return Range(known, known)
        return Range(validation, validation).times(*FAILING)

    def _elsewhere(self, params: DrawParams) -> Range:
        """Return how many rows of other sources may be failures."""
        log = self._resources.splits.log
        train = self._rows["train"] if "train" in params.sources else 0
        rows = log.count if log is not None and "logged" in params.sources else 0
        return Range(train, train).times(*FAILING) + Range(min(1, rows), rows)

    def _patterns(self, node: Node, failures: Range) -> Range:
        """Return how many patterns come of these failures: clusters or parts of them, and a category each by SQL."""
        found = self._found(node)
        cluster = next((params for params in found if isinstance(params, ClusterParams)), None)
        if cluster is None:
            return Range(0, 0)
        used = cluster.clusterer
        most = used.entry.at_most(used.settings)
        if any(isinstance(params, NameParams) and params.splits for params in found):
            most *= MOST_PARTS
        return Range(min(1, failures.low), min(most + len(cluster.categories), failures.high))

    def _found(self, node: Node) -> list[Params]:
        """Return how the patterns that a node works on were found, the last step first; nothing where it has none."""
        for edge in ("cluster", "name", "generate"):
            if edge in node.inputs:
                source = self._plan.nodes[node.inputs[edge]]
                return [source.params, *self._found(source)]
        return []

    def tokens(self, node: Node, forecast: Forecast) -> tuple[Range, Range]:
        """Return the tokens of prompts and of replies."""
        prompts = [self._resources.prompts[name] for name in node.prompts]
        text = sum(prompt.characters for prompt in prompts) / max(1, len(prompts))
        prompt = (text + forecast.more_characters) / CHARACTERS_PER_TOKEN
        shown = forecast.rows_shown.times(self._row_tokens, self._row_tokens)
        asked = forecast.calls.times(prompt + shown.low, 1.5 * prompt + shown.high)
        return asked, forecast.calls.times(*forecast.reply_tokens)
