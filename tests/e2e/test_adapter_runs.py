"""A student that exists already: round 0 is its adapter as it is, later rounds train it further."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.fingerprint import file_digest
from tests.e2e.runs import pada, pada_here, rows
from tests.e2e.tiny_project import write_project

pytestmark = pytest.mark.models


def write_adapter(model: Path, folder: Path) -> Path:
    """Write an adapter for a tiny model that changes what it says."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    config = LoraConfig(r=2, lora_alpha=4, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(model), config)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.normal_(0, 1.0)
    adapted.save_pretrained(folder)
    return folder


def given_project(folder: Path, train: str, rounds: int = 0) -> Path:
    recipe = write_project(folder)
    write_adapter(folder / "student", folder / "adapter")
    text = recipe.read_text("utf-8")
    text = text.replace("model: ./student,", "model: ./student, adapter: ./adapter,")
    text = text.replace("train: {r: 4, ", f"train: {{{train}").replace(
        "rounds: 2", f"rounds: {rounds}"
    )
    recipe.write_text(text, "utf-8")
    return recipe


def test_round_0_is_the_adapter_as_it_is(tmp_path: Path) -> None:
    recipe, state = given_project(tmp_path, "method: none, "), tmp_path / "state"
    planned = pada_here("plan", recipe, "--state", state)
    assert "round 0 is the model with the adapter, untuned the model without it" in planned.out
    assert "optimizer steps" not in planned.out or " 0 optimizer steps" in planned.out
    ended = pada_here("run", recipe, "--state", state)
    assert ended.code == 0, ended.errors
    (model,) = rows(state, "SELECT round, path, weights, rows, steps FROM model")
    assert model["weights"] == file_digest(tmp_path / "adapter" / "adapter_model.safetensors")
    assert (model["round"], model["rows"], model["steps"]) == (0, 0, 0)
    assert (state / model["path"] / "adapter_config.json").is_file()
    said = rows(
        state,
        "SELECT count(*) FILTER (a.confidence <> b.confidence) AS differ, count(*) AS n FROM prediction a"
        " JOIN prediction b USING (example, split) WHERE a.round = -1 AND b.round = 0",
    )
    assert said[0]["differ"] > said[0]["n"] / 2
    reports = [path.read_text("utf-8") for path in (state / "reports").glob("*.md")]
    assert "in round 0 with the adapter ./adapter as it is" in reports[0]


def test_an_adapter_of_another_base_is_a_problem_at_its_place(tmp_path: Path) -> None:
    recipe = given_project(tmp_path, "r: 4, ")
    ended = pada_here("validate", recipe)
    assert "train.r is 4, and the adapter's is 2" in ended.errors + ended.out
    config = tmp_path / "adapter" / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text("utf-8")) | {"r": 3}), "utf-8")
    ended = pada_here("validate", recipe)
    place = f"recipe.yaml:{1 + recipe.read_text('utf-8').split('adapter: ./')[0].count(chr(10))}:"
    assert (ended.code, place in ended.errors + ended.out) == (2, True), ended
    text = recipe.read_text("utf-8")
    recipe.write_text(text.replace("backend: transformers", "backend: scripted"), "utf-8")
    ended = pada_here("validate", recipe)
    assert "a student on the backend 'scripted' takes no adapter" in ended.errors + ended.out


@pytest.mark.long
def test_later_rounds_and_the_control_train_the_adapter_further(tmp_path: Path) -> None:
    recipe, state = given_project(tmp_path, "", rounds=1), tmp_path / "state"
    recipe.write_text(recipe.read_text("utf-8").replace("control: false", "control: true"), "utf-8")
    ended = pada("run", str(recipe), "--state", str(state))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    models = rows(state, "SELECT round, rows, steps, path FROM model ORDER BY round")
    assert [(m["round"], m["steps"]) for m in models] == [(-2, 8), (0, 0), (1, 8)]
    assert models[0]["rows"] < models[2]["rows"]
    for model in models:
        config = json.loads((state / model["path"] / "adapter_config.json").read_text("utf-8"))
        assert (config["r"], config["lora_alpha"]) == (2, 4)
