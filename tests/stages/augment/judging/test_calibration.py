"""The judge's calibration: its anchors are rows with right and with wrong answers, its interval is honest."""

from dataclasses import replace

import pytest

from engine.judging import JudgeAnchor
from engine.rows import Example
from engine.spec.recipe import Minimum
from engine.stages.augment.judging.acceptance import Acceptance
from engine.stages.augment.judging.calibration import (
    Anchor,
    anchors_of,
    balanced,
    calibration,
    fewest,
    judged,
    too_few,
)
from tests.stages.augment.six_kinds import KINDS, small_task
from tests.stages.scripted_context import ScriptedContext


@pytest.mark.parametrize("kind", KINDS)
def test_anchors_of_every_kind_are_half_right_and_half_wrong(kind: str) -> None:
    task = small_task(kind)
    examples = task.load.examples
    own = {e.id: e for e in task.train}
    anchors = anchors_of(task.view, examples, 20, 0, ScriptedContext())
    assert [a.is_right for a in anchors] == [True] * 20 + [False] * 20
    assert len({a.example.id for a in anchors}) == 40
    view = task.view.task(examples)
    for anchor in anchors:
        row = own[anchor.example.id]
        assert (anchor.target == row.target) is anchor.is_right
        assert task.view.entry.malformed(row.inputs, anchor.target, view) is None
    assert anchors_of(task.view, examples, 20, 0, ScriptedContext()) == anchors
    assert anchors_of(task.view, examples, 20, 1, ScriptedContext()) != anchors


def test_a_wrong_label_is_that_of_the_nearest_row_that_has_another() -> None:
    task = small_task("classification")
    train = [
        Example(f"t{i}", "train", {"text": text}, label, {}, "f", 1)
        for i, (text, label) in enumerate(
            [("the card is lost", "lost"), ("the card is stolen", "stolen"), ("a loan", "loan")] * 8
        )
    ]
    anchors = anchors_of(task.view, train, 12, 0, ScriptedContext())
    swapped = {(a.example.target, a.target) for a in anchors if not a.is_right}
    assert swapped <= {("lost", "stolen"), ("stolen", "lost"), ("loan", "lost"), ("loan", "stolen")}
    assert {("lost", "stolen"), ("stolen", "lost")} & swapped


def test_evaluation_rows_are_no_anchors_and_few_rows_give_few_anchors() -> None:
    task = small_task("classification")
    known = [replace(e, id=f"v{e.id}", split="validation") for e in task.train[:44]]
    anchors = anchors_of(task.view, [*task.train, *known], 20, 0, ScriptedContext())
    assert {a.example.id for a in anchors} == {"t44", "t45", "t46", "t47"}
    assert sum(a.is_right for a in anchors) == 2
    assert anchors_of(task.view, [], 20, 0, ScriptedContext()) == []


def test_the_interval_of_the_balanced_accuracy_is_newcombes() -> None:
    # Newcombe 1998, Statistics in Medicine 17:873 (part II), table II, method 10: 56/70 - 48/80 has 0.0524 to 0.3339;
    # a half of p + q is that of p - (1 - q), moved by a half.
    mean, low, high = balanced((56, 70), (32, 80))
    assert mean == pytest.approx((0.2 + 1) / 2)
    assert (2 * low - 1, 2 * high - 1) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert balanced((20, 20), (20, 20))[1] == pytest.approx(1 - 0.1611 / 2**0.5, abs=1e-4)
    assert fewest(0.7) == 6
    assert balanced((6, 6), (6, 6))[1] > 0.7 > balanced((5, 5), (5, 5))[1]


def anchors(right: int, caught: int, n: int = 20, unjudged: int = 0) -> list[JudgeAnchor]:
    def one(number: int, is_right: bool, passed: bool | None) -> JudgeAnchor:
        return JudgeAnchor(f"{is_right} {number}", is_right, "", None, passed, "call")

    rows = [one(i, True, i < right) for i in range(n)] + [
        one(i, False, i >= caught) for i in range(n)
    ]
    return [*rows, *(one(n + i, True, None) for i in range(unjudged))]


def test_a_judge_decides_where_the_lower_end_exceeds_the_threshold() -> None:
    good = calibration(anchors(19, 18, unjudged=3), 0.7)
    assert (good.n_right, good.n_wrong, good.decides) == (20, 20, True)
    assert (good.sensitivity, good.specificity) == (0.95, 0.9)
    assert good.low is not None
    assert good.low > 0.7
    assert good.reason.startswith(
        "19 of 20 training rows passed with their own answer, and 18 of 20"
    )
    assert not calibration(anchors(16, 16), 0.7).decides
    assert calibration(anchors(16, 16), 0.6).decides


