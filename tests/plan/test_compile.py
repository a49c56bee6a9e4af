"""The plan: fingerprints that change when results would, and only then."""

import copy
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import yaml

from engine import fingerprint
from engine.plan.building.builder import Builder
from engine.plan.compile import compile_plan
from engine.plan.explain import mermaid, states
from engine.plan.graph import Node, Plan
from engine.plan.resources import GivenAdapter, Resources
from engine.plan.stage_params import StageParams
from engine.rows import CONTROL
from engine.spec.recipe import Recipe
from engine.stages.load import LOAD
from engine.stages.rounds.track import TRACK, TrackParams
from engine.stages.train import TrainParams
from tests.plan.estimated import estimate
from tests.plan.fake_resources import fake_resources
from tests.stages.views import view

PROMPT = "tasks/classification.md"


def _recipe(**changes: Any) -> Recipe:
    written = yaml.safe_load(Path(__file__).with_name("generating.yaml").read_text("utf-8"))
    written["train"]["learning_rate"] = 1e-3
    written = copy.deepcopy(written)
    for path, value in changes.items():
        part = written
        *parents, last = path.split("__")
        for name in parents:
            part = part.setdefault(name, {})
        part[last] = value
    return Recipe.model_validate(written)


def _resources(**weights: str) -> Resources:
    return fake_resources(_recipe(), **weights)


def _ids(
    recipe: Recipe, resources: Resources | None = None, limit: int | None = None
) -> dict[str, str]:
    plan = compile_plan(recipe, resources or fake_resources(recipe), PROMPT, limit)
    return {name: node.id for name, node in plan.nodes.items()}


def _changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name.rsplit("/", 1)[-1] for name in before if before[name] != after.get(name)}


def test_what_failed_at_first_on_validation_is_read_from_scores_where_it_is_not_drawn() -> None:
    def found(**changes: Any) -> set[str]:
        recipe = _recipe(loop__rounds=2, **changes)
        track = compile_plan(recipe, fake_resources(recipe), PROMPT).nodes["seed-0/round-2/track"]
        return {node for edge, node in track.inputs.items() if edge.startswith("found.")}

    assert found() == set()
    assert found(failures__source="train") == {"seed-0/round-0/score", "seed-0/round-1/score"}


def test_compiling_is_pure_and_names_are_in_order() -> None:
    recipe = _recipe()
    assert _ids(recipe) == _ids(recipe)
    assert list(_ids(recipe))[:4] == [
        "load",
        "untuned/predict",
        "untuned/score",
        "seed-0/round-0/train",
    ]
    assert list(_ids(recipe))[-1] == "seed-0/round-1/decide"


def test_a_fingerprint_is_computed_once_when_the_plan_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hashed: list[str] = []
    whole = fingerprint.digest_canonical

    def digest_canonical(text: str) -> str:
        hashed.append(text)
        return whole(text)

    resources = _resources()
    monkeypatch.setattr(fingerprint, "digest_canonical", digest_canonical)
    plan = compile_plan(_recipe(loop__rounds=2, seeds=[0, 1]), resources, PROMPT)
    assert len(hashed) == len(plan.nodes)
    ids = {node.id for node in plan.nodes.values()}
    found = states(plan, ids, {})
    estimate(plan, resources, ids, {"train": 1, "validation": 1, "test": 1}, {})
    assert {node.id for node, _, _ in found} == ids
    assert len(hashed) == len(plan.nodes) == len(ids), "an id is a value, not a computation"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"description": "new words"},
        {"budget": {"calls": 3}},
        {"quality__attempts": 2},
        {"privacy": {"redact": []}},
    ],
    ids=str,
)
def test_what_changes_no_row_changes_no_fingerprint(changes: dict[str, Any]) -> None:
    assert _ids(_recipe()) == _ids(_recipe(**changes))


def test_a_new_place_of_the_same_data_changes_nothing() -> None:
    moved = replace(_resources(), splits=Mock(name="the same rows, read elsewhere"))
    assert _ids(_recipe()) == _ids(_recipe(), moved)


