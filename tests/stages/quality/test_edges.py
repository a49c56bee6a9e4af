"""Gates where there is little to compare with: one training row, no labels, several labels, nothing at all."""

import json
from collections.abc import Sequence
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pytest

from engine.stages.quality import GATES, GateResult
from engine.wording import words
from tests.stages.quality.rows import candidate, evaluation_row, judged, small_task, train_row


def embed(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Hashed word counts, unit length: near texts share words."""
    vectors = np.zeros((len(texts), 4093), dtype=np.float32)
    for row, text in zip(vectors, texts, strict=True):
        for word in words(text) or ("",):
            row[crc32(word.encode()) % 4093] += 1
    unit: npt.NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def test_gates_stand_in_the_order_in_which_they_give_reasons() -> None:
    assert list(GATES) == [
        "malformed", "promise", "leak", "similarity", "neighbours", "duplicate", "near_duplicate",
    ]  # fmt: skip


def test_no_candidates_give_no_results_and_embed_nothing() -> None:
    def refuse(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        raise AssertionError("nothing to embed")

    assert judged([], small_task(), refuse, only=["malformed"]) == []
    assert judged([], small_task(), embed) == []


@pytest.mark.parametrize("name", GATES)
def test_a_gate_returns_one_finding_per_candidate(name: str) -> None:
    rows = [
        candidate(f"box number {n} came late", "late_delivery", "the salad was rotten")
        for n in range(3)
    ]
    assert len(judged(rows, small_task(), embed, only=[name])) == 3
    assert judged([], small_task(), embed, only=[name]) == []


def test_one_training_row_is_enough() -> None:
    rows = [train_row("one two three four", "a"), evaluation_row("four five six seven", "b")]
    good = candidate("one two three nine", "a", "one two three four")
    same = candidate("One two three four.", "a", "one two three four")
    results = judged([good, same], rows, embed, modes={"similarity": "off"})
    assert [r.reason for r in results] == ["", "promise"]
    assert "neighbour" not in results[0].numbers, "there is no row of another label"


def test_a_task_without_labels_has_no_neighbours_that_agree() -> None:
    reply = "we are sorry and will send another box to you at once"
    rows = [
        train_row("the salad was rotten", reply),
        evaluation_row("never came", "where is it then"),
    ]
    row = candidate(
        "the salad was old and rotten", "sorry, another one is on its way", "the salad was rotten"
    )
    (result,) = judged([row], rows, embed, kind="generation")
    assert result.reason == ""
    assert "neighbour" not in result.numbers
    # A target that the teacher wrote is held to what inputs are held to.
    cut = candidate("the salad was all rotten", "so sorry " * 20, "the salad was rotten")
    (result,) = judged([cut], rows, embed, kind="generation")
    assert result.reason == "malformed"
    assert result.detail.startswith("it was cut at ")


def test_a_row_with_a_list_of_labels_that_no_training_row_has_passes() -> None:
    both, one = json.dumps(["late", "rude"]), json.dumps(["late"])
    rows = [
        train_row("he came very late", one),
        train_row("she was rude to us", json.dumps(["rude"])),
        evaluation_row("nobody came", one),
    ]
    good = candidate("he came late and was rude", both, "he came very late")
    malformed = candidate("he came late today and was rude", "late", "he came very late")
    params = {"many": True}
    results = judged([good, malformed], rows, embed, params=params, labels=["late", "rude"])
    assert [r.reason for r in results] == ["", "malformed"]


def test_spaces_and_joiners_of_any_script_are_no_control_characters() -> None:
    rows = [
        train_row("how many figs are there in all of these baskets", "x"),
        evaluation_row("none", "y"),
    ]
    texts = [
        "combien de figues a\u00a0Léa\u202f?",
        "چند کتاب می\u200cخواهد",
        "how many in \U0001f468\u200d\U0001f469\u200d\U0001f467",
        "two\nlines\tand a tab",
        "how many rings \x07 are these",
        "half a \ud83d pair",
    ]
    seed = rows[0].inputs["text"]
    results = judged([candidate(t, "x", seed) for t in texts], rows, embed, only=["malformed"])
    assert [r.detail for r in results] == ["", "", "", "", *["it has control characters"] * 2]


def test_numbers_are_kept_of_rows_that_pass_too() -> None:
    row = candidate("box number one came late", "late_delivery", "the salad was rotten")
    (result,) = judged([row], small_task(), embed, only=["similarity"])
    assert result == GateResult(numbers=result.numbers)
    assert set(result.numbers) == {"similarity"}


SORRY = "I’m sorry, but I’m unable to assist with that."


@pytest.mark.parametrize(
    "text",
    [
        SORRY, "I'm sorry, I can't help with this request", "I cannot assist you", "Sorry, I can't help you with that.",
        "I apologize, but I can't fulfill that request", "As an AI language model, I have no parcels",
    ],
)  # fmt: skip
def test_a_refusal_is_no_row(text: str) -> None:
    row = candidate(text, "late_delivery", "my parcel has not arrived yet")
    (result,) = judged([row], small_task(), embed, only=["malformed"])
    assert (result.reason, result.detail) == ("malformed", "it is a refusal, not a row")
    # Where rows are such texts, one more of them is a row.
    known = [*small_task(), train_row(SORRY, "late_delivery")]
    assert judged([row], known, embed, only=["malformed"])[0].reason == ""


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't log in", "I am unable to assemble the shelf", "sorry, I cannot help my mother with it",
        "As an assistant cook I want larger boxes", "can't you help me with this", "I can't comply, the form is closed",
        "The courier said: I'm sorry, I can't assist you",
    ],
)  # fmt: skip
def test_a_customer_who_is_sorry_or_cannot_do_something_writes_a_row(text: str) -> None:
    row = candidate(text, "late_delivery", "my parcel has not arrived yet")
    assert judged([row], small_task(), embed, only=["malformed"])[0].reason == ""


def test_a_refusal_in_place_of_a_reply_is_no_row_either() -> None:
    reply = "we are sorry and will send another box to you at once"
    rows = [train_row(f"{word} box is lost", f"{reply} {word}") for word in ("my", "our", "his")]
    bad = candidate("her box is lost", SORRY, "my box is lost")
    (result,) = judged([bad], rows, embed, kind="generation", only=["malformed"])
    assert result.detail == "it is a refusal, not a row"
