"""Recipes in the browser: the list, the form over the text, problems as they are typed, saving."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.authoring.exact import exact
from engine.errors import EngineError, RecipeError
from engine.plan.validate import examine
from engine.spec.loader import load
from engine.spec.package_data import shipped
from engine.studio.author import listing
from engine.studio.recipes import recipe_file
from engine.studio.settings import Settings
from engine.system.plain_text import clean
from tests.studio.conftest import OWN, Studio, opened

BAD = Path(__file__).parents[1] / "fixtures/bad_recipes"
RECIPES = sorted(BAD.glob("*.yaml"))[::2]
"""Every other one: each is checked twice here, and tests/plan/test_validate.py has them all."""
QUICKSTART = "recipes/quickstart/recipe.yaml"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the quickstart, its data beside it."""
    folder = tmp_path / "project"
    shutil.copytree(shipped("recipes") / "quickstart", folder / "recipes/quickstart")
    (folder / "pada.yaml").write_text("project: 1\nname: mine\n", "utf-8")
    return folder


def studio_of(folder: Path, *, read_only: bool = False) -> Studio:
    return opened(Settings(folder / ".pada", folder, read_only))


def test_recipes_are_listed_with_what_is_wrong_with_them(project: Path) -> None:
    (project / "broken.yaml").write_text("recipe: 1\nname: broken\ntaks: {}\n", "utf-8")
    studio = studio_of(project)
    broken, quickstart = studio.get("recipes")["recipes"]
    assert (quickstart["file"], quickstart["kind"]) == (QUICKSTART, "classification")
    assert quickstart["description"]
    assert broken["name"] == "broken"
    faults = studio.get("recipes/faults")["faults"]
    assert list(faults) == ["broken.yaml"]
    assert faults["broken.yaml"]["problem"]["where"]["line"] > 0


def test_a_recipe_has_its_last_run_by_its_name(project: Path, hostile_state: Path) -> None:
    run = opened(Settings(hostile_state)).get("runs")["runs"][0]["facts"]
    (project / "ran.yaml").write_text(f"recipe: 1\nname: {run['recipe']}\n", "utf-8")
    found = opened(Settings(hostile_state, project)).get("recipes")["recipes"]
    assert {one["file"]: one["last"] and one["last"]["id"] for one in found} == {
        "ran.yaml": run["id"],
        QUICKSTART: None,
    }


def test_a_folder_without_recipes_has_an_empty_list(tmp_path: Path) -> None:
    assert studio_of(tmp_path).get("recipes") == {"recipes": [], "packaged": []}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../elsewhere/recipe.yaml", "no recipe of this project"),
        ("/etc/passwd", "no recipe of this project"),
        ("a\\b.yaml", "no recipe of this project"),
        ("a\0b", "no recipe of this project"),
        ("", "no recipe of this project"),
        ("x" * 3000, "no path|no recipe"),
        ("pada.yaml", "is no recipe"),
        ("gone/recipe.yaml", "there is no recipe"),
        ("out/recipe.yaml", "leads out of the project"),
    ],
)
def test_names_lead_nowhere_else(project: Path, name: str, said: str) -> None:
    outside = project.parent / "outside"
    outside.mkdir()
    (outside / "recipe.yaml").write_text("recipe: 1\n", "utf-8")
    (project / "out").symlink_to(outside)
    with pytest.raises(EngineError, match=said):
        recipe_file(Settings(project / ".pada", project), name)


# The text: read, looked at, changed, saved.


def text_of(studio: Studio, name: str = QUICKSTART) -> dict[str, Any]:
    found: dict[str, Any] = studio.get("recipes/text", recipe=name)
    return found


def asked(studio: Studio, what: str, text: str, name: str = QUICKSTART, **more: Any) -> Any:
    answer = studio.post(f"recipes/{what}", {"recipe": name, "text": text, **more})
    assert answer.status_code == 200, (answer.text, studio.bugs)
    return answer.json()


