"""Very many candidates in blocks: the same as one by one while all are compared, and what lists miss beyond that."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from engine.spec.recipe import NearDuplicate, Quality
from engine.stages.quality import many
from engine.stages.quality.inverted_lists import Growing, InvertedLists
from engine.stages.quality.many import ManyEarlier
from engine.wording import without_a_word
from tests.benchmarks.bakery import order
from tests.stages.quality.rows import CHANGES, candidate, evaluation_row, judged, train_row
from tests.stages.scripted_context import embed_words

Vectors = npt.NDArray[np.float32]
LABELS = ("rolls", "bagels", "buns")


def orders(count: int, seed: int) -> list[str]:
    """Return messages to a bakery, made of templates and what people add to them."""
    draw = random.Random(seed)
    kinds = ("easy", "correction", "alike")
    return [order(kinds[n % 3], draw).message for n in range(count)]


def one_by_one(
    vectors: Vectors,
    labels: Sequence[Collection[str]],
    earlier: Vectors,
    earlier_labels: Sequence[Collection[str]],
    threshold: float,
) -> list[float]:
    """Return each candidate's nearest cosine, where those below the threshold join the ones before."""
    there = list(zip(earlier, earlier_labels, strict=True))
    found = []
    for vector, own in zip(vectors, labels, strict=True):
        near = [float(v @ vector) for v, their in there if set(own) & set(their)]
        found.append(max(near, default=-1.0))
        if found[-1] <= threshold:
            there.append((vector, own))
    return found


def in_blocks(
    vectors: Vectors,
    labels: Sequence[Collection[str]],
    earlier: Vectors,
    earlier_labels: Sequence[Collection[str]],
    threshold: float,
    exact_up_to: int,
) -> list[float]:
    asked = ManyEarlier(vectors, labels, [(earlier, earlier_labels)], exact_up_to)
    found = []
    for place, own in enumerate(labels):
        found.append(asked.nearest(place, own))
        if found[-1] <= threshold:
            asked.keep(place, own)
    return found


@pytest.mark.parametrize("several", [False, True], ids=["one label", "several labels"])
def test_blocks_find_what_comparing_one_by_one_finds(
    several: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "BLOCK", 64)
    draw = random.Random(1)

    def label() -> tuple[str, ...]:
        own = draw.sample(LABELS, draw.randrange(3)) if several else [draw.choice(LABELS)]
        return tuple(own)

    texts = orders(300, 1)
    # Some come again, in other words by one, and some word by word.
    texts[100::7] = [without_a_word(text)[1] for text in texts[:200:7]]
    texts[101::11] = texts[1:200:11]
    vectors, earlier = embed_words(texts), embed_words(orders(80, 2))
    own, theirs = [label() for _ in texts], [label() for _ in earlier]
    whole = one_by_one(vectors, own, earlier, theirs, 0.9)
    assert 10 < sum(cosine > 0.9 for cosine in whole) < 200, "some repeat others, and most do not"
    blocks = in_blocks(vectors, own, earlier, theirs, 0.9, exact_up_to=10_000)
    np.testing.assert_allclose(blocks, whole, atol=1e-5)


def index_of(vectors: Vectors) -> InvertedLists:
    index = InvertedLists(vectors[:2000])
    index.add(vectors[2000:])
    return index


def test_lists_find_nearly_all_near_rows_and_never_more() -> None:
    texts = orders(3000, 3)
    vectors = embed_words(texts)
    draw = random.Random(3)
    repeated = [draw.choice(without_a_word(draw.choice(texts))) for _ in range(300)]
    asked = embed_words(repeated)
    exact, found = (asked @ vectors.T).max(axis=1), index_of(vectors).nearest(asked)
    assert (found <= exact + 1e-6).all(), "what is found is a cosine of a row that is there"
    assert np.isclose(found, exact, atol=1e-6).mean() >= 0.97
    assert np.array_equal(found, index_of(vectors).nearest(asked)), "alike in every run"


def test_beyond_the_number_rows_are_looked_up_in_lists() -> None:
    texts = orders(1200, 4)
    texts[600::3] = [without_a_word(text)[2] for text in texts[:600:3]]
    vectors, none = embed_words(texts), np.zeros((0, 256), dtype=np.float32)
    own = [("",)] * len(texts)
    every = np.array(in_blocks(vectors, own, none, [], 0.9, exact_up_to=10_000)) > 0.9
    listed = np.array(in_blocks(vectors, own, none, [], 0.9, exact_up_to=0)) > 0.9
    assert every.sum() > 100
    assert (listed & every).sum() >= 0.95 * every.sum(), "their recall"


def test_the_gate_takes_blocks_where_very_many_may_come_and_more_are_there_than_it_compares() -> (
    None
):
    examples = [*(train_row(text) for text in orders(60, 5)), evaluation_row("nothing like it")]
    first = examples[0].inputs["text"]
    made = [candidate(text, "x", first, CHANGES) for text in orders(40, 6)]
    made += [candidate(without_a_word(c.inputs["text"])[0], "x", first, CHANGES) for c in made[:20]]

    def reasons(is_many: bool, exact_up_to: int) -> list[str]:
        quality = Quality(near_duplicate=NearDuplicate(exact_up_to=exact_up_to))
        results = judged(
            made, examples, embed_words, only=["near_duplicate"], quality=quality, many=is_many
        )
        return [result.reason for result in results]

    usual = reasons(is_many=False, exact_up_to=50_000)
    assert {"", "near_duplicate"} == set(usual)
    assert reasons(is_many=True, exact_up_to=50_000) == usual
    assert reasons(is_many=True, exact_up_to=110) == usual, "in blocks, all of a label compared"


def test_vectors_that_come_one_after_the_other_are_all_there() -> None:
    draw = np.random.default_rng(0)
    parts = [draw.standard_normal((n, 4)).astype(np.float32) for n in (3, 1, 0, 9, 2)]
    growing = Growing(parts[0])
    for part in parts[1:]:
        growing.add(part)
    assert np.array_equal(growing.vectors, np.concatenate(parts))