RULE = Acceptance(minimum=Minimum(), ambiguous="verdict", agreement=0.5)


@pytest.mark.parametrize(
    ("target", "label_correct", "own", "suspect"),
    [
        # Shown with its own answer.
        ("late", "no", "broken", True),
        ("late", "no", None, True),
        ("late", "no", " late ", False),
        ("late", "ambiguous", "broken", False),
        ("late", "yes", "late", False),
        # Shown with a wrong one.
        ("broken", "no", "late", False),
        ("broken", "no", "rude", True),
        ("broken", "no", None, True),
        ("broken", "no", "broken", False),
        ("broken", "yes", "broken", False),
    ],
)
def test_a_row_is_suspect_where_the_judge_answers_neither_its_own_nor_the_shown_answer(
    target: str, label_correct: str, own: str | None, suspect: bool
) -> None:
    task = small_task("classification")
    row = Example("t", "train", {"text": "it came on Monday"}, "late", {}, "f", 1, ("late",))
    item = {"label_correct": label_correct, "own_answer": own, "verdict": "reject"}
    found = judged(RULE, task.view, Anchor(row, target, target == "late"), item, "call")
    assert found.suspect is suspect
    assert found.answer == (own.strip() if own else None)


def test_of_free_text_the_verdict_on_its_own_answer_decides_and_of_silence_nothing() -> None:
    task = small_task("generation").view
    row = Example("t", "train", {"text": "greet Ann"}, "Hi, Ann.", {}, "f", 1, ("Hi, Ann.",))
    item = {"label_correct": "no", "own_answer": "Good day, Ann.", "verdict": "reject"}
    assert judged(RULE, task, Anchor(row, "Hi, Ann.", True), item, "call").suspect
    assert not judged(RULE, task, Anchor(row, "Hi, Bo.", False), item, "call").suspect
    silent = judged(RULE, task, Anchor(row, "Hi, Ann.", True), None, "call")
    assert (silent.suspect, silent.passed, silent.answer) == (False, None, None)
    flat = judged(RULE, task, Anchor(row, "Hi, Ann.", True), {"relevance": 1}, "call")
    assert (flat.suspect, flat.passed) == (False, False)


@pytest.mark.parametrize(
    ("right", "caught", "left_out"), [(18, 18, 2), (17, 20, 0), (20, 20, 0), (18, 17, 0)]
)
def test_suspect_rows_are_not_counted_where_the_judge_is_otherwise_right(
    right: int, caught: int, left_out: int
) -> None:
    rows = [
        replace(a, suspect=True) if a.is_right and not a.passed else a
        for a in anchors(right, caught)
    ]
    found = calibration(rows, 0.7)
    assert (found.left_out, found.n_right) == (left_out, 20 - left_out)
    assert found.sensitivity == right / (20 - left_out)
    assert ("not counted: 2 whose own answer is probably wrong" in found.reason) is bool(left_out)


def test_a_judge_that_says_yes_or_no_to_everything_does_not_decide() -> None:
    yes, no = calibration(anchors(20, 0), 0.7), calibration(anchors(0, 20), 0.7)
    assert (yes.sensitivity, yes.specificity, yes.balanced_accuracy) == (1.0, 0.0, 0.5)
    assert not yes.decides
    assert not no.decides
    assert "does not exceed 0.7" in yes.reason


def test_too_few_rows_are_told() -> None:
    found = too_few(3, 2, 0.7)
    assert not found.decides
    assert found.reason.startswith(
        "the training rows give 3 with a right answer and 2 with a wrong"
    )
    silent = calibration([replace(a, passed=None) for a in anchors(1, 1)], 0.7)
    assert (silent.decides, silent.balanced_accuracy) == (False, None)
    assert "of 40 training rows by which it is calibrated it judged 0" in silent.reason


def test_what_the_same_words_are_answered_elsewhere_is_no_wrong_answer() -> None:
    task = small_task("generation")
    train = [
        Example(f"t{i}{twin}", "train", {"text": f"greet guest {i}"}, f"{word}, guest.", {}, "f", 1)
        for i in range(12)
        for twin, word in enumerate(("Hello", f"Good day {i}"))
    ]
    own: dict[str, set[str]] = {}
    for example in train:
        own.setdefault(example.inputs["text"], set()).add(example.target)
    wrong = [a for a in anchors_of(task.view, train, 10, 0, ScriptedContext()) if not a.is_right]
    assert wrong
    assert not [a for a in wrong if a.target in own[a.example.inputs["text"]]]
