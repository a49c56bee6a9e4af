"""Adding a metric takes the steps that CONTRIBUTING.md lists, and no others."""

from pathlib import Path

import pytest

from tests.contributing.copied import CopiedEngine

pytestmark = pytest.mark.runs

METRIC = '''\
"""Length: characters of the answer; a made-up metric, lower is better."""

from typing import Any

from pydantic import Field

from engine.metrics.protocol import Answered, Metric, MetricParams


class Params(MetricParams):
    """Parameters of `length`."""

    most: int = Field(default=100, ge=1)
    """Characters at which it stops counting."""


def _length(answered: Answered, params: Any) -> float:
    return float(min(params.most, len(answered.answer or "")))


LENGTH = Metric(
    "length", 1, "Characters of the answer.", _length, params=Params, share=False, lower_is_better=True
)
'''
TRIAL = """\
import json
from pathlib import Path
import engine
from engine.cli.recipes import show_list
from engine.metrics import METRICS, Answered
from engine.plan.schema import recipe_schema
from engine.project import Project

assert Path(engine.__file__).is_relative_to(Path.cwd())
show_list("metrics")
names = json.dumps(recipe_schema()["$defs"]["MetricSpec"])
assert "Characters at which it stops counting." in json.dumps(recipe_schema())
assert '"length"' in names
recipe = Path("recipes/quickstart/recipe.yaml")
text = recipe.read_text("utf-8")
entry = "{name: length, params: {most: 3}}"
changed = text.replace("metrics: [accuracy, macro_f1]", f"metrics: [accuracy, {entry}]")
recipe.with_name("measured.yaml").write_text(changed, "utf-8")
project = Project.open(recipe.with_name("measured.yaml"))
assert project.validate() == []
(used,) = (m for m in project.plan().plan.nodes["untuned/score"].params.metrics if m.name == "length")
print(used.entry.score(Answered("abcde", ("x",), "abcde"), used.settings))
"""


def test_a_metric_is_a_file_and_a_line(tmp_path: Path) -> None:
    engine = CopiedEngine(tmp_path)
    engine.write("engine/metrics/length.py", METRIC)
    registry = "engine/metrics/__init__.py"
    engine.change(
        registry, "PERPLEXITY, CALIBRATION_ERROR,", "PERPLEXITY, CALIBRATION_ERROR, LENGTH,"
    )
    engine.change(
        registry,
        "from engine.metrics.numeric_match import",
        "from engine.metrics.length import LENGTH\nfrom engine.metrics.numeric_match import",
    )
    lines = engine.run(TRIAL).splitlines()
    assert any(line.startswith("length ") for line in lines)
    assert lines[-1] == "3.0"
