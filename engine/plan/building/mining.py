"""From a recipe that mines to the parameters of its stages."""

from __future__ import annotations

from dataclasses import dataclass

from engine.plan.building.quotas import used_quotas
from engine.plan.split_sources import split_source
from engine.plan.stage_params import StageParams
from engine.spec.method import Method
from engine.spec.recipe import Augment, Mine
from engine.stages.augment.mining.ask import AskPoolParams
from engine.stages.augment.mining.mine import LabelParams, MineParams
from engine.stages.augment.mining.shortlist import ShortlistParams
from engine.stages.augment.planning import coverage_rows
from engine.stages.augment.select import SelectParams

TEMPERATURE = 0.7
"""Sampling temperature of the answers by which teacher or judge label, as that of blind answers."""


@dataclass(frozen=True)
class MiningParams:
    """The parameters of every stage of mining."""

    whole: StageParams

    @property
    def plans_by_patterns(self) -> bool:
        """Whether rows are planned by patterns: where some are written, and where those that are mined go by them."""
        augment = self.whole.recipe.augment
        return augment.mine is None or bool(augment.operators) or "pattern" in augment.mine.by

    def select(self, seed: int, round: int) -> SelectParams:
        """Return how many rows may join the training set; where all are mined, they join as they were chosen."""
        reviews = self.whole.resources.reviews.candidates(seed, round)
        augment, operators = self.whole.recipe.augment, self.whole.operators
        all_mined = augment.mine is not None and not operators
        return SelectParams(
            task=self.whole.task,
            rows_per_round=augment.rows_per_round,
            coverage=self.whole.coverage,
            along=self.whole.method.plans,
            each=self.whole.method.each,
            quotas=used_quotas(augment),
            diverse=not all_mined or "diverse" in self._mine.by,
            repeating=tuple(o.name for o in operators if o.copies == "exact"),
            replacing=tuple(o.name for o in operators if o.definition.writes == "target"),
            reviews=reviews,
            guard=self.whole.recipe.quality.leak_guard,
        )

    @property
    def _mine(self) -> Mine:
        mine = self.whole.recipe.augment.mine
        if mine is None:
            raise ValueError("a recipe that does not mine")
        return mine

    @property
    def _by_patterns(self) -> bool:
        return "pattern" in self._mine.by and self.whole.method.analysis == "patterns"

    def shortlist(self) -> ShortlistParams:
        """Return what of the pool is kept."""
        recipe, pool = self.whole.recipe, self.whole.resources.splits.pool
        if recipe.data.pool is None or pool is None:
            raise ValueError("a recipe without a pool")
        return ShortlistParams(
            task=self.whole.task,
            input=tuple(recipe.task.input),
            source=split_source(recipe.data.pool, pool.digest()),
            pool=pool,
            guard=recipe.quality.leak_guard,
            patterns=self._by_patterns,
            own_labels=self._mine.label == "column",
            sure=self._mine.sure if self._mine.label == "neighbours" else None,
            size=self._mine.shortlist,
            redact=tuple(recipe.privacy.redact),
            on_bad_row=recipe.data.on_bad_row,
            fold_labels=tuple(recipe.task.fold_labels),
        )

    def ask_pool(self) -> AskPoolParams | None:
        """Return what the student is asked of the shortlist; None where it is not."""
        if "uncertain" not in self._mine.by:
            return None
        return AskPoolParams(
            task=self.whole.task,
            prompt=self.whole.task_prompt,
            shots=self.whole.shots(),
            size=self._mine.shortlist,
        )

    def mine(self) -> MineParams:
        """Return what is taken of the shortlist, and who labels it."""
        mine, augment = self._mine, self.whole.recipe.augment
        most = minable(augment, self.whole.method)
        return MineParams(
            task=self.whole.task,
            rows_per_round=augment.rows_per_round,
            coverage=self.whole.coverage,
            quotas=used_quotas(augment),
            by=tuple(sorted(mine.by)),
            label=mine.label,
            answers=self._labelling(mine),
            rows=min(mine.rows or most, most),
            fill=not augment.operators,
        )

    def _labelling(self, mine: Mine) -> LabelParams | None:
        """Return how a model is asked for labels; None where none is."""
        if mine.label not in ("teacher", "judge"):
            return None
        is_judge, resources = mine.label == "judge", self.whole.resources
        return LabelParams(
            task=self.whole.task,
            briefing=self.whole.briefing,
            samples=mine.samples,
            rows_per_call=resources.packs["judge" if is_judge else "teacher"].judge.rows_per_call,
            temperature=TEMPERATURE,
            schema=resources.schemas["answers" if is_judge else "labels"],
            conventions=self.whole.knows_conventions,
            agreement=mine.agreement,
        )


def minable(augment: Augment, method: Method) -> int:
    """Return how many rows of a round may be mined.

    Where they do not go by patterns, rows against patterns are left to operators.
    """
    rows, mine = augment.rows_per_round, augment.mine
    planned = method.analysis == "patterns" and augment.operators
    if mine is None or "pattern" in mine.by or not planned:
        return rows
    return coverage_rows(augment.coverage, rows)
