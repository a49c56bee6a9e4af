"""A project that goes through the whole loop without any model, with failures and patterns as a test wants them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

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
  verify: VERIFY
  gates: {neighbours: off, similarity: off, near_duplicate: off}
  leak_guard: {ngram: 9, quantile: 1.0}
train: TRAIN
loop: {rounds: ROUNDS, control: false, stop: {patience: 9}}
seeds: SEEDS
"""
USUAL = {
    "METRICS": "[accuracy]", "PATTERNS": "{cluster: {k: 3}}", "ROWS": "12", "OVERSAMPLE": "1.5",
    "OPERATORS": "{name: paraphrase, params: {variants: 2}}", "JUDGE": "decides", "VERIFY": "{}", "ATTEMPTS": "1",
    "ROUNDS": "1", "SEEDS": "[0]", "TRAIN": "{r: 1, steps: 1}",
}  # fmt: skip
SOLVED = {
    "match": "Answer this row.",
    "reply": {"answers": [{"id": "r1", "reasoning": "", "answer": "colour", "second": None}]},
}
"""What is answered blind to any row."""
COUNTS = {"train": 24, "validation": 40, "test": 8}
FAILING = 16
"""Of the validation rows."""
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


def write_project(
    folder: Path,
    *,
    groups: int = 3,
    likes: int = 5,
    validation: int = COUNTS["validation"],
    **changes: str,
) -> Path:
    """Write a project whose student fails at two validation rows of five, for `groups` reasons; return its recipe.

    `changes` replace the values of USUAL; the judge gives everything the mark `likes`.
    """
    folder.mkdir(exist_ok=True)
    replies: list[dict[str, Any]] = []
    known: list[dict[str, Any]] = []
    number = 0
    for split, count in (COUNTS | {"validation": validation}).items():
        lines = []
        for i in range(count):
            kind = ("colour", "number")[i % 2]
            # Two rows of five name the other kind: the student goes by words.
            named = ("number", "colour")[i % 2] if i % 5 < 2 else kind
            words = [FILLERS[(number * step + step) % len(FILLERS)] for step in (1, 7, 11)]
            text = f"{named} {' '.join(words)} row{number}"
            number += 1
            lines.append({"text": text, "kind": kind, "length": len(text)})
            if split == "train":
                known += _known(text, kind)
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
    _write(folder / "verdicts.jsonl", [*known, SOLVED, {"match": "Strategy: ", "reply": marks}])
    text = RECIPE
    for name, value in (USUAL | changes).items():
        text = text.replace(name, value)
    recipe = folder / "recipe.yaml"
    recipe.write_text(text, "utf-8")
    return recipe


def _known(text: str, kind: str) -> Iterator[dict[str, Any]]:
    """Yield what the judge says of a training row with its own label and with the other: it is calibrated by them."""
    good = {"adherence": 5, "utility": 5, "relevance": 5, "feedback": ""}
    for label in ("colour", "number"):
        reply = good if label == kind else {**good, "relevance": 1}
        yield {"match": f"Row: {text}\nLabel: {label}", "reply": reply}


def _write(file: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
