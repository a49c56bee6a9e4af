"""Every verdict of every gate, accept and reject, on embeddings of the embedded model."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from engine import models
from engine.backends import BACKENDS
from engine.rows import Candidate
from engine.spec.recipe import LeakLimits, NearDuplicate, Neighbours, Quality, Similarity
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
    ("promise", candidate("My parcel has not arrived yet!", LATE, PARCEL), "it is its seed row again"),
    ("leak", candidate("The tomatoes were mouldy on one side!", DAMAGED, SALAD, CHANGES), "equals an evaluation row"),
    (
        "leak",
        candidate("nobody rang the bell with my order", LATE, PARCEL, CHANGES),
        "shares 67% of its word 5-grams with an evaluation row (training rows: at most 0%)",
    ),
    (
        "leak",
        candidate("tomatoes had mould on one of their sides", DAMAGED, SALAD, CHANGES),
        "similarity 0.937 to an evaluation row (training rows: at most 0.618)",
    ),
    (
        "similarity",
        candidate("he plays the violin well", LATE, PARCEL),
        "similarity to the seed row -0.063, wanted 0.024 to 0.946",
    ),
    (
        "similarity",
        candidate("my parcel hasn't arrived yet", LATE, PARCEL),
        "similarity to the seed row 0.985, wanted 0.024 to 0.946",
    ),
    (
        "neighbours",
        candidate("please cancel the delivery subscription", LATE, PARCEL, CHANGES),
        "similarity 0.833 to a training row that is cancel_subscription, 0.472 to the nearest that is late_delivery "
        "(training rows: at most 0.173 between them)",
    ),
    (
        "duplicate",
        candidate("My parcel has not arrived yet!", LATE, "the delivery is two days late", CHANGES),
        "equals an earlier row",
    ),
    (
        "near_duplicate",
        candidate("my parcel hasn't arrived yet", LATE, "the delivery is two days late", CHANGES),
        "similarity 0.985 to an earlier row (training rows: at most 0.946)",
    ),
]  # fmt: skip
FEEDBACK = {
    "malformed": "The row is not usable: ",
    "promise": "Not as asked: it is its seed row again.",
    "leak": "Write about something else.",
    "neighbours": "It reads like cancel_subscription: make it clearly late_delivery.",
    "duplicate": "There is such a row: write another.",
    "near_duplicate": "There is a row very much like it: write another.",
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
    rows = [row for reason, row, _ in REJECTED if reason == "similarity"]
    far, near = judged(rows, small_task(), embed)
    assert far.feedback == "Too far from the original: keep its meaning."
    assert near.feedback == "Too close to the original: change more words."
    # An honest rewording is nearer than any two training rows, and not yet too near.
    reworded = candidate("my package still has not turned up", LATE, PARCEL)
    strict = Quality(similarity=Similarity(low_quantile=0.94, high_quantile=0.95))
    assert judged([reworded], small_task(), embed)[0].reason == ""
    (result,) = judged([reworded], small_task(), embed, quality=strict)
    assert result.feedback == "Too far from the original: keep its meaning."


def test_a_row_with_another_label_may_be_as_far_from_its_seed_as_it_likes(embed: Embed) -> None:
    row = candidate("the pears came bruised", DAMAGED, PARCEL, CHANGES)
    (result,) = judged([row], small_task(), embed, only=["similarity"])
    assert result.reason == ""
    assert result.numbers["similarity"] == pytest.approx(0.175, abs=0.01)


def test_how_much_a_row_may_read_like_another_label_is_what_training_rows_do(embed: Embed) -> None:
    row = candidate("my parcel arrived but the jar in it was broken", DAMAGED, PARCEL, CHANGES)

    def result(quantile: float) -> GateResult:
        quality = Quality(neighbours=Neighbours(quantile=quantile))
        return judged([row], small_task(), embed, quality=quality, only=["neighbours"])[0]

    assert (result(0.01).reason, result(0.2).reason) == ("", "neighbours")
    assert result(0.01).numbers["neighbour"] == pytest.approx(-0.132, abs=0.01)


def test_there_are_no_neighbours_where_no_row_is_of_another_label(embed: Embed) -> None:
    rows = [train_row("where is my box", "late"), evaluation_row("never came", "late")]
    for target in ("late", "damaged"):
        row = candidate("my box is not here", target, "where is my box")
        (result,) = judged([row], rows, embed, only=["neighbours"])
        assert result == GateResult()


def test_an_earlier_row_is_a_training_row_an_accepted_one_or_a_candidate_that_stands(
    embed: Embed,
) -> None:
    first = candidate("the bottle of milk arrived in pieces", DAMAGED, MILK)
    again = candidate("the milk bottle arrived in pieces", DAMAGED, MILK)
    results = judged([first, again], small_task(), embed)
    assert [r.reason for r in results] == ["", "near_duplicate"]
    # A row that another gate rejected stands in nobody's way.
    leak = candidate("tomatoes had mould on one of their sides", DAMAGED, SALAD, CHANGES)
    twice = judged([leak, leak], small_task(), embed)
    assert [r.reason for r in twice] == ["leak", "leak"]
    alone = judged([leak, leak], small_task(), embed, only=["duplicate"])
    assert [r.detail for r in alone] == ["", "equals an earlier row"]
    # One that was accepted in an earlier attempt or round does.
    accepted = [("a bottle of milk arrived in pieces", DAMAGED)]
    (near,) = judged([first], small_task(), embed, accepted=accepted)
    assert near.reason == "near_duplicate"
    other = [("the bottle of milk came with a crack in it", DAMAGED)]
    (apart,) = judged([first], small_task(), embed, accepted=other)
    assert apart.reason == ""
    # One with another label is no repetition, unless it is the same row.
    contrast = [("a bottle of milk arrived in pieces", LATE)]
    assert judged([first], small_task(), embed, accepted=contrast)[0].reason == ""
    same = [("The bottle of milk arrived in pieces!", LATE)]
    assert judged([first], small_task(), embed, accepted=same)[0].reason == "duplicate"


def test_near_is_what_more_than_the_quantile_of_training_rows_are(embed: Embed) -> None:
    rows = [e for e in small_task() if e.split == "train"]
    # Rows that come in pairs of near copies: nearness of that kind is usual here.
    rows += [train_row(f"{e.inputs['text']} !!! thanks", e.target) for e in rows]
    row = candidate("the milk bottle arrived broken today", DAMAGED, MILK, CHANGES)
    for quantile, reason in ((0.01, "near_duplicate"), (0.99, "")):
        quality = Quality(near_duplicate=NearDuplicate(quantile=quantile))
        (result,) = judged([row], rows, embed, quality=quality, only=["near_duplicate"])
        assert result.reason == reason


def test_the_first_gate_gives_the_reason_and_later_ones_only_numbers(embed: Embed) -> None:
    row = candidate("the milk \x07 was sour", LATE, PARCEL)
    (result,) = judged([row], small_task(), embed)
    assert result.reason == "malformed"
    (rest,) = judged([row], small_task(), embed, only=["similarity", "neighbours"])
    assert rest.reason == "neighbours"
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
