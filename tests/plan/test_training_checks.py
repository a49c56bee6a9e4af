"""What `pada validate` says of how the student is trained and served, before anything is loaded."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.backends.entry import Serving
from engine.backends.serving import server, vllm_worker
from engine.backends.training.footprint import Footprint
from engine.plan.building import training_memory
from engine.plan.checks.serving import check_serving
from engine.plan.checks.training import check_training
from engine.plan.compile import compile_plan
from engine.plan.resources import RoleModel
from engine.spec.loader import load
from tests.plan.fake_resources import fake_resources
from tests.plan.small_recipe import write
from tests.plan.test_preferences import recipe_with

TASK = {"kind": "classification", "input": ["text"], "target": "label", "labels": ["a", "b"]}
ROWS = [{"text": "one", "label": "a"}, {"text": "two", "label": "b"}]
MEMORY = training_memory.TrainingMemory(Footprint(4, 1, 2, 9, 1), 100, False, 8, 640)


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    there = {"cards": 0}
    monkeypatch.setattr(server, "cards", lambda: there["cards"])
    monkeypatch.setattr(server, "graphics", lambda what: "0" if there["cards"] else "")
    return there


def said(folder: Path, train: dict[str, Any], memory: Any = None) -> list[str]:
    recipe = write(folder, TASK, ROWS, train={"steps": 2, **train})
    return [f"{p.level}: {p.message}: {p.hint}" for p in check_training(load(recipe), memory)]


@pytest.mark.parametrize(
    ("train", "there", "message"),
    [
        ({"devices": 2, "device": "cpu"}, 0, None),
        ({"devices": 2}, 2, None),
        ({"devices": 2}, 1, "this machine shows 1 graphics cards: lower train.devices, or write `device: cpu`"),
        ({"devices": 2, "device": "cuda:1"}, 4, "train.device names one"),
        ({"devices": 9, "device": "cpu"}, 0, "a step has 8 rows: some would have none"),
        ({"objective": "dpo", "micro_batch": 2}, 0, "micro_batch is for supervised fine-tuning"),
        ({"method": "qlora"}, 0, "needs a graphics card (CUDA), and this machine shows none: write method: lora"),
        ({"method": "qlora", "device": "cpu"}, 4, "and train.device is cpu"),
        ({"attention": "flash"}, 0, "needs a graphics card (CUDA), and this machine shows none: write attention: auto"),
        ({"master": "bfloat16"}, 0, "train.master changes nothing: train.method is lora"),
        ({"master": "bfloat16", "method": "full"}, 0, None),
    ],
)  # fmt: skip
def test_training_that_cannot_be_done_here_is_said(
    train: dict[str, Any], there: int, message: str | None, tmp_path: Path, cards: dict[str, int]
) -> None:
    cards["cards"] = there
    found = said(tmp_path, train)
    assert message is None or message in found[0], found
    assert len(found) == (message is not None), found


def test_libraries_that_are_missing_are_named(
    tmp_path: Path, cards: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    cards["cards"] = 1
    find = importlib.util.find_spec
    gone = ("bitsandbytes", "flash_attn")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in gone else find(name)
    )
    found = said(tmp_path, {"method": "qlora", "attention": "flash"})
    assert "pip install 'pada-engine[qlora]', or write method: lora" in found[0]
    assert "pip install flash-attn, or write attention: auto" in found[1]


@pytest.mark.parametrize(
    ("free", "fits", "twice"), [(100, True, False), (12, True, True), (8, False, True)]
)
def test_a_training_that_does_not_fit_is_a_warning_with_the_parts_of_it(
    free: int, fits: bool, twice: bool, tmp_path: Path, cards: dict[str, int]
) -> None:
    memory = replace(MEMORY, free=free)
    assert (memory.fits, memory.checkpointing) == (fits, twice)
    found = said(tmp_path, {}, memory)
    assert len(found) == (not fits)
    if found:
        assert found[0].startswith(
            "warning: the training may not fit in memory: about 0 MB of the 0 MB"
        )
        assert "method: qlora" in found[0]


def test_memory_is_reckoned_from_rows_and_micro_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [training_memory.Size(80, 8), training_memory.Size(40, 8)]

    def tokens(**train: Any) -> tuple[int, int]:
        recipe = load(write(tmp_path, TASK, ROWS, train=train)).recipe
        return training_memory._tokens(recipe, rows, 100, train.get("micro_batch", 8))

    # 24 around each, and a quarter of the characters: of the row, the prompt and the labels.
    assert tokens(micro_batch=1) == (24 + (88 + 100 + 6) // 4, 72)
    assert tokens() == (8 * (72 + 24 + (48 + 100 + 6) // 4) // 2, 72)
    assert tokens(micro_batch=1, max_length=50) == (50, 50)


def served(folder: Path, student: dict[str, Any], **train: Any) -> list[str]:
    models = {
        role: {"backend": "scripted", "model": role} for role in ("teacher", "judge", "embedder")
    }
    models["student"] = {
        "backend": "transformers",
        "model": "embedded/smollm2-135m-instruct",
        **student,
    }
    recipe = write(folder, TASK, ROWS, models=models, train={"steps": 2, **train})
    return [f"{p.message}: {p.hint}" for p in check_serving(load(recipe))]


@pytest.mark.parametrize(
    ("student", "train", "vllm", "message"),
    [
        ({}, {}, "", None),
        ({"serve": "transformers"}, {}, "", None),
        ({"serve": "vllm"}, {}, "", "vLLM is not installed: pip install 'pada-engine[vllm]'"),
        ({"serve": "vllm"}, {}, "cuda", "is for graphics cards, and this machine shows none"),
        ({"serve": "vllm", "device": "cpu"}, {}, "cuda", "the student's device is cpu"),
        ({"serve": "vllm"}, {}, "cpu", None),
        (
            {"serve": "vllm"},
            {"r": 600},
            "cpu",
            "train.r is 600, and vLLM takes adapters of a rank up to 512",
        ),
        ({"serve": "vllm"}, {"r": 600, "method": "full"}, "cpu", None),
        ({"backend": "scripted", "serve": "vllm"}, {}, "cpu", "not for the backend 'scripted'"),
    ],
)
def test_a_student_that_vllm_cannot_serve_is_said(
    student: dict[str, Any], train: dict[str, Any], vllm: str, message: str | None,
    tmp_path: Path, cards: dict[str, int], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(vllm_worker, "is_installed", lambda: bool(vllm))
    monkeypatch.setattr(vllm_worker, "is_for_cpu", lambda: vllm == "cpu")
    monkeypatch.setattr(server, "free_memory", lambda on_card: 20_000_000_000)
    found = served(tmp_path, student, **train)
    assert message is None or message in found[0], found
    assert len(found) == (message is not None), found


def test_who_answers_is_part_of_what_is_predicted_and_of_no_training() -> None:
    recipe = recipe_with()
    plain = fake_resources(recipe)

    def plan_of(serve: Any) -> Any:
        student = plain.models["student"]
        assert isinstance(student, RoleModel)
        models = {**plain.models, "student": replace(student, serving=Serving(serve))}
        return compile_plan(recipe, replace(plain, models=models), "tasks/classification.md").nodes

    as_ever = compile_plan(recipe, plain, "tasks/classification.md").nodes
    assert {name: node.id for name, node in plan_of("auto").items()} == {
        n: o.id for n, o in as_ever.items()
    }
    told = plan_of("vllm")
    assert told["seed-0/round-0/train"].id == as_ever["seed-0/round-0/train"].id
    assert told["seed-0/round-0/predict"].id != as_ever["seed-0/round-0/predict"].id
