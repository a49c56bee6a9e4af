"""Operators beside a recipe: what `pada validate` says of them, and what of them decides a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.operators.finding import FOLDER
from engine.plan.flow import flows
from engine.plan.validate import check_recipe
from engine.project import Project
from engine.spec.loader import load
from tests.operators.test_folder import ROWS
from tests.operators.writing import OPERATOR, PROMPT, changed, write_operator
from tests.plan.test_validate import GOOD, write_good

USED = "[{name: paraphrase, params: {variants: 2}, patterns: [short_text, other]}]"


def write(folder: Path, used: str = "[{name: shorten, params: {words: 3}}]") -> Path:
    assert USED in GOOD
    return write_good(folder, GOOD.replace(USED, used))


def said(recipe: Path) -> str:
    text = "".join(f"{problem}\n" for problem in check_recipe(load(recipe)))
    return text.replace(f"{recipe.parent.as_posix()}/", "")


def test_an_operator_beside_the_recipe_can_be_named(tmp_path: Path) -> None:
    write_operator(tmp_path / FOLDER)
    assert said(write(tmp_path)) == ""


def test_its_parameters_are_checked_where_the_recipe_sets_them(tmp_path: Path) -> None:
    write_operator(tmp_path / FOLDER)
    assert said(write(tmp_path, "[{name: shorten, params: {words: 30, word: 1}}]")) == (
        "recipe.yaml:18:47: error: augment.operators[0].params.words must be at most 20, not 30\n"
        "recipe.yaml:18:51: error: unknown key 'word' in augment.operators[0].params\n"
        "    choose one of: style, variants\n"
    )


@pytest.mark.parametrize(
    ("operators", "rounds", "refused"),
    [
        ("[{name: relabel}]", 1, True),
        ("[{name: contrast_pair}]", 1, True),
        ("[{name: paraphrase, patterns: [other]}]", 1, True),
        ("[{name: relabel}, {name: paraphrase}]", 1, False),
        ("[{name: relabel}]", 0, False),
    ],
)
def test_a_method_without_patterns_needs_an_operator_that_does_without(
    tmp_path: Path, operators: str, rounds: int, refused: bool
) -> None:
    recipe = write(tmp_path, operators)
    with recipe.open("a", encoding="utf-8") as out:
        out.write(f"loop: {{method: random, rounds: {rounds}}}\n")
    assert ("without them none of the recipe's operators writes a row" in said(recipe)) == refused


def test_a_name_is_looked_for_among_both(tmp_path: Path) -> None:
    write_operator(tmp_path / FOLDER)
    assert said(write(tmp_path, "[{name: shortn}]")) == (
        "recipe.yaml:18:22: error: no operator 'shortn'\n    did you mean 'shorten'?\n"
    )


def test_an_operator_that_is_a_file_is_told_once(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "shorten.yaml").write_text(OPERATOR, "utf-8")
    assert said(write(tmp_path)) == (
        "operators/shorten.yaml: error: an operator is a folder, and this is a file\n"
        "    move it to operators/shorten/operator.yaml, and its prompt beside it\n"
    )


@pytest.mark.parametrize("used", ["[{name: shorten}]", "[{name: paraphrase}]"])
def test_a_broken_operator_is_told_once_whether_it_is_used_or_not(
    used: str, tmp_path: Path
) -> None:
    write_operator(tmp_path / FOLDER, changed(("version: 1", "version: 0")))
    assert said(write(tmp_path, used)) == (
        "operators/shorten/operator.yaml:3:10: error: version must be at least 1, not 0\n"
    )


def test_a_prompt_that_uses_another_column_is_told_before_anything_runs(tmp_path: Path) -> None:
    prompt = PROMPT.replace("{{ row | tojson }}", "{{ row.body }}")
    write_operator(tmp_path / FOLDER, prompt=prompt)
    assert said(write(tmp_path)) == (
        "operators/shorten/small.md:5:1: error: this prompt cannot be rendered: 'dict object' has no attribute 'body'\n"
        "    variables that are given here: count, derived, description, kind, labelled, longest, params, "
        "rejected, row, rows, shared, usual\n"
    )


@pytest.mark.parametrize(
    ("tasks", "reason"),
    [
        ("unlabelled", "is for tasks without labels, which the kind 'classification' has"),
        (
            "[numeric, extraction]",
            "is for the kinds extraction, numeric, and the task is of the kind 'classification'",
        ),
    ],
)
def test_an_operator_for_other_tasks_is_refused(tasks: str, reason: str, tmp_path: Path) -> None:
    write_operator(tmp_path / FOLDER, changed(("label: keep", f"label: keep\ntasks: {tasks}")))
    assert said(write(tmp_path)) == (
        f"recipe.yaml:18:22: error: the operator 'shorten' {reason}\n"
        "    use new_situation, boundary or contrast_pair; `pada list operators` has all\n"
    )


def test_a_column_called_like_another_part_of_a_row_is_refused(tmp_path: Path) -> None:
    write_operator(tmp_path / FOLDER, schema=ROWS.replace('"why"', '"text"'))
    assert said(write(tmp_path)) == (
        "recipe.yaml:3:38: error: the operator 'shorten' uses the name 'text' for another part of its rows\n"
        "    give the column another name: `rename: {input_text: text}` in each split\n"
    )


def test_an_input_called_target_is_refused_where_rows_bring_their_own(tmp_path: Path) -> None:
    definition = changed(("label: keep", "label: written"), ("name: shorten", "name: written"))
    write_operator(tmp_path / FOLDER, definition, name="written")
    recipe = write(tmp_path, "[{name: written}, {name: paraphrase}]")
    text = recipe.read_text("utf-8").replace("input: [text]", "input: [target]")
    recipe.write_text(text.replace("length(text)", "1"), "utf-8")
    for split in ("train", "validation", "test"):
        file = tmp_path / "data" / f"{split}.jsonl"
        file.write_text(file.read_text("utf-8").replace('"text"', '"target"'), "utf-8")
    assert (
        "recipe.yaml:3:38: error: the operator 'written' uses the name 'target' for another part of its rows\n"
        in said(recipe)
    )
    assert "the operator 'paraphrase' uses" not in said(recipe)


SCRIPTED = """recipe: 1
name: own
task: {kind: classification, input: [text], target: label}
data:
  train: {path: data/train.jsonl}
  validation: {path: data/validation.jsonl}
  test: {path: data/test.jsonl}