def test_metrics_rerun_the_scoring_and_what_follows_but_no_fine_tune_of_round_0() -> None:
    before = _ids(_recipe())
    plain = _ids(_recipe(metrics=["accuracy", "macro_f1", "numeric_match"]))
    default = _ids(
        _recipe(
            metrics=[
                "accuracy",
                "macro_f1",
                {"name": "numeric_match", "params": {"tolerance": 0.0}},
            ]
        )
    )
    other = _ids(
        _recipe(
            metrics=[
                "accuracy",
                "macro_f1",
                {"name": "numeric_match", "params": {"tolerance": 0.1}},
            ]
        )
    )
    assert plain == default
    for after in (plain, other):
        changed = _changed(before, after)
        assert "score" in changed
        same = ("load", "untuned/predict", "seed-0/round-0/train", "seed-0/round-0/predict")
        assert [before[name] for name in same] == [after[name] for name in same]
    assert plain["untuned/score"] != other["untuned/score"]


def test_slices_are_worked_out_and_nothing_else() -> None:
    before, after = _ids(_recipe()), _ids(_recipe(slices=["text"]))
    assert {name: after[name] for name in before} == before
    added = after.keys() - before.keys()
    assert "untuned/slice" in added
    assert {name.rsplit("/", 1)[1] for name in added} == {"slice"}
    cut = {"name": "short", "sql": "length(text) < 9"}
    other = _ids(_recipe(slices=["text", cut]))
    assert {name for name in after if other[name] != after[name]} == added


def test_a_rubric_asks_the_judge_about_every_row_of_every_split() -> None:
    rubric = {"name": "tone", "judge": {"rubric": "Is it kind.", "scale": [1, 3]}}
    recipe = _recipe(metrics=["accuracy", rubric])
    plan = compile_plan(recipe, _resources(), PROMPT, None)
    names = [name for name in plan.nodes if name.endswith("/rate")]
    assert names == ["untuned/rate", "seed-0/round-0/rate", "seed-0/round-1/rate"]
    assert plan.nodes["untuned/score"].inputs["rate"] == "untuned/rate"
    rows = {"train": 10, "validation": 20, "test": 30}
    everything = estimate(plan, _resources(), set(), rows, {}).calls
    others = estimate(plan, _resources(), {plan.nodes[n].id for n in names}, rows, {}).calls
    # Of later students only those answers are rated that are new.
    assert (everything.low - others.low, everything.high - others.high) == (60, 180)
    before, after = _ids(_recipe()), _ids(recipe)
    assert before["untuned/predict"] == after["untuned/predict"]
    assert _ids(recipe, _resources(judge="other"))["untuned/score"] != after["untuned/score"]


def test_a_stop_metric_of_which_less_is_better_is_known_as_one() -> None:
    recipe = _recipe(metrics=["accuracy", "perplexity"], loop__stop={"metric": "perplexity"})
    plan = compile_plan(recipe, _resources(), PROMPT, None)
    assert plan.nodes["seed-0/round-0/decide"].identity["params"]["lower_is_better"]


@pytest.mark.parametrize(
    "changes",
    [
        {"data__on_bad_row": "drop"},
        {"data__train__limit": 5},
        {"data__train__rename": {"body": "text"}},
        {"data__train__columns": {"short": "left(text, 9)"}},
        {"data__test": {"split_from": {"split": "train", "share": 0.1}}},
    ],
)
def test_what_is_chosen_of_the_data_is_part_of_everything(changes: dict[str, Any]) -> None:
    before, after = _ids(_recipe()), _ids(_recipe(**changes))
    assert not set(before.values()) & set(after.values())


def test_how_a_split_is_divided_is_part_of_everything() -> None:
    taken = {"split": "train", "share": 0.1}
    first = _ids(_recipe(data__test={"split_from": taken}))
    again = _ids(_recipe(data__test={"split_from": {**taken, "seed": 1}}))
    assert not set(first.values()) & set(again.values())


def test_redaction_is_part_of_the_data_and_so_of_everything() -> None:
    before = _ids(_recipe())
    rule = {"pattern": "[0-9]{6,}", "with": "[number]"}
    after = _ids(_recipe(privacy={"redact": [rule]}))
    other = _ids(_recipe(privacy={"redact": [{**rule, "with": "#"}]}))
    assert not before.items() & after.items()
    assert not after.items() & other.items()


