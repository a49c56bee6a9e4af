"""The plan of a recipe with a benchmark: which students are timed, and what decides the numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import RecipeError
from engine.plan.compile import compile_plan
from engine.plan.explain import mermaid, states
from engine.plan.flow import timed
from engine.plan.graph import Node
from engine.plan.resources import Resources, RoleModel
from engine.plan.validate import check_recipe
from engine.spec.loader import load
from engine.spec.recipe import Recipe
from engine.stages.evaluate.benchmark import BenchmarkParams, MeasuredServer, ServedStudent
from tests.plan.test_compile import PROMPT, _recipe, _resources
from tests.plan.test_validate import GOOD, write_good

ENDPOINT = {"base_url": "http://host:8000/v1", "model": "small", "api_key": {"env": "SOME_KEY"}}


def nodes(recipe: Recipe, resources: Resources | None = None) -> dict[str, Node]:
    return dict(compile_plan(recipe, resources or _resources(), PROMPT).nodes)


def timings(recipe: Recipe, resources: Resources | None = None) -> dict[str, Node]:
    return {n: node for n, node in nodes(recipe, resources).items() if node.stage == "benchmark"}


def place_of(node: Node) -> MeasuredServer | ServedStudent:
    assert isinstance(node.params, BenchmarkParams)
    return node.params.place


def at_a_server(**changes: Any) -> Resources:
    found = _resources()
    settings = {"base_url": "http://host:8000/v1", "api_key": {"env": "KEY"}, "extra": {"top_p": 1}}
    student = RoleModel("openai", "small", "openai:small", Path("."), settings | changes)
    return replace(found, models={**found.models, "student": student})


def test_a_recipe_without_one_keeps_its_fingerprints() -> None:
    without, with_one = nodes(_recipe()), nodes(_recipe(benchmark={}))
    assert not timings(_recipe())
    assert {name: with_one[name].id for name in without} == {
        name: node.id for name, node in without.items()
    }


def test_the_untuned_student_is_timed_and_each_seeds_last_round() -> None:
    found = timings(_recipe(benchmark={}, seeds=[3, 4], loop__rounds=1))
    assert list(found) == [
        "untuned/benchmark",
        "seed-3/round-0/benchmark",
        "seed-3/round-1/benchmark",
        "seed-4/round-0/benchmark",
        "seed-4/round-1/benchmark",
    ]
    assert found["untuned/benchmark"].only_if_final == ()
    first, last = (found[f"seed-4/round-{r}/benchmark"] for r in (0, 1))
    # After round 0 the loop may also end for want of new rows.
    assert first.only_if_final == ("seed-4/round-0/decide", "seed-4/round-0/select")
    assert last.only_if_final == ("seed-4/round-1/decide",)
    assert dict(last.inputs) == {"load": "load", "train": "seed-4/round-1/train"}
    assert (last.seed, last.round, last.only_if_continuing) == (4, 1, ())


def test_the_plan_says_that_one_is_only_for_the_loops_end() -> None:
    plan = compile_plan(_recipe(benchmark={}, loop__rounds=1), _resources(), PROMPT)
    found = states(plan, (), {})
    because = {state.node.name: state.because for state in found if state.because}
    assert because == dict.fromkeys(
        ("seed-0/round-0/benchmark", "seed-0/round-1/benchmark"), "if the loop ends here"
    )
    assert mermaid(found).count("-. if final .->") == 3


def test_a_given_endpoint_is_timed_once_wherever_the_loop_ends() -> None:
    recipe = _recipe(benchmark={"endpoint": ENDPOINT})
    (node,) = timings(recipe).values()
    assert (node.name, dict(node.inputs)) == ("endpoint/benchmark", {"load": "load"})
    assert place_of(node) == MeasuredServer(
        base_url="http://host:8000/v1", model="small", extra={}, key="SOME_KEY", subject="endpoint"
    )
    # The name of the key's variable changes nothing that is measured.
    assert "SOME_KEY" not in str(node.identity)
    other = ENDPOINT | {"base_url": "http://faster:8000/v1"}
    (moved,) = timings(_recipe(benchmark={"endpoint": other})).values()
    assert moved.id != node.id


def test_a_student_behind_a_server_is_timed_there() -> None:
    changes: dict[str, Any] = {"train__method": "none", "loop__rounds": 0, "benchmark": {}}
    (node,) = timings(_recipe(**changes), at_a_server()).values()
    assert node.name == "untuned/benchmark"
    assert place_of(node) == MeasuredServer(
        base_url="http://host:8000/v1",
        model="small",
        extra={"top_p": 1},
        key="KEY",
        subject="student",
    )


@pytest.mark.parametrize(
    "change",
    [{"requests": 21}, {"concurrency": [1]}, {"max_tokens": 8}, {"split": "test"}, {"server": "vllm"}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_what_is_measured_otherwise_is_another_measurement(change: dict[str, Any]) -> None:
    before, after = timings(_recipe(benchmark={})), timings(_recipe(benchmark=change))
    assert before.keys() == after.keys()
    assert before
    assert [name for name in before if before[name].id == after[name].id] == []


def test_other_weights_are_another_measurement() -> None:
    before = timings(_recipe(benchmark={}))
    assert place_of(before["untuned/benchmark"]) == ServedStudent(
        model="the weights of the student", device="auto", dtype="auto"
    )
    after = timings(_recipe(benchmark={}), _resources(student="other"))
    assert before.keys() == after.keys()
    assert before
    assert [name for name in before if before[name].id == after[name].id] == []


def test_the_plan_says_what_is_sent_where() -> None:
    assert timed(_resources(), _recipe()) is None
    here = timed(_resources(), _recipe(benchmark={"requests": 5}))
    assert here is not None
    assert (here.host, here.key) == ("a server on this machine", "")
    assert here.what == "validation rows (text), 10 requests each time"
    there = timed(_resources(), _recipe(benchmark={"endpoint": ENDPOINT, "split": "test"}))
    assert there is not None
    assert (there.model, there.host, there.key) == ("small", "host:8000", "SOME_KEY")
    assert there.what.startswith("test rows (text)")


def problems(folder: Path, block: str, text: str = GOOD) -> list[tuple[str, str, str]]:
    recipe = write_good(folder, f"{text}\nbenchmark: {block}\n")
    try:
        found = check_recipe(load(recipe))
    except RecipeError as error:
        found = error.problems
    return [(p.level, p.message, p.hint) for p in found]


def test_defaults_are_enough(tmp_path: Path) -> None:
    assert problems(tmp_path, "{}") == []


def test_a_missing_key_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    block = "{endpoint: {base_url: http://h/v1, model: m, api_key: {env: SOME_KEY}}}"
    ((level, message, _),) = problems(tmp_path, block)
    assert (level, message) == (
        "warning", "the environment has no variable SOME_KEY, which holds the key",
    )  # fmt: skip


def test_a_student_that_nothing_can_serve_needs_an_endpoint(tmp_path: Path) -> None:
    text = GOOD.replace("student: {backend: transformers", "student: {backend: scripted", 1)
    ((level, message, hint),) = problems(tmp_path, "{}", text)
    assert (level, message) == (
        "error", "the engine cannot serve a student of the backend 'scripted'",
    )  # fmt: skip
    assert "endpoint: {base_url" in hint


def test_what_is_not_installed_is_said_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.backends.serving.guidellm.VERSION", "0.7.0")
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "vllm" else object()
    )
    found = problems(tmp_path, "{server: vllm}")
    assert [message for _, message, _ in found] == [
        "guidellm 0.8.1 is installed, and only 0.7.0 is known",
        "vllm is not installed",
    ]
    assert found[0][2] == "pip install guidellm==0.7.0"
