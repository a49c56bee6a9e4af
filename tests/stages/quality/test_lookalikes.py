"""lookalikes: near duplicates are found among many rows by their words, and compared as where rows are few."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest

from engine.spec.recipe import NearDuplicate, Quality
from engine.stages.quality.lookalikes import MOST, lookalikes
from tests.stages.quality.rows import CHANGES, candidate, evaluation_row, judged, train_row
from tests.stages.scripted_context import embed_words

LATIN = [f"word{n}" for n in range(400)]
CHINESE = [chr(0x4E00 + n) for n in range(400)]
THAI = ["".join(chr(0x0E01 + (n * k) % 40) for k in (1, 3, 7)) for n in range(1, 400)]


def rows(words: Sequence[str], length: int, count: int, between: str = " ") -> list[str]:
    rng = random.Random(0)
    return [between.join(rng.choices(words, k=length)) for _ in range(count)]


@pytest.mark.parametrize(
    ("words", "length", "between"),
    [(LATIN, 9, " "), (CHINESE, 18, ""), (THAI, 12, "")],
    ids=["spaces", "chinese", "thai"],
)
def test_a_row_with_a_word_changed_is_found_among_others(
    words: Sequence[str], length: int, between: str
) -> None:
    earlier = rows(words, length, 400, between)
    planted = [
        between.join([*text[:4], words[7], *text[5:]])
        for text in ([*e] if not between else e.split(between) for e in earlier[::10])
    ]
    found = lookalikes(planted, earlier)
    assert sum(10 * n in one.earlier for n, one in enumerate(found)) >= 38
    assert sum(len(one.earlier) for one in found) < 80, "others are not compared"
    assert found == lookalikes(planted, earlier), "the same in every run"


def test_earlier_rows_are_read_once_and_the_most_alike_are_kept() -> None:
    def once() -> Iterator[str]:
        yield from (f"please send the blue box number{n} to my house today" for n in range(200))
        yield "please send the blue box to my house today"

    (found,) = lookalikes(["please send the blue box to my house today now"], once())
    assert len(found.earlier) == MOST
    assert found.earlier[-1] == 200, "the most alike of all"
    (none,) = lookalikes(["please send the blue box to my house today"], once(), lambda *_: False)
    assert none.earlier == []


def test_new_rows_are_compared_with_those_before_them_and_rows_without_words_with_none() -> None:
    texts = ["one two three four five", "?!", "one two three four six", "one two three four five"]
    found = lookalikes(texts, ["...", ""])
    assert [one.new for one in found] == [[], [], [0], [0, 2]]
    assert all(not one.earlier for one in found)


def near(texts: Sequence[tuple[str, str]], exact_up_to: int) -> list[str]:
    """Return what the gate says of rows with their labels."""
    train = [
        train_row(f"please send item{n} by post on day{n} of this week", "post") for n in range(25)
    ]
    train += [
        train_row(f"let me fetch thing{n} from shop{n} on my own", "fetch") for n in range(25)
    ]
    examples = [*train, evaluation_row("no such row", "post")]
    made = [candidate(text, label, train[0].inputs["text"], CHANGES) for text, label in texts]
    quality = Quality(near_duplicate=NearDuplicate(exact_up_to=exact_up_to))
    accepted = [("can you bring gift5 to door5 after lunch when you are in town", "post")]
    found = judged(
        made, examples, embed_words, accepted=accepted, only=["near_duplicate"], quality=quality
    )
    return [one.detail for one in found]


def test_the_gate_says_the_same_by_words_as_of_all_rows() -> None:
    again = "please send item3 by post on day3 of this week soon"
    texts = [
        (again, "post"),
        (again, "fetch"),  # a contrast: nearly the same words, another label
        (
            "can you bring gift5 to door5 after lunch when you are in town today",
            "post",
        ),  # accepted in an earlier round
        ("is there a bus that stops near your market hall at the weekend or", "fetch"),
        (
            "is there a bus that stops near your market hall at the weekend or not",
            "fetch",
        ),  # repeats the one before
        ("is there a bus that stops near your market hall at the weekend or not", "post"),
    ]
    exact = near(texts, 51)
    assert [bool(detail) for detail in exact] == [True, False, True, False, True, False]
    assert near(texts, 50) == exact
