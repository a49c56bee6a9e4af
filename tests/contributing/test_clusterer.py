"""Adding a clusterer takes the steps that CONTRIBUTING.md lists, and no others."""

from pathlib import Path

import pytest

from tests.contributing.copied import CopiedEngine

pytestmark = pytest.mark.long

CLUSTERER = '''\
"""first_word: one cluster per direction in which an embedding is longest. Source: made up for a test."""

from pydantic import Field

from engine.stages.analyse.clusterers.protocol import Clusterer, ClustererSettings, clustering


class LongestSettings(ClustererSettings):
    """How many directions count."""

    directions: int = Field(default=3, ge=1)
    """Directions, from the first."""


def longest(vectors, settings, seed):
    return clustering(vectors[:, : settings.directions].argmax(axis=1).tolist())


LONGEST = Clusterer(
    name="longest",
    version=1,
    description="one cluster per direction",
    settings=LongestSettings,
    cluster=longest,
    at_most=lambda settings: settings.directions,
)
'''
TRIAL = """\
from dataclasses import replace
from pathlib import Path
import engine
from engine.cli.recipes import show_list
from engine.errors import RecipeError
from engine.plan.schema import recipe_schema
from engine.project import Project
from engine.stages.analyse.cluster import CLUSTER
from tests.stages.analyse.test_cluster import BROKEN, LATE, RUDE, embed, inputs
from tests.stages.scripted_context import ScriptedContext

assert Path(engine.__file__).is_relative_to(Path.cwd())
show_list("clusterers")
branches = recipe_schema()["$defs"]["Cluster"]["anyOf"]
print([branch["properties"]["algorithm"]["const"] for branch in branches])
recipe = Path("recipes/quickstart/recipe.yaml")
text = recipe.read_text("utf-8")
old = "cluster: {algorithm: kmeans, k: auto, max_k: 6}"
assert old in text
ids = set()
for settings in (
    "algorithm: kmeans",
    "algorithm: longest, min_size: 1",
    "algorithm: longest, min_size: 1, directions: 2",
):
    other = recipe.with_name("other.yaml")
    other.write_text(text.replace(old, f"cluster: {{{settings}}}"), "utf-8")
    planned = Project.open(other).plan()
    node = planned.plan.nodes["seed-0/round-0/cluster"]
    ids.add(node.id)
    params = replace(node.params, categories=())
    output = CLUSTER.run(params, inputs([*LATE, *BROKEN, *RUDE]), ScriptedContext(embed=embed))
    print(settings, sorted(len(members) for members in output.by_pattern.values()), sep=": ")
assert len(ids) == 3, "name and settings are part of the fingerprint"
other.write_text(text.replace(old, "cluster: {algorithm: longest, k: 2}"), "utf-8")
try:
    Project.open(other).validate()
except RecipeError as error:
    print(error.problems[0].message)
"""


def test_a_clusterer_is_a_file_and_a_line(tmp_path: Path) -> None:
    engine = CopiedEngine(tmp_path)
    engine.write("engine/stages/analyse/clusterers/longest.py", CLUSTERER)
    registry = "engine/stages/analyse/clusterers/__init__.py"
    engine.change(registry, "AGGLOMERATIVE, HDBSCAN]", "AGGLOMERATIVE, HDBSCAN, LONGEST]")
    engine.change(
        registry,
        "from engine.stages.analyse.clusterers.protocol import",
        "from engine.stages.analyse.clusterers.longest import LONGEST\n"
        "from engine.stages.analyse.clusterers.protocol import",
    )
    lines = engine.run(TRIAL).splitlines()
    assert "longest                  one cluster per direction" in lines
    assert "['agglomerative', 'hdbscan', 'kmeans', 'longest']" in lines
    assert lines[-3:] == [
        "algorithm: longest, min_size: 1: [1, 2, 3]",
        "algorithm: longest, min_size: 1, directions: 2: [2, 4]",
        "unknown key 'k' in patterns.cluster",
    ]
