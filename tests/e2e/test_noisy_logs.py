"""A log whose expected answers are wrong on purpose: the student does not end worse than it began."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.backends import BACKENDS
from tests.benchmarks.noise import NEIGHBOUR, Experiment, Row, World, noisy
from tests.e2e.tiny_project import FILLERS

pytestmark = pytest.mark.runs

WORDS = {
    "music": ("song", "album", "tune", "play"),
    "weather": ("rain", "sunny", "wind", "storm"),
    "bank": ("card", "money", "account", "loan"),
    "travel": ("flight", "hotel", "ticket", "train"),
}


def world() -> World:
    """Return rows of four intents, each of which one row of five says with another's word as well."""
    draw = random.Random(0)

    def rows(count: int) -> list[Row]:
        made = []
        for number in range(count):
            for intent, words in WORDS.items():
                others = [w for other in WORDS if other != intent for w in WORDS[other]]
                said = [*draw.sample(words, 2), *draw.sample(FILLERS, 4)]
                if number % 5 == 0:
                    said.append(draw.choice(others))
                draw.shuffle(said)
                made.append(Row(" ".join(said), intent))
        return made

    unused: dict[str, list[str]] = {}
    for row in rows(40):
        unused.setdefault(row.intent, []).append(row.text)
    return World(rows(4), rows(15), rows(15), rows(12), unused)


@pytest.fixture
def experiment(tmp_path: Path) -> Iterator[Experiment]:
    yield Experiment(world(), NEIGHBOUR, 0, tmp_path)
    for name in ("gold", NEIGHBOUR):
        del BACKENDS._entries[name]


def test_a_teacher_that_believes_a_wrong_log_does_no_lasting_harm(experiment: Experiment) -> None:
    outcome = experiment.run(50, "trusting")
    assert outcome.wrong > outcome.rows / 3
    assert outcome.rejected is not None
    assert outcome.rejected < outcome.before
    assert (outcome.best, outcome.after) == (0, outcome.before)


@pytest.mark.long
def test_a_teacher_that_doubts_writes_nothing_for_wrong_answers(experiment: Experiment) -> None:
    clean, half = experiment.run(0, "doubting"), experiment.run(50, "doubting")
    assert (clean.suspects, clean.wrong, half.wrong) == (0, 0, 0)
    assert half.suspects > 10
    assert half.after >= half.before


def test_so_many_answers_are_wrong_as_the_level_says() -> None:
    log = [Row(f"row {n}", "ab"[n % 2]) for n in range(40)]
    for level in (0, 10, 30, 50):
        wrong = sum(e != row.intent for e, row in zip(noisy(log, level, 1), log, strict=True))
        assert wrong == 40 * level // 100
