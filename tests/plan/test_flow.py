"""What a plan says before anything is spent: what goes where, and what it will cost."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from engine import servers
from engine.backends import BACKENDS
from engine.backends.entry import Backend, Settings
from engine.backends.http.settings import Price
from engine.backends.scripted import ScriptedGenerator
from engine.cli import planning
from engine.errors import Problem, RecipeError
from engine.plan.compile import compile_plan
from engine.plan.flow import flows, host_of, key_of
from engine.plan.resources import Resources, RoleModel, gather, role_model, task_prompt
from engine.plan.validate import check_recipe
from engine.project import Project
from engine.report.facts.spend import _costs_money
from engine.servers import KeyName, ServerUrl
from engine.spec.loader import LoadedRecipe, load
from engine.spec.recipe import ModelSpec
from tests.plan.estimated import estimate
from tests.plan.test_validate import GOOD, write_good

SCRIPTED = GOOD.replace("backend: transformers", "backend: scripted").replace(
    "backend: sentence-transformers", "backend: scripted"
)


def gathered(folder: Path, text: str = SCRIPTED) -> tuple[LoadedRecipe, Resources]:
    loaded = load(write_good(folder, text))
    return loaded, gather(loaded)


def told(loaded: LoadedRecipe, resources: Resources) -> dict[str, dict[str, str]]:
    plan = compile_plan(loaded.recipe, resources, task_prompt(loaded))
    found = flows(plan, resources, loaded.recipe)
    return {role: {f.stage: f.what for f in sent} for role, sent in found.items()}


def test_each_role_is_told_what_it_gets(tmp_path: Path) -> None:
    found = told(*gathered(tmp_path))
    assert list(found["teacher"]) == ["diagnose", "name", "strategy", "generate"]
    assert found["teacher"]["diagnose"].startswith("failed validation rows (text), their label")
    assert "train rows (text)" in found["teacher"]["generate"]
    assert "validation" not in found["teacher"]["generate"]
    assert found["judge"] == {"judge": "generated rows (text, label), strategies"}
    assert "test rows" not in str(found["teacher"]) + str(found["judge"])
    assert "rows of all splits (text)" in found["student"]["predict"]
    assert list(found["embedder"]) == [
        "cluster", "name", "strategy", "generate", "gate", "judge", "select", "track",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("teacher", "loop", "telling"),
    [
        ("standard", "", ["generate", "judge", "strategy", "verify"]),
        (
            "standard",
            "loop: {rounds: 2}\n",
            ["diagnose", "generate", "judge", "strategy", "verify"],
        ),
        # Its diagnoses have no place for a rule.
        ("small", "loop: {rounds: 2}\n", []),
        ("standard", "loop: {method: random}\n", []),
    ],
)
def test_rules_of_annotation_are_told_of_where_diagnoses_state_them(
    tmp_path: Path, teacher: str, loop: str, telling: list[str]
) -> None:
    text = SCRIPTED.replace("teacher: {", f"teacher: {{pack: {teacher}, ")
    text = text.replace("judge: {", "judge: {pack: standard, ", 1) + loop
    found = told(*gathered(tmp_path, text))
    stages = {stage: what for role in ("teacher", "judge") for stage, what in found[role].items()}
    assert sorted(s for s, what in stages.items() if "rules of annotation" in what) == telling


def test_rows_that_are_shown_before_each_are_sent_with_their_answers(tmp_path: Path) -> None:
    shots = SCRIPTED.replace(
        "task: {kind: classification,", "task: {kind: classification, shots: {n: 2},"
    )
    assert shots != SCRIPTED
    said = told(*gathered(tmp_path, shots))["student"]["predict"]
    assert said.endswith("train rows with their label, shown before each")


def test_an_operator_that_shows_rows_with_their_answers_sends_both(tmp_path: Path) -> None:
    free = SCRIPTED.replace("kind: classification", "kind: generation").replace(
        "{name: paraphrase, params: {variants: 2}, patterns: [short_text, other]}",
        "{name: new_situation}",
    )
    found = told(*gathered(tmp_path, free))
    assert "further train rows (text, label)" in found["teacher"]["generate"]


@pytest.mark.parametrize("pack", ["small", "standard", "frontier"])
def test_all_that_the_engine_s_own_prompts_hold_is_said_in_words(tmp_path: Path, pack: str) -> None:
    operators = "operators: [{name: new_situation}, {name: contrast_pair}, {name: paraphrase}]"
    text = SCRIPTED.replace("teacher: {", f"teacher: {{pack: {pack}, ", 1)
    text = re.sub(r"operators: .*", operators, text)
    assert operators in text
    found = told(*gathered(tmp_path, text))
    assert "its variable" not in str(found)


@pytest.mark.parametrize(
    ("operators", "candidates"),
    [
        ("[{name: contrast_pair}]", "generated rows and rows of the pool"),
        ("[]", "rows of the pool"),
    ],
)
def test_where_a_recipe_mines_it_is_said_who_else_sees_rows_of_its_pool(
    tmp_path: Path, operators: str, candidates: str
) -> None:
    text = SCRIPTED.replace("teacher: {", "teacher: {pack: standard, ")
    text = re.sub(r"operators: .*", f"mine: {{}}\n  operators: {operators}", text)
    text = text.replace("judge: advises}", "judge: advises, verify: {samples: 2}}")
    text = text.replace("data:\n", "data:\n  pool: {path: data/train.jsonl}\n")
    found = told(*gathered(tmp_path, text))
    mining = ("shortlist", "mine")
    seen = {
        (role, stage)
        for role, sent in found.items()
        for stage, what in sent.items()
        if candidates in what and stage not in mining
    }
    writers = {("teacher", "generate")} if operators != "[]" else set()
    assert seen == writers | {
        ("judge", "verify"), ("judge", "judge"), ("student", "train"),
        ("embedder", "gate"), ("embedder", "verify"), ("embedder", "judge"), ("embedder", "select"),
    }  # fmt: skip
    assert all("rows of the pool" in found["embedder"][stage] for stage in mining)
    assert "generated" not in str(found) or operators != "[]"


def test_what_a_prompt_does_not_use_is_not_sent(tmp_path: Path) -> None:
    prompts = tmp_path / "prompts"
    prompts.mkdir()
    (prompts / "diagnose.md").write_text("[[user]]\nKnown: {{ known }}\n", "utf-8")
    found = told(*gathered(tmp_path))
    assert found["teacher"]["diagnose"] == "names and descriptions of patterns"


def test_a_judge_that_is_off_gets_nothing(tmp_path: Path) -> None:
    loaded, resources = gathered(tmp_path, SCRIPTED.replace("judge: advises", "judge: off"))
    assert told(loaded, resources)["judge"] == {}


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.example.org/v1", "api.example.org:443"),
        ("http://10.0.0.7/v1", "10.0.0.7:80"),
        ("http://localhost:8000/v1", "localhost:8000 on this machine"),
        ("http://[2001:db8::1]:8000/v1", "[2001:db8::1]:8000"),
    ],
)
def test_a_server_is_named_by_host_and_port(url: str, host: str) -> None:
    spec = ModelSpec.model_validate(
        {"backend": "openai", "model": "m", "base_url": url, "api_key": {"env": "SOME_KEY"}}
    )
    model = role_model(spec, Path("."))
    assert host_of(model) == host
    assert key_of(model) == "SOME_KEY"


def test_files_and_this_machine_are_named_as_such() -> None:
    def host(backend: str) -> str:
        return host_of(RoleModel(backend, "m", "m", None, {}))

    assert host("transformers") == host("scripted") == "this machine"
    assert host("batch") == "a file of requests, answered outside"
    assert {name for name, entry in BACKENDS.items() if entry.deferred} == {"batch"}
    assert {name for name, entry in BACKENDS.items() if entry.host} == {
        "openai",
        "vllm",
        "anthropic",
    }
    assert {name for name, entry in BACKENDS.items() if entry.priced} == {
        "openai", "vllm", "anthropic", "batch",
    }  # fmt: skip


class PigeonSettings(Settings):
    """Settings of a model at the end of a pigeon's flight: no key of them is one that others have."""

    loft: ServerUrl
    """Where the pigeon goes."""
    ring: KeyName
    """What it is known by."""
    corn: Price | None = None
    """What a flight costs."""