def test_another_judge_reruns_judging_and_what_follows_only() -> None:
    changed = _changed(_ids(_recipe()), _ids(_recipe(), _resources(judge="other")))
    assert {"judge-1", "judge-2", "generate-2", "select"} <= changed
    assert not {"load", "diagnose", "cluster", "name", "strategy", "generate-1"} & changed
    first = {n: i for n, i in _ids(_recipe()).items() if "round-0/train" in n}
    assert first.items() <= _ids(_recipe(), _resources(judge="other")).items()


def test_rows_are_answered_blind_as_the_judges_pack_or_the_recipe_says() -> None:
    def plan(**changes: Any) -> Plan:
        recipe = _recipe(**changes)
        return compile_plan(recipe, fake_resources(recipe), PROMPT)

    at = "seed-0/round-0"
    assert f"{at}/verify-1" not in plan().nodes, "small judges answer nothing"
    strong = plan(models__judge__pack="frontier")
    assert getattr(strong.nodes[f"{at}/verify-1"].params, "samples", None) == 3
    assert strong.nodes[f"{at}/judge-1"].inputs["verify"] == f"{at}/verify-1"
    assert strong.nodes[f"{at}/verify-1"].inputs["gate"] == f"{at}/gate-1"
    names = list(strong.nodes)
    order = [names.index(f"{at}/{stage}-2") for stage in ("generate", "gate", "verify", "judge")]
    assert order == sorted(order)
    off = plan(models__judge__pack="frontier", quality__verify={"samples": 0})
    assert f"{at}/verify-1" not in off.nodes
    assert "verify" not in off.nodes[f"{at}/judge-1"].inputs
    on = plan(quality__verify={"samples": 1})
    assert getattr(on.nodes[f"{at}/verify-1"].params, "samples", None) == 1
    free = plan(models__judge__pack="frontier", task__kind="generation")
    assert f"{at}/verify-1" not in free.nodes, "a free text has no one answer"


def test_the_student_of_the_round_answers_candidates_where_the_recipe_selects_by_that() -> None:
    def plan(**changes: Any) -> Plan:
        recipe = _recipe(**changes)
        return compile_plan(recipe, fake_resources(recipe), PROMPT)

    limits = {"samples": 3, "keep": [0.25, 0.5]}
    before, asked = plan(), plan(quality__pass_rate=limits)
    more = [name for name in asked.nodes if name not in before.nodes]
    at = "seed-0/round-0"
    assert more == [name for name in asked.nodes if "/pass_rate-" in name] != []
    first = asked.nodes[f"{at}/pass_rate-1"]
    assert first.inputs["train"] == f"{at}/train"
    assert first.inputs["gate"] == f"{at}/gate-1"
    judge = asked.nodes[f"{at}/judge-1"]
    assert judge.inputs["solved"] == f"{at}/pass_rate-1"
    assert judge.identity["params"]["pass_rate"] == [0.25, 0.5]
    assert before.nodes[f"{at}/generate-1"].id == asked.nodes[f"{at}/generate-1"].id
    # Another band asks nobody again.
    other = plan(quality__pass_rate={**limits, "keep": [0.0, 0.5]})
    assert other.nodes[f"{at}/pass_rate-1"].id == first.id
    assert other.nodes[f"{at}/judge-1"].id != judge.id
    free = plan(quality__pass_rate=limits, task__kind="generation")
    assert not [name for name in free.nodes if "/pass_rate-" in name], "no answer is simply right"
    back = plan(quality__pass_rate=limits, loop__rounds=2, loop__regressions="roll_back")
    returns = back.nodes["seed-0/round-1/pass_rate-1"].returns
    assert returns is not None
    assert returns.edges == {"train": {0: f"{at}/train"}}


def test_quotas_are_counted_in_rows_and_leave_no_trace_without_any() -> None:
    def params(**changes: Any) -> StageParams:
        recipe = _recipe(**changes)
        return StageParams(recipe, fake_resources(recipe), PROMPT, None)

    assert "quotas" not in params().generate().identity()
    quotas = [{"by": "label", "at_least": 0.1, "at_most": 0.29}, {"sql": "text", "at_most": 1}]
    found = params(augment__quotas=quotas, augment__rows_per_round=30).generate()
    assert [(q.by, q.sql, q.at_least, q.at_most) for q in found.quotas] == [
        ("label", "", 3, 8),
        ("sql", "text", 0, 1),
    ]


