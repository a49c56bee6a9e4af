"""What a reviewer is shown and what a sitting keeps, without a run."""

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from rich.console import Console

from engine.cli.review.keys import Typed
from engine.cli.review.session import Session
from engine.review import Item
from engine.review.items import data_rows, with_answers
from engine.review.telling import about
from engine.rows import Review
from tests.report.invented import Invented

EARLIER = Review(
    id="earlier", recipe="invented", run="r0001", made=datetime.fromisoformat("2026-01-02T03:04:05"),
    reviewer="anna", queue="candidates", subject="candidate", example="e9", candidate="c9", verdict="reject",
    reason="wrong", note="", inputs={"text": "a"}, target="t", new_example=None, new_inputs=None, new_target=None,
    places=[[0, 0]], changes=True,
)  # fmt: skip


class ShortMemory:
    """A desk that knows a list of verdicts, the last of which is taken back first."""

    reviewer = "anna"

    def __init__(self, *known: Review) -> None:
        self.known = list(known)

    def others(self, item: Item) -> list[str]:
        return []

    def find(self, examples: Sequence[str], queue: str) -> dict[str, Item]:
        return {}

    def accept(self, item: Item, queue: str, note: str) -> Review:
        self.known.append(
            replace(EARLIER, id=f"of {item.example}", example=item.example, verdict="accept")
        )
        return self.known[-1]

    def undo(self) -> Review:
        last = self.known.pop()
        return replace(last, id=f"undo {last.id}", verdict="undo", undoes=last.id)


class Typing:
    """Keys that are typed one after another."""

    def __init__(self, keys: str) -> None:
        self.left = list(keys)

    def key(self, prompt: str) -> Typed:
        return Typed(self.left.pop(0))


def test_what_an_earlier_sitting_said_and_this_one_takes_back_is_told() -> None:
    items = [Item(f"e{n}", "candidate", {"text": "a"}, "t", "trained on") for n in range(3)]
    kept = {}
    for keys in ("aq", "auq", "uq", "auuq", "auuaq"):
        desk: Any = ShortMemory(EARLIER)
        typing: Any = Typing(keys)
        session = Session(desk, "candidates", list(items), typing, Console(file=io.StringIO()))
        session.run()
        kept[keys] = [one.id for one in session.said]
    assert kept == {
        "aq": ["of e0"],
        "auq": [],
        "uq": ["undo earlier"],
        "auuq": ["undo earlier"],
        "auuaq": ["undo earlier", "of e0"],
    }


def test_training_rows_are_found_as_in_their_file_and_as_people_mended_them() -> None:
    store = Invented()
    store.recipe(metrics=["accuracy"])
    store.run()
    rows = {"load": ["first", "second", "held out"], "mend": ["mended", "second", "held out"]}
    for stage, names in rows.items():
        node = store.node(stage, stage)
        for line, name in enumerate(names, 1):
            store.add(
                "example", **node, id=name, split="validation" if name == "held out" else "train",
                inputs={"text": name}, target="t", columns={}, source="data.jsonl", line=line,
            )  # fmt: skip
    asked = ["first", "second", "mended", "held out", "unknown"]
    found = data_rows(store.query, "r0001", asked)
    assert {name: (item.subject, item.line) for name, item in found.items()} == {
        "first": ("train", 1),
        "second": ("train", 2),
        "mended": ("train", 1),
        "held out": ("validation", 3),
    }


def test_a_row_of_the_data_says_what_students_answered_and_why_they_failed() -> None:
    store = Invented()
    store.recipe(metrics=["accuracy"])
    store.run()
    node = store.node("predict", "predict")
    for round, answer, sure in ((-1, None, None), (0, "Rechnung", 0.87)):
        store.add(
            "prediction", **node | {"round": round}, example="e1", split="validation",
            text="so", answer=answer, status="ok", confidence=sure, how="scored",
        )  # fmt: skip
    store.add(
        "diagnosis", **node, id="d", example="e1", root_cause="It reads Beleg as a bill.",
        scenario="", call="c",
    )  # fmt: skip
    item = Item("e1", "validation", {"text": "a"}, "t", "in the data")
    (found,) = with_answers(store.query, "r0001", [item])
    assert list(about(found)) == [
        (
            "model",
            "untuned answered nothing that can be read; round 0 answered Rechnung (87% sure)",
        ),
        ("why", "It reads Beleg as a bill. (says the teacher)"),
    ]
