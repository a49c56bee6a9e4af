"""Wrong answers are mistakes that are made: none is right by chance, and none is one that nobody would give."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from engine.metrics import METRICS, Answered
from engine.tasks import TASKS, Task
from engine.tasks.wrong_answers import cut, neighbours, wrong_objects

KEYS = ("people", "date", "time", "first_name", "last_name")
SCHEMA = {
    "type": "object",
    "properties": {key: {"type": "string", "maxLength": 60} for key in KEYS},
    "additionalProperties": False,
}
BOOKED = "Can I book for 3 people this Saturday at 6pm for Les Moore?"
SLOTS = {
    "people": "3 people",
    "date": "this Saturday",
    "time": "6pm",
    "first_name": "Les",
    "last_name": "Moore",
}


def wrong(right: Mapping[str, Any], text: str, *others: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(wrong_objects(right, text, others, 0))


def test_mistakes_of_every_sort_are_made() -> None:
    found = wrong(SLOTS, BOOKED, {"time": "6pm"}, {"date": "3rd"})
    rest = {key: value for key, value in SLOTS.items() if key != "last_name"}
    for mistake in (
        {**SLOTS, "first_name": "Moore", "last_name": "Les"},
        rest,
        {**SLOTS, "people": "people"},
        {**SLOTS, "date": "this"},
        {**SLOTS, "time": "this Saturday at 6pm"},
    ):
        assert mistake in found
    assert SLOTS not in found
    assert {"first_name": "Les"} not in found, "nobody overlooks all the rest"


def test_other_values_come_from_the_text() -> None:
    text = "not from 8 people on, for just 7"
    found = wrong({"people": "7"}, text, {"people": "8 people"}, {"people": "12"}, {"time": "9"})
    assert {"people": "8 people"} in found
    assert {"time": "7"} in found
    assert not any("12" in one.values() for one in found)
    many = wrong(
        {"people": "7"}, "7 on Sunday", {"date": "Sunday"}, {"date": "7"}, {"date": "Monday"}
    )
    assert {"people": "7", "date": "Sunday"} in many
    assert {"people": "7", "date": "7"} not in many


@pytest.mark.parametrize("text", ["Les", "7", "12:30 PM", "at 7"])
def test_where_the_text_does_not_say_what_a_value_is_it_stays_under_its_key(text: str) -> None:
    for key in KEYS:
        others = [{name: "9"} for name in KEYS]
        assert all(one.keys() <= {key} for one in wrong({key: text}, text, *others))


def test_of_values_that_are_no_words_of_the_text_another_one_is_taken() -> None:
    right = {
        "count": 3,
        "vegan": True,
        "meal": "dinner",
        "tags": ["a", "b"],
        "guest": {"name": "Bo Reed", "table": 4},
    }
    found = wrong(right, "tonight for Bo Reed and 2 more at table 4", {"meal": "lunch"})
    assert {**right, "vegan": False} in found
    assert {**right, "meal": "lunch"} in found
    assert {**right, "count": 2} in found
    assert {**right, "tags": ["a"]} in found
    assert {**right, "guest": {"name": "Bo", "table": 4}} in found


@pytest.mark.parametrize(
    ("span", "shorter"),
    [
        ("25th of June", "25th of"), ("half past 7", "half past"), ("12 people", "people"), ("Bo van Ree", "Bo van"),
        ("6:15 PM", "PM"), ("noon", None), ("this evening", None), ("by USA", None),
    ],
)  # fmt: skip
def test_a_span_is_cut_where_the_word_matters(span: str, shorter: str | None) -> None:
    assert cut(span) == shorter


def test_neighbours_look_alike() -> None:
    text = "The mill of Anna Reed at Brook was built in 1802. It burned down in 1911."
    assert list(neighbours("Brook", text)) == ["Anna Reed"]
    assert list(neighbours("1802", text)) == ["1911"]
    assert list(neighbours("burned down", text)) == []
    assert list(neighbours("Reed", text)) == ["Brook"], "the run shares a word with it"


def test_a_free_text_gets_a_wrong_detail() -> None:
    row = {"wishes": "people: 2, time: 7, name: Ann Ree"}
    entry = TASKS["generation"]
    task = Task((), entry.params.model_validate({}))

    def made(target: str, *others: str) -> str | None:
        return entry.corrupted(row, target, others, task)

    assert made("A table for 2, please.", "For 7 of us.", "We are 5.") == "A table for 5, please."
    assert made("It is for Ann Ree.", "It is for Bo Lind.") == "It is for Bo Lind."
    assert made("See you then.", "Good day.") == "Good day."


@pytest.mark.parametrize("turn", range(9))
def test_a_wrong_object_scores_less_than_a_right_one(turn: int) -> None:
    entry = TASKS["structured"]
    task = Task((), entry.params.model_validate({"json_schema": SCHEMA}))
    metric = METRICS["field_f1"]
    text, right = f"{BOOKED} {'!' * turn}", json.dumps(SLOTS, sort_keys=True)
    made = entry.corrupted({"text": text}, right, ['{"time": "6pm"}', "{}"], task)
    assert made is not None
    assert entry.malformed({"text": text}, made, task) is None
    assert (metric.score(Answered(made, (right,), made), metric.params()) or 0) < 1