@pytest.fixture
def pigeon(monkeypatch: pytest.MonkeyPatch) -> Backend:
    """Declare a backend on the fly."""
    entry = Backend(
        name="pigeon",
        roles=("teacher", "judge"),
        settings=PigeonSettings,
        local=False,
        operational=frozenset(PigeonSettings.model_fields),
        host=lambda settings: servers.host_of(settings.loft),
        secrets=lambda settings: (settings.ring.env,),
        price=lambda settings: settings.corn,
        generator=ScriptedGenerator,
    )
    monkeypatch.setitem(BACKENDS._entries, entry.name, entry)
    monkeypatch.delenv("RING", raising=False)
    return entry


AT_A_PIGEON = SCRIPTED.replace(
    "teacher: {backend: scripted, model: embedded/smollm2-135m-instruct}",
    'teacher: {backend: pigeon, model: coo, loft: "https://far.example:99/x", ring: {env: RING}, pack: small}',
)


def test_a_backend_says_itself_where_rows_go_and_which_key_it_needs(
    tmp_path: Path, pigeon: Backend
) -> None:
    project = Project.open(write_good(tmp_path, AT_A_PIGEON), state=tmp_path / "state")
    out = io.StringIO()
    planning._print_flow(Console(file=out, width=200), project, project.plan())
    told = out.getvalue()
    assert "teacher: coo (pigeon) → far.example:99, with the key in RING\n" in told
    assert "judge: embedded/smollm2-135m-instruct (scripted) → this machine\n" in told


