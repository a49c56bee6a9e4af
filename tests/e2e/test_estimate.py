"""The estimate against the truth: what a run asks lies within what its plan said at the start, node by node."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.plan.estimate import Outlook
from engine.project import Project
from engine.stages.forecast import Range
from tests.e2e.runs import rows
from tests.e2e.scripted_project import COUNTS, FAILING, write_project

pytestmark = pytest.mark.long


class Compared(NamedTuple):
    """What was expected before a run, and what it asked."""

    expected: dict[str, Range]
    """Node -> calls."""
    made: Counter[str]
    """Node -> calls."""
    total: Range
    ran: list[str]
    """Nodes that were not skipped."""

    def of(self, stage: str) -> int:
        """Return the calls that the nodes of one stage made."""
        return sum(n for name, n in self.made.items() if name.rsplit("/", 1)[-1].startswith(stage))


def compare(recipe: Path, state: Path) -> Compared:
    """Plan and run a recipe."""
    project = Project.open(recipe, state)
    planned = project.plan()
    outlook = Outlook(planned.plan, planned.resources, COUNTS, {})
    expected = {
        name: forecast.calls
        for name, node in planned.plan.nodes.items()
        if (forecast := outlook.of(node)) is not None
    }
    assert project.run().status == "done"
    failed = rows(
        state, "SELECT count(*) AS n FROM failure WHERE split = 'validation' GROUP BY node"
    )
    # The estimate rests on it: between 10 % and 60 % of the validation rows fail.
    assert {row["n"] for row in failed} == {FAILING}
    made = rows(
        state,
        "SELECT rn.name, count(*) AS n FROM llm_call c JOIN run_node rn ON rn.node = c.node GROUP BY ALL",
    )
    ran = rows(state, "SELECT name FROM run_node WHERE status <> 'skipped'")
    return Compared(
        expected,
        Counter({row["name"]: row["n"] for row in made}),
        planned.expected.estimate.calls,
        [row["name"] for row in ran],
    )


BOTH = "{name: paraphrase, params: {variants: 4}}, {name: new_situation}"
TAXONOMY = (
    "{cluster: {k: 2}, taxonomy: {mode: hybrid, categories: [{id: long, where: 'length > 30'}, "
    "{id: even, where: 'length % 2 = 0'}, {id: odd, description: Any other.}]}}"
)
PROJECTS: dict[str, dict[str, Any]] = {
    "as the tiny project": {"ATTEMPTS": "2", "ROUNDS": "2", "PATTERNS": "{cluster: {max_k: 4}}"},
    "many small patterns": {
        "groups": 8, "PATTERNS": "{cluster: {max_k: 8}}", "ROWS": "6", "ROUNDS": "2",
    },
    "more patterns than rows": {"groups": 8, "PATTERNS": "{cluster: {k: 8}}", "ROWS": "3"},
    "k is given": {"groups": 6, "PATTERNS": "{cluster: {k: 6}}"},
    "more clusters than failures": {"PATTERNS": "{cluster: {k: 30}}"},
    "few failures are diagnosed": {"PATTERNS": "{diagnose: 5, cluster: {k: 8}}"},
    "categories by SQL": {"PATTERNS": TAXONOMY, "OPERATORS": BOTH},
    "operators of some categories": {
        "PATTERNS": TAXONOMY,
        "OPERATORS": "{name: paraphrase, patterns: [odd]}, {name: new_situation, patterns: [odd]}",
    },
    "operators of different rows per call": {"OPERATORS": BOTH, "ROWS": "17", "ATTEMPTS": "2"},
    "a judge who likes nothing": {"likes": 1, "ATTEMPTS": "3", "OPERATORS": BOTH},
    "no judge": {"JUDGE": "off"},
    "very many candidates per row": {"OVERSAMPLE": "9", "OPERATORS": "{name: new_situation}", "ROWS": "4"},
    "a metric with a rubric": {
        "METRICS": "[accuracy, {name: tone, judge: {rubric: Is it kind., scale: [1, 3]}}]",
    },
    "two seeds": {"SEEDS": "[0, 1]"},
    "a student that is not trained": {"TRAIN": "{method: none}"},
}  # fmt: skip


@pytest.mark.parametrize("name", PROJECTS)
def test_a_run_asks_as_much_as_its_plan_expects(name: str, tmp_path: Path) -> None:
    found = compare(write_project(tmp_path / "project", **PROJECTS[name]), tmp_path / "state")
    for node in found.ran:
        made, expected = found.made[node], found.expected.get(node, Range(0, 0))
        assert expected.low <= made <= expected.high, f"{node}: {made} calls, expected {expected}"
    assert found.expected.keys() <= set(found.ran)
    assert found.total.low <= found.made.total() <= found.total.high


def test_every_cluster_counts_however_many_are_asked_for(tmp_path: Path) -> None:
    """A recipe of 16 clusters and few rows was estimated at 7 to 42 calls, and made 87."""
    recipe = write_project(
        tmp_path / "project", groups=8, PATTERNS="{cluster: {k: 16}}", ROWS="8", ATTEMPTS="2", likes=1
    )  # fmt: skip
    found = compare(recipe, tmp_path / "state")
    assert found.of("name") == found.of("strategy") == 16
    assert found.of("diagnose") == 16
    assert found.total.low <= found.made.total() <= found.total.high
    # Never more rows than are wanted: 8 patterns get one, the others none.
    assert found.of("generate-1") == 8
