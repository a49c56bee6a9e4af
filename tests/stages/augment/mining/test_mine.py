"""mine: what of a round's plan is mined, and what a step is known by."""

from __future__ import annotations

from typing import Any

import pytest

from engine.plan.building.mining import MiningParams
from engine.plan.stage_params import StageParams
from engine.rows import Pattern, PoolRow
from engine.spec.recipe import MineBy, Recipe
from engine.stages.augment.mining.mine import MINE, MineInputs, MineParams
from engine.stages.augment.mining.outputs import MinedRows, Shortlisted
from engine.stages.augment.planning import COVERAGE
from engine.stages.outputs import NamedPatterns, Predicted
from tests.plan.fake_resources import fake_resources
from tests.stages.scripted_context import ScriptedContext, embed_words
from tests.stages.small_task import (
    BROKEN,
    LATE,
    LOADED,
    RUDE,
    SCORED,
    TRAIN,
    VALIDATION,
    adds_up,
    member,
    task_view,
)

CENTROID = tuple(float(x) for x in embed_words(["bell"])[0])
NAMED = NamedPatterns(
    (
        Pattern("p", "bell", "", None, 1, CENTROID, None, None, None),
        member("p", VALIDATION[0]),
    )
)
POOL = Shortlisted(
    tuple(
        PoolRow(
            f"r{n}", {"text": f"row {n}"}, {}, "", (LATE, BROKEN, RUDE)[n % 3], "", 0.9,
            TRAIN[0].id, "p", None, "pool.jsonl", n,
        )
        for n in range(30)
    )
)  # fmt: skip


def mined(by: tuple[MineBy, ...], rows: int, coverage: float = 0.2) -> MinedRows:
    params = MineParams(
        task=task_view(), rows_per_round=10, coverage=coverage, by=by, label="neighbours",
        rows=rows, fill=False,
    )  # fmt: skip
    inputs = MineInputs(LOADED, Predicted(), SCORED, name=NAMED, shortlist=POOL)
    output = MINE.run(params, inputs, ScriptedContext())
    adds_up(MINE, params, inputs, output)
    assert isinstance(output, MinedRows)
    return output


def test_rows_that_are_not_chosen_by_pattern_are_against_none() -> None:
    assert {c.pattern for c in mined((), 10, 0.4).candidates} == {COVERAGE}
    assert {c.pattern for c in mined(("pattern",), 10, 0.4).candidates} == {"p", COVERAGE}


def test_no_more_is_mined_of_the_rounds_plan_than_may_be() -> None:
    # And one more: gates reject some.
    assert len(mined(("pattern",), 3, 0.0).candidates) == 4
    assert len(mined((), 2, 0.5).candidates) == 3


def params_of(**mine: Any) -> MiningParams:
    recipe = Recipe.model_validate(
        {
            "recipe": 1,
            "name": "mined",
            "task": {"kind": "classification", "input": ["text"], "target": "label"},
            "data": {
                name: {"path": "rows.jsonl"} for name in ("train", "validation", "test", "pool")
            },
            "models": {
                role: {"backend": "scripted", "model": role, "pack": "small"}
                if role in ("teacher", "judge")
                else {"backend": "scripted", "model": role}
                for role in ("student", "teacher", "judge", "embedder")
            },
            "augment": {
                "rows_per_round": 50,
                "coverage": 0.2,
                "mine": mine,
                "operators": [{"name": "paraphrase"}],
            },
        }
    )
    return MiningParams(StageParams(recipe, fake_resources(recipe), "p.md", None))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"samples": 3}, {"samples": 5, "agreement": 0.6}),
        ({"by": ["pattern", "diverse"]}, {"by": ["diverse", "pattern"]}),
    ],
    ids=["whom nobody asks", "order"],
)
def test_what_decides_no_row_is_no_part_of_what_a_step_is_known_by(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert params_of(**one).mine().identity() == params_of(**other).mine().identity()


def test_a_shortlist_stays_where_another_model_labels_or_one_more_often() -> None:
    teacher = params_of(label="teacher").shortlist().identity()
    for other in ({"label": "judge"}, {"label": "teacher", "samples": 5, "sure": 0.9}):
        assert params_of(**other).shortlist().identity() == teacher
    assert params_of(label="column").shortlist().identity() != teacher
    sure = [params_of(sure=sure).shortlist().identity() for sure in (0.6, 0.9)]
    assert sure[0] != sure[1]


@pytest.mark.parametrize(
    ("mine", "rows"),
    [
        ({}, 50),
        ({"rows": 20}, 20),
        ({"by": ["uncertain"]}, 10),
        ({"by": ["uncertain"], "rows": 4}, 4),
    ],
    ids=str,
)
def test_as_many_rows_may_be_mined_as_the_plan_has_for_them(
    mine: dict[str, Any], rows: int
) -> None:
    assert params_of(**mine).mine().rows == rows