def checked(folder: Path, text: str) -> list[Problem]:
    folder.mkdir()
    try:
        return check_recipe(load(write_good(folder, text)))
    except RecipeError as error:
        return list(error.problems)


def test_a_backend_says_itself_which_keys_are_missing(tmp_path: Path, pigeon: Backend) -> None:
    (missing,) = checked(tmp_path / "a", AT_A_PIGEON)
    assert missing.message == "the environment has no variable RING, which holds the key"
    recipe = load(tmp_path / "a" / "recipe.yaml")
    assert missing.where == recipe.at("models", "teacher", "ring", "env")


def test_a_backend_says_itself_what_its_calls_cost(tmp_path: Path, pigeon: Backend) -> None:
    messages = [problem.message for problem in checked(tmp_path / "a", AT_A_PIGEON + BUDGET)]
    assert any("models.teacher has no price" in message for message in messages)
    corn = AT_A_PIGEON.replace("{env: RING}", "{env: RING}, corn: {prompt: 1, completion: 2}")
    messages = [problem.message for problem in checked(tmp_path / "b", corn + BUDGET)]
    assert not any("price" in message for message in messages)
    (tmp_path / "c").mkdir()
    loaded, resources = gathered(tmp_path / "c", corn)
    plan = compile_plan(loaded.recipe, resources, task_prompt(loaded))
    found = estimate(plan, resources, set(), {"train": 60, "validation": 150, "test": 200}, {})
    assert found.money is not None
    assert found.money.high > 0
    assert found.unpriced == ()
    assert _costs_money("teacher", {"models": {"teacher": {"backend": "pigeon"}}})


def priced(resources: Resources, **prices: dict[str, Any] | None) -> Resources:
    models = dict(resources.models)
    for role, price in prices.items():
        settings = {"base_url": "http://localhost:1/v1", "price": price}
        models[role] = RoleModel("openai", "m", "m", Path("."), settings)
    return replace(resources, models=models)


