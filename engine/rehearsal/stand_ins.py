"""What stands in for what a model would have to bring: a student's answers, a teacher's diagnoses and rows.

All of it is made of the recipe's own training rows, and says of itself that it stands in. Where a stage does without a
reply (a pattern's name, a strategy), its own fallback is taken instead.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from engine.fingerprint import short
from engine.judging import Verification
from engine.rows import Candidate, Diagnosis, Example, Prediction, Row
from engine.stages.augment.generate import GenerateParams
from engine.stages.outputs import (
    Diagnosed,
    Drafted,
    Generated,
    Loaded,
    Output,
    Predicted,
    Scored,
    Verified,
)
from engine.stages.task_view import TaskView

FAILURES = 40
"""Most training rows that stand in for validation rows."""
CANDIDATES = 20
"""Most training rows that stand in for generated ones."""
CALL = "stand-in"
"""In place of the id of a call."""
ROOT_CAUSE = "Stand-in for a diagnosis: {target} was asked for, and the answer was {answer}."
SCENARIO = "Stand-in for a scenario: what a row of the kind {target} has in common with {answer}."

R = TypeVar("R", bound=Row)
T = TypeVar("T", bound=Output)


def without_test(output: T) -> T:
    """Return an output without what is about test rows."""
    kept = tuple(row for row in output.rows if getattr(row, "split", None) != "test")
    return type(output)(kept)


def first(loaded: Loaded, row: str) -> Loaded:
    """Return the rows with one of them before all others."""
    return Loaded(tuple(sorted(loaded.rows, key=lambda one: getattr(one, "id", "") != row)))


def held_out(loaded: Loaded, row: str = "", *, fails: bool = False) -> Loaded:
    """Return the training rows alone, one of three of each target given out as a validation row.

    Args:
        loaded: The rows.
        row: The id of one that somebody chose.
        fails: Whether that one is given out; else it stays.
    """
    groups: dict[str, list[Example]] = defaultdict(list)
    for example in loaded.train:
        if example.id != row:
            groups[example.target].append(example)
    given = [example.id for rows in groups.values() for example in rows[1::3]]
    if len(given) < 2:
        # Targets that are texts hardly come twice.
        given = [example.id for example in loaded.train[1::3] if example.id != row]
    chosen = frozenset([*([row] if fails else []), *given][:FAILURES])
    return Loaded(
        tuple(replace(e, split="validation") if e.id in chosen else e for e in loaded.train)
    )


def answers(task: TaskView, loaded: Loaded, failing: str = "") -> Predicted:
    """Return a student's answers: two in three validation rows and one in five training rows get another row's.

    So does the row with the id `failing`.
    """
    order = sorted({example.references[0] for example in loaded.examples})
    following = dict(zip(order, [*order[1:], *order[:1]], strict=True))
    saying = {example.references[0]: example for example in reversed(loaded.examples)}
    rows = []
    for number, example in enumerate(loaded.examples):
        fails = number % 5 == 0 if example.split == "train" else number % 3 != 0
        fails = fails or example.id == failing
        # Always the same one in place of an answer, so that there is something that is often confused.
        said = saying[following[example.references[0]]] if fails else example
        rows.append(
            Prediction(
                example=example.id,
                split=example.split,
                text=task.entry.completion(said.inputs, said.target, task.settings),
                answer=said.references[0],
                status="ok",
                confidence=None,
                how=CALL,
            )
        )
    return Predicted(tuple(rows))


def diagnoses(scored: Scored) -> Diagnosed:
    """Return a diagnosis of each validation failure, in words that say that they stand in."""
    return Diagnosed(
        tuple(
            Diagnosis(
                id=short([failure.example, failure.answer]),
                example=failure.example,
                root_cause=ROOT_CAUSE.format(target=_brief(failure.target), answer=answer),
                scenario=SCENARIO.format(target=_brief(failure.target), answer=answer),
                call=CALL,
            )
            for failure in scored.failures("validation")[:FAILURES]
            for answer in [_brief(failure.answer or "unreadable")]
        )
    )


def candidates(params: GenerateParams, loaded: Loaded, drafted: Sequence[Drafted]) -> Generated:
    """Return training rows in place of generated ones, each as if it had been made from another of its target.

    Args:
        params: Of the stage that generates.
        loaded: The rows.
        drafted: What the rows are written by; empty where nothing is analysed.
    """
    by_target: Mapping[str, list[Example]] = defaultdict(list)
    for example in loaded.train:
        by_target[example.target].append(example)
    wanted = [
        (strategy.pattern, strategy.id, strategy.labels if params.task.labelled else ())
        for one in drafted
        for strategy in one.strategies
    ]
    rows = []
    for pattern, strategy, labels in wanted or [("", "", ())]:
        for label in (labels or tuple(by_target))[:2]:
            own = by_target[label]
            for number, example in enumerate(own[:2]):
                rows.append(
                    Candidate(
                        id=short([pattern, strategy, example.id]),
                        parent=own[number - 1].id,
                        pattern=pattern,
                        strategy=strategy,
                        operator=params.operators[number % len(params.operators)].name,
                        attempt=1,
                        inputs=example.inputs,
                        target=example.target,
                        prompt=CALL,
                        model=CALL,
                        call=CALL,
                    )
                )
    return Generated(tuple(rows[:CANDIDATES]))


def blind_answers(generated: Generated) -> Verified:
    """Return an answer to each generated row that comes to its target."""
    return Verified(
        tuple(
            Verification(row.id, 1, row.target, None, 1.0, "blind", "", CALL)
            for row in generated.candidates
        )
    )


def _brief(text: str) -> str:
    """Return a text that stands in a sentence."""
    words = " ".join(text.split())
    return words if len(words) <= 60 else f"{words[:57]}…"
