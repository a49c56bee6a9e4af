"""What a row made from a training row must keep and change: the gate `promise`, and those that look for copies."""

from __future__ import annotations

from typing import Any

import pytest

from engine.operators.definition import Checks
from engine.rows import Candidate, Example
from engine.stages.quality import SeedRule
from engine.stages.quality.promise import AGAIN
from tests.stages.quality.rows import judged, train_row
from tests.stages.scripted_context import embed_words

SEED = "Ann has 3 cards in London"
TRAIN = [
    train_row(text)
    for text in (SEED, "he lost 2 keys", "she sold the house", "they came home late")
]
ONLY = ("promise", "similarity", "duplicate", "near_duplicate")


def row(text: str, target: str = "x", name: str = "") -> Candidate:
    return Candidate(
        name or text, f"train {SEED}", "p", "s", "op", 1, {"text": text}, target, "", "", ""
    )


def said(*rows: Candidate, only: tuple[str, ...] = ONLY, **rule: Any) -> list[tuple[str, str]]:
    results = judged(rows, TRAIN, embed_words, only=only, seed_rules=[SeedRule(name="op", **rule)])
    return [(result.reason, result.detail) for result in results]


def checked(text: str, **checks: Any) -> str:
    (reason, detail), = said(row(text), only=("promise",), checks=Checks(**checks))  # fmt: skip
    assert bool(detail) == (reason == "promise")
    return detail


def test_a_row_that_is_its_seed_row_again_says_so() -> None:
    assert checked("ann has 3 cards, in london!") == AGAIN
    assert checked("Ann has 3 cards in Paris") == ""


def test_so_many_words_are_kept_and_so_many_are_new() -> None:
    assert checked("Bob has 4 cards in Paris", kept_words=0.5) == ""
    assert checked("Bob sold his house", kept_words=0.5) == (
        "it keeps 0% of its seed row's words, wanted 50%"
    )
    assert checked("Ann has 3 cards in Paris", new_words=0.5) == (
        "17% of its words are new, wanted 50%"
    )


def test_a_number_or_a_name_is_exchanged() -> None:
    why = "no number and no name of its seed row was exchanged"
    assert checked("Ann has 3 cards here in London", swapped=True) == why
    assert checked("Ann has 4 cards in London", swapped=True) == ""
    assert checked("Ann has 3 cards in Paris", swapped=True) == ""


def test_no_number_is_new() -> None:
    assert checked("In London Ann has three cards", numbers="kept") == ""
    assert checked("In London Ann has 5 cards", numbers="kept") == (
        "it has the number 5, which its seed row has not"
    )


def test_an_explanation_comes_to_the_same_answer_and_is_longer() -> None:
    seed = Example("e", "train", {"text": "1 and 2"}, "3", {}, "f", 1)

    def why(target: str) -> str:
        explained = Candidate("c", "e", "p", "s", "op", 1, seed.inputs, target, "", "", "")
        rule = SeedRule(name="op", copies="exact", new_target=True, checks=Checks(answer="kept"))
        (result,) = judged(
            [explained], [seed], embed_words, kind="numeric", only=("promise",), seed_rules=[rule]
        )
        return result.detail

    assert why("1 + 2 = 3\n#### 3") == ""
    assert why("3") == AGAIN
    assert why("1 + 2 = 4\n#### 4") == "its target comes to 4, that of its seed row to 3"
    assert why("03") == ""
    assert "cannot be read" in why("three")


def test_noise_is_no_repetition_but_the_same_noise_twice_is() -> None:
    noisy = row("Ann has 3 cards in Lodnon")
    lower = row("ann has 3 cards in london")
    again = row("ann has 3 cards in london", name="again")
    same = row(SEED, name="same")
    found = said(noisy, lower, again, same, keeps=True, copies="near")
    assert [reason for reason, _ in found] == ["", "", "duplicate", "promise"]
    # Of an operator that promises more than copies each is one too many.
    strict = said(lower, keeps=True)
    assert strict[0][0] == "promise"


def test_a_row_is_repeated_once() -> None:
    found = said(row(SEED), row(SEED, name="again"), keeps=True, copies="exact")
    assert [reason for reason, _ in found] == ["", "duplicate"]
    earlier = judged(
        [row(SEED)], TRAIN, embed_words, only=ONLY, accepted=[(SEED, "x")],
        seed_rules=[SeedRule(name="op", keeps=True, copies="exact")],
    )  # fmt: skip
    assert earlier[0].reason == "duplicate"


@pytest.mark.parametrize("copies", ["near", "exact"])
def test_a_copy_keeps_no_other_row_out(copies: Any) -> None:
    other = Candidate(
        "n", f"train {SEED}", "p", "s", "new", 1, {"text": "my box is here"}, "x", "", "", ""
    )
    copy = row(SEED if copies == "exact" else f"{SEED}!")
    results = judged(
        [copy, other],
        TRAIN,
        embed_words,
        only=ONLY,
        seed_rules=[SeedRule(name="op", copies=copies)],
    )
    assert [result.reason for result in results] == ["", ""]