def test_patterns_are_tested_as_the_judges_pack_or_the_recipe_says() -> None:
    def plan(**changes: Any) -> Plan:
        recipe = _recipe(**changes)
        return compile_plan(recipe, fake_resources(recipe), PROMPT)

    at = "seed-0/round-0"
    assert f"{at}/confirm" not in plan().nodes, "small judges cannot tell"
    nodes = plan(models__judge__pack="frontier", loop__rounds=2).nodes
    assert getattr(nodes[f"{at}/confirm"].params, "rows", None) == 100
    assert getattr(nodes[f"{at}/confirm"].params, "fund", None) == ("confirmed", "untested")
    for reader in ("strategy", "generate-1", "select"):
        assert nodes[f"{at}/{reader}"].inputs["confirm"] == f"{at}/confirm"
        # What a pattern is made of follows from its naming.
        assert nodes[f"{at}/{reader}"].inputs["cluster"] == f"{at}/name"
    later = nodes["seed-0/round-1/confirm"].inputs
    assert (later["drawn.0"], later["earlier.0"]) == (f"{at}/draw", f"{at}/confirm")
    order = [list(nodes).index(f"{at}/{stage}") for stage in ("name", "confirm", "strategy")]
    assert order == sorted(order)
    off = plan(models__judge__pack="frontier", patterns__confirm="off").nodes
    assert f"{at}/confirm" not in off
    assert "confirm" not in off[f"{at}/strategy"].inputs
    on = plan(patterns__confirm=50, patterns__fund=["untested", "confirmed", "weak"]).nodes
    assert getattr(on[f"{at}/confirm"].params, "rows", None) == 50
    assert getattr(on[f"{at}/confirm"].params, "fund", None) == ("confirmed", "untested", "weak")


def test_a_later_round_takes_the_judges_calibration_over() -> None:
    recipe = _recipe(loop__rounds=2, seeds=[0, 1])
    nodes = compile_plan(recipe, fake_resources(recipe), PROMPT).nodes
    assert nodes["seed-1/round-1/judge-1"].inputs["first"] == "seed-1/round-0/judge-1"
    assert "first" not in nodes["seed-1/round-0/judge-2"].inputs
    assert nodes["seed-1/round-0/judge-2"].inputs["attempts.1.judge"] == "seed-1/round-0/judge-1"
    bare = _recipe(loop__rounds=1, train__method="none")
    plan = compile_plan(bare, fake_resources(bare), PROMPT)
    assert "first" not in plan.nodes["seed-0/untuned/judge-1"].inputs


@pytest.mark.parametrize(
    ("judge", "mode"),
    [("decides", "decides"), ("advises", "advises"), ("off", "off"), (None, "advises")],
)
def test_what_the_judge_does_is_filled_in_before(judge: str | None, mode: str) -> None:
    recipe = _recipe(quality__judge=judge, models__judge__pack="frontier")
    nodes = compile_plan(recipe, fake_resources(recipe), PROMPT).nodes
    assert getattr(nodes["seed-0/round-0/judge-1"].params, "judge", None) == mode


def test_another_student_changes_everything_but_the_data() -> None:
    changed = _ids(_recipe()).items() - _ids(_recipe(), _resources(student="other")).items()
    assert {name for name, _ in changed} == set(_ids(_recipe())) - {"load"}


def test_more_rounds_keep_the_rounds_that_are_done() -> None:
    one, two = _ids(_recipe()), _ids(_recipe(loop__rounds=2))
    kept = {name for name in one if one[name] == two[name]}
    assert set(one) - kept == {"seed-0/round-1/decide"}
    assert len(two) > len(one)


def test_seeds_share_the_load_and_the_untuned_student() -> None:
    both = _ids(_recipe(seeds=[0, 1]))
    assert [name for name in both if not name.startswith("seed-")] == [
        "load",
        "untuned/predict",
        "untuned/score",
    ]
    assert both["seed-0/round-0/train"] != both["seed-1/round-0/train"]
    assert _ids(_recipe()).items() <= both.items()


