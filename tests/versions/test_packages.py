"""What runs keep of packages: what they used of them, by package, and all that is needed to read it again elsewhere."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from engine import gate
from engine.errors import EngineError
from engine.plan.resources import gather
from engine.project import Project
from engine.run.kept import kept_of
from engine.spec.loader import load
from engine.versions.comparing import compare_recipes
from engine.versions.settings import Placed, changes
from engine.versions.sides import Given, of_run
from engine.versions.stored import StoredFile, StoredRun
from engine.versions.trees import tree_of
from tests.spec.extending.repositories import SCRIPTED, data, write
from tests.spec.extending.test_packages import METHOD, PROMPT, WHOLE_OF_PACKAGE, with_package
from tests.versions.made import commit, edit, git

INNER = "project: 1\nname: inner\n"
BASE = (
    WHOLE_OF_PACKAGE.replace("support/", "../")
    .replace("name: whole\n", "")
    .replace("path: ../data/train.jsonl", "path: inner/train.jsonl")
    .replace("../kinds/mail.yaml", "inner/kinds/mail.yaml")
)
CHILD = """\
recipe: 1
name: child
extends: support/recipes/whole.yaml
look_in: [support/extra, support/unused]
loop: {method: support/methods/mine}
task: {prompt: support/prompts/mine.md}
models: {teacher: {pack: support/packs/calm}}
augment: {operators: [{name: support/operators/reword}]}
"""


def run_of(recipe: Path) -> StoredRun:
    """Return what the store would have of a run of a recipe."""
    loaded = load(recipe)
    kept = kept_of(loaded, gather(loaded), lambda _: None)
    about = asdict(kept.provenance)
    texts = {text.digest: text.text for text in kept.texts}
    return StoredRun(
        id="r0001",
        recipe=loaded.recipe.name,
        status="done",
        limit=None,
        versions={},
        plan="",
        project=Path(about["project"]),
        file=about["file"],
        about=about,
        files=tuple(
            StoredFile(f.path, f.package, f.kind, f.digest, f.bytes, texts.get(f.digest))
            for f in kept.files
        ),
        nodes={},
    )


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe on a package's base, with one of everything from it, also from a package of that package."""
    file = with_package(tmp_path, CHILD, shared__recipes__whole__yaml="")
    shared = tmp_path / "shared"
    write(
        shared,
        {
            "pada.yaml": "project: 1\nname: support\npackages: [{path: ../inner}]\n",
            "recipes/whole.yaml": BASE,
            "extra/prompts/tasks/classification.md": PROMPT,
            "unused/prompts/other.md": PROMPT,
            "unused/methods/other.yaml": METHOD.replace("mine", "other"),
        },
    )
    write(tmp_path / "inner", {"pada.yaml": INNER})
    (tmp_path / "inner" / "kinds").mkdir()
    shutil.move(shared / "kinds" / "mail.yaml", tmp_path / "inner" / "kinds" / "mail.yaml")
    shutil.copy(shared / "data" / "train.jsonl", tmp_path / "inner" / "train.jsonl")
    return file


def test_a_run_keeps_what_it_used_of_packages_and_of_theirs(recipe: Path, tmp_path: Path) -> None:
    run = run_of(recipe)
    used = {f"{file.package}/{file.path}": file.kind for file in run.files if file.package}
    assert {name: kind for name, kind in used.items() if kind != "operator"} == {
        "support/pada.yaml": "project",
        "support/recipes/whole.yaml": "recipe",
        "support/methods/mine.yaml": "method",
        "support/packs/calm/pack.yaml": "pack",
        "support/prompts/mine.md": "prompt",
        "support/data/validation.jsonl": "data",
        "support/data/test.jsonl": "data",
        "inner/pada.yaml": "project",
        "inner/kinds/mail.yaml": "taxonomy",
        "inner/train.jsonl": "data",
    } | {
        name: "prompt"
        for name in used
        if name.startswith("support/packs/calm/") and name.endswith(".md")
    }
    assert [package["name"] for package in run.about["packages"]] == ["inner", "support"]
    # What it reads is named by packages, also by those that the project does not name.
    assert "inner/kinds/mail.yaml" in run.resolved
    assert "unused" not in run.resolved + "".join(tree_of(run))


def test_a_kept_run_is_read_again_without_the_packages_in_their_place(
    recipe: Path, tmp_path: Path
) -> None:
    run = run_of(recipe)
    nodes = Project.open(recipe, tmp_path / "state").nodes
    with of_run(run, Given(tmp_path / "state")) as side:
        assert side.project.nodes == nodes
        now = Placed(Project.open(recipe).loaded, lambda _: "")
        assert changes(Placed(side.project.loaded, side.at), now) == []
    (tmp_path / "inner" / "train.jsonl").unlink()
    with (
        pytest.raises(EngineError, match=r"'inner' has no train\.jsonl"),
        of_run(run, Given(tmp_path / "state")),
    ):
        pass


def test_the_packages_of_a_run_are_known_by_their_hash(recipe: Path) -> None:
    before = run_of(recipe)
    (recipe.parents[1] / "shared" / "more.txt").write_text("x", "utf-8")
    contents = [
        {package["name"]: package["content"] for package in run.about["packages"]}
        for run in (before, run_of(recipe))
    ]
    assert contents[0]["inner"] == contents[1]["inner"]
    assert contents[0]["support"] != contents[1]["support"]


def test_versions_have_packages_in_folders_also_those_outside_of_their_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = (
        "recipe: 1\nname: own\nextends: near/base.yaml\nlook_in: [far]\n"
        "task: {kind: classification, input: [text], target: label}\n" + SCRIPTED
    )
    split = "{path: far/data/SPLIT.jsonl}"
    base = "recipe: 1\nmetrics: [accuracy]\naugment: {operators: [{name: paraphrase}]}\n"
    rows = {name: split.replace("SPLIT", name) for name in ("train", "validation", "test")}
    write(tmp_path / "far", {"pada.yaml": "project: 1\nname: far\n", **data()})
    write(tmp_path / "far", {"prompts/tasks/classification.md": PROMPT})
    app = tmp_path / "app"
    write(
        app,
        {
            "pada.yaml": "project: 1\nname: app\npackages: [{path: ../far}, {path: packs/near}]\n",
            "packs/near/pada.yaml": "project: 1\nname: near\n",
            "packs/near/base.yaml": base,
            "own.yaml": own
            + "data:\n"
            + "".join(f"  {name}: {place}\n" for name, place in rows.items()),
        },
    )
    gate.allow(tmp_path / "far")
    git(app, "init", "-q", "-b", "main")
    commit(app, "one", "v1")
    edit(app / "packs" / "near" / "base.yaml", "[accuracy]", "[accuracy, macro_f1]")
    commit(app, "two", "v2")
    monkeypatch.chdir(app)
    found = compare_recipes("own.yaml", "v1..v2", Given(tmp_path / "state"))
    assert [(change.key, change.after_at) for change in found.settings] == [
        ("metrics", "near/base.yaml:2")
    ]
    assert found.nodes is not None
    assert (found.notes, [other.name for other in found.packages]) == ((), ["near"])
