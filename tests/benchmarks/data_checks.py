"""What looking at the data costs before anything is trained, each against a peer that must do as much, in one run.

    python -m tests.benchmarks.data_checks

Processor seconds, so that other programs on the machine count for little; medians over the repeats, which take turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from engine.data.overlap import shared_rows
from engine.plan.validate import check_recipe
from engine.spec.loader import load
from engine.sql import evaluate_condition
from tests.plan.test_validate import write_good

Work = Callable[[], object]


class Arm(NamedTuple):
    """Something the engine does, and the peer that its time is divided by."""

    name: str
    work: Work
    peer: str
    reference: Work


def validation(folder: Path, rows: int) -> Arm:
    """Return the check of a recipe with so many training rows, against parsing them."""
    recipe = write_good(folder)
    train = folder / "data" / "train.jsonl"
    lines = [json.dumps({"text": f"row {i}", "label": "billing"}) + "\n" for i in range(rows)]
    with train.open("a", encoding="utf-8") as stream:
        stream.writelines(lines)

    def work() -> None:
        if problems := check_recipe(load(recipe)):
            raise SystemExit(f"the recipe has problems: {problems}")

    def reference() -> None:
        for line in train.read_text("utf-8").splitlines():
            json.loads(line)

    return Arm(f"a recipe with {rows:,} rows validated", work, "its rows parsed by json", reference)


def condition(rows: int) -> Arm:
    """Return a condition in SQL over rows in memory, against the same one in Python."""
    records = [{"text": "x" * (i % 40), "score": float(i % 2)} for i in range(rows)]

    def work() -> None:
        evaluate_condition("score < 1 and length(text) > 30", records)

    def reference() -> None:
        [row["score"] < 1 and len(row["text"]) > 30 for row in records]  # type: ignore[operator, arg-type]

    return Arm(f"a condition in SQL over {rows:,} rows", work, "the same in Python", reference)


def template(rows: int) -> Arm:
    """Return the overlap of splits whose rows share all words but one, against rows that share none."""
    alike = [f"what is the capital city of country number {n} on this list" for n in range(rows)]
    apart = [" ".join(f"w{n}of{k}" for k in range(12)) for n in range(rows)]
    return _overlap(f"overlap of {rows:,} rows of one template", alike, apart)


def beginning(rows: int) -> Arm:
    """Return the overlap of splits whose rows begin alike, against rows that share none of their words."""
    shared = " ".join(f"word{n}" for n in range(30))
    alike = [f"{shared} {n} {n}" for n in range(rows)]
    apart = [" ".join(f"w{n}of{k}" for k in range(32)) for n in range(rows)]
    return _overlap(f"overlap of {rows:,} rows with one beginning", alike, apart)


def _overlap(name: str, alike: list[str], apart: list[str]) -> Arm:
    half = len(alike) // 2
    return Arm(
        name, lambda: shared_rows(alike[:half], alike[half:], 5),
        "rows of as many words, all different", lambda: shared_rows(apart[:half], apart[half:], 5),
    )  # fmt: skip


def seconds(work: Work) -> float:
    """Return the processor seconds that something takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        arms = [
            validation(Path(folder), 20_000),
            condition(100_000),
            template(8_000),
            beginning(20_000),
        ]
        for arm in arms:
            arm.work()  # once, so that no library is loaded for the first time below
            took = [(seconds(arm.work), seconds(arm.reference)) for _ in range(repeats)]
            ratio = statistics.median(mine / peer for mine, peer in took)
            mine, peer = (statistics.median(column) for column in zip(*took, strict=True))
            print(
                f"{arm.name:<45} {mine:.3f} s, {ratio:.2f} times {arm.peer} ({peer:.3f} s)",
                flush=True,
            )


if __name__ == "__main__":
    main()
