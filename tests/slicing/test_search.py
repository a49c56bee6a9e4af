"""Slices: planted ones are found, random failures propose nothing, and the SQL is what was counted."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import pytest
from pydantic import TypeAdapter

from engine.slicing import LEVEL, as_category, search
from engine.slicing.search import Candidate, candidates, stand_out
from engine.spec.parts import Name
from engine.sql import check_expression, column_types, evaluate_condition

WORDS = [
    "order", "parcel", "card", "refund", "late", "broken", "address", "phone", "login", "plan", "fee", "lost", "door",
    "note", "red", "blue",
]  # fmt: skip
LABELS = [f"label_{number}" for number in range(8)]
Row = dict[str, Any]


def made(count: int = 400, seed: int = 0) -> list[Row]:
    draw = random.Random(seed)
    return [
        {
            "text": " ".join(draw.choices(WORDS, k=draw.randint(3, 12))).capitalize(),
            "channel": draw.choice(["mail", "chat", "phone", None]),
            "age": draw.randint(18, 80),
            "score": f"{draw.random():.2f}",
            "urgent": draw.random() < 0.3,
            "tags": [draw.choice(WORDS)],
            "target": draw.choice(LABELS),
        }
        for _ in range(count)
    ]


ROWS = made()
"""400 rows in which a word stands in about a third of the texts."""


def failing(holds: Callable[[Row], bool], inside: float = 0.7, outside: float = 0.12) -> list[bool]:
    draw = random.Random(1)
    return [draw.random() < (inside if holds(row) else outside) for row in ROWS]


@cache
def tried(conditions: int = 1) -> list[Candidate]:
    return candidates(ROWS, labelled=True, least=20, conditions=conditions)


def found(holds: Callable[[Row], bool]) -> list[str]:
    return [one.sql for one in stand_out(tried(), failing(holds)).slices]


@pytest.mark.parametrize(
    ("holds", "sql"),
    [
        (lambda row: row["channel"] == "chat", "channel = 'chat'"),
        (lambda row: row["channel"] is None, "channel IS NULL"),
        (lambda row: row["urgent"], "urgent"),
        (lambda row: row["target"] == "label_3", "target = 'label_3'"),
        (lambda row: row["target"] in ("label_2", "label_6"), "target IN ('label_2', 'label_6')"),
        (lambda row: "refund" in row["text"].lower(), r"regexp_matches(text, '(?i)\brefund\b')"),
    ],
)
def test_a_planted_slice_is_found_and_nothing_else(holds: Callable[[Row], bool], sql: str) -> None:
    assert found(holds) == [sql]


@pytest.mark.parametrize(
    ("holds", "begins"),
    [
        (lambda row: len(row["text"]) >= 55, "length(text) >= "),
        (lambda row: row["age"] <= 30, "age <= "),
        (lambda row: float(row["score"]) >= 0.8, "try_cast(score AS DOUBLE) >= "),
    ],
)
def test_a_threshold_is_found_where_it_is_about(holds: Callable[[Row], bool], begins: str) -> None:
    sql, *others = found(holds)
    assert not others
    assert sql.startswith(begins)
    under = evaluate_condition(sql, ROWS)
    right = sum(holds(row) == is_under for row, is_under in zip(ROWS, under, strict=True))
    assert right >= 0.85 * len(ROWS)


def test_two_causes_are_two_slices() -> None:
    assert set(found(lambda row: row["channel"] == "chat" or row["target"] == "label_3")) == {
        "channel = 'chat'",
        "target = 'label_3'",
    }


def test_two_conditions_at_once_are_tried_on_request() -> None:
    def holds(row: Row) -> bool:
        return bool(row["channel"] == "chat" and row["age"] >= 45)

    whole = stand_out(tried(2), failing(holds, 0.9, 0.2))
    assert " AND " in whole.slices[0].sql
    assert whole.tried == len(tried(2)) > 10 * len(tried())


def test_random_failures_propose_nothing_at_the_stated_level() -> None:
    searches = 400
    proposing = 0
    for seed in range(searches):
        draw = random.Random(seed)
        rate = draw.choice([0.05, 0.2, 0.5])
        proposing += bool(stand_out(tried(), [draw.random() < rate for _ in ROWS]).slices)
    # Twice the standard error above the level.
    assert proposing / searches <= LEVEL + 2 * (LEVEL * (1 - LEVEL) / searches) ** 0.5


def test_of_slices_of_nearly_the_same_rows_the_simplest_stays() -> None:
    rows: list[Row] = [{**row, "text": f"{row['text']} via {row['channel']}"} for row in ROWS]
    failed = failing(lambda row: row["channel"] == "chat")
    whole = search(rows, failed, labelled=True)
    # The same rows are one test: the words that only they have are not tried a second time.
    assert [one.sql for one in whole.slices] == ["channel = 'chat'"]
    other = next(number for number, row in enumerate(rows) if row["channel"] == "mail")
    rows[other]["text"] += " chat"
    (one,) = search(rows, failed, labelled=True).slices
    assert one.sql == "channel = 'chat'"
    assert any("chat" in sql for sql in one.alike)


def test_counts_are_those_of_the_sql() -> None:
    failed = failing(lambda row: row["channel"] == "chat")
    (one,) = stand_out(tried(), failed).slices
    under = evaluate_condition(one.sql, ROWS)
    assert one.members == tuple(i for i, holds in enumerate(under) if holds)
    assert (one.size, one.failures) == (sum(under), sum(failed[i] for i in one.members))
    rest = (sum(failed) - one.failures) / (len(ROWS) - one.size)
    assert one.difference.value == pytest.approx(one.rate - rest)
    assert one.difference.low < one.difference.value < one.difference.high


def test_small_slices_are_not_tried() -> None:
    few = [{**row, "channel": "fax" if number < 19 else "mail"} for number, row in enumerate(ROWS)]
    failed = [number < 19 for number in range(len(ROWS))]
    assert search(few, failed, labelled=True).slices == ()
    assert search(few, failed, labelled=True, min_size=19).slices[0].size == 19


@pytest.mark.parametrize("failed", [[False] * 400, [True] * 400])
def test_where_all_or_none_fail_there_is_nothing_to_say(failed: Sequence[bool]) -> None:
    assert stand_out(tried(), failed).slices == ()


def test_no_rows_no_slices() -> None:
    assert search([], [], labelled=True).slices == ()


AWKWARD: Mapping[str, Callable[[int], Any]] = {
    "a column": lambda n: f"it's {n % 2}",
    "select": lambda n: n % 2 == 0,
    "mixed": lambda n: n if n % 2 else "none",
    "größe": lambda n: "schön groß" if n % 2 else f"klein und fein {n}",
    "control": lambda n: "tab\there" if n % 2 else "line\nbreak",
    "nested": lambda n: {"deep": n},
    "nothing": lambda n: None,
    "big": lambda n: 10**15 + n,
    "half": lambda n: n / 4,
    "p": lambda n: "x" if n % 2 else f"unlike {n}",
}


def test_every_condition_is_sql_over_columns_of_any_name_and_type() -> None:
    rows: list[Row] = [
        {**{name: value(number) for name, value in AWKWARD.items()}, "target": "a b"}
        for number in range(120)
    ]
    types = column_types(rows)
    every = candidates(rows, labelled=False, least=20, conditions=2)
    assert len(every) > 10
    for one in every:
        assert check_expression(one.predicate.sql, types) is None
        assert one.predicate.sql.isprintable()
    failed = [number % 2 == 1 for number in range(120)]
    for part in search(rows, failed, labelled=False).slices:
        category = as_category(part)
        TypeAdapter(Name).validate_python(category["id"])
        assert not category["id"].startswith("p-")
