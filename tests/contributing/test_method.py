"""Adding a method takes the steps that CONTRIBUTING.md lists, and no others: a file, no Python."""

from pathlib import Path

import pytest

from tests.contributing.copied import CopiedEngine

pytestmark = pytest.mark.runs

METHOD = """\
# yaml-language-server: $schema=../../schemas/method.schema.json
method: 1
name: once
description: One round whose rows are written from each label in turn.
source: Made up.
failures: validation
analysis: patterns
seeds: in_turn
rounds: 1
"""
TRIAL = """\
from pathlib import Path
import jsonschema, yaml
import engine
from engine.cli.recipes import show_list
from engine.plan.schema import method_schema
from engine.project import Project

assert Path(engine.__file__).is_relative_to(Path.cwd())
show_list("methods", "recipes/quickstart")
jsonschema.validate(yaml.safe_load(Path("recipes/methods/once.yaml").read_text("utf-8")), method_schema())
recipe = Path("recipes/quickstart/recipe.yaml")
text = recipe.read_text("utf-8")
mining = "mine: {by: [pattern, diverse], label: neighbours}"
assert mining in text
text = text.replace(mining, "operators: [{name: new_situation}]")
for name in ("once", "trial"):
    changed = text.replace("loop: {rounds: 1, ", f"loop: {{method: {name}, ")
    assert changed != text
    recipe.with_name("other.yaml").write_text(changed, "utf-8")
    project = Project.open(recipe.with_name("other.yaml"))
    assert [p for p in project.validate() if p.code == "method"] == []
    plan = project.plan().plan
    rounds = max(node.round for node in plan.nodes.values())
    print(name, rounds, plan.nodes["seed-0/round-0/generate-1"].params.errors_first)
"""


def test_a_method_is_one_file(tmp_path: Path) -> None:
    engine = CopiedEngine(tmp_path)
    engine.write("recipes/methods/once.yaml", METHOD)
    # Beside a recipe it is that recipe's own.
    trial = METHOD.replace("name: once", "name: trial").replace("rounds: 1", "rounds: 3")
    engine.write("recipes/quickstart/methods/trial.yaml", trial.replace("in_turn", "errors_first"))
    *listed, first, second = engine.run(TRIAL).splitlines()
    methods = {line.split()[0]: line for line in listed}
    assert methods["once"].endswith("(from the engine)")
    assert methods["trial"].endswith("(from methods/trial.yaml of the recipe)")
    assert (first, second) == ("once 1 False", "trial 3 True")
