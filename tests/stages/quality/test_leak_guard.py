"""The leak guard: what must be caught, what must pass, and that nothing it says quotes an evaluation row."""

from collections.abc import Sequence

import numpy as np
import pytest

from engine.operators import find_operators
from engine.rows import Example, Split
from engine.stages.quality import leak_guard
from engine.stages.quality.leak_guard import LeakGuard, LeakGuards
from engine.tasks import TASKS
from engine.wording import NgramIndex, Vocabulary, ngrams, words

TEXTS = TASKS["classification"]


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
    return LeakGuard(TEXTS, _small_task(), _embed, 5, 0.99)


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


def test_an_evaluation_row_inside_a_prompt_is_found_whatever_its_punctuation(
    guard: LeakGuard,
) -> None:
    assert guard.stands_in(f"Rewrite:\n{{'text': '{VALIDATION[0].upper()}.'}}")
    assert not guard.stands_in("Rewrite: the salmon smelled fine")


def test_training_rows_equal_to_evaluation_rows_are_named_and_do_not_calibrate() -> None:
    rows = [
        _example("train", TRAIN[0], 0),
        _example("train", TEST[0].upper(), 1),
        _example("test", TEST[0], 0),
    ]
    guard = LeakGuard(TEXTS, rows, _embed, 5, 1.0)
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
    guard = LeakGuard(TEXTS, rows, _embed, 5, 1.0)
    prompt = find_operators(None)["paraphrase"].prompt("small")
    row = dict(rows[1].inputs)
    text = prompt.render({"row": row, "count": 2, "feedback": "", "keep": ""})[-1][1]
    assert "u0027" not in text
    assert guard.stands_in(text)


def test_each_column_of_a_row_is_looked_for_and_what_training_shares_is_no_secret() -> None:
    shared = "a kind of message for us"
    both = {"text": "nobody rang the bell tonight", "channel": shared}
    rows = [
        Example("t", "train", {"text": "hello there you lot", "channel": shared}, "x", {}, "f", 1),
        Example("v", "validation", both, "x", {}, "f", 2),
    ]
    guard = LeakGuard(TEXTS, rows, _embed, 5, 1.0)
    assert guard.stands_in('{"text": "nobody rang the bell tonight", "channel": "other"}')
    assert not guard.stands_in(f'{{"text": "something else entirely", "channel": "{shared}"}}')
    assert guard.quotes("Rows such as: nobody rang the bell tonight.")


def test_an_evaluation_row_that_stands_in_a_training_row_is_no_secret() -> None:
    rows = [
        _example("train", "tell me what is my bank balance today", 0),
        _example("validation", "what is my bank balance", 0),
        _example("validation", "where is my new card", 1),
    ]
    guard = LeakGuard(TEXTS, rows, _embed, 5, 1.0)
    assert not guard.stands_in('{"text": "tell me what is my bank balance today"}')
    assert guard.stands_in('{"text": "and where is my new card now"}')


REASONED = "She sells 48 clips in April, then half of that in May, so in all 72 clips.\n#### 72"


def _solved(split: Split, text: str, target: str, *others: str) -> Example:
    right = (target, *others)
    return Example(f"{split}{text}", split, {"text": text}, target, {}, "f", 1, right)


def test_targets_that_are_texts_are_no_more_copied_or_quoted_than_inputs() -> None:
    rows = [
        _solved("train", TRAIN[0], "He has 3 apples and buys 4 more, so he has 7.\n#### 7"),
        _solved("train", TRAIN[1], "the same canned reply for you all"),
        _solved("validation", VALIDATION[0], REASONED),
        _solved("validation", VALIDATION[1], "the same canned reply for you all"),
        _solved("test", TEST[0], "a", "what else is right but not the target"),
    ]
    guard = LeakGuard(TEXTS, rows, _embed, 5, 1.0)
    for copied in (REASONED, REASONED.replace("#### 72", "#### 73"), rows[4].references[1]):
        reason = guard.check_target(copied)
        assert reason is not None
        assert not ngrams(reason, 3) & ngrams(REASONED, 3)
    assert guard.check_target("She eats 5 of her 9 plums, so 4 are left.\n#### 4") is None
    assert guard.check_target("#### 72") is None, "short answers are nobody's own"
    assert guard.check_target("The same canned reply for you all!") is None, "training has it too"
    assert guard.quotes("Rows as: in April, then half of that in May, so in all 72 clips")
    assert guard.quotes("Rows with the same canned reply for you all") is None


def _small_task() -> list[Example]:
    rows = [_example("train", t, i) for i, t in enumerate(TRAIN)]
    rows += [_example("validation", t, i) for i, t in enumerate(VALIDATION)]
    return rows + [_example("test", t, i) for i, t in enumerate(TEST)]


