"""Calibration of the judge: training rows with right and with wrong answers, and what it says of them.

A judge that cannot tell right answers from wrong ones must not decide what a student is trained on. Its balanced
accuracy is the mean of two shares, each with its Wilson interval (Wilson 1927), put together by the method of variance
estimates recovery (Zou and Donner 2008; of two proportions it is Newcombe's hybrid score interval, 1998): honest for 20
rows, and at 20 of 20, where a normal interval has no width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from engine.fingerprint import short
from engine.judging import JudgeAnchor, JudgeCalibration
from engine.rows import Example
from engine.stages.augment.nearest import nearest_rows
from engine.stages.protocol import Context
from engine.stages.task_view import TaskView
from engine.statistics import wilson
from engine.wording import text_of, words


class Anchor(NamedTuple):
    """A training row with its own answer, or with a wrong one."""

    example: Example
    target: str
    is_right: bool


def anchor_key(anchor: Anchor) -> str:
    """Return what an anchor is known by among candidates."""
    return f"anchor {anchor.example.id}"


def anchors_of(
    task: TaskView, examples: Sequence[Example], count: int, seed: int, ctx: Context
) -> list[Anchor]:
    """Return up to `count` training rows with their own answer and as many with a wrong one, no row in both.

    Rows that are evaluation rows too are left out. Which rows they are depends on their content and the seed alone.
    """
    evaluation = {words(text_of(e.inputs)) for e in examples if e.split != "train"}
    train = [e for e in examples if e.split == "train"]
    own = [e for e in train if words(text_of(e.inputs)) not in evaluation]
    drawn = sorted(own, key=lambda example: short(["anchor", seed, example.id]))
    half = min(count, len(drawn) // 2)
    right = [Anchor(example, example.target, True) for example in drawn[:half]]
    rest = drawn[half:]
    # Some rows have no wrong answer that looks like a right one: others take their places.
    wrong: list[Anchor] = []
    for place in range(0, len(rest), max(1, half)):
        if len(wrong) == half:
            break
        some = rest[place : place + max(1, half)]
        wrong += _corrupted(task, examples, train, some, ctx)[: half - len(wrong)]
    return [*right, *wrong]


def _corrupted(
    task: TaskView,
    examples: Sequence[Example],
    train: Sequence[Example],
    rows: Sequence[Example],
    ctx: Context,
) -> list[Anchor]:
    """Return rows with wrong answers, those of which none can be made left out."""
    near = nearest_rows(train, [row.inputs for row in rows], ctx)
    entry, view = task.entry, task.task(examples)
    anchors = []
    for row, others in zip(rows, near, strict=True):
        known = {row.target, *row.references}
        targets = [other.target for other in others if other.target not in known]
        target = entry.corrupted(row.inputs, row.target, targets, view)
        if target is not None and target not in known:
            anchors.append(Anchor(row, target, False))
    return anchors


def balanced(right: tuple[int, int], wrong: tuple[int, int]) -> tuple[float, float, float]:
    """Return the balanced accuracy with the ends of its 95 % interval, from (hits, n) of each half, both above 0."""
    (p, p_low, p_high), (q, q_low, q_high) = wilson(*right), wilson(*wrong)
    mean = (p + q) / 2
    return (
        mean,
        mean - math.hypot(p - p_low, q - q_low) / 2,
        mean + math.hypot(p_high - p, q_high - q) / 2,
    )


def fewest(threshold: float) -> int:
    """Return how many anchors of each half a judge without fault needs to exceed a threshold."""
    return next(n for n in range(1, 10_000) if balanced((n, n), (n, n))[1] > threshold)


def calibration(anchors: Sequence[JudgeAnchor], threshold: float) -> JudgeCalibration:
    """Return how well the judge tells right answers from wrong ones, and whether it decides."""
    passed = [anchor.passed for anchor in anchors if anchor.is_right and anchor.passed is not None]
    let_through = [
        anchor.passed for anchor in anchors if not anchor.is_right and anchor.passed is not None
    ]
    hits, caught = sum(passed), len(let_through) - sum(let_through)
    if not passed or not let_through:
        return _unknown(
            len(passed),
            len(let_through),
            threshold,
            f"of {len(anchors)} training rows by which it is calibrated it judged "
            f"{len(passed)} with a right answer and {len(let_through)} with a wrong one",
        )
    mean, low, high = balanced((hits, len(passed)), (caught, len(let_through)))
    decides = low > threshold
    return JudgeCalibration(
        n_right=len(passed),
        n_wrong=len(let_through),
        sensitivity=hits / len(passed),
        specificity=caught / len(let_through),
        balanced_accuracy=mean,
        low=low,
        high=high,
        threshold=threshold,
        decides=decides,
        reason=(
            f"{hits} of {len(passed)} training rows passed with their own answer, and {caught} of "
            f"{len(let_through)} with a wrong one were caught: balanced accuracy {mean:.2f} "
            f"({low:.2f} to {high:.2f}); {low:.2f} {'exceeds' if decides else 'does not exceed'} {threshold:g}"
        ),
    )


def too_few(n_right: int, n_wrong: int, threshold: float) -> JudgeCalibration:
    """Return the calibration that cannot be made for want of rows."""
    needed = fewest(threshold)
    reason = (
        f"the training rows give {n_right} with a right answer and {n_wrong} with a wrong one to calibrate it by, "
        f"and even a judge without fault needs {needed} of each"
    )
    return _unknown(n_right, n_wrong, threshold, reason)


def _unknown(n_right: int, n_wrong: int, threshold: float, reason: str) -> JudgeCalibration:
    """Return a calibration without numbers, by which the judge only advises."""
    return JudgeCalibration(
        n_right, n_wrong, None, None, None, None, None, threshold, False, reason
    )