def put(text: str, change: Any) -> str:
    """Return a text with a change as a browser makes it, which counts in UTF-16."""
    units = text.encode("utf-16-le")
    new = str(change["insert"]).encode("utf-16-le")
    whole: bytes = units[: 2 * change["from"]] + new + units[2 * change["to"] :]
    return whole.decode("utf-16-le")


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_what_is_edited_comes_back_byte_for_byte(project: Path, ends: str, mark: bytes) -> None:
    file = project / "odd.yaml"
    text = "# 🙂 \u202eabc\u202c \u200b\ttab\nrecipe: 1\ndescription: 'a\u2028 b'\nname: odd  # 👩‍👩‍👧‍👦\n".replace(
        "\n", ends
    )
    file.write_bytes(mark + text.encode())
    studio = studio_of(project)
    found = text_of(studio, "odd.yaml")
    assert "\u202e" in found["text"]
    edits = [{"path": ["name"], "op": "set", "value": "even"}]
    changed = put(found["text"], asked(studio, "change", found["text"], "odd.yaml", edits=edits))
    kept = {key: found[key] for key in ("is_crlf", "has_mark", "digest")}
    assert asked(studio, "save", changed, "odd.yaml", **kept)["saved"] is True
    assert file.read_bytes() == mark + text.replace("odd ", "even ").encode()


def test_a_look_has_values_what_is_under_them_and_problems_with_fixes(project: Path) -> None:
    (project / "base.yaml").write_text(
        "recipe: 1\nname: base\nseeds: [4]\nbudget: {calls: 9}\n", "utf-8"
    )
    (project / "mine.yaml").write_text("recipe: 1\n", "utf-8")
    text = "# 🙂\nrecipe: 1\nname: mine\nextends: base.yaml\nlop: {rounds: 2}\nseeds: [3]\n"
    found = asked(studio_of(project), "look", text, "mine.yaml")
    assert found["data"]["seeds"] == [3]
    assert found["under"]["budget"] == {"calls": 9}
    (slip,) = (one for one in found["problems"] if one["problem"]["code"] == "unknown-key")
    assert (slip["path"], slip["is_here"], slip["problem"]["where"]["line"]) == (["lop"], True, 5)
    assert (
        text.encode("utf-16-le")[2 * slip["start"] : 2 * slip["end"]].decode("utf-16-le") == "lop"
    )
    assert put(text, slip["fix"]) == text.replace("lop", "loop")
    missing = [one for one in found["problems"] if one["problem"]["code"] == "missing"]
    assert ["task"] in [one["path"] for one in missing]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("name: quickstart", "name: quickstart\ncutoff_len: 5"),
        ("recipe: 1\n", ""),
        ("epochs: 4", 'epochs: "4"'),
        ("input: [text]", "input: text"),
        ("kind: classification", "kind: clasification"),
        ("target: intent", "target: 007"),
        ("failure: accuracy", "failur: accuracy"),
        ("algorithm: kmeans", "method: kmeans"),
    ],
)
def test_what_is_mended_with_one_click(project: Path, before: str, after: str) -> None:
    studio = studio_of(project)
    whole = text_of(studio)["text"]
    text = whole.replace(before, after, 1)
    assert text != whole
    fixes = [one["fix"] for one in asked(studio, "look", text)["problems"] if one["fix"]]
    mended = put(text, fixes[0])
    errors = [p["problem"] for p in asked(studio, "look", mended)["problems"]]
    assert [one for one in errors if one["level"] == "error" and one["code"] != "value"] == []


def test_a_text_that_is_no_yaml_has_its_problem_and_no_values(project: Path) -> None:
    found = asked(studio_of(project), "look", "recipe: 1\nname: [\n")
    assert found["data"] is None
    assert found["problems"][0]["problem"]["code"] == "yaml"
    edits = [{"path": ["name"], "op": "set", "value": "x"}]
    body = {"recipe": QUICKSTART, "text": "a: [", "edits": edits}
    assert studio_of(project).post("recipes/change", body).status_code == 400


