"""Methods: what each makes of the same recipe, and what is said of one that is not there or is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Location, RecipeError
from engine.plan.compile import compile_plan
from engine.plan.graph import Plan
from engine.plan.resources import gather
from engine.plan.validate import check_recipe
from engine.spec.extending.merging import laid_over
from engine.spec.loader import load
from engine.spec.method import Method, find_methods, load_method, read_method
from engine.spec.recipe import Recipe
from engine.spec.yaml import Document
from engine.stages.augment.generate import GenerateParams
from engine.stages.augment.judging.judge import JudgeParams
from engine.stages.train import TrainParams
from tests.plan.fake_resources import fake_resources, method
from tests.plan.test_compile import PROMPT, _recipe
from tests.plan.test_validate import GOOD, write_good


def planned(how: Method, **changes: Any) -> Plan:
    whole = _recipe(**changes).model_dump(mode="json", exclude_unset=True)
    written = Document(whole, Path("recipe.yaml"))
    decided = Document(how.overrides.model_dump(exclude_defaults=True), Path("method.yaml"))
    recipe = Recipe.model_validate(laid_over(written, decided).data)
    return compile_plan(recipe, replace(fake_resources(recipe), method=how), PROMPT)


def changed(one: Plan, other: Plan) -> set[str]:
    """Return the nodes of both plans whose fingerprints differ."""
    return {n for n in one.nodes.keys() & other.nodes if one.nodes[n].id != other.nodes[n].id}


PADA = method("pada")


def test_vanilla_is_round_0_alone_taken_at_its_best_step() -> None:
    plan = planned(method("vanilla"), loop__rounds=3)
    assert list(plan.nodes) == [
        "load", "untuned/predict", "untuned/score",
        "seed-0/round-0/train", "seed-0/round-0/predict", "seed-0/round-0/score", "seed-0/round-0/decide",
    ]  # fmt: skip
    params = plan.nodes["seed-0/round-0/train"].params
    assert isinstance(params, TrainParams)
    assert params.train.checkpoint == "best"


def test_random_writes_and_judges_rows_by_the_same_terms_and_looks_at_nothing_that_fails() -> None:
    random, pada = planned(method("random"), loop__rounds=2), planned(PADA, loop__rounds=2)
    analysis = ("draw", "diagnose", "cluster", "name", "strategy", "allot", "track")
    assert set(pada.nodes) - set(random.nodes) == {
        name for name in pada.nodes if name.rsplit("/")[-1] in analysis
    }
    assert not set(random.nodes) - set(pada.nodes)
    generate = random.nodes["seed-0/round-0/generate-1"]
    assert set(generate.inputs) == {"load", "predict", "score"}
    assert not generate.params.errors_first  # type: ignore[attr-defined]
    for stage in ("judge-1", "select"):
        name = f"seed-0/round-1/{stage}"
        assert random.nodes[name].params == pada.nodes[name].params


def test_auggpt_rewords_every_training_row_in_one_round_and_asks_no_judge() -> None:
    plan = planned(method("auggpt"), loop__rounds=3)
    assert {node.round for node in plan.nodes.values()} == {-1, 0, 1}
    assert not {n for n in plan.nodes if n.rsplit("/")[-1] in ("draw", "diagnose", "verify-1")}
    params = plan.nodes["seed-0/round-0/generate-1"].params
    assert isinstance(params, GenerateParams)
    assert [(used.name, used.settings.model_dump()) for used in params.operators] == [
        ("paraphrase", {"variants": 6})
    ]
    assert (params.along, params.each, params.oversample) == ("rows", 6, 1.0)
    # It looks at nothing that fails, so it goes on where nothing does.
    assert plan.nodes["seed-0/round-0/decide"].params.elsewhere  # type: ignore[attr-defined]
    judged = plan.nodes["seed-0/round-0/judge-1"].params
    assert isinstance(judged, JudgeParams)
    assert judged.judge == "off"


def test_llm2llm_writes_from_wrong_training_rows_and_tunes_the_base_on_all_rounds() -> None:
    plan = planned(method("llm2llm"), loop__rounds=3)
    params = plan.nodes["seed-0/round-2/generate-1"].params
    assert isinstance(params, GenerateParams)
    assert [used.name for used in params.operators] == ["similar_row"]
    assert (params.along, params.each) == ("wrong rows", 1)
    trained = plan.nodes["seed-0/round-3/train"]
    assert [e for e in trained.inputs if e.startswith("earlier")] == [
        "earlier.0", "earlier.1", "earlier.2",
    ]  # fmt: skip
    # A student without failures on validation may still have some on train.
    assert plan.nodes["seed-0/round-0/decide"].params.elsewhere  # type: ignore[attr-defined]


def test_methods_share_everything_up_to_where_they_part() -> None:
    pada, vanilla = planned(PADA), planned(method("vanilla"))
    assert changed(pada, vanilla) == {
        f"seed-0/round-0/{stage}" for stage in ("train", "predict", "score", "decide")
    }
    # What a method decides is no part of an identity where the recipe says the same.
    best = planned(PADA, train__checkpoint="best")
    same = ("train", "predict", "score")
    assert not changed(best, vanilla) & {f"seed-0/round-0/{stage}" for stage in same}


def test_a_fine_tune_sees_the_rows_of_all_rounds_or_of_the_latest() -> None:
    everything = planned(PADA, loop__rounds=3)
    latest = planned(PADA.model_copy(update={"keep": "latest"}), loop__rounds=3)
    earlier = [
        [e for e in plan.nodes["seed-0/round-3/train"].inputs if e.startswith("earlier")]
        for plan in (everything, latest)
    ]
    assert earlier == [["earlier.0", "earlier.1", "earlier.2"], ["earlier.2"]]
    # Nothing is written twice all the same: candidates are compared with all that was selected.
    gate = latest.nodes["seed-0/round-2/gate-1"]
    assert [e for e in gate.inputs if e.startswith("earlier")] == ["earlier.0", "earlier.1"]
    # Up to round 1 both are the same.
    assert not {n for n in changed(everything, latest) if "round-0" in n or "round-1" in n}


def test_which_seeds_come_first_is_part_of_what_is_generated() -> None:
    in_turn = planned(PADA.model_copy(update={"seeds": "in_turn"}))
    different = changed(planned(PADA), in_turn)
    assert "seed-0/round-0/generate-1" in different
    assert "seed-0/round-0/strategy" not in different


def test_a_method_may_say_how_many_rounds_there_are() -> None:
    two = planned(PADA.model_copy(update={"rounds": 2}), loop__rounds=7)
    assert {node.round for node in two.nodes.values()} == {-1, 0, 1, 2}
    assert changed(two, planned(PADA, loop__rounds=2)) == set()


def test_an_untrained_student_is_measured_by_any_method() -> None:
    plan = planned(method("vanilla"), train__method="none", loop__rounds=1)
    assert list(plan.nodes) == ["load", "untuned/predict", "untuned/score", "seed-0/untuned/decide"]


def problems(folder: Path, loop: str) -> list[tuple[str, str, str]]:
    recipe = write_good(folder, f"{GOOD}loop: {loop}\n")
    return [
        (str(p.where).removeprefix(f"{folder}/"), p.level, p.message)
        for p in check_recipe(load(recipe))
    ]


def test_what_a_method_decides_holds_and_a_command_has_the_last_word(tmp_path: Path) -> None:
    write_good(tmp_path, f"{GOOD}loop: {{method: auggpt}}\n")
    loaded = load(tmp_path)
    assert loaded.recipe.quality.judge == "off"
    assert loaded.recipe.augment.rows_per_round == 120
    assert loaded.at("quality", "judge").file.endswith("methods/auggpt.yaml")
    told = load(tmp_path, settings={"quality.judge": "advises", "augment.rows_per_round": 5})
    assert (told.recipe.quality.judge, told.recipe.augment.rows_per_round) == ("advises", 5)
    with pytest.raises(RecipeError) as caught:
        load(tmp_path, settings={"quality.juge": "off"})
    assert str(caught.value).startswith("--set quality.juge=off: error: unknown key 'juge'")


def test_a_recipe_is_checked_with_what_its_method_decides_and_not_without(tmp_path: Path) -> None:
    """It was refused for what its method mends, before that was laid over it."""
    wrong = GOOD.replace(
        "[{name: paraphrase, params: {variants: 2}, patterns: [short_text, other]}]", "[]"
    )
    assert wrong != GOOD
    recipe = write_good(tmp_path, f"{wrong}loop: {{method: mine}}\n")
    write_method(tmp_path, MINE + "overrides: {augment: {operators: [{name: paraphrase}]}}\n")
    assert [one.name for one in load(recipe).recipe.augment.operators] == ["paraphrase"]
    recipe.write_text(f"{GOOD}loop: {{method: mine}}\n", "utf-8")
    file = tmp_path / "methods" / "mine.yaml"
    file.write_text(MINE + "overrides: {augment: {operators: []}}\n", "utf-8")
    with pytest.raises(RecipeError) as caught:
        load(recipe)
    assert "name operators: `operators: [{name: new_situation}]`, or mine rows" in str(caught.value)


def test_an_operator_that_a_method_names_is_looked_for_where_it_names_it(tmp_path: Path) -> None:
    text = MINE + "overrides: {augment: {operators: [{name: paraphrse}]}}\n"
    file = write_method(tmp_path, text)
    (found,) = check_recipe(load(write_good(tmp_path, f"{GOOD}loop: {{method: mine}}\n")))
    assert str(found) == (
        f"{file}:7:42: error: no operator 'paraphrse'\n    did you mean 'paraphrase'?"
    )


def test_failures_of_validation_are_nothing_to_write_rows_from(tmp_path: Path) -> None:
    recipe = write_good(
        tmp_path, f"{GOOD}loop: {{method: llm2llm}}\nfailures: {{source: validation}}\n"
    )
    assert [p.message for p in check_recipe(load(recipe))] == [
        "the method 'llm2llm' writes rows from training rows that the student gets wrong"
    ]


def test_rounds_that_the_method_does_not_go_are_warned_of(tmp_path: Path) -> None:
    assert problems(tmp_path, "{method: vanilla, rounds: 2}") == [
        ("recipe.yaml:20:33", "warning", "loop.rounds is 2, but the method 'vanilla' has 0")
    ]


@pytest.mark.parametrize(
    "loop", ["{method: vanilla}", "{method: vanilla, rounds: 0}", "{method: pada, rounds: 2}", "{}"]
)
def test_rounds_that_fit_the_method_are_fine(tmp_path: Path, loop: str) -> None:
    assert problems(tmp_path, loop) == []


def test_an_unknown_method_is_named_where_the_recipe_names_it(tmp_path: Path) -> None:
    recipe = write_good(tmp_path, f"{GOOD}loop: {{method: vanila}}\n")
    (found,) = check_recipe(load(recipe))
    assert str(found).removeprefix(f"{tmp_path}/") == (
        "recipe.yaml:20:16: error: there is no method 'vanila'\n    did you mean 'vanilla'?"
    )
    assert found.code == "unknown-method"
    with pytest.raises(RecipeError, match="there is no method 'vanila'"):
        gather(load(recipe))


def test_a_method_outside_of_its_folder_cannot_be_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"loop\.method cannot be '../mine'"):
        load(write_good(tmp_path, f"{GOOD}loop: {{method: ../mine}}\n"))


MINE = """\
method: 1
name: mine
description: Made up.
failures: validation
analysis: patterns
rounds: recipe
"""


def write_method(folder: Path, text: str = MINE) -> Path:
    file = folder / "methods" / "mine.yaml"
    file.parent.mkdir()
    file.write_text(text, "utf-8")
    return file


def test_a_method_beside_the_recipe_is_found_and_hides_one_of_the_engines(tmp_path: Path) -> None:
    file = write_method(tmp_path)
    assert find_methods(tmp_path)["mine"] == file
    assert "mine" not in find_methods(tmp_path / "methods")
    assert problems(tmp_path, "{method: mine}") == []
    resources = gather(load(tmp_path / "recipe.yaml"))
    assert resources.method == read_method(file)
    own = file.with_name("vanilla.yaml")
    own.write_text(MINE.replace("name: mine", "name: vanilla"), "utf-8")
    assert load_method("vanilla", tmp_path, Location("")).description == "Made up."


AMONG = "patterns are found among failures"


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda t: t + "keeep: all\n", "7:1: error: unknown key 'keeep'\n    did you mean 'keep'?"),
        (
            lambda t: t.replace("name: mine", "name: yours"),
            "2:7: error: the method in mine.yaml is called 'yours'\n    write name: mine, or rename the file",
        ),
        (
            lambda t: t.replace("failures: validation", "failures: none"),
            f"5:11: error: analysis: {AMONG}, so analysis: patterns does not go with failures: none",
        ),
        (
            lambda t: t.replace("analysis: patterns", "analysis: none"),
            "5:11: error: analysis: a validation row is not a training row to write from, so analysis: none does not"
            " go with failures: validation",
        ),
        (lambda t: t.replace("rounds: recipe", "rounds: -1"), "6:9: error: rounds: must be 0 or more"),
        (
            lambda t: t.replace("rounds: recipe", "rounds: many"),
            "6:9: error: rounds must be 'recipe' or a whole number, not 'many'",
        ),
        (
            lambda t: t.replace("failures: validation", "failures: all"),
            "4:11: error: failures must be 'validation', 'train' or 'none', not 'all'",
        ),
        (
            lambda t: t.replace("method: 1", "method: 2"),
            "1:9: error: method must be 1, not the number 2\n    1 is the format version this engine reads",
        ),
        (
            lambda t: t + "overrides: {train: {checkpoint: first}}\n",
            "7:33: error: train.checkpoint must be 'last' or 'best', not 'first'",
        ),
        (
            lambda t: t + "overrides: {loop: {rounds: 3}}\n",
            "7:19: error: overrides.loop: a method has its own key for rounds",
        ),
        (
            lambda t: t + "along: rows\n",
            "7:8: error: along: with analysis: patterns rows are planned by patterns, so along: rows does not go with"
            " it",
        ),
        (
            lambda t: t + "each: 2\n",
            "7:7: error: each: it is how many rows one training row gives, which is for along: rows",
        ),
        (lambda t: "", " error: the file is empty\n    start with `method: 1`"),
    ],
    ids=["key", "name", "analysis", "failures", "negative", "word", "value", "version", "train",
         "own key", "along", "each", "empty"],
)  # fmt: skip
def test_what_is_wrong_in_a_method_is_told_with_its_place(
    broken: Callable[[str], str], message: str, tmp_path: Path
) -> None:
    write_method(tmp_path, broken(MINE))
    recipe = write_good(tmp_path, f"{GOOD}loop: {{method: mine}}\n")
    try:
        found = "\n".join(map(str, check_recipe(load(recipe))))
    except RecipeError as error:
        found = str(error)
    assert found.removeprefix(f"{tmp_path}/methods/mine.yaml:") == message


def test_all_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    file = write_method(tmp_path, "method: 1\nname: mine\n")
    with pytest.raises(RecipeError) as caught:
        read_method(file)
    assert [p.message for p in caught.value.problems] == [
        "analysis is missing", "description is missing", "failures is missing",
    ]  # fmt: skip
