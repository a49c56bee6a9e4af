"""The short form of the fuzz: a few inputs of each kind, the same ones each time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.security.fuzz.mutations import mutated, mutated_bytes, mutated_text, text_of
from tests.security.fuzz.recipes import additions, recipe_of
from tests.security.fuzz.worker import Finding, Wrong, tried

ROOT = Path(__file__).resolve().parents[2]
COUNTS = {"recipes": 20, "data": 10, "batches": 5, "stores": 3, "replies": 10}


@pytest.mark.runs
def test_mutated_inputs_end_as_they_should() -> None:
    asked = [word for kind, count in COUNTS.items() for word in (f"--{kind}", str(count))]
    done = subprocess.run(
        [sys.executable, "-m", "tests.security.fuzz", "--seed", "7", *asked],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for kind, count in COUNTS.items():
        assert f"{kind}: {count} in " in done.stdout


def test_the_same_seed_makes_the_same_inputs() -> None:
    recipe = recipe_of("classification")

    def made(seed: int) -> list[object]:
        random = Random(seed)
        return [
            text_of(mutated(recipe, random, additions()), random),
            mutated_text("some text", random),
            mutated_bytes(b"some bytes", random),
        ]

    assert made(1) == made(1)
    assert made(1) != made(2)


def _ends(number: int, random: Random, folder: Path) -> str:
    match number:
        case 0:
            return "well"
        case 1:
            raise KeyError("x")
        case 2:
            raise Wrong("exit code 1", "what was said")
        case 3:
            os._exit(3)
    return "well again"


def test_each_way_to_end_badly_is_found_and_the_others_are_tried_all_the_same() -> None:
    ends = list(tried(_ends, "ends", 0, 5))
    how = [end.how if isinstance(end, Finding) else end for end in ends]
    assert how[0] == "well"
    assert how[1].startswith("KeyError")
    assert how[2:] == ["exit code 1", f"process ended: {3 << 8}", "well again"]