@pytest.mark.parametrize(
    ("ngram", "quantile", "containment", "similarity", "reasons"),
    [
        (5, 0.99, 0.13857142857142854, 0.3878999352455139, ["57% of its word 5-grams", "similarity 0.745", None]),
        (2, 0.5, 0.0625, 0.3012320399284363, ["70% of its word", "44% of its word", "100% of its word 2-grams"]),
        (3, 1.0, 0.3333333333333333, 0.3892494738101959, ["67% of its word", "similarity 0.745", None]),
    ],
)  # fmt: skip
def test_thresholds_and_verdicts_are_those_of_all_rows_compared_at_once(
    ngram: int, quantile: float, containment: float, similarity: float, reasons: list[str | None]
) -> None:
    """The numbers are those of the first version, which held every similarity in memory."""
    guard = LeakGuard(TEXTS, _small_task(), _embed, ngram, quantile)
    assert guard.thresholds.containment == containment
    assert guard.thresholds.similarity == pytest.approx(similarity, abs=1e-7)
    texts = [
        "where is my box it was due at ten this evening",
        "the salmon was off so the whole dinner went away",
        "nobody rang",
    ]
    for expected, reason in zip(reasons, guard.check(texts), strict=True):
        assert (expected is None) == (reason is None)
        assert (expected or "") in (reason or "")


def test_a_threshold_for_targets_is_that_of_all_rows_compared_at_once() -> None:
    rows = [
        _solved("train", TRAIN[0], "She sells 48 clips in April, then two in May"),
        _solved("validation", VALIDATION[0], REASONED),
    ]
    guard = LeakGuard(TEXTS, rows, _embed, 3, 1.0)
    assert guard.thresholds.target == 0.625
    assert guard.check_target("She sells 48 clips in April, then half of it") == (
        "its target shares 88% of its word 3-grams with an evaluation row's (training rows: at most 62%)"
    )


def test_where_training_targets_are_bare_answers_those_of_evaluation_rows_tell_what_is_shared() -> (
    None
):
    common = "so in all that makes together exactly"
    solutions = [
        f"{who} has {n} plums and eats {n - 2} of them {common} {n}"
        for n, who in enumerate(("Ada", "Ben", "Cyd", "Dov", "Eve", "Fay"), 5)
    ]
    rows = [
        _solved("train", TRAIN[0], "7"),
        *(_solved("test", f"{TEST[0]} {n}", target) for n, target in enumerate(solutions)),
    ]
    guard = LeakGuard(TEXTS, rows, _embed, 4, 1.0)
    assert 0.2 < guard.thresholds.target < 0.8
    assert guard.check_target(f"The two rows of nine chairs are eighteen {common} 18") is None
    why = guard.check_target(solutions[0].replace("Ada", "Ida"))
    assert why is not None
    assert "evaluation rows among themselves: at most" in why
    alone = LeakGuard(TEXTS, rows[:2], _embed, 4, 1.0)
    assert alone.thresholds.target == 0.0


