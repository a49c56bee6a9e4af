"""Files of packages by `package/path`: found, kept in their package, missed with what is near."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine import gate
from engine.errors import RecipeError
from engine.operators import find_operators
from engine.plan.packs import packs_of
from engine.plan.validate import check_recipe
from engine.project import Project
from engine.spec.loader import load
from engine.spec.package_data import shipped
from engine.spec.prompts import PromptLibrary
from tests.spec.extending.repositories import CHILD, WHOLE, data, problems, project, write

KINDS = "taxonomy: 1\ncategories: [{id: short, where: 'length(text) < 9'}]\n"
METHOD = "method: 1\nname: mine\ndescription: One.\nfailures: validation\nanalysis: patterns\n"
PROMPT = "{# purpose: x; variables: task; #}\n[[user]]\nSay it.\n"
BASE = WHOLE.replace("rounds: 2", "rounds: 1").replace("name: whole\n", "")


def with_package(folder: Path, recipe: str, **files: str) -> Path:
    """Write a project whose package has one of everything; returns the file of its recipe."""
    operators = shipped("prompts").parent / "engine" / "operators"
    shared = {
        "shared/recipes/base.yaml": BASE,
        "shared/kinds/mail.yaml": KINDS,
        "shared/methods/mine.yaml": METHOD,
        "shared/prompts/mine.md": PROMPT,
        **data("shared/recipes/"),
        **data("shared/"),
        **{name.replace("__", "/"): text for name, text in files.items()},
    }
    project(folder, shared)
    own = folder / "shared" / "operators" / "reword"
    shutil.copytree(operators / "paraphrase", own, dirs_exist_ok=True)
    definition = own / "operator.yaml"
    definition.write_text(
        definition.read_text("utf-8").replace("name: paraphrase", "name: reword"), "utf-8"
    )
    pack = folder / "shared" / "packs" / "calm"
    shutil.copytree(shipped("prompts") / "standard", pack, dirs_exist_ok=True)
    named = pack / "pack.yaml"
    named.write_text(named.read_text("utf-8").replace("name: standard", "name: calm"), "utf-8")
    return write(folder, {"desk/r.yaml": recipe}) / "desk" / "r.yaml"


WHOLE_OF_PACKAGE = (
    WHOLE.replace("path: data/", "path: support/data/")
    .replace("name: paraphrase", "name: support/operators/reword")
    .replace("model: teacher", "model: teacher, pack: support/packs/calm")
    .replace("description: Mail.", "description: Mail., prompt: support/prompts/mine.md")
    .replace("rounds: 2", "rounds: 1, method: support/methods/mine")
    + "patterns: {taxonomy: support/kinds/mail.yaml}\n"
)


def test_everything_is_found_in_a_package(tmp_path: Path) -> None:
    loaded = load(with_package(tmp_path, WHOLE_OF_PACKAGE))
    recipe = loaded.recipe
    assert recipe.data.train.path == "../shared/data/train.jsonl"
    assert [category.id for category in recipe.patterns.taxonomy.categories] == ["short"]
    assert loaded.method.description == "One."
    assert packs_of(loaded)["teacher"].name == "calm"
    assert packs_of(loaded)["judge"].name != "calm"
    assert recipe.augment.operators[0].name == "reword"
    operators = find_operators(loaded.base, [], loaded.further)
    assert operators["reword"].name == "reword"
    library = PromptLibrary(loaded.base, loaded.further)
    assert library.get("support/prompts/mine.md").sections[0].text == "Say it."
    write(tmp_path, {"shared/packs/calm/diagnose.md": PROMPT})
    assert library.get("diagnose.md", "calm").sections[0].text == "Say it."
    assert loaded.document.data["data"]["train"]["path"] == "support/data/train.jsonl"


def test_a_package_is_looked_in_for_all_of_it(tmp_path: Path) -> None:
    recipe = WHOLE.replace("path: data/", "path: support/data/").replace(
        "name: paraphrase", "name: reword"
    )
    recipe = recipe.replace("rounds: 2", "method: mine") + "look_in: [support]\n"
    loaded = load(with_package(tmp_path, recipe))
    assert loaded.method.name == "mine"
    assert find_operators(loaded.base, [], loaded.further)["reword"]
    assert PromptLibrary(loaded.base, loaded.further).get("mine.md")
    assert not [p for p in check_recipe(loaded) if p.level == "error"]


def test_a_query_reads_files_of_a_package(tmp_path: Path) -> None:
    query = "{sql: \"SELECT text, label FROM 'support/data/test.jsonl'\"}"
    recipe = WHOLE.replace("path: data/", "path: support/data/")
    recipe = recipe.replace("{path: support/data/train.jsonl}", query)
    project = Project.open(with_package(tmp_path, recipe))
    assert len(project.examined.splits.rows["train"].records) == 8


def test_a_base_of_a_package_leads_into_it(tmp_path: Path) -> None:
    loaded = load(with_package(tmp_path, CHILD.format("support/recipes/base.yaml")))
    assert loaded.recipe.data.train.path == "../shared/recipes/data/train.jsonl"
    assert loaded.document.data["data"]["train"]["path"] == "support/recipes/data/train.jsonl"
    assert not [p for p in check_recipe(loaded) if p.level == "error"]


def test_an_answer_schema_may_lie_in_a_file(tmp_path: Path) -> None:
    schema = '{"type": "object", "properties": {"city": {"type": "string", "maxLength": 9}}}'
    kind = "kind: structured, params: {json_schema: support/schemas/city.json}"
    recipe = WHOLE.replace("kind: classification", kind)
    file = with_package(tmp_path, recipe, shared__schemas__city___json=schema)
    write(tmp_path, {"shared/schemas/city.json": schema})
    assert load(file).recipe.task.params["json_schema"]["properties"]["city"]["maxLength"] == 9
    write(tmp_path, {"shared/schemas/city.json": "{"})
    assert "task.params.json_schema: " in problems(file)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kinds/mail", "kinds/mial", "the package 'support' has no kinds/mial.yaml (it lies in"),
        ("kinds/mail", "kinds/mial", "did you mean 'mail.yaml'?"),
        ("support/kinds", "support/kind", "did you mean 'kinds'?"),
        (
            "operators/reword",
            "operators/rewrd",
            "operators[0].name: the package 'support' has no operators/rewrd",
        ),
        (
            "packs/calm",
            "packs/clam",
            "models.teacher.pack: the package 'support' has no packs/clam/pack.yaml",
        ),
        (
            "methods/mine",
            "methods/mien",
            "loop.method: the package 'support' has no methods/mien.yaml",
        ),
        (
            "prompts/mine",
            "prompts/mien",
            "task.prompt: the package 'support' has no prompts/mien.md",
        ),
        (
            "data/train",
            "data/trian",
            "data.train.path: the package 'support' has no data/trian.jsonl",
        ),
        ("support/kinds", "support/../../x", "leaves the package 'support'"),
        ("support/kinds", "suport/kinds", "there is no taxonomy suport/kinds/mail.yaml"),
    ],
)
def test_what_a_package_lacks_is_told_with_what_is_near(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    assert said in problems(with_package(tmp_path, WHOLE_OF_PACKAGE.replace(old, new)))


@pytest.mark.parametrize(
    ("extends", "said"),
    [
        ("support/recipes/bse.yaml", "the package 'support' has no recipes/bse.yaml"),
        ("support/../desk/r.yaml", "leaves the package 'support'"),
        ("suport/recipes/base.yaml", "did you mean 'support'? (a package)"),
        ("support/kinds/mail.yaml", "is no recipe: it is a taxonomy"),
    ],
)
def test_a_base_that_a_package_lacks(extends: str, said: str, tmp_path: Path) -> None:
    told = problems(with_package(tmp_path, CHILD.format(extends)))
    assert "r.yaml:3:10" in told
    assert said in told


def test_a_link_out_of_a_package_is_refused(tmp_path: Path) -> None:
    file = with_package(tmp_path, WHOLE_OF_PACKAGE)
    write(tmp_path, {"desk/secret.yaml": KINDS, **data("desk/")})
    mail = tmp_path / "shared" / "kinds" / "mail.yaml"
    mail.unlink()
    mail.symlink_to(tmp_path / "desk" / "secret.yaml")
    assert "lies outside of its package" in problems(file)
    # Nor by a pattern, whose files are found later.
    mail.unlink()
    write(tmp_path, {"shared/kinds/mail.yaml": KINDS})
    rows = tmp_path / "shared" / "data" / "more"
    rows.mkdir()
    (rows / "a.jsonl").symlink_to(tmp_path / "desk" / "data" / "train.jsonl")
    write(
        tmp_path, {"desk/r.yaml": WHOLE_OF_PACKAGE.replace("data/train.jsonl", "data/more/*.jsonl")}
    )
    told = "\n".join(str(problem) for problem in check_recipe(load(file)))
    assert "lies outside of its package" in told


def test_a_base_of_a_package_reaches_no_file_of_the_project(tmp_path: Path) -> None:
    base = BASE.replace("data/train.jsonl", "../../desk/data/train.jsonl")
    file = with_package(tmp_path, CHILD.format("support/recipes/base.yaml"))
    write(tmp_path, {"shared/recipes/base.yaml": base, **data("desk/")})
    told = problems(file)
    assert "base.yaml:4:17: error: data.train.path" in told
    assert "this leaves the package in" in told


def test_a_package_outside_of_the_project_needs_the_users_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = project(
        tmp_path / "outside", {"shared/recipes/base.yaml": BASE, **data("shared/recipes/")}
    )
    pada = "project: 1\nname: mine\npackages: [{path: ../outside/shared}]\n"
    home = write(
        tmp_path / "mine", {"pada.yaml": pada, "r.yaml": CHILD.format("support/recipes/base.yaml")}
    )
    told = problems(home / "r.yaml")
    assert "is of a package outside of the project" in told
    assert "pada trust" in told
    monkeypatch.setattr("engine.gate.roots._allowed", {outside / "shared": None})
    loaded = load(home / "r.yaml")
    assert loaded.recipe.data.train.path == "../outside/shared/recipes/data/train.jsonl"
    assert not [p for p in check_recipe(loaded) if p.level == "error"]


def test_a_package_that_the_project_lies_in_hides_none_of_its_files(tmp_path: Path) -> None:
    write(tmp_path, {"pada.yaml": "project: 1\nname: all\n"})
    pada = "project: 1\nname: mine\npackages: [{path: ..}]\n"
    home = write(tmp_path / "mine", {"pada.yaml": pada, "r.yaml": WHOLE, **data()})
    gate.name_packages(home, [tmp_path])
    assert not [p for p in check_recipe(load(home / "r.yaml")) if p.level == "error"]


def test_a_prompt_that_is_named_in_no_package_is_missed(tmp_path: Path) -> None:
    loaded = load(with_package(tmp_path, WHOLE_OF_PACKAGE))
    with pytest.raises(RecipeError, match="has no prompts/no"):
        PromptLibrary(loaded.base, loaded.further).get("support/prompts/no.md")


def test_limits_of_a_package_do_not_hold_for_who_extends_it(tmp_path: Path) -> None:
    base = BASE + "limits: {seconds: 3600, memory: 900}\n"
    recipe = with_package(
        tmp_path,
        CHILD.format("support/recipes/base.yaml") + "limits: {memory: 1}\n",
        shared__recipes__base___yaml="",
    )
    write(tmp_path, {"shared/recipes/base.yaml": base})
    loaded = load(recipe)
    assert (loaded.recipe.limits.seconds, loaded.recipe.limits.memory) == (10, 1)
    (warning,) = loaded.warnings
    assert warning.level == "warning"
    assert warning.where.by_line.endswith(f"shared/recipes/base.yaml:{base.count(chr(10))}")
    assert "do not hold" in warning.message
    # Run by itself it is a recipe like any other, and so is one of the project that is extended.
    assert (
        load(
            tmp_path / "shared" / "recipes" / "base.yaml", settings={"name": "x"}
        ).recipe.limits.seconds
        == 3600
    )
    own = write(tmp_path, {"desk/base.yaml": base.replace("data/", "../shared/data/")})
    write(own, {"desk/r.yaml": CHILD.format("base.yaml")})
    assert load(recipe).recipe.limits.seconds == 3600


def test_the_executor_of_a_package_is_not_that_of_who_extends_it(tmp_path: Path) -> None:
    base = BASE + "executor: {kind: ray, address: 'elsewhere:6379'}\n"
    recipe = with_package(
        tmp_path,
        CHILD.format("support/recipes/base.yaml") + "executor: {slots: 2}\n",
        shared__recipes__base___yaml="",
    )
    write(tmp_path, {"shared/recipes/base.yaml": base})
    loaded = load(recipe)
    assert (loaded.recipe.executor.kind, loaded.recipe.executor.address) == ("local", None)
    assert loaded.recipe.executor.slots == 2
    (warning,) = loaded.warnings
    assert (warning.level, warning.code) == ("warning", "executor")
    assert "the executor of a package's recipe" in warning.message
