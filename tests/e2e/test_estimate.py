"""The estimate against the truth: what a run asks lies within what its plan said at the start, node by node."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.plan.estimate import Outlook
from engine.project import Project
from engine.stages.forecast import Range
from tests.e2e.runs import rows
from tests.e2e.tiny_project import FILLERS

RECIPE = """\
recipe: 1
name: estimated
task: {kind: classification, input: [text], target: kind}
data:
  train: {path: train.jsonl}
  validation: {path: validation.jsonl}
  test: {path: test.jsonl}
models:
  student: {backend: scripted, model: student}
  teacher: {backend: scripted, model: teacher, replies: replies.jsonl}
  judge: {backend: scripted, model: judge, replies: verdicts.jsonl}
  embedder: {backend: scripted, model: embedder}
metrics: METRICS
failure: accuracy < 1
patterns: PATTERNS
augment: {rows_per_round: ROWS, oversample: OVERSAMPLE, operators: [OPERATORS]}
quality:
  judge: JUDGE
  attempts: ATTEMPTS
  neighbours: 0
  similarity: {low: -1, high: 1}
  dedup: {threshold: 1}
  leak_guard: {ngram: 9, quantile: 1.0}
train: TRAIN
loop: {rounds: ROUNDS, stop: {patience: 9}}
seeds: SEEDS
"""
USUAL = {
    "METRICS": "[accuracy]", "PATTERNS": "{cluster: {k: 3}}", "ROWS": "12", "OVERSAMPLE": "1.5",
    "OPERATORS": "{name: paraphrase, params: {variants: 2}}", "JUDGE": "decides", "ATTEMPTS": "1",
    "ROUNDS": "1", "SEEDS": "[0]", "TRAIN": "{r: 1, steps: 1}",
}  # fmt: skip
COUNTS = {"train": 24, "validation": 40, "test": 8}
CAUSES = (
    "sunrise",
    "harbour",
    "velvet",
    "copper",
    "thunder",
    "orchard",
    "marble",
    "lantern",
    "pepper",
    "glacier",
)
"""What goes wrong, one word each, so that failures fall into as many clear groups."""


def write(folder: Path, *, groups: int = 3, likes: int = 5, **changes: str) -> Path:
    """Write a project whose student fails at 16 of 40 validation rows, for `groups` reasons; return its recipe.

    The judge gives everything the mark `likes`.
    """
    folder.mkdir(exist_ok=True)
    replies: list[dict[str, Any]] = []
    number = 0
    for split, count in COUNTS.items():
        lines = []
        for i in range(count):
            kind = ("colour", "number")[i % 2]
            # Two rows of five name the other kind: the student goes by words.
            named = ("number", "colour")[i % 2] if i % 5 < 2 else kind
            words = [FILLERS[(number * step + step) % len(FILLERS)] for step in (1, 7, 11)]
            text = f"{named} {' '.join(words)} row{number}"
            number += 1
            lines.append({"text": text, "kind": kind, "length": len(text)})
            if split == "validation":
                cause = f"{CAUSES[i // 2 % groups]} " * 6
                replies.append(
                    {
                        "match": text,
                        "reply": {
                            "root_cause": cause.strip(),
                            "scenario": f"a row of the sort {i}",
                        },
                    }
                )
        _write(folder / f"{split}.jsonl", lines)
    marks = {"adherence": likes, "utility": likes, "relevance": likes, "feedback": "Try again."}
    _write(folder / "replies.jsonl", replies)
    _write(folder / "verdicts.jsonl", [{"match": "Strategy: ", "reply": marks}])
    text = RECIPE
    for name, value in (USUAL | changes).items():
        text = text.replace(name, value)
    recipe = folder / "recipe.yaml"
    recipe.write_text(text, "utf-8")
    return recipe


def _write(file: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


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
    assert {row["n"] for row in failed} == {16}
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


BOTH = "{name: paraphrase, params: {variants: 4}}, {name: similar}"
TAXONOMY = (
    "{cluster: {k: 2}, taxonomy: {mode: hybrid, categories: [{id: long, where: 'length > 30'}, "
    "{id: p-even, where: 'length % 2 = 0'}, {id: odd, description: Any other.}]}}"
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
        "OPERATORS": "{name: paraphrase, patterns: [odd]}, {name: similar, patterns: [odd]}",
    },
    "operators of different rows per call": {"OPERATORS": BOTH, "ROWS": "17", "ATTEMPTS": "2"},
    "a judge who likes nothing": {"likes": 1, "ATTEMPTS": "3", "OPERATORS": BOTH},
    "no judge": {"JUDGE": "off"},
    "very many candidates per row": {"OVERSAMPLE": "9", "OPERATORS": "{name: similar}", "ROWS": "4"},
    "a metric with a rubric": {
        "METRICS": "[accuracy, {name: tone, judge: {rubric: Is it kind., scale: [1, 3]}}]",
    },
    "two seeds": {"SEEDS": "[0, 1]"},
    "a student that is not trained": {"TRAIN": "{method: none}"},
}  # fmt: skip


@pytest.mark.parametrize("name", PROJECTS)
def test_a_run_asks_as_much_as_its_plan_expects(name: str, tmp_path: Path) -> None:
    found = compare(write(tmp_path / "project", **PROJECTS[name]), tmp_path / "state")
    for node in found.ran:
        made, expected = found.made[node], found.expected.get(node, Range(0, 0))
        assert expected.low <= made <= expected.high, f"{node}: {made} calls, expected {expected}"
    assert found.expected.keys() <= set(found.ran)
    assert found.total.low <= found.made.total() <= found.total.high


def test_every_cluster_counts_however_many_are_asked_for(tmp_path: Path) -> None:
    """A recipe of 16 clusters and few rows was estimated at 7 to 42 calls, and made 87."""
    recipe = write(
        tmp_path / "project", groups=8, PATTERNS="{cluster: {k: 16}}", ROWS="8", ATTEMPTS="2", likes=1
    )  # fmt: skip
    found = compare(recipe, tmp_path / "state")
    assert found.of("name") == found.of("strategy") == 16
    assert found.of("diagnose") == 16
    assert found.total.low <= found.made.total() <= found.total.high
    # Never more rows than are wanted: 8 patterns get one, the others none.
    assert found.of("generate-1") == 8
