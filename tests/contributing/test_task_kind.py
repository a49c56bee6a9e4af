"""Adding a task kind takes the steps that CONTRIBUTING.md lists, and no others."""

import json
from pathlib import Path

import pytest

from tests.contributing.copied import CopiedEngine

pytestmark = pytest.mark.runs

KIND = '''\
"""Rating: the answer is a whole number of points; a made-up kind."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from engine.tasks.protocol import Options, Task, TaskKind, TaskParams


class Params(TaskParams):
    """Parameters of `rating`."""

    item: str
    """Input column with what is rated."""
    most: int = Field(default=5, ge=2, le=9)
    """Points that can be given."""


class Rating(TaskKind):
    """Points from 1 on."""

    name = "rating"
    version = 1
    prompt = "tasks/rating.md"
    params = Params
    column_params = ("item",)
    metrics = ("exact_match",)
    failure = "exact_match < 1"

    def options(self, inputs: Mapping[str, str], task: Task) -> Options | None:
        """Return all points that can be given."""
        return Options({points: points for points in _scale(task.params)})

    def max_tokens(self, inputs: Mapping[str, str], task: Task) -> int:
        """Return enough for a digit."""
        return 4

    def read(self, text: str, inputs: Mapping[str, str], task: Task) -> str | None:
        """Return the number that a text begins with."""
        digit = text.strip()[:1]
        return digit if digit in _scale(task.params) else None

    def fault(self, inputs: Mapping[str, str], target: str, task: Task) -> str | None:
        """Return why a row is none of this task."""
        return None if target in _scale(task.params) else f"{target} are not 1 to {task.params.most} points"


def _scale(params: Params) -> list[str]:
    return [str(points) for points in range(1, params.most + 1)]
'''
PROMPT = """\
{# purpose: what the student sees; its answer is a number of points.
   variables: row (column -> text), labels, description #}
[[user]]
{{ row.values() | first }} Points?
"""
RECIPE = """\
recipe: 1
name: ratings
task: {kind: rating, input: [text], target: points, params: {item: text, most: 3}}
data:
  train: {path: train.jsonl}
  validation: {path: validation.jsonl}
  test: {path: test.jsonl}
models:
  student: {backend: scripted, model: student}
  teacher: {backend: scripted, model: teacher}
  judge: {backend: scripted, model: judge}
  embedder: {backend: scripted, model: embedder}
augment: {rows_per_round: 4, operators: [{name: paraphrase}]}
train: {method: none}
loop: {rounds: 0}
"""
TRIAL = """\
import json, subprocess, sys
from pathlib import Path
import engine
from engine.cli.recipes import show_list
from engine.plan.schema import recipe_schema
from engine.tasks import TASKS, Task
from tests.e2e.runs import rows

assert Path(engine.__file__).is_relative_to(Path.cwd())
show_list("tasks")
print("Points that can be given." in json.dumps(recipe_schema()))
kind = TASKS["rating"]
task = Task((), kind.params(item="text", most=3))
print(kind.malformed({"text": "a good book"}, "7", task), kind.malformed({"text": " "}, "1", task), sep=" | ")
print(kind.read("2, I think", {}, task), kind.read("no idea", {}, task))
pada = lambda *arguments: subprocess.run(
    [sys.executable, "-m", "engine.cli", *arguments], capture_output=True, text=True, check=False
)
ran = pada("run", "recipe.yaml", "--state", "state")
assert ran.returncode == 0, ran.stderr + ran.stdout
found = rows(Path("state"), "SELECT how, answer, status FROM prediction")
print(len(found), {row["how"] for row in found}, {row["status"] for row in found})
assert {row["answer"] for row in found} <= {"1", "2", "3"}
bad = Path("recipe.yaml").read_text("utf-8").replace("item: text", "item: book")
Path("bad.yaml").write_text(bad, "utf-8")
refused = pada("validate", "bad.yaml")
assert refused.returncode == 2
print(refused.stdout, refused.stderr)
"""


def test_a_task_kind_is_a_file_a_line_a_prompt_an_example_and_a_row_for_the_catalogue(
    tmp_path: Path,
) -> None:
    engine = CopiedEngine(tmp_path)
    engine.write("engine/tasks/rating.py", KIND)
    engine.write("prompts/tasks/rating.md", PROMPT)
    registry = "engine/tasks/__init__.py"
    engine.change(registry, "        Generation(),\n", "        Generation(),\n        Rating(),\n")
    engine.change(
        registry,
        "from engine.tasks.structured import",
        "from engine.tasks.rating import Rating\nfrom engine.tasks.structured import",
    )
    engine.change(
        "engine/spec/reference/examples.yaml",
        "extends: ",
        "task.params.item: text\nextends: ",
    )
    for split in ("train", "validation", "test"):
        data = [{"text": f"{split} book {n}", "points": 1 + n % 3} for n in range(6)]
        engine.write(f"{split}.jsonl", "\n".join(map(json.dumps, data)))
    engine.write("recipe.yaml", RECIPE)
    printed = engine.run(TRIAL)
    lines = printed.splitlines()
    assert "rating                   Points from 1 on." in lines
    assert "True" in lines
    assert "7 are not 1 to 3 points | text is empty" in lines
    assert "2 None" in lines
    assert "18 {'label_likelihood'} {'ok'}" in lines
    assert "task.params.item is 'book', which is not in task.input" in printed
