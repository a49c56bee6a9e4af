"""What a recipe leaves out and its task kind says."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.plan.defaults import complete
from engine.spec.loader import load
from engine.tasks import TASKS
from tests.plan.test_validate import GOOD, write_good

LEFT = GOOD.replace(GOOD[GOOD.index("metrics:") : GOOD.index("patterns:")], "")


def test_metrics_failure_and_stop_metric_are_the_kinds(tmp_path: Path) -> None:
    recipe = complete(load(write_good(tmp_path, LEFT))).recipe
    kind = TASKS["classification"]
    assert (tuple(recipe.metrics), recipe.failure) == (kind.metrics, kind.failure)
    assert recipe.loop.stop.metric == "accuracy"


@pytest.mark.parametrize(
    ("metrics", "stop"), [("[macro_f1, accuracy]", "accuracy"), ("[macro_f1]", "macro_f1")]
)
def test_the_loop_stops_by_accuracy_or_else_the_first_metric(
    tmp_path: Path, metrics: str, stop: str
) -> None:
    recipe = complete(load(write_good(tmp_path, f"{LEFT}metrics: {metrics}\n"))).recipe
    assert recipe.loop.stop.metric == stop


def test_what_a_recipe_says_stays(tmp_path: Path) -> None:
    loaded = load(write_good(tmp_path))
    found = complete(loaded).recipe
    assert (found.metrics, found.failure) == (loaded.recipe.metrics, loaded.recipe.failure)
