"""What follows of a sitting: how far reviewers agree, what is wrong in the data's files, what the next run redoes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.plan.explain import NodeState
from engine.report.facts.reviews import collect_people
from engine.report.people import People
from engine.report.records import Query
from engine.report.tables.reviews import agreement_sentence
from engine.review.desk import reason_words
from engine.review.items import Reviewable

_WRONG = """
SELECT DISTINCT e.source, e.line, o.verdict, coalesce(o.new_target, '') AS target, o.reason,
  coalesce(n.note, '') AS note
FROM review_outcomes o JOIN example e ON e.id = o.example JOIN all_run_rows r USING (node)
LEFT JOIN (
  SELECT recipe, subject, example, string_agg(note, '; ' ORDER BY made) AS note FROM all_reviews
  WHERE stands AND verdict <> 'accept' AND note <> '' GROUP BY ALL
) n ON n.recipe = o.recipe AND n.subject = o.subject AND n.example = o.example
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
    reason: str
    """Why it should go; empty where that is not settled."""
    note: str
    """What those wrote beside it who call it wrong."""

    @property
    def what(self) -> str:
        """What is to be done with it, in words."""
        if self.verdict == "reject":
            what = "should go" + (f": {reason_words(self.reason)}" if self.reason else "")
        else:
            what = f"should be {self.target}" if self.target else self.verdict
        return f"{what} ({self.note})" if self.note else what


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
    """Those that are not done: first what follows from verdicts, then what else has a reason, then the rest."""
    follow: int
    """How many of them, the first ones, follow from verdicts; the others are not done anyway."""


def standing(query: Query, place: Reviewable) -> Standing:
    """Return how far reviewers agree, and which validation rows are wrong."""
    people = collect_people(query, place.run, place.recipe)
    wrong = [WrongRow(**row) for row in query(_WRONG, [place.recipe, place.run])]
    return Standing(people, agreement_sentence(people), wrong)


def redone(states: Sequence[NodeState]) -> Redone:
    """Return what the next run would do, of the states of its plan's nodes."""
    follow: set[str] = set()
    left = []
    for state in states:
        if state.state == "cached":
            continue
        if _is_said(state):
            follow.add(state.node.name)
            # A step that is there only since somebody said something was not done before with something else.
            known = state if state.because else state._replace(because="reviews of training rows")
            left.append(known)
            continue
        # What no run has done yet is to be done whatever was said.
        if state.state == "changed" and not follow.isdisjoint(state.node.sources):
            follow.add(state.node.name)
        left.append(state)

    def place(state: NodeState) -> tuple[bool, bool, bool]:
        consequence = state.because.startswith("input changed")
        return state.node.name not in follow, consequence, not state.because

    return Redone(len(states), sorted(left, key=place), len(follow))


def _is_said(state: NodeState) -> bool:
    """Return whether verdicts are what makes a step differ, by themselves and not through another step."""
    if state.node.stage == "mend" and not state.because:
        return True
    return any(part.startswith(("reviews", "people")) for part in state.because.split("; "))
