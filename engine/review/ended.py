"""What follows of a sitting: how far reviewers agree, what is wrong in the data's files, what the next run redoes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.plan.explain import NodeState
from engine.report.facts.reviews import collect_people
from engine.report.people import People
from engine.report.records import Query
from engine.report.tables.reviews import agreement_sentence
from engine.review.items import Reviewable

_WRONG = """
SELECT DISTINCT e.source, e.line, o.verdict, coalesce(o.new_target, '') AS target
FROM review_outcomes o JOIN example e ON e.id = o.example JOIN all_run_rows r USING (node)
WHERE o.recipe = ? AND o.subject = 'validation' AND o.verdict <> 'accept' AND r.run = ? AND r.stage = 'load'
  AND e.split = 'validation'
ORDER BY e.source, e.line
"""


class WrongRow(NamedTuple):
    """A validation row that people call wrong: it is changed in its file, by whoever owns it."""

    source: str
    line: int
    verdict: str
    target: str
    """What it should be; empty where only its texts should be others, or it should go."""

    @property
    def what(self) -> str:
        """What is to be done with it, in words."""
        return f"should be {self.target}" if self.target else self.verdict


class Standing(NamedTuple):
    """How the verdicts on a recipe's rows stand."""

    people: People
    agreement: str
    """In a sentence; empty where no row was looked at by two."""
    wrong: Sequence[WrongRow]


class Redone(NamedTuple):
    """What the next run would do of a plan."""

    nodes: int
    """All nodes of the plan."""
    open: Sequence[NodeState]
    """Those that are not done: first what changes by itself, then what follows of that."""


def standing(query: Query, place: Reviewable) -> Standing:
    """Return how far reviewers agree, and which validation rows are wrong."""
    people = collect_people(query, place.run, place.recipe)
    wrong = [WrongRow(**row) for row in query(_WRONG, [place.recipe, place.run])]
    return Standing(people, agreement_sentence(people), wrong)


def redone(states: Sequence[NodeState]) -> Redone:
    """Return what the next run would do, of the states of its plan's nodes."""
    left = [state for state in states if state.state != "cached"]
    causes = sorted(left, key=lambda state: state.because.startswith("input changed"))
    return Redone(len(states), causes)
