"""Adding a gate takes the steps that CONTRIBUTING.md lists, and no others."""

from pathlib import Path

import pytest

from tests.contributing.copied import CopiedEngine

pytestmark = pytest.mark.long

GATE = '''\
"""shouting: the row has few words in capitals."""

from collections.abc import Sequence

from engine.spec.recipe.quality import Shouting
from engine.stages.quality.protocol import Batch, Finding, Gate


def _check(batch: Batch, settings: Shouting) -> Sequence[Finding]:
    findings = []
    for text in batch.texts:
        loud = sum(word.isupper() for word in text.split())
        detail = f"{loud} words in capitals" if loud > settings.most else ""
        findings.append(Finding(detail, "Write it calmly." if detail else ""))
    return findings


SHOUTING = Gate(
    name="shouting",
    version=1,
    description="the row has few words in capitals",
    settings=lambda quality: quality.shouting,
    check=_check,
)
'''
SETTINGS = '''\
class Shouting(Spec):
    """Words in capitals."""

    most: int = Field(default=1, ge=0)
    """Most of them in a row."""


class Quality(Spec):
'''
TRIAL = """\
import json
from pathlib import Path
import engine
from engine.cli.recipes import show_list
from engine.plan.schema import recipe_schema
from engine.project import Project
from engine.stages.augment.gate import GATE, GateInputs
from engine.stages.outputs import Generated
from tests.stages.augment.test_gate import candidate
from tests.stages.scripted_context import ScriptedContext
from tests.stages.small_task import LOADED

assert Path(engine.__file__).is_relative_to(Path.cwd())
show_list("gates")
print(json.dumps(recipe_schema()["$defs"]["Shouting"]["properties"]["most"]["description"]))
recipe = Path("recipes/quickstart/recipe.yaml")
text = recipe.read_text("utf-8")
ids = set()
for most in (1, 2):
    changed = text.replace("quality:", f"quality:\\n  shouting: {{most: {most}}}", 1)
    recipe.with_name("loud.yaml").write_text(changed, "utf-8")
    plan = Project.open(recipe.with_name("loud.yaml")).plan().plan
    node = plan.nodes["seed-0/round-0/gate-0"]
    ids.add(node.id)
    inputs = GateInputs(load=LOADED, generate=Generated((candidate("my BOX is LATE again"),)))
    (found,) = GATE.run(node.params, inputs, ScriptedContext()).gatings
    print(found.reason, found.detail, found.feedback, sep=" | ")
assert len(ids) == 2, "its settings are part of the fingerprint"
"""


def test_a_gate_is_a_file_a_line_and_its_settings(tmp_path: Path) -> None:
    engine = CopiedEngine(tmp_path)
    engine.write("engine/stages/quality/shouting.py", GATE)
    registry = "engine/stages/quality/__init__.py"
    engine.change(registry, "[FORM, PROMISE,", "[FORM, SHOUTING, PROMISE,")
    engine.change(
        registry,
        "from engine.stages.quality.similarity import",
        "from engine.stages.quality.shouting import SHOUTING\nfrom engine.stages.quality.similarity import",
    )
    recipe = "engine/spec/recipe/quality.py"
    engine.change(recipe, "class Quality(Spec):\n", SETTINGS)
    engine.change(
        recipe,
        "    similarity: Similarity = Similarity()\n",
        "    shouting: Shouting = Shouting()\n    similarity: Similarity = Similarity()\n",
    )
    lines = engine.run(TRIAL).splitlines()
    assert "shouting                 the row has few words in capitals" in lines
    assert '"Most of them in a row."' in lines
    assert lines[-2] == "shouting | 2 words in capitals | Write it calmly."
    assert not lines[-1].startswith("shouting")
