"""The leak guard: what must be caught, what must pass, and that nothing it says quotes an evaluation row."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from engine.rows import Example, Split
from engine.spec.prompts import PromptLibrary
from engine.stages.guard import LeakGuard, ngrams, words


def _embed(texts: Sequence[str]) -> np.ndarray:
    """Hashed word counts, unit length: near texts share words."""
    found = np.zeros((len(texts), 512), dtype=np.float32)
    for i, text in enumerate(texts):
        for word in words(text) or ("",):
            found[i, sum(ord(c) * 31**k for k, c in enumerate(word)) % 512] += 1
    unit: np.ndarray = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit


def _example(split: Split, text: str, number: int) -> Example:
    return Example(f"{split}{number}", split, {"text": text}, "x", {}, "f", number)


TRAIN = [
    "please stop my weekly box from the first of next month",
    "the avocado in my box was brown and soft",
    "how do I change the card that you charge",
    "where is my box it should have been here by noon",
]
VALIDATION = [
    "I waited the whole afternoon and nobody rang the bell with my dinner",
    "where is my box it was due at nine this morning and I am hungry",
]
TEST = ["the salmon smelled off so I had to throw the whole dinner away"]


@pytest.fixture
def guard() -> LeakGuard:
    rows = [_example("train", t, i) for i, t in enumerate(TRAIN)]
    rows += [_example("validation", t, i) for i, t in enumerate(VALIDATION)]
    rows += [_example("test", t, i) for i, t in enumerate(TEST)]
    return LeakGuard(rows, _embed, 5, 0.99)


def test_equal_after_normalisation_is_a_leak(guard: LeakGuard) -> None:
    assert guard.check(["The SALMON smelled off, so I had to throw the whole dinner away!!"]) == [
        "equals an evaluation row"
    ]


def test_copying_most_of_an_evaluation_row_is_a_leak(guard: LeakGuard) -> None:
    (reason,) = guard.check(["I waited the whole afternoon and nobody rang the bell, so annoying"])
    assert reason is not None
    assert "5-grams" in reason


def test_new_wording_passes_and_sharing_as_much_as_training_rows_do_passes(
    guard: LeakGuard,
) -> None:
    assert guard.check(["can you skip two weeks for me", "is it possible to pay by invoice"]) == [
        None,
        None,
    ]


def test_reasons_never_quote_the_row(guard: LeakGuard) -> None:
    for row in (*VALIDATION, *TEST):
        (reason,) = guard.check([row])
        assert reason is not None
        assert not ngrams(reason, 3) & ngrams(row, 3)


def test_pattern_texts_that_quote_five_words_are_refused(guard: LeakGuard) -> None:
    assert guard.quotes('Messages like "nobody rang the bell with my dinner" are misread')
    assert guard.quotes("Late deliveries told without the word late") is None


def test_an_evaluation_row_inside_a_prompt_is_found_whatever_its_punctuation(
    guard: LeakGuard,
) -> None:
    assert guard.found_in(f"Rewrite:\n{{'text': '{VALIDATION[0].upper()}.'}}")
    assert not guard.found_in("Rewrite: the salmon smelled fine")


def test_training_rows_equal_to_evaluation_rows_are_named_and_do_not_calibrate() -> None:
    rows = [
        _example("train", TRAIN[0], 0),
        _example("train", TEST[0].upper(), 1),
        _example("test", TEST[0], 0),
    ]
    guard = LeakGuard(rows, _embed, 5, 1.0)
    assert guard.equal_training_rows == {"train1"}
    assert guard.thresholds.containment == 0.0
    assert guard.thresholds.similarity < 0.9


def test_empty_and_short_texts() -> None:
    assert ngrams("", 5) == set()
    assert ngrams("one two", 5) == {("one", "two")}


def test_rows_are_found_as_json_with_quotes_accents_and_line_breaks() -> None:
    rows = [
        _example("train", TRAIN[0], 0),
        _example("validation", 'I can\'t pay for the "café" box\nany more', 0),
    ]
    guard = LeakGuard(rows, _embed, 5, 1.0)
    text = (
        PromptLibrary(Path("."))
        .get("operators/paraphrase.md")
        .render(
            {"row": dict(rows[1].inputs), "target": "x", "count": 2, "feedback": "", "keep": ""}
        )[-1][1]
    )
    assert "u0027" not in text
    assert guard.found_in(text)


def test_each_column_of_a_row_is_looked_for_and_what_training_shares_is_no_secret() -> None:
    shared = "a kind of message for us"
    both = {"text": "nobody rang the bell tonight", "channel": shared}
    rows = [
        Example("t", "train", {"text": "hello there you lot", "channel": shared}, "x", {}, "f", 1),
        Example("v", "validation", both, "x", {}, "f", 2),
    ]
    guard = LeakGuard(rows, _embed, 5, 1.0)
    assert guard.found_in('{"text": "nobody rang the bell tonight", "channel": "other"}')
    assert not guard.found_in(f'{{"text": "something else entirely", "channel": "{shared}"}}')
    assert guard.quotes("Rows such as: nobody rang the bell tonight.")


REASONED = "She sells 48 clips in April, then half of that in May, so in all 72 clips.\n#### 72"


def _solved(split: Split, text: str, target: str, **columns: object) -> Example:
    return Example(f"{split}{text}", split, {"text": text}, target, columns, "f", 1)


def test_targets_that_are_texts_are_no_more_copied_or_quoted_than_inputs() -> None:
    rows = [
        _solved("train", TRAIN[0], "He has 3 apples and buys 4 more, so he has 7.\n#### 7"),
        _solved("train", TRAIN[1], "the same canned reply for you all"),
        _solved("validation", VALIDATION[0], REASONED),
        _solved("validation", VALIDATION[1], "the same canned reply for you all"),
        _solved("test", TEST[0], "a", golds=["a", "what else is right but not the target"]),
    ]
    guard = LeakGuard(rows, _embed, 5, 1.0)
    for copied in (REASONED, REASONED.replace("#### 72", "#### 73"), rows[4].columns["golds"][1]):
        reason = guard.check_target(copied)
        assert reason is not None
        assert not ngrams(reason, 3) & ngrams(REASONED, 3)
    assert guard.check_target("She eats 5 of her 9 plums, so 4 are left.\n#### 4") is None
    assert guard.check_target("#### 72") is None, "short answers are nobody's own"
    assert guard.check_target("The same canned reply for you all!") is None, "training has it too"
    assert guard.quotes("Rows that need half of that in May and a sum") is not None
    assert guard.quotes("Rows with the same canned reply for you all") is None