def test_rows_that_are_shown_before_each_are_paid_for_each_time(tmp_path: Path) -> None:
    def tokens(text: str, folder: Path) -> float:
        folder.mkdir()
        loaded, resources = gathered(folder, text + "train: {method: none}\nloop: {rounds: 0}\n")
        given = priced(resources, student=None)
        plan = compile_plan(loaded.recipe, given, task_prompt(loaded))
        rows = {"train": 60, "validation": 150, "test": 200}
        found = estimate(plan, given, set(), rows, {}, characters=40.0)
        return float(found.tokens.low)

    shots = SCRIPTED.replace(
        "task: {kind: classification,", "task: {kind: classification, shots: {n: 2},"
    )
    # Two rows of ten tokens each, before each of 410 rows.
    more = tokens(shots, tmp_path / "b") - tokens(SCRIPTED, tmp_path / "a")
    assert more == pytest.approx(2 * 10 * 410)


def test_the_estimate_has_money_where_there_are_prices(tmp_path: Path) -> None:
    loaded, resources = gathered(tmp_path)
    rows = {"train": 60, "validation": 150, "test": 200}

    def estimated(**prices: dict[str, Any] | None) -> Any:
        given = priced(resources, **prices)
        plan = compile_plan(loaded.recipe, given, task_prompt(loaded))
        return estimate(plan, given, set(), rows, {})

    free = estimated()
    assert (free.money, free.unpriced) == (None, ())
    unknown = estimated(teacher=None)
    assert (unknown.money, unknown.unpriced) == (None, ("teacher",))
    million = {"prompt": 1e6, "completion": 1e6}
    # At one unit of money per token the money is the number of tokens.
    both = estimated(teacher=million, judge=million)
    assert both.money == pytest.approx(both.tokens)
    assert both.unpriced == ()
    half = estimated(teacher=million, judge=None)
    assert 0 < half.money.high < both.money.high
    assert half.unpriced == ("judge",)
    dear = estimated(teacher={"prompt": 0, "completion": 1e6})
    assert 0 < dear.money.high < half.money.high
    assert dear.stored(None)["money"] == list(dear.money)


def problems(folder: Path, money: str, **servers: str) -> list[tuple[str, str]]:
    text = SCRIPTED + money
    for role, more in servers.items():
        text = text.replace(
            f"{role}: {{backend: scripted, model: embedded/smollm2-135m-instruct}}",
            f'{role}: {{backend: openai, model: m, base_url: "http://localhost:1/v1", pack: small{more}}}',
        )
    try:
        return [(p.level, p.message) for p in check_recipe(load(write_good(folder, text)))]
    except RecipeError as error:
        return [(p.level, p.message) for p in error.problems]


BUDGET, PRICE = "budget: {money: 5}\n", ", price: {prompt: 1, completion: 2}"


def test_a_budget_in_money_needs_prices(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, BUDGET, teacher="", judge=PRICE)
    assert found[0] == "error"
    assert "budget.money cannot be kept: models.teacher has no price" in found[1]


@pytest.mark.parametrize(
    "servers", [{"teacher": PRICE, "judge": PRICE}, {"teacher": PRICE}], ids=["both", "one"]
)
def test_a_budget_in_money_with_prices_is_fine(tmp_path: Path, servers: dict[str, str]) -> None:
    assert problems(tmp_path, BUDGET, **servers) == []


def test_a_budget_in_money_where_nothing_costs_any_is_warned_of(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, BUDGET)
    assert found[0] == "warning"
    assert "bounds nothing" in found[1]


def test_a_key_that_the_environment_lacks_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ", api_key: {env: PADA_TEST_KEY}"
    monkeypatch.delenv("PADA_TEST_KEY", raising=False)
    (found,) = problems(tmp_path, "", teacher=key)
    assert found == (
        "warning",
        "the environment has no variable PADA_TEST_KEY, which holds the key",
    )
    monkeypatch.setenv("PADA_TEST_KEY", "x")
    (tmp_path / "again").mkdir()
    assert problems(tmp_path / "again", "", teacher=key) == []


def test_validation_rows_that_patterns_are_tested_on_are_said_to_go_to_the_judge(
    tmp_path: Path,
) -> None:
    found = told(*gathered(tmp_path, SCRIPTED.replace("patterns:\n", "patterns:\n  confirm: 40\n")))
    shown = "validation rows (text), failed and passed ones, their label"
    assert shown in found["judge"]["confirm"]
    assert "confirm" not in found["teacher"]