def test_the_control_is_round_0_with_another_training_seed_and_one_serves_all_rounds() -> None:
    recipe = _recipe(loop__control=True, seeds=[0, 1])
    plan = compile_plan(recipe, _resources(), PROMPT)
    controls = [name for name in plan.nodes if "/control/" in name]
    assert controls == [
        f"seed-{seed}/control/{stage}" for seed in (0, 1) for stage in ("train", "predict", "score")
    ]
    control, first = (plan.nodes[f"seed-0/{at}/train"] for at in ("control", "round-0"))
    assert isinstance(control.params, TrainParams)
    assert isinstance(first.params, TrainParams)
    assert control.params == replace(first.params, seed=control.params.seed)
    assert control.params.seed not in (None, 0, 1)
    assert control.round == CONTROL
    # Where nothing is augmented there is nothing to hold against it.
    assert control.only_if_continuing == ("seed-0/round-0/decide", "seed-0/round-0/select")
    assert plan.nodes["seed-0/round-1/track"].inputs["control"] == "seed-0/control/score"
    more = _ids(_recipe(loop__control=True, loop__rounds=2, seeds=[0, 1]))
    assert {more[name] for name in controls} == {plan.nodes[name].id for name in controls}


def test_what_follows_a_round_may_read_from_the_best_one_before_where_rounds_are_rolled_back() -> (
    None
):
    back = _recipe(loop__rounds=3, loop__regressions="roll_back")
    resources = _resources()
    nodes = compile_plan(back, resources, PROMPT).nodes
    draw, allot = (nodes[f"seed-0/round-2/{stage}"] for stage in ("draw", "allot"))
    assert draw.inputs_at(None)["score"] == "seed-0/round-2/score"
    assert draw.inputs_at(1) == {**draw.inputs, "score": "seed-0/round-1/score"}
    assert {"seed-0/round-0/score", "seed-0/round-2/decide"} <= set(draw.sources)
    assert allot.inputs_at(1)["track"] == "seed-0/round-1/track"
    # After round 0 no pattern has a standing yet; what round 2 did not pay for is still known.
    assert "track" not in allot.inputs_at(0)
    assert allot.inputs_at(0)["latest"] == "seed-0/round-2/track"
    assert nodes["seed-0/round-3/train"].inputs["decided.2.decide"] == "seed-0/round-2/decide"
    assert "decided.1.decide" not in nodes["seed-0/round-1/train"].inputs
    # What a round mended that was rolled back cannot come back.
    assert nodes["seed-0/round-3/track"].inputs["decided.2.decide"] == "seed-0/round-2/decide"
    # Other recipes know nothing of it, and round 0 is theirs too.
    plain = compile_plan(_recipe(loop__rounds=3), resources, PROMPT).nodes
    assert all(node.returns is None for node in plain.values())
    same = {name for name, node in nodes.items() if plain[name].id == node.id}
    assert {"seed-0/round-0/select", "seed-0/round-1/train", "seed-0/round-1/track"} <= same
    assert not any(name.startswith(("seed-0/round-1/draw", "seed-0/round-2/")) for name in same)
    before = {name: node.identity for name, node in plain.items()}
    (why,) = (
        state.because
        for state in states(compile_plan(back, resources, PROMPT), set(), before)
        if state.node.name == "seed-0/round-1/draw"
    )
    assert why == "loop.regressions: rounds may be rolled back, or no longer"
    # More rounds keep the rounds that are done.
    two = compile_plan(_recipe(loop__rounds=2, loop__regressions="roll_back"), resources, PROMPT)
    kept = {name for name, node in two.nodes.items() if nodes[name].id == node.id}
    assert set(two.nodes) - kept == {"seed-0/round-2/decide"}


def test_how_unsure_of_a_pool_a_student_is_the_best_rounds_student_says_after_a_roll_back() -> None:
    recipe = _recipe(
        loop__rounds=3,
        loop__regressions="roll_back",
        data__pool={"path": "pool.jsonl"},
        augment__mine={"by": ["uncertain"]},
    )
    nodes = compile_plan(recipe, fake_resources(recipe), PROMPT).nodes
    asked = nodes["seed-0/round-2/ask_pool"]
    assert asked.inputs_at(None)["train"] == "seed-0/round-2/train"
    assert asked.inputs_at(1) == {**asked.inputs, "train": "seed-0/round-1/train"}


