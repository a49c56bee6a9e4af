"""What people said of rows: how much, how far they agree, and the judge beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from engine.plan.building.reviews import judge_mark
from engine.report.facts import collect
from engine.report.facts.reviews import collect_people
from engine.report.html import render_html
from engine.report.markdown import render_markdown
from engine.report.tables import people_table
from tests.report.invented import Invented

AT = datetime.fromisoformat("2026-01-02T03:04:05")


JUDGE: Mapping[str, Any] = {"version": 1, "models": {"judge": "m"}, "prompts": {}}


def judging(store: Invented) -> dict[str, Any]:
    """Add a node that judges; return its columns."""
    node = store.node("seed-0/round-0/judge-1", "judge", 0)
    store.db.execute("UPDATE node SET identity = ? WHERE id = ?", [json.dumps(JUDGE), node["node"]])
    return node


def say(
    store: Invented,
    number: int,
    reviewer: str,
    verdict: str,
    reason: str = "",
    passes: bool | None = None,
    judge: Mapping[str, Any] = JUDGE,
) -> None:
    store.add(
        "review", id=f"{number}{reviewer}", recipe="invented", run="r0001", made=AT + timedelta(seconds=number),
        reviewer=reviewer, queue="candidates", subject="candidate", example=f"e{number}", candidate=f"c{number}",
        verdict=verdict, reason=reason, note="", inputs={"text": "a"}, target="t", new_example=None,
        new_inputs=None, new_target=None, places=[[0, 0]], changes=False, resolves=False, undoes=None,
        judge=None if passes is None else judge_mark(judge), judge_passes=passes, judge_share=None,
    )  # fmt: skip


def test_verdicts_agreement_and_the_judge_stand_in_the_report() -> None:
    store = Invented()
    store.recipe(metrics=["accuracy"], loop={"stop": {"metric": "accuracy"}})
    store.run()
    judging(store)
    name = collect(store.query, "r0001").header.recipe
    passes = (True, True, False, True, False)
    assert collect(store.query, "r0001").people.rows == 0
    for number in range(5):
        say(
            store,
            number,
            "anna",
            "accept" if number < 3 else "reject",
            "" if number < 3 else "wrong",
            passes[number],
        )
    for number in range(1, 5):
        say(store, number, "ben", "accept", passes=passes[number])
    store.connection.execute("UPDATE review SET recipe = ?", [name])
    report = collect(store.query, "r0001")
    people = report.people
    assert (people.rows, people.conflicts, dict(people.verdicts)) == (5, 2, {"accept": 3})
    assert (people.agreement.units, people.agreement.agreed) == (4, 2)
    table = people_table(report)
    assert table.rows == (("5", "3", "0", "0", "0", "2"),)
    told = "The judge on the same answers: of 3 that people call right it takes 2 for right."
    assert told in table.note
    assert "Verdicts: anna 5, ben 4." in table.note
    for text in (render_markdown(report), render_html(report)):
        assert "Reviewed by people" in text


def test_where_all_reject_the_reason_counts_that_most_of_them_give() -> None:
    store = Invented()
    store.recipe(metrics=["accuracy"])
    store.run()
    for number, reasons in enumerate(
        (("wrong", "wrong", "unclear"), ("wrong", "unclear"), ("wrong",))
    ):
        for reviewer, reason in zip(("anna", "ben", "cleo"), reasons, strict=False):
            say(store, number, reviewer, "reject", reason)
    found = store.query(
        "SELECT example, verdict, reason, agree FROM review_outcomes ORDER BY example"
    )
    assert [tuple(row.values()) for row in found] == [
        ("e0", "reject", "wrong", 3),
        ("e1", "reject", "", 2),
        ("e2", "reject", "wrong", 1),
    ]


def test_the_judge_is_held_against_people_by_what_it_says_of_the_answer() -> None:
    """Not by its whole verdict, which a dull row with a right answer does not pass; nor by another judge's word."""
    store = Invented()
    store.recipe(metrics=["accuracy"])
    store.run()
    node = judging(store)
    store.add(
        "verdict", **node, candidate="c0", accepted=False, reason="judge", detail="", feedback="",
        judge_agrees=False, label_correct="yes", advice={}, verified=False,
    )  # fmt: skip
    say(store, 0, "anna", "accept", passes=True)
    say(store, 1, "anna", "accept", passes=False, judge={**JUDGE, "version": 2})
    judge = collect_people(store.query, "r0001", "invented").judge
    assert (judge.right_passed, judge.right_rejected) == (1, 0)
