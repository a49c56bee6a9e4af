"""A student and what fine-tunes left of it: one set of base weights, and adapters that do not leak."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import cast

import pytest
import torch

from engine.backends import BACKENDS
from engine.backends.protocol import LabelAnswer, Message
from engine.backends.transformers import LocalStudent
from engine.errors import ModelError
from tests.backends import tiny

pytestmark = pytest.mark.models

PROMPTS = [(Message("user", text),) for text in ("one two red", "blue", "green seven", "six")]
LABELS = ["colour", "number", "red blue"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_model(tmp_path_factory.mktemp("tiny"))


def adapter(model: Path, folder: Path, seed: int) -> Path:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16)
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(base, config).save_pretrained(folder)
    return folder


def opened(folder: Path) -> LocalStudent:
    return cast(LocalStudent, BACKENDS["transformers"].open("student", folder, "tiny", {}))


def chosen(student: LocalStudent) -> list[LabelAnswer]:
    return student.choose(PROMPTS, LABELS)


def test_each_adapter_answers_for_itself_and_leaves_nothing_behind(
    folder: Path, tmp_path: Path
) -> None:
    one, other = (adapter(folder, tmp_path / str(seed), seed) for seed in (1, 2))
    student = opened(folder)
    untuned = chosen(student)
    first = chosen(student.with_adapter(one))
    second = chosen(student.with_adapter(other))
    assert len({str(answers) for answers in (untuned, first, second)}) == 3
    assert chosen(student.with_adapter(one)) == first
    assert chosen(student) == untuned
    assert chosen(student.with_adapter(one).with_adapter(other)) == second
    written = student.with_adapter(one).write(PROMPTS, 4)
    assert student.write(PROMPTS, 4) != written == student.with_adapter(one).write(PROMPTS, 4)
    right = [["colour"]] * len(PROMPTS)
    assert student.compare(PROMPTS, right) != student.with_adapter(one).compare(PROMPTS, right)


def test_the_last_adapter_is_kept_and_no_other(folder: Path, tmp_path: Path) -> None:
    one, other = (adapter(folder, tmp_path / str(seed), seed) for seed in (1, 2))
    student = opened(folder)
    chosen(student.with_adapter(one))
    loaded = student.with_adapter(one)._loaded.model
    assert student.with_adapter(one)._loaded.model is loaded, "loaded once"
    base = student._base.loaded.model.get_input_embeddings().weight
    assert loaded.get_input_embeddings().weight is base, "around the same base weights"
    kept = weakref.ref(loaded)
    del loaded
    chosen(student.with_adapter(other))
    gc.collect()
    assert kept() is None


def test_nothing_is_loaded_before_it_is_asked(folder: Path, tmp_path: Path) -> None:
    student = opened(tmp_path / "no model").with_adapter(tmp_path)
    with pytest.raises(ModelError, match="no model"):
        chosen(student)
    lost = opened(folder).with_adapter(tmp_path / "gone")
    with pytest.raises(ModelError, match="no fine-tuned student in"):
        chosen(lost)
