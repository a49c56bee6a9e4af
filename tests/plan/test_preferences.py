"""Preference tuning in a plan: what it adds, what it shares with a plain recipe, and what decides it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.backends import BACKENDS
from engine.plan.checks.preferences import check_preferences
from engine.plan.compile import compile_plan
from engine.plan.graph import Plan
from engine.spec.loader import load
from engine.spec.recipe import Recipe
from tests.plan.estimated import estimate
from tests.plan.fake_resources import fake_resources
from tests.plan.test_validate import GOOD


def recipe_with(**train: Any) -> Recipe:
    written = yaml.safe_load(Path(__file__).with_name("generating.yaml").read_text("utf-8"))
    written["train"] = {"learning_rate": 1e-3, "steps": 10, **train}
    written["loop"] = {**written.get("loop", {}), "rounds": 2}
    return Recipe.model_validate(written)


def planned(**train: Any) -> Plan:
    recipe = recipe_with(**train)
    return compile_plan(recipe, fake_resources(recipe), "tasks/classification.md")


def changed(one: Plan, other: Plan) -> set[str]:
    return {name for name, node in one.nodes.items() if other.nodes[name].id != node.id}


PLAIN = planned()
TUNED = planned(objective="dpo")


def test_the_first_round_is_that_of_a_plain_recipe() -> None:
    added = TUNED.nodes.keys() - PLAIN.nodes.keys()
    assert added == {f"seed-0/round-{r}/{stage}" for r in (1, 2) for stage in ("pair", "prefer")}
    later = {name for name in PLAIN.nodes if not name.startswith(("seed-0/round-1/", "seed-0/round-2/"))}  # fmt: skip
    assert not changed(PLAIN, TUNED) & later


def test_who_reads_a_rounds_student_reads_it_after_its_tuning() -> None:
    nodes = TUNED.nodes
    assert nodes["seed-0/round-1/predict"].inputs["train"] == "seed-0/round-1/prefer"
    pair = nodes["seed-0/round-2/pair"].inputs
    assert pair["train"] == "seed-0/round-2/train"
    assert pair["before"] == "seed-0/round-1/prefer"
    assert pair["predict"] == "seed-0/round-1/predict"
    assert pair["taken"] == "seed-0/round-1/pair"
    assert nodes["seed-0/round-1/pair"].inputs["before"] == "seed-0/round-0/train"
    known = {
        "load",
        "earlier",
        "decided",
        "train",
        "before",
        "predict",
        "taken",
        "attempts",
        "verified",
    }
    assert {edge.split(".")[0] for edge in pair} <= known


def test_how_far_a_student_may_go_decides_neither_its_pairs_nor_what_comes_before() -> None:
    other = planned(objective="dpo", preference={"beta": 0.5})
    first = {name.rsplit("/")[-1] for name in changed(TUNED, other) if "/round-1/" in name}
    assert "prefer" in first
    assert "predict" in first
    assert not first & {"train", "pair"}
    share = planned(objective="dpo", preference={"share": 0.4})
    assert {"seed-0/round-1/train", "seed-0/round-1/pair"} <= changed(TUNED, share)


def test_a_plan_has_as_many_optimizer_steps_with_preferences_as_without() -> None:
    rows = {"train": 40, "validation": 40, "test": 40}
    resources = fake_resources(recipe_with())
    assert (
        estimate(PLAIN, resources, (), rows, {}).steps
        == estimate(TUNED, resources, (), rows, {}).steps
        == 30
    )


def test_a_backend_that_fine_tunes_on_rows_alone_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(GOOD + "train: {objective: dpo}\n", "utf-8")
    assert not list(check_preferences(load(recipe)))
    plain = replace(BACKENDS["transformers"], prefers=False)
    known = {"transformers": plain, "scripted": BACKENDS["scripted"]}
    monkeypatch.setattr("engine.plan.checks.preferences.BACKENDS", known)
    (problem,) = check_preferences(load(recipe))
    assert str(problem.where).endswith("recipe.yaml:20:20")
    assert (
        problem.message == "a student on the backend 'transformers' cannot be tuned by preferences"
    )
    assert "scripted" in (problem.hint or "")


@pytest.mark.parametrize(
    ("train", "told"),
    [
        ("preference: {max_pairs: 7}", "preference.max_pairs is 7"),
        ("steps: 10, batch_size: 6", "a round has time for 6 pairs"),
        ("steps: 10, batch_size: 8", ""),
        ("epochs: 1", ""),
    ],
)
def test_a_limit_below_the_fewest_pairs_is_told(tmp_path: Path, train: str, told: str) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"{GOOD}train: {{objective: dpo, {train}}}\n", "utf-8")
    messages = [problem.message for problem in check_preferences(load(recipe))]
    assert len(messages) == bool(told)
    assert all(told in message for message in messages)


def test_after_a_round_is_rolled_back_the_best_rounds_student_may_be_a_plain_one() -> None:
    written = recipe_with(objective="dpo").model_dump(exclude_unset=True)
    written["loop"]["regressions"] = "roll_back"
    written["quality"] = {**written.get("quality", {}), "verify": {"samples": 2}}
    written["data"]["pool"] = {"path": "pool.jsonl"}
    written["augment"]["mine"] = {"by": ["uncertain"]}
    recipe = Recipe.model_validate(written)
    nodes = compile_plan(recipe, fake_resources(recipe), "tasks/classification.md").nodes
    pair = nodes["seed-0/round-2/pair"].inputs
    assert pair["decided.1.decide"] == "seed-0/round-1/decide"
    assert pair["verified.1.verify"] == "seed-0/round-1/verify-1"
    returns = nodes["seed-0/round-1/ask_pool"].returns
    assert returns is not None
    assert returns.edges["train"] == {0: "seed-0/round-0/train"}
    assert nodes["seed-0/round-1/ask_pool"].inputs["train"] == "seed-0/round-1/prefer"
