"""`pada resolve`, `--var` and `--set` as they are typed, and what an editor is told of recipes that extend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from engine.plan.schema import recipe_schema
from engine.spec.extending.places import PATHS, kind_of
from engine.spec.loader import load
from engine.spec.yaml import parse
from tests.spec.extending.repositories import CHILD, WHOLE, data, write

BASE = WHOLE.replace("rounds: 2", "rounds: '${rounds}'") + "vars: {rounds: {type: int}}\n"


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return (
        write(tmp_path, {"base.yaml": BASE, "r.yaml": CHILD.format("base.yaml"), **data()})
        / "r.yaml"
    )


def said(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(words))
    assert (result.exit_code if result.exception is None or code == 0 else 2) == code, result.output
    return result.output if code == 0 else str(result.exception)


def test_resolve_prints_what_loads_again(recipe: Path) -> None:
    text = said("resolve", "r.yaml", "--var", "rounds=3", "--set", "metrics.0=macro_f1", "--plain")
    assert "#" not in text
    again = load(write(recipe.parent, {"again.yaml": text}) / "again.yaml")
    assert again.effective == load(recipe, {"rounds": "3"}, {"metrics.0": "macro_f1"}).effective


def test_resolve_prints_a_line_per_value(recipe: Path) -> None:
    lines = said("resolve", "r.yaml", "--var", "rounds=3", "--json").splitlines()
    found = {each["key"]: each for each in map(json.loads, lines)}
    assert found["loop.rounds"] == {
        "key": "loop.rounds",
        "value": 3,
        "from": "base.yaml:17, --var rounds",
    }


def test_what_is_typed_wrongly_is_said(recipe: Path) -> None:
    assert "write --var rounds=…" in said("plan", "r.yaml", code=2)
    assert "'rounds' must be a whole number" in said(
        "validate", "r.yaml", "--var", "rounds=x", code=2
    )
    wrong = ("validate", "r.yaml", "--var", "rounds=1", "--set", "loop.rund=2")
    assert "did you mean 'rounds'?" in said(*wrong, code=2)


def test_an_editor_takes_recipes_that_extend_and_their_bases() -> None:
    check = jsonschema.Draft202012Validator(recipe_schema())

    def wrong(text: str) -> list[str]:
        return [error.message for error in check.iter_errors(parse(text, Path("r.yaml")).data)]

    child = CHILD.format("base.yaml")
    assert wrong(WHOLE) == []
    assert (
        wrong(
            child
            + "+metrics: [macro_recall]\nloop: {rounds: '${n}'}\nquality: null\nmodels: {teacher: {model: x}}\n"
        )
        == []
    )
    assert (
        wrong(child + "vars: {n: {type: int, default: 1, choices: [1, 2]}, m: 0.5, t: text}\n")
        == []
    )
    assert wrong(child + "+failure: x\n")
    assert wrong(child + "+metrics: x\n")
    assert wrong(child + "vars: {n: {tpe: int}}\n")
    assert wrong(child + "loop: {rounds: many}\n")
    assert wrong(WHOLE.replace(", target: label", ""))
    assert wrong("recipe: 1\nname: x\n")


def test_every_sort_of_key_that_leads_to_files_is_known() -> None:
    def keys(part: Any) -> set[str]:
        if isinstance(part, list):
            return {key for each in part for key in keys(each)}
        if not isinstance(part, dict):
            return set()
        return set(part.get("properties", ())).union(*(keys(each) for each in part.values()))

    words = {
        "path",
        "database",
        "file",
        "adapter",
        "tokenizer",
        "replies",
        "operator_folders",
        "prompt",
        "sql",
    }
    assert words <= keys(recipe_schema())
    assert words <= {part for pattern, _ in PATHS for part in pattern}
    assert kind_of(("data", "train", "path")) == "data"
    assert kind_of(("data", "train", "columns", "path")) is None
