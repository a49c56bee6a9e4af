"""The guard of texts: long general texts pass, quotes do not, and nothing that it says quotes a row."""

import pytest

from engine.rows import Example, Split
from engine.stages.quality.leak_guard import LeakGuard
from engine.stages.quality.text_guard import TextGuard, quote_length
from engine.tasks import TASKS
from engine.wording import Vocabulary, ngrams
from tests.benchmarks.honest_texts import INTENTS, MATHEMATICS, NAMES
from tests.stages.scripted_context import embed_words


def row(split: Split, text: str, target: str = "x", number: int = 0) -> Example:
    return Example(f"{split} {text}", split, {"text": text}, target, {}, "f", number)


TEXTS = TASKS["generation"]
TRAIN = [
    row(
        "train",
        "Mia has 12 pencils and buys 5 more. How many pencils does she have in total?",
        "17",
    ),
    row("train", "A farmer sells half of his 40 eggs. How many eggs does he have left?", "20"),
]
LONG = [
    row(
        "validation",
        "Robert collects 48 shells on Monday, and half as many on Tuesday. He gives a third of all his shells to his "
        "sister. How many shells does he have left?",
        "He collects 48/2 = 24 shells on Tuesday, in all 72.\n72/3 = 24, so 72-24 = 48 are left.\n#### 48",
    ),
    row(
        "test",
        "A bakery makes 15 trays with 12 rolls on each of them every morning. It sells each roll for $2. How much does "
        "it earn in a week, if it is closed on Sundays?",
        "Each morning there are 15*12 = 180 rolls.\nThat is $360 a day.\n360*6 = 2160.\n#### 2160",
    ),
]  # fmt: skip
SHORT = [
    row("validation", "nobody rang the bell with my dinner"),
    row("test", "the salmon smelled off so I threw it away"),
    row("test", "cancel it"),
]


def guard(*rows: Example) -> LeakGuard:
    return LeakGuard(TEXTS, [*TRAIN, *LONG, *SHORT, *rows], embed_words, 5, 1.0)


@pytest.mark.parametrize("text", [*MATHEMATICS, *INTENTS, *NAMES])
def test_general_texts_pass_however_long(text: str) -> None:
    assert guard().quotes(text) is None


@pytest.mark.parametrize(
    "quoted",
    [
        "He gives a third of all his shells to his sister",
        "makes 15 trays with 12 rolls on each of them",
        # Of a short row most of it is a quote.
        "nobody rang the bell with",
        "smelled off so I threw it",
        # Of the answer of an evaluation row as well.
        "That is $360 a day. 360*6 = 2160",
    ],
)
def test_a_quote_is_found_wherever_it_stands(quoted: str) -> None:
    for text in (
        f"{quoted}.",
        f"Write rows that say more. For instance: '{quoted.upper()}!' and so on.",
    ):
        reason = guard().quotes(text)
        assert reason is not None
        assert "or more words in a row" in reason


@pytest.mark.parametrize(
    "text",
    [
        "Problems in which one gives a third of all his marbles to somebody",
        "Somebody rang the bell, and my dinner was cold.",
        "They want to cancel it, and say so.",
        "",
    ],
)
def test_a_few_shared_words_are_no_quote(text: str) -> None:
    assert guard().quotes(text) is None


def test_what_training_rows_or_the_task_itself_say_is_no_secret() -> None:
    phrase = "how many rolls are on each of the trays in the bakery"
    other = row("test", f"Tell me {phrase} that is nearest to us")
    text = f"Ask {phrase} and vary the numbers."
    assert guard(other).quotes(text)
    shown = row("train", f"Say {phrase} of Ms Bell")
    assert guard(other, shown).quotes(text) is None
    assert guard(other).quotes(text, own=(f"Questions {phrase} of a town.",)) is None
    assert guard(other).quotes(text, own=("Questions about a bakery.",))


def test_a_training_row_that_is_an_evaluation_row_too_reveals_nothing() -> None:
    copied = row("train", SHORT[0].inputs["text"])
    assert guard(copied).quotes("Say that nobody rang the bell with my dinner.")


def test_the_reason_says_where_and_quotes_neither_text_nor_row() -> None:
    text = "Write of bakeries. It makes 15 trays with 12 rolls on each of them. Vary the rest."
    reason = guard().quotes(text)
    assert reason == "8 or more words in a row, from its sentence 2 on, stand in an evaluation row"
    assert not ngrams(reason, 3) & ngrams(LONG[1].inputs["text"], 3)
    assert guard().quotes("15 trays with 12 rolls on each of them") == (
        "8 or more words in a row, from its beginning on, stand in an evaluation row"
    )


def test_a_text_that_says_what_an_evaluation_row_says_is_blocked_without_a_run_of_its_words() -> (
    None
):
    reason = guard().quotes("dinner my with bell the rang nobody")
    assert reason is not None
    assert reason.startswith("as a whole it says nearly what an evaluation row says")
    assert not ngrams(reason, 3) & ngrams(SHORT[0].inputs["text"], 3)


def test_without_evaluation_rows_every_text_passes() -> None:
    alone = LeakGuard(TEXTS, TRAIN, embed_words, 5, 0.99)
    assert alone.quotes(LONG[0].inputs["text"]) is None


@pytest.mark.parametrize(
    ("words_of_row", "quote"), [(0, 0), (3, 0), (4, 4), (6, 4), (7, 5), (10, 6), (13, 8), (60, 8)]
)
def test_how_many_words_are_a_quote(words_of_row: int, quote: int) -> None:
    assert quote_length(words_of_row) == quote


def test_words_that_no_evaluation_row_has_are_told_apart() -> None:
    vocabulary = Vocabulary()
    secret = [vocabulary.learn("one two three four")]
    texts = TextGuard(vocabulary, secret, [])
    assert texts.find("zig zag one two three four")
    assert texts.find("one two zig four") is None
