"""`pada.yaml`: default models, the state folder, recipes by name, and its own JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from engine.errors import RecipeError
from engine.gate import has_consent, remember_keys
from engine.plan.schema import project_schema
from engine.project import Project
from engine.servers import key_use
from engine.spec.loader import find_recipe, load
from engine.spec.repository import project_file, state_folder
from engine.system.places import STATE

TEACHER = "{backend: scripted, model: teacher, replies: replies.jsonl}"
MODELS = f"""models:
  student: {{backend: scripted, model: student}}
  teacher: {TEACHER}
  embedder: {{backend: scripted, model: embedder}}
"""
TOP = "project: 1\nname: app\nversion: 1.2.0-rc.1\n"
RECIPE = """recipe: 1
name: support
task: {input: [text], target: label}
data: {train: {path: a.jsonl}, validation: {path: b.jsonl}, test: {path: c.jsonl}}
augment: {operators: [{name: paraphrase}]}
"""


@pytest.fixture
def app_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "app"
    (folder / "recipes" / "support").mkdir(parents=True)
    (folder / "pada.yaml").write_text(TOP + MODELS, "utf-8")
    (folder / "replies.jsonl").write_text("", "utf-8")
    (folder / "recipes" / "support" / "recipe.yaml").write_text(RECIPE, "utf-8")
    monkeypatch.delenv("PADA_STATE", raising=False)
    monkeypatch.chdir(folder / "recipes" / "support")
    return folder


def write(folder: Path, text: str) -> None:
    (folder / "pada.yaml").write_text(TOP + text, "utf-8")


def test_models_of_the_project_are_those_of_a_recipe_without_any(app_folder: Path) -> None:
    loaded = load("support")
    assert loaded.recipe.models.student.model == "student"
    # Paths count from pada.yaml; so a recipe that is written out says the same.
    written = MODELS.replace("replies: replies", "replies: ../../replies")
    (app_folder / "recipes" / "other.yaml").write_text("", "utf-8")
    (app_folder / "recipes" / "support" / "whole.yaml").write_text(RECIPE + written, "utf-8")
    assert load("whole.yaml").effective == loaded.effective
    assert loaded.at("models", "teacher", "replies").file == str(app_folder / "pada.yaml")


def test_a_role_that_the_recipe_names_is_wholly_its_own(app_folder: Path) -> None:
    file = app_folder / "recipes" / "support" / "recipe.yaml"
    file.write_text(f"{RECIPE}models: {{teacher: {{backend: scripted, model: mine}}}}\n", "utf-8")
    models = load("support").recipe.models
    assert (models.teacher.model, models.teacher.settings) == ("mine", {})
    assert models.student.model == "student"


def test_what_is_wrong_with_a_default_is_told_where_it_stands(app_folder: Path) -> None:
    write(
        app_folder,
        MODELS.replace("model: student}", "model: student, api_key: sk-0123456789abcdef0123}"),
    )
    with pytest.raises(RecipeError) as refused:
        load("support")
    assert f"{app_folder}/pada.yaml:5:" in str(refused.value)
    assert "holds a secret" in str(refused.value)
    assert "sk-0123" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "state: ../elsewhere\n",
            "pada.yaml:4:8: error: state: it must be a folder below this one",
        ),
        ("state: .\n", "and not this one"),
        ("recipes: [/etc]\n", "recipes[0]: it must be a folder below"),
        ("version: 1.2\n", "'version' is given twice"),
        ("models: {pupil: {backend: x, model: y}}\n", "unknown key 'pupil' in models"),
        ("models: {student: {backend: x}}\n", "models.student.model is missing"),
        ("modles: {}\n", "did you mean 'models'?"),
        ("packages: {}\n", "packages must be a list"),
    ],
)
def test_a_project_file_is_checked_as_strictly_as_a_recipe(
    app_folder: Path, text: str, words: str
) -> None:
    write(app_folder, text)
    with pytest.raises(RecipeError) as refused:
        project_file(app_folder)
    assert words in str(refused.value)


def test_the_version_is_one_of_semver(app_folder: Path) -> None:
    (app_folder / "pada.yaml").write_text('project: 1\nname: app\nversion: "1.2"\n', "utf-8")
    with pytest.raises(RecipeError, match="three numbers"):
        project_file(app_folder)


def test_recipes_are_found_by_name(app_folder: Path) -> None:
    (app_folder / "recipes" / "flat.yaml").write_text(RECIPE, "utf-8")
    assert find_recipe("support") == Path("recipe.yaml")
    assert find_recipe("flat") == Path("../flat.yaml")
    assert find_recipe("quickstart").parent.name == "quickstart"
    with pytest.raises(RecipeError, match="did you mean 'support'"):
        find_recipe("suport")
    write(app_folder, "recipes: [elsewhere]\n")
    with pytest.raises(RecipeError, match="there is no recipe 'flat'"):
        find_recipe("flat")


def test_the_state_folder_is_the_project_s_from_any_folder_below(
    app_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert state_folder() == Path("../../.pada")
    assert Project.open("support").state == Path("../../.pada")
    write(app_folder, MODELS + "state: work/here\n")
    assert state_folder() == Path("../../work/here")
    (app_folder / "work").symlink_to("/tmp")
    with pytest.raises(RecipeError, match="lies outside of the project"):
        state_folder()
    monkeypatch.chdir(app_folder.parent)
    assert state_folder() == STATE


def asked(*words: str) -> str:
    done = CliRunner().invoke(app, list(words))
    return f"{done.output}{done.exception}"


def test_commands_look_into_the_project_s_state_folder(
    app_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "../../.pada" in asked("runs")
    assert "mine" in asked("runs", "--state", "mine")
    assert "../../.pada" not in asked("runs", "--state", ".pada")
    monkeypatch.setenv("PADA_STATE", "other")
    assert "other" in asked("runs")


def test_a_default_that_moves_to_another_host_needs_another_consent(app_folder: Path) -> None:
    """As where a package that a recipe extends moves it: the pair of key and address counts, whoever wrote it."""
    base = app_folder / "recipes" / "support"
    first, second = (key_use("SOME_KEY", f"https://{host}.example/v1") for host in ("one", "two"))
    assert first is not None
    assert second is not None
    remember_keys([first], base)
    assert has_consent(first, base)
    assert not has_consent(second, base)
    # A package's own recipe, run by itself, is of another project: of each version of the package.
    inner = app_folder / ".pada" / "packages" / "pack" / ("1" * 40)
    inner.mkdir(parents=True)
    (inner / "pada.yaml").write_text("project: 1\nname: pack\n", "utf-8")
    assert not has_consent(first, inner)


def test_the_schema_says_what_the_engine_takes() -> None:
    schema = project_schema()
    check = jsonschema.Draft202012Validator(schema)
    good: dict[str, Any] = {
        "project": 1,
        "name": "app",
        "models": {"teacher": {"backend": "scripted", "model": "x"}},
        "packages": [{"git": "https://host/x", "revision": "v1"}, {"path": "../x"}],
    }
    assert list(check.iter_errors(good)) == []
    broken: tuple[dict[str, Any], ...] = (
        {"packages": [{"git": "https://host/x"}]},
        {"packages": [{"path": "x", "git": "y", "revision": "z"}]},
        {"models": {"pupil": {}}},
        {"nmae": "x"},
    )
    for wrong in broken:
        assert list(check.iter_errors({**good, **wrong})) != []
    said = [
        *schema["properties"].values(),
        *schema["$defs"]["Dependency"]["properties"].values(),
    ]
    assert all(one["title"] and one["description"] for one in said)


def test_the_schema_that_is_shipped_is_the_one_that_is_printed() -> None:
    shipped = Path(__file__).parents[2] / "schemas" / "project.schema.json"
    assert json.loads(shipped.read_text("utf-8")) == project_schema()
