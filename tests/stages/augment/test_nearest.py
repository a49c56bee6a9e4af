"""Labels by the likeness of their training rows: as going through all rows finds them, also where rows are as near."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from engine.rows import Example
from engine.stages.augment.nearest import NearestLabels, NearRows
from engine.stages.task_view import TaskView
from tests.stages.scripted_context import ScriptedContext, embed_words
from tests.stages.views import view

WORDS = [
    "red",
    "blue",
    "one",
    "two",
    "north",
    "south",
    "box",
    "parcel",
    "today",
    "please",
    "late",
    "order",
]


def rows(targets: Sequence[str], count: int) -> list[Example]:
    draw = random.Random(1)
    # Few words, so that many rows are equally near.
    texts = [" ".join(draw.choices(WORDS, k=3)) for _ in range(count)]
    return [
        Example(f"e{n}", "train", {"text": text}, draw.choice(targets), {}, "f", n)
        for n, text in enumerate(texts)
    ]


def by_going_through_all(task: TaskView, train: Sequence[Example], text: str) -> list[str]:
    likeness = embed_words([e.inputs["text"] for e in train]) @ embed_words([text])[0]
    near = (train[int(place)] for place in np.argsort(-likeness, kind="stable"))
    named = (task.entry.labels_in(e.target, task.settings) for e in near)
    return list(dict.fromkeys(label for labels in named for label in labels))


def context() -> ScriptedContext:
    return ScriptedContext(lambda role, request: None)


def test_labels_come_in_the_order_of_their_nearest_rows() -> None:
    for task, targets in (
        (view("classification"), ["a", "b", "c", "d", "e"]),
        (view("classification", many=True), ["[]", '["a"]', '["a","b"]', '["c","b"]', '["d"]']),
    ):
        train = rows(targets, 60)
        near = NearestLabels(task, train, context())
        asked = [{"text": " ".join(WORDS[n : n + 3])} for n in range(9)]
        wanted = [by_going_through_all(task, train, row["text"]) for row in asked]
        assert near.of(asked) == wanted
        assert list(near.of_many(asked, 2)) == [labels[:2] for labels in wanted]


def test_rows_that_give_an_answer_away_are_never_shown() -> None:
    train = rows(["1", "2"], 40)
    near = NearRows(view("generation"), train, context())
    own = train[3].inputs
    shown = near.around([own], without=[train[5].id])
    assert len(shown) == 4
    assert all(row.inputs["text"] != own["text"] and row.id != train[5].id for row in shown)
