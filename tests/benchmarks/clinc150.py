"""CLINC150 as its authors publish it, for the benchmarks that take real rows.

`--data` is the file https://github.com/clinc/oos-eval/blob/master/data/data_full.json (Larson et al., EMNLP 2019,
CC BY 3.0): the splits train, val and test, each a list of [text, intent].
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import NamedTuple

from engine.backends.protocol import Message

MODEL = "embedded/smollm2-135m-instruct"


class Row(NamedTuple):
    """One labelled text."""

    text: str
    intent: str

    @property
    def prompt(self) -> tuple[Message, ...]:
        """The turns that prompts/tasks/classification.md makes of it."""
        return (Message("system", "Label the text."), Message("user", self.text))


def add_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--data` to a benchmark's arguments."""
    parser.add_argument(
        "--data", type=Path, required=True, metavar="FILE",
        help="data_full.json from https://github.com/clinc/oos-eval (folder data)",
    )  # fmt: skip


def read(file: Path, split: str) -> list[Row]:
    """Return the rows of a split: train, val or test."""
    return [Row(*pair) for pair in json.loads(file.read_text(encoding="utf-8"))[split]]


def draw(rows: list[Row], per_intent: int, intents: int, seed: int) -> list[Row]:
    """Return so many rows of each of so many intents, drawn by seed."""
    drawn = random.Random(seed)
    kept = drawn.sample(sorted({row.intent for row in rows}), intents)
    return [
        row
        for intent in kept
        for row in drawn.sample([row for row in rows if row.intent == intent], per_intent)
    ]
