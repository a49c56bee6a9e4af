"""Calibration of the judge: training rows with right and with wrong answers, and what it says of them.

A judge that cannot tell right answers from wrong ones must not decide what a student is trained on. Its balanced
accuracy is the mean of two shares, each with its Wilson interval (Wilson 1927), put together by the method of variance
estimates recovery (Zou and Donner 2008; of two proportions it is Newcombe's hybrid score interval, 1998): honest for 20
rows, and at 20 of 20, where a normal interval has no width.

Training rows are mislabelled, too. A row is *suspect* where the judge says that its own answer is wrong, and gives
another one itself where there are a few to choose from; also one that was shown with a wrong answer, where the judge
answers neither that nor its own. A suspect row counts as the judge's mistake all the same, unless the judge is
otherwise right: at most a tenth of the right anchors fail and at most a tenth of the wrong ones pass. So one that says
no to everything gains nothing, and what can be left out is a tenth at most.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from engine.fingerprint import short
from engine.judging import JudgeAnchor, JudgeCalibration
from engine.rows import Example, LabelSuspect
from engine.stages.augment.judging.acceptance import Acceptance, label_passes
from engine.stages.augment.nearest import nearest_rows
from engine.stages.protocol import Context
from engine.stages.task_view import TaskView
from engine.statistics import wilson
from engine.wording import words

FAULTS = 0.1
"""Share of the anchors of each half that a judge may get wrong whose suspects are left out."""


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
    evaluation = {words(task.text_of(e.inputs)) for e in examples if e.split != "train"}
    train = [e for e in examples if e.split == "train"]
    own = [e for e in train if words(task.text_of(e.inputs)) not in evaluation]
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
    near = nearest_rows(task, train, [row.inputs for row in rows], ctx)
    entry, view = task.entry, task.task(examples)
    anchors = []
    for row, others in zip(rows, near, strict=True):
        known = {row.target, *row.references}
        # What is said of the same words elsewhere may be right here, too.
        own = words(task.text_of(row.inputs))
        targets = [
            other.target
            for other in others
            if other.target not in known and words(task.text_of(other.inputs)) != own
        ]
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


def judged(
    rule: Acceptance,
    task: TaskView,
    anchor: Anchor,
    item: Mapping[str, Any] | None,
    call: str,
) -> JudgeAnchor:
    """Return what the judge says of an anchor; `item` is None where its reply leaves the row out."""
    said = item or {}
    chosen = task.entry.chosen(task.settings)
    own = said.get("own_answer")
    answer = None if own is None else str(own).strip()
    known = {anchor.target, anchor.example.target, *anchor.example.references}
    # Of free text nobody can say whether two answers differ: there the verdict on the row's own answer must do.
    suspect = said.get("label_correct") == "no" and (
        answer not in known if chosen else anchor.is_right
    )
    return JudgeAnchor(
        example=anchor.example.id,
        is_right=anchor.is_right,
        target=anchor.target,
        label_correct=said.get("label_correct"),
        passed=None if item is None else label_passes(rule, item),
        call=call,
        answer=answer,
        suspect=suspect,
    )


def suspected(anchor: Anchor, found: JudgeAnchor, item: Mapping[str, Any]) -> LabelSuspect:
    """Return that an anchor's own answer may be wrong."""
    return LabelSuspect(
        example=found.example,
        split="train",
        target=anchor.example.target,
        answer=found.answer,
        reason=item["reason"].strip(),
        confidence=None,
        call=found.call,
    )


def calibration(anchors: Sequence[JudgeAnchor], threshold: float) -> JudgeCalibration:
    """Return how well the judge tells right answers from wrong ones, and whether it decides."""
    right = [anchor for anchor in anchors if anchor.is_right and anchor.passed is not None]
    wrong = [anchor for anchor in anchors if not anchor.is_right and anchor.passed is not None]
    if not right or not wrong:
        return _unknown(
            len(right),
            len(wrong),
            threshold,
            f"of {len(anchors)} training rows by which it is calibrated it judged "
            f"{len(right)} with a right answer and {len(wrong)} with a wrong one",
        )
    hits = sum(anchor.passed is True for anchor in right)
    caught = sum(anchor.passed is False for anchor in wrong)
    reliable = hits >= (1 - FAULTS) * len(right) and caught >= (1 - FAULTS) * len(wrong)
    left_out = sum(anchor.suspect for anchor in right) if reliable else 0
    counted = len(right) - left_out
    mean, low, high = balanced((hits, counted), (caught, len(wrong)))
    decides = low > threshold
    return JudgeCalibration(
        n_right=counted,
        n_wrong=len(wrong),
        sensitivity=hits / counted,
        specificity=caught / len(wrong),
        balanced_accuracy=mean,
        low=low,
        high=high,
        threshold=threshold,
        decides=decides,
        reason=(
            f"{hits} of {counted} training rows passed with their own answer, and {caught} of "
            f"{len(wrong)} with a wrong one were caught: balanced accuracy {mean:.2f} "
            f"({low:.2f} to {high:.2f}); {low:.2f} {'exceeds' if decides else 'does not exceed'} {threshold:g}"
            + (
                f"; not counted: {left_out} whose own answer is probably wrong (label_suspect)"
                if left_out
                else ""
            )
        ),
        left_out=left_out,
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
