"""Weights that give no numbers: said, with what helps, before an answer is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from engine.backends import BACKENDS
from engine.backends.protocol import Generator, Message, Request
from engine.backends.transformers import LocalStudent
from engine.errors import ModelError
from tests.backends import tiny

pytestmark = pytest.mark.models

PROMPTS = [(Message("user", text),) for text in ("one two red", "blue")]


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from safetensors.torch import load_file, save_file

    folder = tiny.write_model(tmp_path_factory.mktemp("tiny"))
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_no_answer_is_made_of_what_is_no_number(damaged: Path) -> None:
    student = cast(LocalStudent, BACKENDS["transformers"].open("student", damaged, "tiny", {}))
    for ask in (
        lambda: student.choose(PROMPTS, ["colour", "number"]),
        lambda: student.compare(PROMPTS, [["colour"], ["number"]]),
        lambda: student.write(PROMPTS, 3),
    ):
        with pytest.raises(ModelError, match="not numbers") as said:
            ask()
        assert "float32" in said.value.hint


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_teacher_stops_too(damaged: Path, temperature: float) -> None:
    teacher = cast(Generator, BACKENDS["transformers"].open("generator", damaged, "tiny", {}))
    request = Request(PROMPTS[0], None, 4, temperature, "tiny")
    with pytest.raises(ModelError, match="not numbers"):
        list(teacher.complete_many([request], ()))
