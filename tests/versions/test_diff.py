"""What differs between recipes, versions and runs: by meaning, with where it stands and what it makes pending."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.runs import pada_here
from tests.versions.made import commit, edit, git, repository

pytestmark = pytest.mark.runs


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with three versions; the third changes the order and the comments of the second alone."""
    folder = tmp_path_factory.mktemp("versions") / "p"
    recipe = repository(folder)
    edit(recipe, "rows_per_round: 12", "rows_per_round: 20")
    edit(recipe, "{name: paraphrase, params: {variants: 2}}", "{name: typos}")
    (folder / "prompts").mkdir()
    (folder / "prompts" / "judge.md").write_text(
        "{# purpose: mine #}\n[[system]]\nBe strict.\n[[user]]\n{{ rows }}\n", "utf-8"
    )
    commit(folder, "second", "v1.1")
    edit(recipe, "seeds: [0]\n", "")
    recipe.write_text("# told anew\nseeds:\n- 0\n" + recipe.read_text("utf-8"), "utf-8")
    edit(folder / "prompts" / "judge.md", "purpose: mine", "purpose: still mine")
    commit(folder, "third", "v1.2")
    return folder


def difference(*arguments: object, state: Path | str = "/nowhere/pada") -> dict[str, Any]:
    done = pada_here("diff", *arguments, "--json", "--state", state)
    assert done.code == 0, done.errors
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_settings_are_told_by_keys_with_their_places_and_steps_with_reasons(versions: Path) -> None:
    found = difference(versions, "v1.0..v1.1")
    said = {
        change["key"]: (change["how"], change["before"], change["after"])
        for change in found["settings"]
    }
    assert said == {
        "augment.rows_per_round": ("changed", 12, 20),
        "augment.operators.typos": ("added", None, {"name": "typos"}),
        "augment.operators.paraphrase": (
            "removed", {"name": "paraphrase", "params": {"variants": 2}}, None,
        ),
    }  # fmt: skip
    assert found["settings"][0]["after_at"] == "recipe.yaml:16"
    assert not found["same"]
    assert found["nodes"] is None or all(node["because"] for node in found["pending"])


def test_comments_order_and_form_make_no_difference(versions: Path) -> None:
    found = difference(versions, "v1.1..v1.2")
    assert found["same"]
    assert (found["settings"], found["files"], found["pending"]) == ([], [], [])
    assert pada_here("diff", versions, "v1.1..v1.2", "--exit-code").code == 0
    assert pada_here("diff", versions, "v1.0..v1.2", "--exit-code").code == 1


def test_the_files_as_they_are_now_are_compared_with_a_version(tmp_path: Path) -> None:
    recipe = repository(tmp_path / "p")
    assert difference(recipe)["same"]
    edit(recipe, "k: 3", "k: 4")
    found = difference(recipe, "v1.0..")
    assert [change["key"] for change in found["settings"]] == ["patterns.cluster.k"]
    causes = {n["stage"]: n["because"] for n in found["pending"] if "input" not in n["because"]}
    assert causes.keys() == {"cluster"}
    assert "3 -> 4" in causes["cluster"]
    assert found["estimate"]["calls"][1] > 0
    # What is compared is read out of git: nothing is checked out.
    assert git(recipe.parent, "status", "--porcelain") == "M recipe.yaml"


@pytest.mark.long
def test_prompts_are_shown_as_a_diff_and_taxonomies_by_their_categories(tmp_path: Path) -> None:
    recipe = repository(tmp_path / "p")
    edit(recipe, "patterns: {cluster: {k: 3}}", "patterns: {taxonomy: {file: taxonomy.yaml}}")
    taxonomy = recipe.parent / "taxonomy.yaml"
    taxonomy.write_text(
        "taxonomy: 1\nmode: closed\ncategories:\n- {id: a, description: one}\n"
        "- {id: b, description: two}\n", "utf-8",
    )  # fmt: skip
    prompts = recipe.parent / "prompts"
    prompts.mkdir()
    ours = (Path(__file__).resolve().parents[2] / "prompts" / "diagnose.md").read_text("utf-8")
    (prompts / "diagnose.md").write_text(ours, "utf-8")
    commit(recipe.parent, "second")
    edit(taxonomy, "description: two", "description: second")
    edit(taxonomy, "- {id: a, description: one}\n", "")
    taxonomy.write_text(taxonomy.read_text("utf-8") + "- {id: c, description: three}\n", "utf-8")
    (prompts / "diagnose.md").write_text(
        ours.replace("[[user]]", "Be brief.\n[[user]]", 1), "utf-8"
    )
    found = difference(recipe)
    said = {
        change["key"].rpartition("categories.")[2]: change["how"] for change in found["settings"]
    }
    assert said == {"a": "removed", "b.description": "changed", "c": "added"}
    assert {change["after_at"].rpartition("/")[2] for change in found["settings"]} == {
        "taxonomy.yaml:4",
        "taxonomy.yaml:5",
        "",
    }
    (file,) = found["files"]
    assert (file["kind"], file["path"], file["how"]) == ("prompt", "prompts/diagnose.md", "changed")
    assert "+Be brief." in file["lines"]


