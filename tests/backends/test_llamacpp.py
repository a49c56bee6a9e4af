import importlib.util
from pathlib import Path
from typing import cast

import pytest

from engine.backends import BACKENDS
from engine.backends.protocol import Generator, Message, Request
from engine.errors import BackendError
from engine.plan.validate import check_recipe
from engine.spec.loader import load
from tests.e2e.tiny_project import write_project

SCHEMA = {
    "type": "object",
    "properties": {
        "mood": {"enum": ["glad", "sad"]},
        "reason": {"type": "string", "minLength": 3, "maxLength": 40},
    },
    "required": ["mood", "reason"],
    "additionalProperties": False,
}


def request(text: str, *, temperature: float = 0.0, max_tokens: int = 60) -> Request:
    turns = (Message("system", "Judge the mood. Reply as JSON."), Message("user", text))
    return Request(turns, SCHEMA, max_tokens, temperature, "m")


def opened(path: Path, **settings: object) -> Generator:
    return cast(Generator, BACKENDS["llamacpp"].open("generator", path, path.name, settings))


@pytest.fixture
def uninstalled(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "llama_cpp" else find(name)
    )


@pytest.mark.usefixtures("uninstalled")
def test_without_llama_cpp_the_first_call_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="llama-cpp-python is not installed") as caught:
        list(opened(tmp_path / "small.gguf").complete_many([request("Fine.")], set()))
    assert caught.value.hint == "pip install 'pada-engine[llamacpp]'"


@pytest.mark.usefixtures("uninstalled")
def test_what_is_answered_needs_no_llama_cpp(tmp_path: Path) -> None:
    asked = request("Fine.")
    assert list(opened(tmp_path / "small.gguf").complete_many([asked], {asked.id})) == []


@pytest.mark.usefixtures("uninstalled")
def test_a_recipe_is_told_before_the_run(tmp_path: Path) -> None:
    recipe = write_project(tmp_path)
    (tmp_path / "small.gguf").write_bytes(b"GGUF")
    said = recipe.read_text("utf-8").splitlines()
    at = next(number for number, line in enumerate(said) if line.startswith("  teacher:"))
    said[at] = "  teacher: {backend: llamacpp, model: small.gguf}"
    recipe.write_text("\n".join(said), "utf-8")
    (problem,) = check_recipe(load(recipe))
    assert problem.message == "models.teacher.model: llama-cpp-python is not installed"
    assert problem.where.line == at + 1
    assert "pada-engine[llamacpp]" in problem.hint


def test_threads_are_no_part_of_what_is_answered() -> None:
    backend = BACKENDS["llamacpp"]
    assert backend.deciding({"context": 2048, "gpu_layers": -1, "threads": 2}) == {
        "context": 2048,
        "gpu_layers": -1,
    }
    with pytest.raises(BackendError, match="backend llamacpp: context: Input should be greater"):
        backend.parse({"context": 0})
