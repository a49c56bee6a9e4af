"""A project that runs through the whole loop in seconds: a tiny real student, scripted teacher and judge."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.backends.tiny import write_model

FILLERS = tuple(
    f"{a}{b}"
    for a in ("ba", "co", "di", "fu", "ge", "ho")
    for b in ("lon", "mer", "nap", "rit", "sol")
)
"""Words that the student does not know: they make rows differ."""
TINY = "{backend: transformers, model: ./student, dtype: float32}"
SCRIPTED = "{backend: scripted, model: student}"
COLOURS, NUMBERS = ("red", "blue", "green"), ("one", "two", "three", "four", "five", "six")
RECIPE = """\
recipe: 1
name: tiny
task: {kind: classification, input: [text], target: kind}
data:
  train: {path: train.jsonl}
  validation: {path: validation.jsonl}
  test: {path: test.jsonl}
models:
  student: STUDENT
  teacher: {backend: scripted, model: teacher, replies: replies.jsonl, delay_ms: DELAY}
  judge: {backend: scripted, model: judge, replies: verdicts.jsonl, delay_ms: DELAY}
  embedder: {backend: scripted, model: embedder}
metrics: [accuracy, macro_f1]
failure: accuracy < 1
patterns: {diagnose: 30, cluster: {max_k: 4}}
augment:
  rows_per_round: 12
  operators: [{name: paraphrase, params: {variants: 2}}]
quality:
  judge: decides
  attempts: 2
  gates: {neighbours: advise, similarity: advise, near_duplicate: off}
  leak_guard: {ngram: 5, quantile: 1.0}
train: {r: 4, steps: 8, batch_size: 4, learning_rate: 1e-3}
loop: {rounds: 2, control: false, stop: {patience: 5}}
"""


def _texts(words: tuple[str, ...], count: int, generator: random.Random) -> list[str]:
    found: set[str] = set()
    while len(found) < count:
        picked = [generator.choice(words) for _ in range(generator.randint(1, 3))]
        picked += generator.sample(FILLERS, generator.randint(4, 6))
        generator.shuffle(picked)
        found.add(" ".join(picked))
    return sorted(found)


def write_project(
    folder: Path, *, delay_ms: int = 0, answers: bool = True, scripted: bool = False
) -> Path:
    """Write the recipe, its data, student and replies; return the recipe's path.

    The teacher rewords training rows; without `answers` the judge likes none of them. A `scripted` student is no model
    at all: nothing of torch is loaded.
    """
    generator = random.Random(0)
    folder.mkdir(parents=True, exist_ok=True)
    if not scripted:
        write_model(folder / "student")
    rows = [(t, "colour") for t in _texts(COLOURS, 40, generator)]
    rows += [(t, "number") for t in _texts(NUMBERS, 40, generator)]
    generator.shuffle(rows)
    parts = {"train": rows[:16], "validation": rows[16:48], "test": rows[48:]}
    for name, part in parts.items():
        lines = [json.dumps({"text": text, "kind": kind}) for text, kind in part]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    # A call asks for two rows, or for the one that is missing.
    replies = [
        {
            "match": f"{json.dumps({'text': text})}{asked}",
            "reply": {"rows": [{"text": v} for v in _reworded(text, kind)[:count]]},
        }
        for text, kind in parts["train"]
        for asked, count in (("\n1 short", 1), ("", 2))
    ]
    mark = 5 if answers else 1
    feedback = "" if answers else "Try again."
    scores = {"adherence": mark, "utility": mark, "relevance": mark, "feedback": feedback}
    _write(folder / "replies.jsonl", replies)
    _write(
        folder / "verdicts.jsonl",
        [*_solved(parts["train"]), *_known(parts["train"]), {"regex": ".", "reply": scores}],
    )
    recipe = folder / "recipe.yaml"
    text = RECIPE.replace("DELAY", str(delay_ms))
    recipe.write_text(text.replace("STUDENT", SCRIPTED if scripted else TINY), "utf-8")
    return recipe


def _known(train: Sequence[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """Yield what the judge says of training rows with their own label and with the other: it is calibrated by them."""
    good = {"adherence": 5, "utility": 5, "relevance": 5, "feedback": ""}
    for text, kind in train:
        for label in ("colour", "number"):
            reply = good if label == kind else {**good, "relevance": 1}
            yield {"match": f"Row: {text}\nLabel: {label}", "reply": reply}


def _solved(train: Sequence[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """Yield the blind answers to the rows that the teacher writes."""
    for text, kind in train:
        answer = {"id": "r1", "reasoning": "", "answer": kind, "second": None}
        for row in _reworded(text, kind):
            match = f"text: {row}\n</row>\n\nAnswer this row."
            yield {"match": match, "reply": {"answers": [answer]}}


def _reworded(text: str, kind: str) -> list[str]:
    """Return two rows with other fillers and one more word of the row's kind."""
    more = COLOURS if kind == "colour" else NUMBERS
    generator = random.Random(text)
    found = []
    for number in range(2):
        words = [
            w if w not in FILLERS or i % 2 else generator.choice(FILLERS)
            for i, w in enumerate(text.split())
        ]
        found.append(" ".join([*words, more[number]]))
    return found


def _write(path: Path, entries: Sequence[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), "utf-8")
