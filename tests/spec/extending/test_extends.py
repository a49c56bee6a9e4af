"""`extends`: what is merged how, where each value is from, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.project import Project
from engine.spec.loader import load
from tests.spec.extending.repositories import (
    CHILD,
    OTHER,
    WHOLE,
    data,
    effective,
    problems,
    project,
    write,
)


def child(folder: Path, more: str = "", extends: str = "base.yaml", **files: str) -> Path:
    """Write a recipe that extends another one beside it; returns its file."""
    write(folder, {"base.yaml": WHOLE, **{f"{k}.yaml": v for k, v in files.items()}})
    return write(folder, {"child.yaml": CHILD.format(extends) + more}) / "child.yaml"


def test_a_recipe_is_what_it_extends_with_its_own_name(tmp_path: Path) -> None:
    loaded = load(child(tmp_path))
    assert loaded.recipe.name == "child"
    assert effective(loaded) == effective(load(tmp_path / "base.yaml"))
    assert loaded.bases == (tmp_path / "base.yaml",)
    assert loaded.at("loop", "rounds").by_line.endswith("base.yaml:17")


def test_mappings_merge_and_lists_are_replaced(tmp_path: Path) -> None:
    more = "metrics: [accuracy]\naugment: {rows_per_round: 7}\nloop: {control: false}\n"
    loaded = load(child(tmp_path, more))
    recipe = loaded.recipe
    assert recipe.metrics == ["accuracy"]
    assert (recipe.augment.rows_per_round, recipe.augment.operators[0].name) == (7, "paraphrase")
    assert (recipe.loop.rounds, recipe.loop.control) == (2, False)
    assert loaded.at("metrics", 0).by_line.endswith("child.yaml:4")
    assert loaded.at("augment", "operators", 0, "name").by_line.endswith("base.yaml:15")


def test_plus_adds_to_a_list_and_null_takes_a_key_away(tmp_path: Path) -> None:
    more = "+metrics: [macro_precision]\nloop: {rounds: null}\nquality: null\nfailure: null\n"
    loaded = load(child(tmp_path, more))
    assert loaded.recipe.metrics == ["accuracy", "macro_f1", "macro_precision"]
    assert loaded.at("metrics", 1).by_line.endswith("base.yaml:13")
    assert loaded.at("metrics", 2).by_line.endswith("child.yaml:4")
    assert loaded.recipe.loop.rounds == 1
    assert loaded.recipe.quality.judge is None
    assert "quality" not in loaded.document.data


def test_what_is_each_recipes_own_is_not_inherited(tmp_path: Path) -> None:
    base = WHOLE.replace("name: whole", "name: whole\nversion: 2.0.0\ndescription: Of the base.")
    recipe = load(child(tmp_path, base=base)).recipe
    assert (recipe.version, recipe.description) == ("", "")


def test_a_base_need_not_be_whole_and_may_extend_another(tmp_path: Path) -> None:
    middle = "recipe: 1\nextends: base.yaml\n+metrics: [macro_recall]\n"
    loaded = load(child(tmp_path, "+metrics: [macro_precision]\n", "middle.yaml", middle=middle))
    assert loaded.recipe.metrics == ["accuracy", "macro_f1", "macro_recall", "macro_precision"]
    assert [file.name for file in loaded.bases] == ["middle.yaml", "base.yaml"]


def test_short_forms_merge_with_whole_ones(tmp_path: Path) -> None:
    taxonomy = "taxonomy: 1\ncategories: [{id: short, where: 'length(text) < 9'}]\n"
    base = WHOLE + "patterns: {taxonomy: kinds.yaml}\nvars: {n: 3}\n"
    more = "patterns: {taxonomy: {mode: open}}\nvars: {n: {description: How many.}}\n"
    loaded = load(child(tmp_path, more, base=base, kinds=taxonomy))
    assert loaded.recipe.patterns.taxonomy.file == "kinds.yaml"
    assert loaded.recipe.patterns.taxonomy.mode == "open"
    assert loaded.vars == {"n": 3}


def test_either_form_of_labels_takes_the_place_of_the_other(tmp_path: Path) -> None:
    base = WHOLE.replace("description: Mail.", "labels: {a: One., b: Two.}")
    labels = load(child(tmp_path, "task: {labels: [b, a]}\n", base=base)).recipe.task.labels
    assert labels == ["b", "a"]


def test_paths_count_from_the_folder_of_their_file(tmp_path: Path) -> None:
    sql = "SELECT * FROM 'data/train.jsonl' WHERE text <> 'data/train.jsonl'"
    base = WHOLE.replace("{path: data/train.jsonl}", f'{{sql: "{sql}"}}').replace(
        "student: {backend: scripted, model: student}",
        "student: {backend: scripted, model: ./here, replies: said.jsonl, adapter: lora}",
    )
    base += "patterns: {taxonomy: kinds.yaml}\n"
    base = base.replace("rows_per_round: 40,", "rows_per_round: 40, operator_folders: [ops],")
    kinds = "taxonomy: 1\ncategories: [{id: short, where: 'length(text) < 9'}]\n"
    home = write(tmp_path, {"pada.yaml": "project: 1\nname: desk\n", "sub/kinds.yaml": kinds})
    write(home, {"sub/base.yaml": base, "recipes/child.yaml": CHILD.format("../sub/base.yaml")})
    recipe = load(home / "recipes/child.yaml").recipe
    assert recipe.data.validation.path == "../sub/data/validation.jsonl"
    assert recipe.data.train.sql == (
        "SELECT * FROM '../sub/data/train.jsonl' WHERE text <> 'data/train.jsonl'"
    )
    student = recipe.models.student
    assert (student.model, student.adapter) == ("../sub/here", "../sub/lora")
    assert student.settings["replies"] == "../sub/said.jsonl"
    assert recipe.models.teacher.model == "teacher"
    assert recipe.patterns.taxonomy.file == "../sub/kinds.yaml"
    assert recipe.augment.operator_folders == ["../sub/ops"]


def test_a_path_that_begins_with_a_var_counts_from_where_the_var_is_written(tmp_path: Path) -> None:
    base = "vars: {rows: data, all: data}\n" + WHOLE.replace(
        "data/train.jsonl", "'${rows}/train.jsonl'"
    ).replace("data/test.jsonl", "'${all}/test.jsonl'")
    home = write(tmp_path, {"pada.yaml": "project: 1\nname: desk\n", "sub/base.yaml": base})
    write(home, {"child.yaml": CHILD.format("sub/base.yaml") + "vars: {rows: mine}\n"})
    recipe = load(home / "child.yaml").recipe
    assert recipe.data.train.path == "mine/train.jsonl"
    assert recipe.data.test.path == "sub/data/test.jsonl"
    given = load(home / "child.yaml", {"rows": str(tmp_path / "sub")})
    assert given.recipe.data.train.path == str(tmp_path / "sub" / "train.jsonl")


def test_what_lies_beside_a_base_is_found_after_what_lies_beside_the_recipe(tmp_path: Path) -> None:
    method = "method: 1\nname: mine\ndescription: One.\nfailures: validation\nanalysis: patterns\n"
    base = WHOLE.replace("rounds: 2", "rounds: 2, method: mine")
    files = {"pada.yaml": "project: 1\nname: desk\n", "sub/methods/mine.yaml": method}
    home = write(
        tmp_path, {**files, "sub/base.yaml": base, "child.yaml": CHILD.format("sub/base.yaml")}
    )
    loaded = load(home / "child.yaml")
    assert loaded.recipe.look_in == ["sub"]
    assert loaded.method.description == "One."
    write(home, {"methods/mine.yaml": method.replace("One.", "Two.")})
    assert load(home / "child.yaml").method.description == "Two."


def test_a_recipe_that_extends_and_one_that_is_written_out_have_the_same_nodes(
    tmp_path: Path,
) -> None:
    files = {"pada.yaml": "project: 1\nname: desk\n", **data()}
    home = write(tmp_path, {**files, "whole.yaml": WHOLE})
    base = WHOLE.replace("data/", "../data/").replace("rounds: 2", "rounds: 1")
    write(home, {"sub/base.yaml": base, "other/deep/base.yaml": base.replace("../", "../../")})
    more = "loop: {rounds: 2}\n"
    write(home, {"child.yaml": CHILD.format("sub/base.yaml") + more})
    nodes = Project.open(home / "whole.yaml").nodes
    assert Project.open(home / "child.yaml").nodes == nodes
    # Also where the base lies elsewhere by now.
    write(home, {"child.yaml": CHILD.format("other/deep/base.yaml") + more})
    assert Project.open(home / "child.yaml").nodes == nodes


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            "models: [a]\n",
            "child.yaml:4:9: error: models is a list here, and a mapping at base.yaml:9",
        ),
        (
            "models: {teacher: gpt}\n",
            "models.teacher is a value here, and a mapping at base.yaml:10",
        ),
        ("metrics: {a: 1}\n", "metrics is a mapping here, and a list at base.yaml:13"),
        ("+models: {a: 1}\n", "'+models' adds to a list, and a mapping stands at base.yaml:9"),
        ("+metrics: accuracy\n", "'+metrics' adds to a list, and a value stands behind it"),
        (
            "+metric: [accuracy]\n",
            "the recipe that is extended has no 'metric' here\n    did you mean 'metrics'",
        ),
        ("metrics: [a]\n+metrics: [b]\n", "'metrics' and '+metrics' stand in one mapping"),
        ("task: null\n", "child.yaml:4:7: error: task is needed, and taken away here"),
        ("task: {target: null}\n", "task.target is needed, and taken away here"),
        (
            "augment: {rows_per_rond: 3}\n",
            "child.yaml:4:11: error: unknown key 'rows_per_rond' in augment",
        ),
    ],
)
def test_what_cannot_be_merged_is_told_with_both_places(
    more: str, said: str, tmp_path: Path
) -> None:
    assert said in problems(child(tmp_path, more))


def test_what_is_wrong_in_a_base_is_told_there(tmp_path: Path) -> None:
    base = WHOLE.replace("rounds: 2", "rounds: many")
    told = problems(child(tmp_path, base=base))
    assert told.startswith("base.yaml:17:16: error: loop.rounds must be a whole number")


def test_what_no_file_has_is_missed_in_the_recipe_that_was_asked_for(tmp_path: Path) -> None:
    middle = "recipe: 1\nextends: base.yaml\n"
    base = WHOLE.replace(", target: label", "")
    told = problems(child(tmp_path, "", "middle.yaml", middle=middle, base=base))
    assert told.startswith(
        "child.yaml:1:1: error: task.target is missing from child.yaml, "
        "which extends middle.yaml, which extends base.yaml"
    )


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_a_circle_is_named_hop_by_hop(hops: int, tmp_path: Path) -> None:
    names = [f"r{number}.yaml" for number in range(hops)]
    for name, following in zip(names, [*names[1:], names[0]], strict=True):
        write(tmp_path, {name: CHILD.format(following)})
    told = problems(tmp_path / "r0.yaml")
    assert f"these recipes extend each other: {' → '.join([*names, names[0]])}" in told
    assert told.startswith(f"{names[-1]}:3:10: error")


def test_a_circle_behind_the_recipe_names_the_circle_alone(tmp_path: Path) -> None:
    write(
        tmp_path,
        {name: CHILD.format(to) for name, to in (("a.yaml", "b.yaml"), ("b.yaml", "b.yaml"))},
    )
    assert "extend each other: b.yaml → b.yaml" in problems(tmp_path / "a.yaml")


def test_no_more_than_ten_stand_behind_one_another(tmp_path: Path) -> None:
    write(tmp_path, {f"r{n}.yaml": CHILD.format(f"r{n + 1}.yaml") for n in range(12)})
    assert "more than 10 recipes stand behind one another: r0.yaml → r1.yaml" in problems(
        tmp_path / "r0.yaml"
    )


BOMB = "recipe: 1\na: &a [1, 1]\nb: &b [*a, *a]\nc: [*b, *b]\n"


@pytest.mark.parametrize(
    ("extends", "base", "said"),
    [
        ("bse.yaml", WHOLE, "there is no recipe bse.yaml\n    did you mean 'base.yaml'?"),
        (".", WHOLE, "extends names a folder: .\n    name the file in it"),
        ("base.yaml", "just text", "base.yaml:1:1: error: the file must be a mapping"),
        ("base.yaml", "recipe: [", "base.yaml:1"),
        ("base.yaml", "taxonomy: 1\ncategories: []\n", "base.yaml is no recipe: it is a taxonomy"),
        ("base.yaml", "name: x\n", "base.yaml is no recipe: it does not begin with `recipe: 1`"),
        ("base.yaml", "recipe: 2\n", "base.yaml:1:9: error: recipe must be 1, not 2"),
        ("base.yaml", BOMB, "the anchor '&a' is not allowed"),
        ("base.yaml", WHOLE.replace("model: teacher", "model: x, api_key: abc"), "base.yaml:10"),
        ("'${base}.yaml'", WHOLE, "extends cannot be made of vars"),
        ("[base.yaml]", WHOLE, "extends names no file"),
        ("null", WHOLE, "extends names no file"),
        ("'a\\0b.yaml'", WHOLE, "there is no recipe"),
    ],
)
def test_a_base_that_cannot_be_used_is_told(
    extends: str, base: str, said: str, tmp_path: Path
) -> None:
    told = problems(child(tmp_path, "vars: {base: base}\n", extends, base=base))
    assert said in told
    assert "abc" not in told


def test_a_secret_in_a_base_is_told_where_the_recipe_has_another_value(tmp_path: Path) -> None:
    base = WHOLE.replace("model: teacher", "model: x, api_key: sk-abcdefghijklmnopqrstu")
    told = problems(child(tmp_path, "models: {teacher: {api_key: null}}\n", base=base))
    assert "base.yaml:10" in told
    assert "holds a secret" in told


def test_a_large_base_is_refused_without_being_read(tmp_path: Path) -> None:
    recipe = child(tmp_path)
    os.truncate(tmp_path / "base.yaml", 50_000_000)
    assert "base.yaml: error: this file is larger than 1 MB" in problems(recipe)


def test_adding_needs_a_recipe_to_add_to(tmp_path: Path) -> None:
    recipe = write(tmp_path, {"r.yaml": WHOLE + "+seeds: [1]\n"}) / "r.yaml"
    assert (
        "'+seeds' adds to the list of a recipe that this one extends, and it extends none"
        in problems(recipe)
    )


def test_a_base_outside_of_the_project_needs_the_users_word(tmp_path: Path) -> None:
    write(tmp_path, {"base.yaml": WHOLE})
    recipe = (
        project(tmp_path / "desk", {"r/child.yaml": CHILD.format("../../base.yaml")})
        / "r/child.yaml"
    )
    told = problems(recipe)
    assert "child.yaml:3:10" in told
    assert "lies outside of what this recipe may read" in told
    linked = tmp_path / "desk" / "r" / "linked.yaml"
    linked.symlink_to(tmp_path / "base.yaml")
    write(tmp_path, {"desk/r/child.yaml": CHILD.format("linked.yaml")})
    assert "(a link to" in problems(recipe)


def test_rows_of_a_base_are_those_beside_it(tmp_path: Path) -> None:
    files = {**data("sub/"), **data("", OTHER)}
    home = write(
        tmp_path, {"pada.yaml": "project: 1\nname: desk\n", **files, "sub/base.yaml": WHOLE}
    )
    write(home, {"child.yaml": CHILD.format("sub/base.yaml")})
    rows = Project.open(home / "child.yaml").examined.splits.rows["train"].records
    assert rows[0].values["text"].startswith("row")
