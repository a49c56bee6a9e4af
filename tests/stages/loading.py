"""Runs the stage `load` on a recipe."""

from __future__ import annotations

from unittest.mock import Mock

from engine.data.splits import Splits, read_splits
from engine.plan.resources import Resources
from engine.plan.stage_params import StageParams
from engine.spec.loader import LoadedRecipe
from engine.stages.load import LOAD, LoadInputs
from engine.stages.outputs import Loaded


def run_load(
    loaded: LoadedRecipe, splits: Splits | None = None, limit: int | None = None
) -> Loaded:
    """Return what the stage makes of a recipe's rows, which are read where they are not given."""
    splits = splits or read_splits(loaded)
    resources = Resources(
        prompts={},
        data=splits.digests(),
        splits=splits,
        models={},
        method=Mock(),
        operators={},
        packs={},
        schemas={},
    )
    params = StageParams(loaded.recipe, resources, "", limit).load()
    return LOAD.run(params, LoadInputs(), Mock())