@pytest.mark.long
def test_a_recipe_is_compared_with_a_run(copied: Path) -> None:
    state = copied / ".pada"
    assert difference("r0001", copied, state=state)["same"]
    edit(copied / "recipe.yaml", "r: 1,", "r: 2,")
    found = difference("r0001", copied, state=state)
    assert [(c["key"], c["before_at"]) for c in found["settings"]] == [("train.r", "r0001")]
    assert found["pending"][0]["stage"] == "train"
    assert found["estimate"]["calls"] is not None


def test_two_runs_are_compared_as_people_read_it(ran: Path) -> None:
    done = pada_here("diff", "r0001", "r0001", "--state", ran / ".pada")
    assert done.out.splitlines() == [
        "r0001 -> r0001",
        "nothing differs: the same recipe in other words, or the same text",
        "steps: all 23 are as before",
    ]


def test_without_the_data_the_settings_are_compared_all_the_same(tmp_path: Path) -> None:
    recipe = repository(tmp_path / "p")
    (recipe.parent / "train.jsonl").rename(recipe.parent / "gone.jsonl")
    edit(recipe, "rows_per_round: 12", "rows_per_round: 13")
    other = tmp_path / "other"
    git(tmp_path, "clone", "-q", str(recipe.parent), str(other))
    found = difference(recipe, other)
    assert [change["key"] for change in found["settings"]] == ["augment.rows_per_round"]
    assert found["nodes"] is not None
    assert "train.jsonl" in found["notes"][0]


@pytest.mark.long
def test_markdown_holds_what_recipes_say_in_code(tmp_path: Path) -> None:
    recipe = repository(tmp_path / "p")
    edit(recipe, "task: {", 'task: {description: "<b>|`@all`</b>", ')
    out = pada_here("diff", recipe, "--markdown").out
    assert "| ~ | `task.description` | `none` | ``<b>\\|`@all`</b>`` |" in out
    assert "**Steps**" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["v9.."], "there is no version 'v9'"),
        (["--upload-pack=x.."], "there is no version"),
        (["v1.0...v1.0"], "these are no versions"),
        (["..v1.0"], "these are no versions"),
        (["nowhere.yaml"], "there is no recipe 'nowhere.yaml'"),
        (["r0099"], "no store"),
    ],
)
def test_what_is_not_there_is_said(versions: Path, arguments: list[str], said: str) -> None:
    if arguments[0].startswith("--"):
        arguments = ["--", str(versions), *arguments]
    else:
        arguments = [str(versions), *arguments, "--state", "/nowhere/pada"]
    done = pada_here("diff", *arguments)
    assert done.code == 2
    assert said in done.errors
    assert "Traceback" not in done.errors


def test_versions_need_a_repository_and_a_recipe_in_it(tmp_path: Path, versions: Path) -> None:
    alone = tmp_path / "recipe.yaml"
    alone.write_text((versions / "recipe.yaml").read_text("utf-8"), "utf-8")
    assert "is in no git repository" in pada_here("diff", alone, "v1.0..").errors
    new = versions / "new.yaml"
    new.write_text(alone.read_text("utf-8"), "utf-8")
    assert "v1.0 has no recipe new.yaml" in pada_here("diff", new, "v1.0..").errors
    new.unlink()


def test_a_broken_version_is_said_with_its_place(tmp_path: Path) -> None:
    recipe = repository(tmp_path / "p")
    whole = recipe.read_text("utf-8")
    recipe.write_text(whole.replace("rounds: 1", "rounds: many"), "utf-8")
    commit(recipe.parent, "broken", "v2.0")
    recipe.write_text(whole, "utf-8")
    done = pada_here("diff", recipe, "v2.0..")
    assert done.code == 2
    assert "v2.0 cannot be read: recipe.yaml:24:" in done.errors


def test_links_of_a_commit_lead_nowhere(tmp_path: Path) -> None:
    recipe = repository(tmp_path / "p")
    (tmp_path / "secret.md").write_text("[[user]]\nsecret\n", "utf-8")
    (recipe.parent / "prompts").symlink_to(tmp_path)
    (recipe.parent / "prompts.md").symlink_to(tmp_path / "secret.md")
    commit(recipe.parent, "links", "v2.0")
    found = difference(recipe, "v1.0..v2.0")
    assert found["same"]
    assert "secret" not in json.dumps(found)