@pytest.mark.parametrize("at_once", [1, 3, 5, 7])
def test_rows_are_compared_in_chunks_of_any_size(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = LeakGuard(TEXTS, _small_task(), _embed, 5, 0.9)
    largest = 0

    def embed(texts: Sequence[str]) -> np.ndarray:
        nonlocal largest
        largest = max(largest, len(texts))
        return _embed(texts)

    monkeypatch.setattr(leak_guard, "_SIMILARITIES_AT_ONCE", at_once)
    monkeypatch.setattr(leak_guard, "_TEXTS_AT_ONCE", 3)
    chunked = LeakGuard(TEXTS, _small_task(), embed, 5, 0.9)
    assert chunked.thresholds == pytest.approx(whole.thresholds)
    assert largest == 3
    texts = [*TRAIN, *VALIDATION, "nobody rang the bell", ""]
    assert chunked.check(texts) == whole.check(texts)


def test_without_evaluation_rows_nothing_leaks_and_without_training_rows_wording_decides() -> None:
    train = [_example("train", t, i) for i, t in enumerate(TRAIN)]
    assert LeakGuard(TEXTS, train, _embed, 5, 0.99).check([*TRAIN, VALIDATION[0]]) == [None] * 5
    assert LeakGuard(TEXTS, [], _embed, 5, 0.99).check(["anything"]) == [None]
    alone = LeakGuard(TEXTS, [_example("test", TEST[0], 0)], _embed, 5, 0.99)
    assert alone.check(["the salmon smelled fine"]) == [None]
    assert alone.check([TEST[0]]) == ["equals an evaluation row"]
    assert alone.check([]) == []


def test_a_guard_is_made_once_for_the_same_rows_and_settings() -> None:
    calls: list[int] = []

    def embed(texts: Sequence[str]) -> np.ndarray:
        calls.append(len(texts))
        return _embed(texts)

    guards = LeakGuards(embed)
    assert calls == []
    first = guards.get(TEXTS, _small_task(), 5, 0.99)
    made = list(calls)
    # Equal rows read anew, in a list or a tuple, are the same rows.
    assert guards.get(TEXTS, tuple(_small_task()), 5, 0.99) is first
    assert calls == made
    assert guards.get(TEXTS, _small_task(), 4, 0.99) is not first
    assert guards.get(TEXTS, _small_task(), 5, 0.9) is not first
    fewer = guards.get(TEXTS, _small_task()[:-1], 5, 0.99)
    assert fewer.check([TEST[0]])[0] != "equals an evaluation row"
    assert guards.get(TEXTS, _small_task(), 5, 0.99) is first


def test_words_that_no_evaluation_row_has_are_told_apart() -> None:
    rows = [
        _solved("train", TRAIN[0], "zig zag the bell rang so loud"),
        _solved("train", TRAIN[1], "nothing like it at all"),
        _solved("test", TEST[0], "yes the bell rang so loud today"),
    ]
    guard = LeakGuard(TEXTS, rows, _embed, 3, 0.5)
    assert guard.check_target("Zig zag the bell rang so loud!") is None, "a training row's target"
    assert guard.check_target("zag zig the bell rang so loud") is not None


def test_a_text_is_compared_by_its_different_ngrams() -> None:
    known = Vocabulary()
    learned = known.learn("the bell rang")
    assert known.encode("The bell: rang!") == learned
    assert known.encode("the bell sang") not in {known.encode("the bell rang"), learned}
    index = NgramIndex(known, [learned, known.learn("the bell rang again")], 2)
    assert index.containment(known.encode("the bell rang again")) == 1.0
    assert index.containment(known.encode("zig zag the bell")) == pytest.approx(1 / 3)
    assert index.containment(known.encode("")) == 0.0


def test_a_turn_of_an_evaluation_conversation_is_known_wherever_it_stands() -> None:
    def talk(*said: str) -> str:
        return "\n".join(["[system] You answer for the desk of a shop.", *said])

    train = [talk(f"[user] {text}", "[assistant] Which box do you mean?") for text in TRAIN]
    asked = talk(
        f"[user] {VALIDATION[0]}", "[assistant] Which box do you mean?", f"[user] {TEST[0]}"
    )
    examples = [_example("train", text, i) for i, text in enumerate(train)]
    rows = [*examples, _example("validation", asked, 9)]
    guard = LeakGuard(TASKS["chat"], rows, _embed, 5, 0.99)
    assert guard.stands_in(f'[{{"role": "user", "content": "{TEST[0]}"}}]')
    # What training rows say too, and what all stand under, is no secret.
    assert not guard.stands_in(train[0])
    assert not guard.stands_in("You answer for the desk of a shop. Which box do you mean?")


def test_a_turn_that_holds_an_evaluation_row_leaks_whatever_stands_around_it(
    guard: LeakGuard,
) -> None:
    def why(*turns: str) -> str | None:
        return guard.check_turns({"text": "\n".join(turns)})

    other = ["[user] " + " ".join(f"other{i}" for i in range(60)), "[assistant] Which one?"]
    # A text of a classification may begin as a system turn does.
    assert why(f"[system] {TEST[0]}", "[user] ok then") is not None
    assert why(*other, f"[user] {TEST[0]}") is not None
    assert why(*other, f"[user] {VALIDATION[0][:60]}, so annoying") is not None
    assert why("[system] You answer for a desk.", *other, "[user] where is my dinner") is None
    assert why(TEST[0]) is None, "a text that is no conversation is compared as a whole"


def test_what_an_assistant_says_before_is_no_evaluation_rows_answer() -> None:
    answer = "we send you a new dinner tomorrow before noon and take nothing for it"
    rows = [_example("train", text, i) for i, text in enumerate(TRAIN)]
    guard = LeakGuard(TEXTS, [*rows, _solved("test", TEST[0], answer)], _embed, 5, 0.99)
    said = f"[user] something else\n[assistant] {answer}\n[user] thanks"
    assert guard.check_turns({"text": said}) is not None


def test_a_text_of_another_kind_of_task_that_begins_as_a_turn_is_compared_whole() -> None:
    said = f"[system] {TEST[0]}\n[user] ok then"
    rows = [*_small_task()[:-1], _example("test", said, 9)]
    texts, chats = (
        LeakGuard(TASKS[kind], rows, _embed, 5, 0.99) for kind in ("generation", "chat")
    )
    assert texts.check([said, TEST[0], "ok then"])[::2] == ["equals an evaluation row", None]
    assert chats.check(["ok then"]) == ["equals an evaluation row"]


def test_a_turn_of_a_training_row_is_no_secret() -> None:
    said = f"[system] {TEST[0]}\n[user] hello"
    guard = LeakGuard(TEXTS, [*_small_task(), _example("train", said, 9)], _embed, 5, 0.99)
    assert guard.check_turns({"text": said}) is None