models:
  student: {backend: scripted, model: s}
  teacher: {backend: scripted, model: t}
  judge: {backend: scripted, model: j}
  embedder: {backend: scripted, model: e}
augment:
  operators: [{name: shorten}, {name: paraphrase}]
"""


def ids(folder: Path) -> dict[str, str]:
    planned = Project.open(folder / "recipe.yaml", folder / "state").plan()
    return {name: node.id for name, node in planned.plan.nodes.items()}


@pytest.mark.parametrize(
    ("text", "prompt", "schema"),
    [
        (changed(("version: 1", "version: 2")), PROMPT, None),
        (changed(("default: 5", "default: 6")), PROMPT, None),
        (OPERATOR, PROMPT.replace("Shorten messages", "Cut messages"), None),
        (OPERATOR, PROMPT, ROWS),
    ],
    ids=["version", "default", "prompt", "schema"],
)
def test_what_decides_the_rows_is_part_of_the_fingerprint(
    text: str, prompt: str, schema: str | None, tmp_path: Path
) -> None:
    write_good(tmp_path, SCRIPTED)
    write_operator(tmp_path / FOLDER)
    before = ids(tmp_path)
    write_operator(tmp_path / FOLDER, text, prompt=prompt, schema=schema)
    after = ids(tmp_path)
    changed_nodes = {name.rsplit("/")[-1] for name in before if before[name] != after[name]}
    assert {"generate-1", "judge-1", "select", "train"} <= changed_nodes
    assert not {"load", "diagnose", "cluster", "name", "strategy"} & changed_nodes


def test_prose_and_operators_that_are_not_used_change_nothing(tmp_path: Path) -> None:
    write_good(tmp_path, SCRIPTED)
    write_operator(tmp_path / FOLDER)
    before = ids(tmp_path)
    text = changed(("fewer words; the", "few words; the"), ("Most words", "At most words"))
    write_operator(
        tmp_path / FOLDER, text, prompt=PROMPT.replace("purpose: say", "purpose: to say")
    )
    write_operator(tmp_path / FOLDER, changed(("name: shorten", "name: other")), name="other")
    assert ids(tmp_path) == before


@pytest.mark.parametrize(("name", "labels"), [("written", True), ("paraphrase", False)])
def test_the_privacy_table_names_the_labels_among_which_a_teacher_chooses(
    name: str, labels: bool, tmp_path: Path
) -> None:
    text = SCRIPTED.replace("[{name: shorten}, {name: paraphrase}]", f"[{{name: {name}}}]")
    definition = changed(("label: keep", "label: written"), ("name: shorten", "name: written"))
    write_operator(tmp_path / FOLDER, definition, name="written")
    project = Project.open(write_good(tmp_path, text), tmp_path / "state")
    planned = project.plan()
    sent = flows(planned.plan, planned.resources, project.loaded.recipe)["teacher"]
    what = next(flow.what for flow in sent if flow.stage == "generate")
    assert ("the labels" in what) == labels


def test_a_folder_of_operators_that_a_recipe_names_is_looked_into_and_told_where_it_is_missing(
    tmp_path: Path,
) -> None:
    (tmp_path / "pada.yaml").touch()
    write_operator(tmp_path / "shared")
    (tmp_path / "recipe").mkdir()
    recipe = write(tmp_path / "recipe", "[{name: shorten}]\n  operator_folders: [../shared]")
    assert said(recipe) == ""
    recipe.write_text(recipe.read_text("utf-8").replace("../shared", "../shard"), "utf-8")
    unknown, missing = said(recipe).split("recipe.yaml:19:22: ")
    assert unknown.startswith("recipe.yaml:18:22: error: no operator 'shorten'\n")
    assert missing == (
        "error: there is no folder ../shard\n    it is looked for from the recipe's folder\n"
    )


def test_templates_of_other_columns_are_told(tmp_path: Path) -> None:
    text = changed(("sees: [row, rejected]\n", ""), ("label: keep", "label: given\nmake: template"))
    folder = write_operator(tmp_path / FOLDER, text, prompt=None)
    file = folder / "templates.yaml"
    file.write_text("templates:\n- {inputs: {body: x}, target: y}\n", "utf-8")
    recipe = write(tmp_path)
    assert said(recipe) == (
        "operators/shorten/templates.yaml: error: row 1 of this file has the columns body, and the task has text\n"
        "    name the task's input columns\n"
    )
    file.write_text("templates:\n- {inputs: {text: x}, target: y}\n", "utf-8")
    assert said(recipe) == ""
