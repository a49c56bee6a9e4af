"""Adding a pack takes the steps that CONTRIBUTING.md lists, and no others: files, no Python."""

from pathlib import Path

import pytest

from tests.contributing.copied import CopiedEngine

pytestmark = pytest.mark.runs

PACK = """\
pack: 1
name: laptop
description: For models of 3 to 4 billion parameters on a laptop.
diagnose: {failures_per_call: 1, passed: 0}
name_pattern: {diagnoses: 5, confusions: 3}
confirm: {rows: 0, rows_per_call: 1}
generate: {rows_per_call: 1, seeds: 1, oversample: 1.2, attempts: 2}
verify: {samples: 0}
judge: {rows_per_call: 1, verdict: advises}
thinking_tokens: 256
gates: {neighbours: advise}
"""
TRIAL = """\
from pathlib import Path
import engine
from engine.cli.recipes import show_list
from engine.project import Project

assert Path(engine.__file__).is_relative_to(Path.cwd())
show_list("packs")
recipe = Path("recipes/quickstart/recipe.yaml")
text = recipe.read_text("utf-8")
small = "  teacher: {backend: transformers, model: embedded/smollm2-135m-instruct}"
assert small in text
recipe.with_name("other.yaml").write_text(text.replace(small, small[:-1] + ", pack: laptop}"), "utf-8")
project = Project.open(recipe.with_name("other.yaml"))
print([problem.message for problem in project.validate() if problem.code in ("pack", "prompt", "schema")])
print(project.resources.packs["teacher"].name, project.resources.models["teacher"].thinking_tokens)
(first, *_) = project.rehearse("diagnose").prompts
print(first.request.messages[0].content)
"""


def test_a_pack_is_a_folder_of_files(tmp_path: Path) -> None:
    engine = CopiedEngine(tmp_path)
    engine.write("prompts/laptop/pack.yaml", PACK)
    for file in sorted((engine.folder / "prompts" / "small").glob("*.md")):
        engine.write(f"prompts/laptop/{file.name}", file.read_text("utf-8"))
    for file in sorted((engine.folder / "schemas" / "small").glob("*.json")):
        engine.write(f"schemas/laptop/{file.name}", file.read_text("utf-8"))
    for file in sorted((engine.folder / "engine" / "operators").glob("*/small.md")):
        name = file.with_name("laptop.md").relative_to(engine.folder).as_posix()
        engine.write(name, file.read_text("utf-8"))
    engine.change(
        "prompts/laptop/diagnose.md",
        "Say in JSON what misled a classifier, and when.",
        "Say in JSON what went wrong.",
    )
    *listed, problems, used, said = engine.run(TRIAL).splitlines()
    packs = {line.split()[0]: line for line in listed}
    assert "For models of 3 to 4 billion parameters on a laptop." in packs["laptop"]
    assert problems == "[]"
    assert used == "laptop 256"
    assert said == "Say in JSON what went wrong."
