"""Everything in a tree is checked, each problem told once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from engine.cli.recipes import show_validation
from engine.cli.site.validation import Asked, show_tree_validation
from engine.errors import EngineError
from engine.site.tree import read_tree
from engine.site.validation import validate_tree
from tests.operators.writing import changed, write_operator
from tests.site.trees import METHOD, commit, write_recipe, write_tree


def test_a_good_tree_has_no_errors(tmp_path: Path) -> None:
    found = validate_tree(read_tree(write_tree(tmp_path / "mail", "a", "b")))
    assert found.errors == []
    assert found.summary.startswith("4 files: 2 recipes, 1 taxonomy, pada.yaml; ")


def test_files_that_no_recipe_uses_are_checked_and_what_many_share_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_tree(tmp_path / "mail", "a", "b", "c")
    monkeypatch.chdir(root)
    shared = root / "taxonomies" / "mail.yaml"
    shared.write_text(shared.read_text("utf-8").replace("parent: style", "parent: stile"), "utf-8")
    for name, text in {
        "taxonomies/unused.yaml": 'taxonomy: 1\ncategories: [{id: x, where: "length(text"}]\n',
        "methods/plain.yaml": METHOD.replace("rounds: 0", "rounds: -1"),
        "prompts/tasks/mail.md": "[[user]]\n{{ row.text }\n",
        "prompts/mine/pack.yaml": "pack: 1\nname: mine\n",
        "schemas/diagnosis.schema.json": '{"type": "object"}',
        "schemas/of_a_task.schema.json": '{"type": "array"}',
        "old.yaml": "recipe: 2\nname: old\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    write_operator(root / "operators", changed(("version: 1", "version: 0")))
    write_recipe(root / "d", ("metrics: [accuracy]", "metrics: [acuracy]"))
    found = validate_tree(read_tree(root), jobs=1)
    told = {(p.where.by_line, p.message) for p in found.errors}
    assert (
        "taxonomies/mail.yaml:5",
        "there is no category 'stile' for 'short_text' to be part of",
    ) in told
    assert len({p.where for p in found.errors if p.where.file == "taxonomies/mail.yaml"}) == 1
    assert sum(p.where.file == "taxonomies/mail.yaml" for p in found.errors) == 1
    assert {p.where.file for p in found.errors} == {
        "taxonomies/mail.yaml",
        "taxonomies/unused.yaml",
        "methods/plain.yaml",
        "prompts/tasks/mail.md",
        "prompts/mine/pack.yaml",
        "schemas/diagnosis.schema.json",
        "old.yaml",
        "operators/shorten/operator.yaml",
    }
    assert list(found.problems) == sorted(found.problems, key=lambda p: p.where)


def test_data_that_are_not_here_are_no_error_where_no_rows_are_looked_at(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "mail", "invoices")
    for file in (root / "invoices" / "data").iterdir():
        file.unlink()
    write_recipe(
        root / "wrong",
        ("{path: data/train.jsonl}", '{path: data/train.jsonl, where: "length("}'),
        ("data/validation.jsonl", "/etc/passwd.jsonl"),
    )
    tree = read_tree(root)
    missing = [p for p in validate_tree(tree).errors if "invoices/recipe.yaml" in p.where.file]
    assert {p.code for p in missing} == {"no-data"}
    without = validate_tree(tree, rows=False).errors
    assert {p.code for p in without} == {"sql", "outside"}
    assert all("wrong/recipe.yaml" in p.where.file for p in without)


def test_rows_of_queries_and_pools_that_are_not_here_are_no_error_either(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "mail")
    write_recipe(
        root / "invoices",
        ("{path: data/train.jsonl}", """{sql: "SELECT * FROM 'gone/*.jsonl'"}"""),
        ("{path: data/test.jsonl}", "{path: gone/test.jsonl}\n  pool: {path: gone/pool.jsonl}"),
    )
    tree = read_tree(root)
    assert {p.code for p in validate_tree(tree).errors} >= {"no-data"}
    assert validate_tree(tree, rows=False).errors == []


def test_what_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_tree(tmp_path / "mail", "a")
    monkeypatch.chdir(root)
    (root / "compose.yaml").write_text("services: {}\n", "utf-8")
    show_tree_validation(root, Asked(verbose=True), [], as_json=False)
    out, errors = capsys.readouterr()
    assert out.startswith("3 files: 1 recipe, 1 taxonomy, pada.yaml; ")
    assert "ignored, nothing of recipes: compose.yaml" in errors
    write_recipe(root / "a", ("kind: classification", "kind: clasification"))
    with pytest.raises(typer.Exit) as ended:
        show_tree_validation(root, Asked(), [], as_json=True)
    assert ended.value.exit_code == 2
    out, errors = capsys.readouterr()
    found = [json.loads(line) for line in out.splitlines()]
    assert {p["file"] for p in found if p["level"] == "error"} == {"a/recipe.yaml"}
    assert errors == ""
    with pytest.raises(EngineError, match="--var and --set are for one recipe"):
        show_tree_validation(root, Asked(), ["data=x"], as_json=False)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(EngineError, match="there is nothing to check in"):
        show_tree_validation(tmp_path / "nothing", Asked(), [], as_json=False)


def test_one_recipe_without_its_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_tree(tmp_path / "mail", "invoices") / "invoices" / "recipe.yaml"
    (recipe.parent / "data" / "test.jsonl").unlink()
    with pytest.raises(EngineError, match="there is no such file"):
        show_validation(str(recipe), [])
    show_validation(str(recipe), [], rows=False)
    assert "recipe 'invoices' is valid, its rows aside" in capsys.readouterr().out


def test_only_what_changed_and_what_depends_on_it_is_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_tree(tmp_path / "mail", "a", "b")
    commit(root)

    def checked(revision: str = "HEAD") -> str:
        show_tree_validation(root, Asked(changed=revision), [], as_json=False)
        return capsys.readouterr().out.split(";")[0]

    assert checked() == "0 files"
    with (root / "a" / "data" / "train.jsonl").open("a") as rows:
        rows.write('{"text": "one more mail about it", "label": "bill"}\n')
    assert checked() == "1 file: 1 recipe"
    (root / "b" / "prompts").mkdir()
    (root / "b" / "prompts" / "diagnose.md").write_text("[[user]]\nWhy?\n", "utf-8")
    assert checked() == "3 files: 2 recipes, 1 prompt"
    commit(root)
    (root / "taxonomies" / "mail.yaml").write_text(
        "taxonomy: 1\ncategories: [{id: x, description: y}]\n"
    )
    assert checked() == "3 files: 2 recipes, 1 taxonomy"
    first = commit(root)
    (root / "b" / "recipe.yaml").unlink()
    (root / "pada.yaml").write_text("project: 1\nname: other\n")
    assert checked(first) == "2 files: 1 recipe, pada.yaml"
    for revision in ("no-such-branch", "--output=x", "HEAD:a"):
        with pytest.raises(EngineError, match="there is no such revision"):
            checked(revision)
    assert not (root / "x").exists()


def test_changes_need_a_repository(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "mail")
    with pytest.raises(EngineError, match="--changed needs a git repository"):
        show_tree_validation(root, Asked(changed="HEAD"), [], as_json=False)


def test_a_recipe_without_data_is_there_to_be_extended_unless_it_is_called_recipe(
    tmp_path: Path,
) -> None:
    root = write_tree(tmp_path / "mail")
    base = 'recipe: 1\nvars: {rows: {type: int}}\naugment: {rows_per_round: "${rows}"}\n'
    (root / "base.yaml").write_text(base, "utf-8")
    (problem,) = (
        p for p in validate_tree(read_tree(root)).problems if p.where.file.endswith("base.yaml")
    )
    assert (problem.level, problem.code) == ("warning", "base")
    assert (
        problem.message == "this recipe can only be extended: data, models, name, task are missing"
    )
    # What is wrong with it is wrong all the same, and what is to be run must be whole.
    (root / "base.yaml").write_text(base + "metrcs: [accuracy]\n", "utf-8")
    (root / "whole").mkdir()
    (root / "whole" / "recipe.yaml").write_text(base + "name: whole\n", "utf-8")
    with_data = (
        base + "data: {train: {path: a.csv}, validation: {path: b.csv}, test: {path: c.csv}}\n"
    )
    (root / "forgotten.yaml").write_text(with_data, "utf-8")
    errors = validate_tree(read_tree(root)).errors
    codes = {Path(p.where.file).name: set[str]() for p in errors}
    for problem in errors:
        codes[Path(problem.where.file).name].add(problem.code)
    assert codes == {
        "base.yaml": {"unknown-key"},
        "recipe.yaml": {"missing", "no-value"},
        "forgotten.yaml": {"missing", "no-value"},
    }