@pytest.mark.parametrize(
    "changes", [{"loop__rounds": 0}, {"train__method": "none"}, {"loop__control": False}], ids=str
)
def test_there_is_no_control_where_there_is_nothing_to_control(changes: dict[str, Any]) -> None:
    assert not any(
        "/control/" in name for name in _ids(_recipe(**{"loop__control": True, **changes}))
    )


def test_holding_out_more_failures_diagnoses_anew_and_trains_round_0_no_more() -> None:
    changed = _changed(_ids(_recipe()), _ids(_recipe(patterns__hold_out=0.5)))
    assert {"draw", "diagnose", "cluster", "select"} <= changed
    assert "load" not in changed
    before, after = _ids(_recipe()), _ids(_recipe(patterns__hold_out=0.5))
    assert before["seed-0/round-0/score"] == after["seed-0/round-0/score"]


def test_dividing_validation_changes_checkpoints_only_where_they_are_chosen() -> None:
    for checkpoint, same in (("last", True), ("best", False)):
        ids = [
            _ids(_recipe(train__checkpoint=checkpoint, loop__divide_validation=divide))
            for divide in ("auto", True)
        ]
        assert (ids[0]["seed-0/round-0/train"] == ids[1]["seed-0/round-0/train"]) is same
        assert ids[0]["seed-0/round-0/draw"] != ids[1]["seed-0/round-0/draw"]


def test_states_name_the_cause_and_then_the_consequence() -> None:
    old = compile_plan(_recipe(), _resources(), PROMPT)
    new = compile_plan(_recipe(train__learning_rate=5e-4), _resources(), PROMPT)
    identities = {name: node.identity for name, node in old.nodes.items()}
    finished = {node.id for node in old.nodes.values()}
    found = {s.node.name: s for s in states(new, finished, identities)}
    assert found["load"].state == "cached"
    assert found["seed-0/round-0/train"].because == "train.learning_rate: 0.001 -> 0.0005"
    assert found["seed-0/round-0/predict"].because == "input changed: seed-0/round-0/train"
    graph = mermaid(list(found.values()))
    assert graph.count("-->") == sum(len(n.inputs) for n in new.nodes.values())
    assert states(new, set(), {})[0].state == "pending"


