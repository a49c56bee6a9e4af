"""Every bad recipe gets exactly the message that stands beside it; a good one gets none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.data.sources.hub import Hub
from engine.errors import RecipeError
from engine.plan.packs import judge_mode
from engine.plan.validate import check_recipe
from engine.spec.loader import load
from engine.spec.package_data import shipped
from tests.plan.fake_resources import reply_schema_of

BAD = Path(__file__).parents[1] / "fixtures" / "bad_recipes"
SHIPPED = sorted(shipped("recipes").rglob("recipe.yaml"))
RECIPES = sorted(BAD.glob("*.yaml"))

GOOD = """recipe: 1
name: good
task: {kind: classification, input: [text], target: label, description: Mail.}
data:
  train: {path: data/train.jsonl}
  validation: {path: data/validation.jsonl, where: "length(text) > 3"}
  test: {path: data/test.jsonl, sample: {n: 1, per: label}}
models:
  student: {backend: transformers, model: embedded/smollm2-135m-instruct}
  teacher: {backend: transformers, model: embedded/smollm2-135m-instruct}
  judge: {backend: transformers, model: embedded/smollm2-135m-instruct}
  embedder: {backend: sentence-transformers, model: embedded/all-minilm-l6-v2}
metrics: [accuracy, macro_f1, {name: long_answers, sql: "avg((length(prediction) > 8)::int)"}]
failure: accuracy < 1
patterns:
  taxonomy: {mode: hybrid, categories: [{id: short_text, where: "length(text) < 20"}]}
augment:
  operators: [{name: paraphrase, params: {variants: 2}, patterns: [short_text, other]}]
quality: {judge: advises}
"""


def said(recipe: Path) -> str:
    try:
        problems = check_recipe(load(recipe))
    except RecipeError as error:
        problems = error.problems
    return "".join(f"{problem}\n" for problem in problems).replace(f"{BAD}/", "")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_bad_recipe_gets_its_message(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(BAD)
    assert said(recipe) == recipe.with_suffix(".txt").read_text(encoding="utf-8")


def test_there_are_enough_bad_recipes_and_each_says_something() -> None:
    assert len(RECIPES) >= 25
    assert all(recipe.with_suffix(".txt").read_text(encoding="utf-8").strip() for recipe in RECIPES)


def write_good(folder: Path, text: str = GOOD) -> Path:
    (folder / "data").mkdir()
    for split in ("train", "validation", "test"):
        source = BAD / "data" / f"{split}.jsonl"
        (folder / "data" / source.name).write_bytes(source.read_bytes())
    recipe = folder / "recipe.yaml"
    recipe.write_text(text, encoding="utf-8")
    return recipe


def test_good_recipe_has_no_problem(tmp_path: Path) -> None:
    assert said(write_good(tmp_path)) == ""


@pytest.mark.parametrize("recipe", SHIPPED, ids=lambda recipe: recipe.parent.name)
def test_shipped_recipes_have_no_error(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hub, "cached", lambda _: False)
    monkeypatch.setattr(Hub, "reachable", lambda _: None)
    problems = check_recipe(load(recipe))
    # Data that is neither on the Hub nor ours: tests/e2e/test_recipes.py runs all recipes on rows like theirs.
    expected = {"no-data"} if recipe.parent.name.startswith("restaurant8k") else set()
    assert {p.code for p in problems if p.level == "error"} == expected


def test_data_that_is_not_there_says_how_to_name_its_place() -> None:
    recipe = next(r for r in SHIPPED if r.parent.name == "restaurant8k_spans")
    hints = [p.hint for p in check_recipe(load(recipe)) if p.code == "no-data"]
    assert hints == ["check the path; another place is named by --var data=…"] * 2


def test_data_outside_the_recipes_folder_is_refused_unless_the_user_gave_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    folder = tmp_path / "recipe"
    folder.mkdir()
    text = GOOD.replace("name: good", "name: good\nvars: {data: ../other/data}")
    for split in ("train", "validation", "test"):
        text = text.replace(f"data/{split}.jsonl", f'"${{data}}/{split}"')
    recipe = write_good(other, text).rename(folder / "recipe.yaml")
    found = check_recipe(load(recipe))
    assert [(p.code, p.level) for p in found] == [("outside", "error")] * 3
    assert "; another place is named by --var data=…" in found[0].hint
    monkeypatch.chdir(other)
    assert check_recipe(load(recipe, {"data": "data"})) == []


def test_link_to_a_file_outside_counts_as_outside(tmp_path: Path) -> None:
    folder = tmp_path / "recipe"
    folder.mkdir()
    recipe = write_good(folder)
    train = (folder / "data" / "train.jsonl").rename(tmp_path / "elsewhere.jsonl")
    (folder / "data" / "train.jsonl").symlink_to(train)
    assert [(p.code, p.level) for p in check_recipe(load(recipe))] == [("outside", "error")]


def test_same_judge_and_teacher_is_a_warning_only_where_the_judge_decides(tmp_path: Path) -> None:
    recipe = write_good(tmp_path, GOOD.replace("judge: advises", "judge: decides"))
    assert [(p.code, p.level) for p in check_recipe(load(recipe))] == [("judge", "warning")]


def test_a_judge_that_is_not_named_only_advises_and_is_said_to(tmp_path: Path) -> None:
    lines = [line for line in GOOD.splitlines() if not line.startswith("  judge: {backend")]
    unnamed = "\n".join(lines) + "\n"
    assert unnamed.count("judge:") == 1

    recipe = write_good(tmp_path)

    def said(text: str) -> list[str]:
        recipe.write_text(text, "utf-8")
        return [p.message for p in check_recipe(load(recipe)) if p.code == "judge"]

    decides = unnamed.replace("judge: advises", "judge: decides")
    (message,) = said(decides)
    assert message == (
        "no judge is named: the teacher judges its own rows, in calls of its own, and only advises"
    )
    assert judge_mode(load(recipe)) == "advises"
    assert said(unnamed) == []
    # Left open, it is said of teachers of any size.
    open_ = unnamed.replace("judge: advises", "attempts: 1")
    for text in (open_, open_.replace("  teacher: {", "  teacher: {pack: frontier, ")):
        (message,) = said(text)
        assert message.endswith("so it only advises")
        assert judge_mode(load(recipe)) == "advises"


@pytest.mark.runs
def test_checking_never_loads_torch(tmp_path: Path) -> None:
    recipe = write_good(tmp_path)
    code = (
        "import sys\n"
        "from engine.plan.validate import check_recipe\n"
        "from engine.spec.loader import load\n"
        f"assert check_recipe(load({str(recipe)!r})) == []\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'sentence_transformers', 'trl'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_model_name_that_the_disk_refuses_is_a_problem(tmp_path: Path) -> None:
    text = GOOD.replace("model: embedded/all-minilm-l6-v2", f"model: {'x' * 400}")
    assert [p.code for p in check_recipe(load(write_good(tmp_path, text)))] == ["model"]


def test_a_reply_that_can_grow_without_end_is_refused(
    tmp_path: Path,
) -> None:
    recipe = write_good(tmp_path)
    assert not said(recipe)
    schema = dict(reply_schema_of("diagnosis"))
    schema["properties"] = {**schema["properties"], "thoughts": {"type": "string"}}
    own = tmp_path / "schemas" / "diagnosis.schema.json"
    own.parent.mkdir()
    own.write_text(json.dumps(schema), "utf-8")
    found = said(recipe)
    told = "the reply to diagnosis.schema.json can grow without end: $.thoughts: a string without"
    assert told in found
