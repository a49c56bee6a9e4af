"""`pada init --from`: a shipped, packaged or other recipe as one's own, with all that it needs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.spec.loader import load
from engine.spec.package_data import shipped
from tests.authoring.trials import init, recipe, there, write

LOOKS = "recipe: 1\nname: looks\ntask: {kind: classification, input: [text], target: label, prompt: mine.md}\n"
DATA = "data:\n" + "".join(
    f"  {split}: {{path: '../rows/{split}.jsonl'}}\n" for split in ("train", "validation", "test")
)
MODELS = "models:\n" + "".join(
    f"  {role}: {{backend: scripted, model: m}}\n" for role in ("student", "teacher", "embedder")
)
REST = "patterns: {taxonomy: ../kinds/all.yaml}\naugment: {operators: [{name: typos}]}\n"


def test_a_shipped_recipe_is_copied_with_its_data(tmp_path: Path) -> None:
    done = init(tmp_path, "--from", "quickstart", "--name", "My Desk")
    assert done.last == "pada validate my-desk/recipe.yaml"
    assert recipe(tmp_path, "my-desk/recipe.yaml").name == "my-desk"
    copied = {name.removeprefix("my-desk/") for name in done.new}
    assert copied == there(shipped("recipes") / "quickstart") | {"pada.yaml"}
    first = (tmp_path / "my-desk/recipe.yaml").read_text("utf-8").splitlines()[0]
    assert "$schema" not in first


def test_what_lies_beside_its_folder_comes_along_and_is_named_anew(tmp_path: Path) -> None:
    done = init(tmp_path, "--from", "squad", "--to", "mine/squad")
    assert done.new == [
        "mine/squad/pada.yaml",
        "mine/squad/recipe.yaml",
        "mine/squad/taxonomies/spans.yaml",
    ]
    assert recipe(tmp_path, "mine/squad/recipe.yaml").patterns.taxonomy.categories


def package(folder: Path) -> None:
    """Write a project that has a package beside it, with a recipe that names files elsewhere in the package."""
    write(
        folder,
        {
            "pack/pada.yaml": "project: 1\nname: looks-pack\n",
            "pack/recipes/looks.yaml": LOOKS + DATA + MODELS + REST,
            "pack/recipes/prompts/mine.md": "[[user]]\n{{ row.text }}\n",
            "pack/recipes/.pada/store": "not this",
            "pack/kinds/all.yaml": "taxonomy: 1\ncategories:\n  - {id: short, description: It is short.}\n",
            **{f"pack/rows/{split}.jsonl": "{}\n" for split in ("train", "validation", "test")},
            "mine/pada.yaml": "project: 1\nname: mine\npackages: [{path: ../pack}]\n",
        },
    )  # fmt: skip


def test_a_packaged_recipe_is_copied_with_what_it_leads_to(tmp_path: Path) -> None:
    package(tmp_path)
    done = init(tmp_path / "mine", "--from", "looks-pack/recipes/looks.yaml")
    assert done.new == [
        "looks/kinds/all.yaml", "looks/prompts/mine.md", "looks/recipe.yaml", "looks/rows/test.jsonl",
        "looks/rows/train.jsonl", "looks/rows/validation.jsonl",
    ]  # fmt: skip
    shutil.rmtree(tmp_path / "pack")
    write(tmp_path, {"mine/pada.yaml": "project: 1\nname: mine\n"})
    made = load(tmp_path / "mine/looks/recipe.yaml")
    assert made.recipe.data.train.path == "rows/train.jsonl"


@pytest.mark.parametrize("inner", ["prompts/mine.md", "prompts"])
def test_a_link_out_of_a_package_is_not_followed(tmp_path: Path, inner: str) -> None:
    package(tmp_path)
    write(tmp_path, {"secret/mine.md": "a secret"})
    place = tmp_path / "pack/recipes" / inner
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink()
    place.symlink_to(
        tmp_path / "secret" / "mine.md" if inner.endswith(".md") else tmp_path / "secret"
    )
    done = init(tmp_path / "mine", "--from", "looks-pack/recipes/looks.yaml")
    assert "lies outside of what this recipe may read" in done.error
    assert done.new == []
    assert not (tmp_path / "mine/looks").exists()


def test_a_path_out_of_a_package_is_not_followed(tmp_path: Path) -> None:
    package(tmp_path)
    write(tmp_path, {"secret.yaml": "a: secret"})
    file = tmp_path / "pack/recipes/looks.yaml"
    file.write_text(file.read_text().replace("../kinds/all.yaml", "../../secret.yaml"))
    done = init(tmp_path / "mine", "--from", "looks-pack/recipes/looks.yaml")
    assert "lies outside of what this recipe may read" in done.error
    assert done.new == []


def test_a_copy_that_fails_in_its_middle_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path)
    (tmp_path / "mine/looks").mkdir()
    copied: list[object] = []

    def full(source: Path, place: Path) -> None:
        Path(place).write_text("half", "utf-8")
        copied.append(place)
        if len(copied) == 2:
            raise OSError(28, "No space left on device", str(place))

    monkeypatch.setattr(shutil, "copyfile", full)
    done = init(tmp_path / "mine", "--from", "looks-pack/recipes/looks.yaml")
    assert "No space left" in done.error
    assert done.new == []
    # The folder was the user's own.
    assert list((tmp_path / "mine/looks").iterdir()) == []
