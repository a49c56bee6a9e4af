"""Loading: finding the file, `${…}`, relative paths, and all problems at once."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import yaml

from engine.data.sources.readers import READERS
from engine.errors import RecipeError
from engine.spec.data_files import ENDINGS
from engine.spec.loader import load
from tests.plan.test_validate import GOOD

WITH_VARS = GOOD.replace("name: good", "name: good\nvars: {data: data, student: embedded/x}")
WITH_VARS = WITH_VARS.replace("{path: data/train.jsonl}", '{path: "${data}/train.jsonl"}').replace(
    "student: {backend: transformers, model: embedded/smollm2-135m-instruct}",
    'student: {backend: transformers, model: "${student}"}',
)


def write(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    return folder


def test_folder_and_file_are_the_same_recipe(tmp_path: Path) -> None:
    folder = write(tmp_path / "r", GOOD)
    loaded = load(folder)
    assert loaded.recipe == load(folder / "recipe.yaml").recipe
    assert loaded.base == folder
    assert loaded.source == GOOD
    assert str(loaded.at("task", "target")).endswith("recipe.yaml:3:53")


def test_effective_recipe_has_the_defaults(tmp_path: Path) -> None:
    effective = load(write(tmp_path, GOOD)).effective
    assert effective["loop"]["stop"]["patience"] == 1
    assert effective["models"]["student"]["model"] == "embedded/smollm2-135m-instruct"


@pytest.mark.parametrize(
    ("name", "said"), [("nope", "there is no recipe 'nope'"), ("", "no recipe.yaml")]
)
def test_no_recipe_there(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match=said):
        load(name)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tickets.xlsx", b"PK\x03\x04\xff"),
        ("t.csv", b"text,label\n"),
        ("T.TSV", b"a\tb\n"),
        ("a b.jsonl.gz", b"\x1f\x8b\x08"),
        ("t.parquet", b"PAR1\xff"),
        ("rows.json", b'\n[{"a": 1}]'),
        ("noending", b"PAR1\x00"),
        ("d/t.csv", b"text,label\n"),
        ("d/state.json", b"{}"),
    ],
)
def test_data_in_a_recipes_place_is_told_with_what_writes_one(
    name: str, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("d").mkdir()
    Path(name).write_bytes(content)
    named = name.partition("/")[0]
    writes = name if name == "d/t.csv" else named
    with pytest.raises(RecipeError) as refused:
        load(named)
    assert "data" in refused.value.problems[0].message
    assert f"`pada init {shlex.quote(writes)}` writes a recipe" in str(refused.value)
    assert "UTF-8" not in str(refused.value)


def test_a_recipe_in_json_or_beside_data_is_a_recipe(tmp_path: Path) -> None:
    (write(tmp_path, GOOD) / "t.csv").write_text("a,b\n")
    assert load(tmp_path).recipe.name == "good"
    file = tmp_path / "r.json"
    file.write_text(json.dumps(yaml.safe_load(GOOD)))
    assert load(file).recipe.name == "good"


def test_what_is_told_as_data_is_what_rows_are_read_from() -> None:
    assert set(ENDINGS) == READERS.keys()


def test_a_mistyped_shipped_recipe_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match="did you mean 'library_desk'"):
        load("libary_desk")


def test_vars_of_the_recipe_count_from_its_folder(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, WITH_VARS))
    assert loaded.recipe.data.train.path == "data/train.jsonl"
    assert loaded.given == frozenset()


def test_overridden_path_counts_from_here_and_a_model_name_stays_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "r", WITH_VARS)
    monkeypatch.chdir(tmp_path)
    loaded = load(folder, {"data": "mine", "student": "owner/name"})
    assert loaded.recipe.data.train.path == str(tmp_path / "mine" / "train.jsonl")
    assert loaded.recipe.models.student.model == "owner/name"
    assert loaded.vars == {"data": "mine", "student": "owner/name"}
    (tmp_path / "owner" / "name").mkdir(parents=True)
    loaded = load(folder, {"student": "owner/name"})
    assert loaded.recipe.models.student.model == str(tmp_path / "owner" / "name")
    assert load(folder, {"data": "hf://o/n/c"}).recipe.data.train.path == "hf://o/n/c/train.jsonl"


def test_two_dollars_write_one(tmp_path: Path) -> None:
    text = GOOD.replace("name: good", 'name: good\ndescription: "costs $${x} or $5"')
    assert load(write(tmp_path, text)).recipe.description == "costs ${x} or $5"


def test_unknown_vars_are_named_with_a_guess(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        load(write(tmp_path, WITH_VARS.replace("${data}", "${dta}")), {"dat": "x", "student": "s"})
    assert [(p.message, p.hint) for p in caught.value.problems] == [
        ("no var 'dat' in this recipe (--var dat=…)", "did you mean 'data'?"),
        ("there is no var 'dta'", "did you mean 'data'?"),
    ]


def test_problems_of_vars_types_and_secrets_come_together(tmp_path: Path) -> None:
    text = WITH_VARS.replace("name: good", "nme: good")
    text = text.replace("judge: {backend", "judge: {token: abc, backend").replace("${data}", "${d}")
    with pytest.raises(RecipeError) as caught:
        load(write(tmp_path, text))
    codes = {problem.code for problem in caught.value.problems}
    assert codes == {"var", "secret", "missing", "unknown-key"}


@pytest.mark.parametrize(
    "setting",
    ["api_key: hunter2hunter2", "api_key: 12345678", "headers: {Authorization: hunter2hunter2}",
     "extra: sk-hunter2hunter2hunter2", "base_url: 'http://me:hunter2@host/v1'", "hub_token: hunter2"],
)  # fmt: skip
def test_secrets_are_refused_and_not_repeated(setting: str, tmp_path: Path) -> None:
    text = GOOD.replace("teacher: {", f"teacher: {{{setting}, ")
    with pytest.raises(RecipeError) as caught:
        load(write(tmp_path, text))
    assert [problem.code for problem in caught.value.problems] == ["secret"]
    assert "hunter2" not in str(caught.value)
    assert "12345678" not in str(caught.value)


def test_keys_by_the_name_of_an_environment_variable_are_fine(tmp_path: Path) -> None:
    text = GOOD.replace("teacher: {", "teacher: {api_key: {env: MY_KEY}, max_tokens: 5, ")
    assert load(write(tmp_path, text)).recipe.models.teacher.settings["api_key"] == {
        "env": "MY_KEY"
    }
