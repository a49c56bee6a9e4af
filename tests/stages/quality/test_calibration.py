"""Thresholds are what training rows show: of many rows, of few, of one per label, of rows that are all the same."""

import json
from collections.abc import Sequence

import numpy as np
import pytest

from engine.rows import Example
from engine.spec.recipe import Quality, Similarity
from engine.stages.quality import GateResult
from engine.stages.quality.calibration import FEWEST, Shown, show
from tests.stages.quality.rows import CHANGES, KEEPS, candidate, evaluation_row, judged, train_row
from tests.stages.scripted_context import embed_words

OWN = ("similarity", "neighbours", "near_duplicate")
"""The gates with thresholds of their own."""


def shown(rows: Sequence[tuple[str, str]]) -> Shown:
    texts = [text for text, _ in rows]
    return show(texts, embed_words(texts), [(label,) for _, label in rows], embed_words)


def gates_say(
    rows: Sequence[tuple[str, str]], texts: Sequence[tuple[str, str]], operator: str = KEEPS
) -> list[str]:
    """Return the reasons of rows written from the first training row."""
    examples: list[Example] = [train_row(text, label) for text, label in rows]
    examples.append(evaluation_row("no such row", rows[0][1]))
    candidates = [candidate(text, label, rows[0][0], operator) for text, label in texts]
    results: list[GateResult] = judged(candidates, examples, embed_words, only=OWN)
    return [result.reason for result in results]


def test_rows_are_compared_with_those_of_their_label_and_with_the_others() -> None:
    found = shown([("a b c d", "x"), ("a b c e", "x"), ("a b f g", "y"), ("h i j k", "y")])
    assert sorted(found.nearest) == pytest.approx([0, 0, 0.75, 0.75])
    assert sorted(found.margins) == pytest.approx([-0.5, 0, 0.25, 0.25])
    assert sorted(found.pairs) == pytest.approx([0, 0, 0.75, 0.75])
    assert found.near_copy == pytest.approx((3 / 4) ** 0.5, abs=1e-5)
    assert found.quantile(found.nearest, 0.5) is None, "four rows have no quantile"
    # Without labels all rows are alike, and each is paired with its nearest alone.
    plain = shown([("a b c d", ""), ("a b c e", ""), ("a b f g", ""), ("h i j k", "")])
    assert sorted(plain.pairs) == pytest.approx([0, 0.5, 0.75, 0.75])
    assert list(plain.nearest) == list(plain.pairs)
    assert len(plain.margins) == 0


def test_a_quantile_is_taken_of_so_many_rows() -> None:
    rows = [(f"the {word} is late again", "x") for word in map(chr, range(97, 97 + FEWEST))]
    found = shown(rows)
    assert found.quantile(found.nearest, 1.0) == pytest.approx(0.8)
    fewer = shown(rows[:-1])
    assert fewer.quantile(fewer.nearest, 1.0) is None


def test_equal_rows_are_one_row() -> None:
    found = shown([("The same again.", "x")] * 30)
    assert len(found.pairs) == len(found.nearest) == len(found.margins) == 0
    rows = [("the same again", "x")] * 30
    assert gates_say(rows, [("something else entirely", "x"), ("the same for us", "x")]) == ["", ""]


def test_one_row_per_label_rejects_no_row_of_any_label() -> None:
    rows = [(f"about {word} and {word}s", word) for word in ("fig", "pear", "plum", "kiwi", "lime")]
    texts = [("something of pears perhaps", "fig"), ("about pear and figs", "fig")]
    assert gates_say(rows, texts) == ["", ""]
    assert gates_say(rows, texts, CHANGES) == ["", ""]
    # Nor do many labels with a row each.
    many = [(f"about thing{n} and matter{n}", f"label{n}") for n in range(40)]
    assert gates_say(many, [("about thing7 and others", "label0")], CHANGES) == [""]


def test_one_training_row_is_only_repeated_by_its_near_copies() -> None:
    row = [("where is the box that I ordered a week ago", "x")]
    near = ("where is the box that I ordered a week or so ago again", "x")
    copied = ("where is the box that I ordered a week ago ago", "x")
    assert gates_say(row, [near, copied], CHANGES) == ["", "near_duplicate"]
    assert gates_say([("refund", "x")], [("refund please", "x")]) == [""], "nothing to leave out"