@pytest.mark.parametrize(
    ("before", "after", "node", "because"),
    [
        ({}, {"quality__neighbours": {"quantile": 0.5}}, "gate-1", "gates.neighbours.quantile: 0.01 -> 0.5"),
        ({}, {"quality__gates": {"neighbours": "advise"}}, "gate-1", "gates.neighbours.mode: reject -> advise"),
        ({}, {"quality__gates": {"neighbours": "off"}}, "gate-1", "gates: neighbours is gone"),
        ({"quality__minimum": {"utility": 1}}, {}, "judge-1", "minimum.utility: 1 -> 2"),
        ({}, {"task__shots": {"n": 2}}, "train", "shots: none -> {'n': 2}"),
        (
            {"augment__operators": [{"name": "paraphrase"}]},
            {"augment__operators": [{"name": "paraphrase", "params": {"variants": 7}}, {"name": "new_situation"}]},
            "generate-1", "operators: new_situation is new; operators.paraphrase.variants: 1 -> 7",
        ),
        (
            {"augment__operators": [{"name": "paraphrase"}, {"name": "new_situation"}]},
            {"augment__operators": [{"name": "new_situation"}, {"name": "paraphrase"}]},
            "generate-1", "operators: another order",
        ),
        ({"metrics": ["accuracy", "macro_f1"]}, {"metrics": ["accuracy"]}, "score", "metrics: macro_f1 is gone"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_changed_is_named_as_the_recipe_names_it_defaults_too(
    before: dict[str, Any], after: dict[str, Any], node: str, because: str
) -> None:
    recipes = _recipe(**before), _recipe(**after)
    old, new = (compile_plan(recipe, fake_resources(recipe), PROMPT) for recipe in recipes)
    identities = {name: json.loads(json.dumps(n.identity)) for name, n in old.nodes.items()}
    found = {s.node.name: s.because for s in states(new, set(), identities)}
    assert found[f"seed-0/round-0/{node}"].split("; prompts")[0] == because


def test_the_estimate_shrinks_when_failures_are_known_and_is_nothing_when_all_is_done() -> None:
    plan = compile_plan(_recipe(), _resources(), PROMPT)
    rows = {"train": 60, "validation": 150, "test": 200}
    before = estimate(plan, _resources(), set(), rows, {})
    score = plan.nodes["seed-0/round-0/score"].id
    after = estimate(plan, _resources(), {score}, rows, {score: 20})
    assert after.calls.high - after.calls.low < before.calls.high - before.calls.low
    long = estimate(plan, _resources(), set(), rows, {}, characters=4000)
    assert long.calls == before.calls
    assert long.tokens.low > before.tokens.high
    done = estimate(plan, _resources(), {n.id for n in plan.nodes.values()}, rows, {})
    assert (done.calls.high, done.tokens.high, done.steps) == (0, 0, 0)


@pytest.mark.parametrize(
    "changes",
    [{"train__mix": 0.5}, {"train__order": "generated_first"}, {"train__steps": "per_row"}],
    ids=["mix", "order", "steps"],
)
def test_what_concerns_generated_rows_in_training_is_no_part_of_round_0(
    changes: dict[str, Any],
) -> None:
    plain, other = _ids(_recipe()), _ids(_recipe(**changes))
    changed = {name for name in plain if plain[name] != other[name]}
    assert "seed-0/round-1/train" in changed
    assert not {name for name in changed if "round-0" in name}


def test_steps_per_row_are_estimated_for_all_rows_that_may_be_selected() -> None:
    rows = {"train": 60, "validation": 150, "test": 200}

    def steps(**changes: Any) -> int:
        plan = compile_plan(_recipe(loop__rounds=2, **changes), _resources(), PROMPT)
        return estimate(plan, _resources(), set(), rows, {}).steps

    recipe = _recipe()
    epochs, size = recipe.train.epochs, recipe.train.batch_size
    added = recipe.augment.rows_per_round

    def passes(weight: float) -> int:
        return sum(math.ceil(epochs * (60 + n * weight * added) / size) for n in range(3))

    assert steps() == passes(0)
    assert steps(train__steps="per_row") == passes(1)
    assert steps(train__steps="per_row", train__mix=0.5) == passes(0.5)


@pytest.mark.parametrize(
    ("judge", "least", "asked"),
    [("decides", 3, True), ("decides", 1, False), ("advises", 3, False)],
)
def test_adherence_is_part_of_a_judge_only_where_it_may_reject(
    judge: str, least: int, asked: bool
) -> None:
    recipe = _recipe(
        models__judge__pack="standard", quality__judge=judge, quality__minimum={"adherence": least}
    )
    plan = compile_plan(recipe, fake_resources(recipe), PROMPT)
    node = plan.nodes["seed-0/round-0/judge-1"]
    assert node.prompts == (("judge.md", "adherence.md") if asked else ("judge.md",))
    assert ("adherence" in node.identity["params"]) is asked


def test_training_sees_the_same_prompt_and_shots_as_evaluation_unless_the_recipe_says_otherwise() -> (
    None
):
    def seen(**changes: Any) -> list[tuple[str, bool]]:
        plan = compile_plan(_recipe(**{"task__shots": {"n": 2}, **changes}), _resources(), PROMPT)
        nodes = [plan.nodes[f"seed-0/round-0/{stage}"] for stage in ("train", "predict")]
        for node in nodes:
            assert list(node.identity["prompts"]) == [node.identity["params"]["prompt"]]
        params = [node.identity["params"] for node in nodes]
        return [(found["prompt"], "shots" in found) for found in params]

    assert seen() == [(PROMPT, True), (PROMPT, True)]
    assert seen(task__shots={"n": 2, "train": False}) == [(PROMPT, False), (PROMPT, True)]
    assert seen(train__prompt="judge.md") == [("judge.md", True), (PROMPT, True)]


def test_another_training_prompt_trains_again_and_asks_the_untuned_student_nothing_again() -> None:
    before, after = _ids(_recipe()), _ids(_recipe(train__prompt="judge.md"))
    assert before["untuned/score"] == after["untuned/score"]
    assert before["seed-0/round-0/train"] != after["seed-0/round-0/train"]


def test_a_wrong_edge_or_wrong_parameters_stop_the_plan_while_it_is_built() -> None:
    params = StageParams(_recipe(), _resources(), PROMPT, None)
    build = Builder(_resources())
    build.add("load", LOAD, params.load(), {})
    with pytest.raises(
        TypeError, match=r"^x/track\.score takes a Scored, but load gives a Loaded$"
    ):
        build.add(
            "x/track",
            TRACK,
            TrackParams(task=view("classification")),
            {"load": "load", "score": "load"},
        )
    others: Any = params.train(0)
    with pytest.raises(TypeError, match=r"^x/track takes TrackParams, here are TrainParams$"):
        build.add("x/track", TRACK, others, {})
    assert list(build.nodes) == ["load"]


def test_a_cycle_is_named_node_by_node() -> None:
    def node(name: str, source: str) -> Node:
        return Node(
            name, "track", TrackParams(task=view("classification")), {}, name, {"score": source}
        )

    with pytest.raises(ValueError, match=r"cycle: .*a.*b"):
        Plan([node("a", "b"), node("b", "a")])
    with pytest.raises(ValueError, match="unknown nodes: nowhere"):
        Plan([node("a", "nowhere")])


TREE: dict[str, Any] = {
    "mode": "closed",
    "categories": [
        {"id": "reading", "description": "Missed.", "where": "length(text) > 9"},
        {"id": "negation", "description": "Turned down.", "parent": "reading", "examples": ["no"]},
        {"id": "double", "where": "text LIKE '%not%not%'", "parent": "negation"},
    ],
}


def _params(recipe: Recipe) -> StageParams:
    return StageParams(recipe, fake_resources(recipe), PROMPT, None)


def test_sql_tries_the_parts_of_a_category_before_the_whole() -> None:
    params = _params(_recipe(patterns__taxonomy=TREE, augment__operators=[{"name": "paraphrase"}]))
    assert [c.id for c in params.cluster().categories] == ["double", "reading"]
    assert params.name().where_categories == ("double", "reading")
    (offered,) = params.diagnose().categories
    assert (offered.id, offered.parent, offered.examples) == ("negation", "reading", ("no",))
    assert params.diagnose().closed


def test_an_operator_for_a_category_is_for_its_parts_too() -> None:
    operators = [{"name": "paraphrase", "patterns": ["negation"]}, {"name": "new_situation"}]
    params = _params(_recipe(patterns__taxonomy=TREE, augment__operators=operators))
    first, second = params.generate().operators
    assert (first.patterns, second.patterns) == (("negation", "double"), None)


def test_an_open_taxonomy_offers_nothing_and_assigns_by_sql_all_the_same() -> None:
    operators = [{"name": "paraphrase"}]
    taxonomy = {"mode": "open", "categories": [TREE["categories"][0]]}
    params = _params(_recipe(patterns__taxonomy=taxonomy, augment__operators=operators))
    assert params.diagnose().categories == params.name().categories == ()
    assert [c.id for c in params.cluster().categories] == ["reading"]


def test_a_student_that_exists_already_is_round_0_and_is_trained_further() -> None:
    recipe = _recipe(loop__rounds=2, loop__control=True)
    plain = fake_resources(recipe)
    one, other = (
        replace(plain, adapter=GivenAdapter(Path("/a"), digest)) for digest in ("one", "other")
    )
    ids, others = _ids(recipe, one), _ids(recipe, other)
    assert "seed-0/round-0/train" not in ids
    assert ids["untuned/score"] == others["untuned/score"] == _ids(recipe, plain)["untuned/score"]
    assert {name for name in ids if ids[name] == others[name]} == {
        name for name in ids if name.startswith("untuned/") or name == "load"
    }
    nodes = compile_plan(recipe, one, PROMPT).nodes
    assert nodes["seed-0/round-0/predict"].inputs["train"] == "given"
    for trained in ("seed-0/control/train", "seed-0/round-1/train", "seed-0/round-2/train"):
        assert nodes[trained].inputs["given"] == "given"
    elsewhere = replace(one, adapter=GivenAdapter(Path("/b"), "one"))
    assert _ids(recipe, elsewhere) == ids
    untrained = _recipe(train__method="none")
    rounds = {node.round for node in compile_plan(untrained, one, PROMPT).nodes.values()}
    assert rounds == {-1, 0}
