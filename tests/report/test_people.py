"""What people said of rows: how much, how far they agree, and the judge beside them."""

from __future__ import annotations

from datetime import datetime, timedelta

from engine.report.facts import collect
from engine.report.html import render_html
from engine.report.markdown import render_markdown
from engine.report.tables import people_table
from tests.report.invented import Invented

AT = datetime.fromisoformat("2026-01-02T03:04:05")


def say(store: Invented, number: int, reviewer: str, verdict: str, reason: str = "") -> None:
    store.add(
        "review", id=f"{number}{reviewer}", recipe="invented", run="r0001", made=AT + timedelta(seconds=number),
        reviewer=reviewer, queue="candidates", subject="candidate", example=f"e{number}", candidate=f"c{number}",
        verdict=verdict, reason=reason, note="", inputs={"text": "a"}, target="t", new_example=None,
        new_inputs=None, new_target=None, places=[[0, 0]], changes=False, resolves=False, undoes=None, judge=None,
        judge_passes=None, judge_share=None,
    )  # fmt: skip


def test_verdicts_agreement_and_the_judge_stand_in_the_report() -> None:
    store = Invented()
    store.recipe(metrics=["accuracy"], loop={"stop": {"metric": "accuracy"}})
    store.run()
    node = store.node("seed-0/round-0/judge-1", "judge", 0)
    name = collect(store.query, "r0001").header.recipe
    for number, agrees in enumerate((True, True, False, True, False)):
        store.add(
            "verdict", **node, candidate=f"c{number}", accepted=agrees, reason="accepted" if agrees else "judge",
            detail="", feedback="", judge_agrees=agrees, advice={}, verified=False,
        )  # fmt: skip
    assert collect(store.query, "r0001").people.rows == 0
    for number in range(5):
        say(
            store,
            number,
            "anna",
            "accept" if number < 3 else "reject",
            "" if number < 3 else "wrong",
        )
    for number in range(1, 5):
        say(store, number, "ben", "accept")
    store.connection.execute("UPDATE review SET recipe = ?", [name])
    report = collect(store.query, "r0001")
    people = report.people
    assert (people.rows, people.conflicts, dict(people.verdicts)) == (5, 2, {"accept": 3})
    assert (people.agreement.units, people.agreement.agreed) == (4, 2)
    table = people_table(report)
    assert table.rows == (("5", "3", "0", "0", "0", "2"),)
    assert "The judge passed 2 of 3 rows whose answer people call right." in table.note
    assert "Verdicts: anna 5, ben 4." in table.note
    for text in (render_markdown(report), render_html(report)):
        assert "Reviewed by people" in text