def test_a_rewording_passes_where_training_rows_are_far_apart() -> None:
    rows = [(f"word{n}a word{n}b word{n}c word{n}d word{n}e word{n}f", "x") for n in range(30)]
    text = "word0a word0b word0c word0d other words"
    assert gates_say(rows, [(text, "x")], CHANGES) == [""]
    repeated = "word0a word0b word0c word0d word0e word0f too"
    assert gates_say(rows, [(repeated, "x")], CHANGES) == ["near_duplicate"]


def test_a_row_of_another_label_that_differs_in_a_word_is_no_duplicate() -> None:
    rows = [(f"please send me item{n} by post on day{n} of this week", "post") for n in range(25)]
    rows += [(f"let me fetch thing{n} from shop{n} on my own", "fetch") for n in range(25)]
    contrast = "please send me item0 by post on day0 of this week soon"
    examples = [train_row(text, label) for text, label in rows]
    for label, reason in (("post", "near_duplicate"), ("fetch", "")):
        row = candidate(contrast, label, rows[0][0], CHANGES)
        (result,) = judged([row], examples, embed_words, only=["near_duplicate"])
        assert result.reason == reason


def test_a_row_nearest_to_its_own_label_is_never_doubted() -> None:
    rows = [(f"one two three four number{n}", "x") for n in range(15)]
    rows += [(f"five six seven eight number{n}", "y") for n in range(15)]
    found = shown(rows)
    assert found.margins.min() > 0.5
    texts = [("one two three five six", "x"), ("one five six seven eight", "x")]
    examples = [train_row(text, label) for text, label in rows]
    candidates = [candidate(text, label, rows[0][0], CHANGES) for text, label in texts]
    results = judged(candidates, examples, embed_words, only=["neighbours"])
    assert [r.reason for r in results] == ["", "neighbours"]
    assert 0 < results[0].numbers["neighbour"] < 0.5


def test_rows_with_several_labels_are_alike_that_share_one() -> None:
    kinds = {"late": "came so very late", "rude": "shouted at my dog", "cold": "food was cold"}
    rows = [
        train_row(f"{kinds[a]} and {kinds[b]} on day{n}", json.dumps(sorted({a, b})))
        for n in range(12)
        for a, b in (("late", "rude"), ("rude", "cold"), ("cold", "cold"))
    ]
    rows.append(evaluation_row("never", json.dumps(["late"])))
    seed = rows[0].inputs["text"]

    def reason(text: str, target: str) -> GateResult:
        row = candidate(text, target, seed, CHANGES)
        return judged(
            [row], rows, embed_words, params={"many": True}, labels=list(kinds), only=["neighbours"]
        )[0]

    # No training row has this list of labels: those that have one of them are its neighbours.
    both = json.dumps(["cold", "late"])
    assert reason("came so very late and food was cold", both).reason == ""
    assert reason("came so very late", json.dumps(["late"])).reason == ""
    assert reason("came so very late", json.dumps(["cold"])).reason == "neighbours"
    assert reason("came so very late", json.dumps([])) == GateResult()
    assert reason("came so very late", "late") == GateResult(), "no list, which another gate says"


def test_large_training_sets_are_compared_by_a_sample() -> None:
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((3000, 8), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = [f"row {n}" for n in range(3000)]
    found = show(texts, vectors, [("x",)] * 1500 + [("y",)] * 1500, lambda t: vectors[: len(t)])
    assert len(found.nearest) == len(found.margins) == 500
    assert len(found.pairs) == 500 * 16
    assert found.near_copy is not None


def test_the_recipes_quantiles_are_those_of_training_rows() -> None:
    rows = [train_row(f"{w} {w}{w} b c d e f g", "x") for w in map(chr, range(97, 97 + 25))]
    rows.append(evaluation_row("none", "x"))
    seed = rows[0].inputs["text"]
    far = candidate("b c d e w v u t", "x", seed)

    def reason(low: float) -> str:
        quality = Quality(similarity=Similarity(low_quantile=low))
        return judged([far], rows, embed_words, only=["similarity"], quality=quality)[0].reason

    assert reason(0.01) == "similarity"
    near = candidate("a b c d e f g u", "x", seed)
    assert judged([near], rows, embed_words, only=["similarity"])[0].reason == ""