@pytest.fixture(scope="session")
def broken() -> Studio:
    return studio_of(BAD)


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_problems_are_those_of_pada_validate(
    broken: Studio, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(BAD)
    try:
        raw = exact(file.read_bytes(), file)
    except RecipeError:
        refused = broken.client.get("/api/recipes/text", params={"recipe": file.name})
        assert "not UTF-8" in refused.json()["error"]
        return
    try:
        wanted = examine(load(file), rows=False).problems
    except RecipeError as error:
        wanted = error.problems
    if file.stem in ("45_not_a_mapping", "46_empty"):  # Nothing in them says that they are recipes.
        refused = broken.client.get("/api/recipes/text", params={"recipe": file.name})
        assert "is no recipe" in refused.json()["error"]
        return
    found = asked(broken, "look", raw.text, file.name)["problems"]
    assert [one["problem"]["message"] for one in found] == [clean(one.message) for one in wanted]
    for one in found:
        assert 0 <= one["start"] <= one["end"]


def test_the_whole_check_reads_the_rows(project: Path) -> None:
    (project / "recipes/quickstart/data/train.jsonl").write_text('{"text": "x"}\n', "utf-8")
    studio = studio_of(project)
    text = text_of(studio)["text"]
    assert not asked(studio, "look", text)["problems"]
    said = [one["problem"] for one in asked(studio, "check", text)["problems"]]
    assert ("error", "no-column") in [(one["level"], one["code"]) for one in said]


def test_the_whole_check_says_what_it_read(project: Path) -> None:
    studio = studio_of(project)
    text = text_of(studio)["text"]
    found = asked(studio, "check", text)["profile"]
    assert [one["split"] for one in found["splits"]] == ["train", "validation", "test"]
    train = (project / "recipes/quickstart/data/train.jsonl").read_text("utf-8").splitlines()
    assert (
        found["splits"][0]["rows"] == len(train) == sum(one["rows"][0] for one in found["labels"])
    )
    assert found["splits"][0]["labels"] == len(found["labels"])
    assert asked(studio, "check", text.replace("target: ", "target: no_"))["profile"] is None


def test_that_rows_were_read_is_said_where_they_were(project: Path) -> None:
    studio = studio_of(project)
    text = text_of(studio)["text"]
    assert asked(studio, "check", text)["rows_read"]
    # Read, and wrong.
    assert asked(studio, "check", text.replace("target: ", "target: no_"))["rows_read"]
    assert not asked(studio, "check", text + "\nno_such_key: 1\n")["rows_read"]
    assert not asked(studio, "check", "recipe: [")["rows_read"]
    for rows in (project / "recipes/quickstart/data").glob("*.jsonl"):
        rows.unlink()
    assert not asked(studio, "check", text)["rows_read"]


def test_columns_are_those_of_the_first_training_rows(project: Path) -> None:
    data = project / "recipes/quickstart/data/train.jsonl"
    first = data.read_text("utf-8").splitlines()[0]
    data.write_text('no row\n{"\u202e": 1, "b": 2}\n' + first + "\n", "utf-8")
    studio = studio_of(project)
    text = text_of(studio)["text"]
    assert asked(studio, "columns", text)["columns"] == ["\u202e", "b", *json.loads(first)]
    data.unlink()
    assert asked(studio, "columns", text)["columns"] == []
    assert asked(studio, "columns", "recipe: 1\n")["columns"] == []


def test_a_file_that_changed_meanwhile_is_not_overwritten(project: Path) -> None:
    studio = studio_of(project)
    found = text_of(studio)
    file = project / QUICKSTART
    file.write_text("recipe: 1\nname: theirs\n", "utf-8")
    kept = {key: found[key] for key in ("is_crlf", "has_mark")}
    answer = asked(studio, "save", found["text"], digest=found["digest"], **kept)
    assert (answer["saved"], answer["now"]["text"]) == (False, "recipe: 1\nname: theirs\n")
    assert file.read_text("utf-8") == "recipe: 1\nname: theirs\n"
    # Overwriting is saving over what was shown.
    assert asked(studio, "save", found["text"], digest=answer["now"]["digest"], **kept)["saved"]
    assert file.read_text("utf-8") == found["text"]


def test_saving_keeps_permissions_and_what_links_lead_to(project: Path) -> None:
    studio = studio_of(project)
    file, link = project / QUICKSTART, project / "link.yaml"
    file.chmod(0o640)
    link.symlink_to(QUICKSTART)
    found = text_of(studio, "link.yaml")
    assert asked(studio, "save", found["text"] + "# end\n", "link.yaml", digest=found["digest"])[
        "saved"
    ]
    assert link.is_symlink()
    assert file.read_text("utf-8").endswith("# end\n")
    assert file.stat().st_mode & 0o777 == 0o640


def test_what_cannot_be_saved_says_why_and_leaves_the_file(project: Path) -> None:
    studio = studio_of(project)
    found = text_of(studio)

    def refused(text: str, name: str = QUICKSTART) -> str:
        body = {"recipe": name, "text": text, "digest": found["digest"]}
        answer = studio.post("recipes/save", body)
        assert answer.status_code == 400
        return str(answer.json()["error"])

    before = (project / QUICKSTART).read_bytes()
    sent = json.dumps({"recipe": QUICKSTART, "text": "name: \ud800", "digest": found["digest"]})
    answer = studio.client.post("/api/recipes/save", content=sent, headers={"origin": OWN})
    assert "half a character" in answer.json()["error"]
    assert "larger than 1 MB" in refused("#" * 1_100_000)
    assert "bytes were sent" in refused("#" * 5_000_000)
    assert "no recipe of this project" in refused("x", "../x.yaml")
    assert (project / QUICKSTART).read_bytes() == before
    (project / QUICKSTART).unlink()
    assert "there is no recipe" in refused("x")
    gone = studio.post("recipes/save", {"recipe": QUICKSTART, "text": "x", "digest": ""})
    assert "in the editor still" in gone.json()["hint"]
    assert not studio.bugs


def test_a_full_disk_leaves_the_file_as_it_was(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = studio_of(project)
    found = text_of(studio)
    before = (project / QUICKSTART).read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    body = {"recipe": QUICKSTART, "text": found["text"] + "#", "digest": found["digest"]}
    answer = studio.post("recipes/save", body)
    assert "No space left on device" in answer.json()["error"]
    assert (project / QUICKSTART).read_bytes() == before
    assert [file.name for file in (project / QUICKSTART).parent.glob("*.part")] == []


def test_a_studio_to_look_at_saves_nothing(project: Path) -> None:
    studio = studio_of(project, read_only=True)
    found = text_of(studio)
    assert "looking only" in found["locked"]
    assert asked(studio, "look", found["text"])["data"]["name"] == "quickstart"
    body = {"recipe": QUICKSTART, "text": "x", "digest": found["digest"]}
    assert "looking only" in studio.post("recipes/save", body).json()["error"]


def test_recipes_of_packages_are_to_look_at_and_to_copy(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = project / ".pada/packages/pack/abc/recipes"
    shutil.copytree(project / "recipes/quickstart", inside / "quickstart")
    name = ".pada/packages/pack/abc/recipes/quickstart/recipe.yaml"
    studio = studio_of(project)
    found = text_of(studio, name)
    assert "of a package" in found["locked"]
    body = {"recipe": name, "text": "x", "digest": found["digest"]}
    assert "of a package" in studio.post("recipes/save", body).json()["error"]
    package = project / ".pada/packages/pack/abc"
    monkeypatch.setattr(listing, "every_package", lambda _: {"pack": package})
    (one,) = studio.get("recipes")["packaged"]
    assert (one["file"], one["package"], found["is_packaged"]) == (name, "pack", True)
    shutil.rmtree(project / "recipes/quickstart")
    copied = studio.post("recipes/copy", {"name": name}).json()
    assert copied["recipe"] == QUICKSTART
    assert text_of(studio)["locked"] == ""


def test_shipped_recipes_are_copied_into_the_project(project: Path) -> None:
    studio = studio_of(project)
    names = [one["name"] for one in studio.get("recipes/shipped")["recipes"]]
    assert "library_desk" in names
    copied = studio.post("recipes/copy", {"name": "library_desk"}).json()
    assert copied["recipe"] == "recipes/library_desk/recipe.yaml"
    assert not asked(studio, "look", text_of(studio, copied["recipe"])["text"], copied["recipe"])[
        "problems"
    ]
    assert studio.post("recipes/copy", {"name": "library_desk"}).status_code == 400
    assert (
        "in the project already"
        in studio.post("recipes/copy", {"name": QUICKSTART}).json()["error"]
    )
    assert studio.post("recipes/copy", {"name": "../x"}).status_code == 400


@pytest.mark.parametrize(
    "edits",
    [None, [], [{}], [{"path": [], "op": "set"}], [{"path": ["a"], "op": "drop"}], [{"path": [True], "op": "set"}],
     [{"path": [1.5], "op": "set"}], "x", [{"path": ["a"] * 60, "op": "set"}]],
)  # fmt: skip
def test_changes_that_no_page_sends_are_refused(project: Path, edits: Any) -> None:
    studio = studio_of(project)
    body = {"recipe": QUICKSTART, "text": "recipe: 1\n", "edits": edits}
    assert studio.post("recipes/change", body).status_code == 400
    assert not studio.bugs


def test_the_schema_says_of_each_key_what_it_is(project: Path) -> None:
    schema = studio_of(project).get("recipes/schema")
    for name, key in schema["properties"].items():
        assert key["title"], name
        assert key["description"], name
        assert key["examples"], name
