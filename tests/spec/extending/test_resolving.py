"""`pada resolve`: the full recipe, which loads again as the same, each line with where it is from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.project import Project
from engine.spec.extending.resolving import as_yaml, records, resolved
from engine.spec.loader import load
from engine.spec.yaml import parse
from tests.spec.extending.repositories import WHOLE, data, project, write

BASE = (
    WHOLE.replace("name: whole\n", "")
    .replace("rows_per_round: 40", "rows_per_round: '${rows}'")
    .replace("description: Mail.", "description: 'costs $${x}, # no: \"comment\"'")
    + "vars: {rows: {type: int, default: 5}}\n"
)
CHILD = """recipe: 1
name: child
extends: support/recipes/base.yaml
metrics: [accuracy, {name: long, sql: avg(1)}]
quality: {judge: null, minimum: {utility: 1}}
loop: {method: vanilla}
failures: {}
"""


def recipe(folder: Path) -> Path:
    rows = data("shared/recipes/")
    project(folder, {"shared/recipes/base.yaml": BASE, "desk/r.yaml": CHILD, **rows})
    return folder / "desk" / "r.yaml"


def test_each_line_says_where_it_is_from(tmp_path: Path) -> None:
    loaded = load(recipe(tmp_path), {"rows": "7"}, {"seeds": [3]})
    lines = as_yaml(resolved(loaded)).splitlines()

    def line(start: str) -> str:
        (found,) = [" ".join(each.split()) for each in lines if each.strip().startswith(start)]
        return found

    assert line("name: child") == "name: child # r.yaml:2"
    assert line("target:") == "target: label # support/recipes/base.yaml:2"
    assert line("rows_per_round:") == "rows_per_round: 7 # support/recipes/base.yaml:14, --var rows"
    assert line("- 3") == "- 3 # --set"
    assert line("- name: long") == "- name: long # r.yaml:4"
    assert line("rounds:") == "rounds: 2 # support/recipes/base.yaml:16"
    assert line("path: support/recipes/data/test.jsonl").endswith("# support/recipes/base.yaml:6")
    assert not any("extends" in each or "vars" in each or "judge: null" in each for each in lines)


@pytest.mark.parametrize("defaults", [False, True])
def test_it_loads_again_as_the_same(defaults: bool, tmp_path: Path) -> None:
    file = recipe(tmp_path)
    before = Project.open(
        file, vars={"rows": "7"}, settings={"seeds": [3], "metrics.0": "macro_f1"}
    )
    for plain in (True, False):
        text = as_yaml(resolved(before.loaded, defaults=defaults), plain=plain)
        assert ("#" in text.replace("# no", "")) != plain
        again = Project.open(write(tmp_path, {"desk/again.yaml": text}) / "desk" / "again.yaml")
        assert again.loaded.effective == before.loaded.effective
        assert again.loaded.recipe.task.description == 'costs ${x}, # no: "comment"'


def test_the_same_nodes_follow_from_it(tmp_path: Path) -> None:
    file = recipe(tmp_path)
    before = Project.open(file)
    text = as_yaml(resolved(before.loaded, defaults=True))
    assert (
        Project.open(write(tmp_path, {"desk/again.yaml": text}) / "desk" / "again.yaml").nodes
        == before.nodes
    )


def test_what_a_method_decides_is_said_to_be_its_own(tmp_path: Path) -> None:
    method = (
        "method: 1\nname: mine\ndescription: One.\nfailures: validation\nanalysis: patterns\n"
        "overrides: {augment: {coverage: 0.5}}\n"
    )
    files = {"r.yaml": WHOLE.replace("rounds: 2", "method: mine"), "methods/mine.yaml": method}
    found = resolved(load(write(tmp_path, files) / "r.yaml"))
    assert found.origins["augment", "coverage"] == "method mine"
    assert resolved(load(tmp_path / "r.yaml"), defaults=True).origins["loop", "rounds"] == "default"


def test_texts_of_all_sorts_are_read_back(tmp_path: Path) -> None:
    texts: dict[str, Any] = {
        "a": "two\nlines", "b": "", "c": "null", "d": " x ", "e": "1.5", "f": "\u200b\u202e", "g: h": "- [", "é": "ü€",
    }  # fmt: skip
    labels = json.dumps(texts)
    file = (
        write(tmp_path, {"r.yaml": WHOLE.replace("description: Mail.", f"labels: {labels}")})
        / "r.yaml"
    )
    found = resolved(load(file))
    text = as_yaml(found)
    assert parse(text, file).data == found.data
    assert found.data["task"]["labels"] == texts
    assert "\u202e" not in text


def test_records_have_a_key_a_value_and_where_it_is_from(tmp_path: Path) -> None:
    found = {each["key"]: each for each in records(resolved(load(recipe(tmp_path))))}
    assert found["metrics[1].name"] == {
        "key": "metrics[1].name",
        "value": "long",
        "from": "r.yaml:4",
    }
