"""A small support task as stages see it: rows of three splits, failures, and what keeps an account of them."""

from collections.abc import Sequence
from typing import Any

from engine.rows import Diagnosis, Example, Failure, PatternMember, Split
from engine.stages.outputs import Loaded, Output, Scored
from engine.stages.protocol import Inputs, Stage
from engine.stages.task_view import TaskView
from tests.stages.views import view

LATE, BROKEN, RUDE = "late", "broken", "rude"


def task_view(kind: str = "classification", labels: Sequence[str] | None = None) -> TaskView:
    return view(kind, target="intent", labels=labels, description="Messages to a shop.")


def example(text: str, target: str, split: Split = "train") -> Example:
    """Return a row whose id is its split and text."""
    return Example(f"{split}: {text}", split, {"text": text}, target, {}, "rows.jsonl", 1)


def failure(row: Example, answer: str | None) -> Failure:
    return Failure(row.id, row.split, answer, row.target, "accuracy < 1")


TRAIN = [
    example("my box is two days late", LATE),
    example("the parcel has not come yet", LATE),
    example("the jar in my box was broken", BROKEN),
    example("half of the eggs are cracked", BROKEN),
    example("your driver shouted at me", RUDE),
    example("the man at the door was rude", RUDE),
]
VALIDATION = [
    example("nobody rang the bell all afternoon with my dinner", LATE, "validation"),
    example("it came so late that the milk had burst in the sun", BROKEN, "validation"),
    example("he threw the box over the fence and swore at my dog", RUDE, "validation"),
]
TEST = [example("I would like to know what keeps you for so long", LATE, "test")]
LOADED = Loaded((*TRAIN, *VALIDATION, *TEST))
SCORED = Scored(
    (
        failure(TRAIN[0], BROKEN),
        failure(VALIDATION[0], RUDE),
        failure(VALIDATION[1], LATE),
        failure(VALIDATION[2], None),
    )
)


def diagnosis(row: Example, cause: str, scenario: str) -> Diagnosis:
    """Return what the teacher said of a failure; its id is the row's."""
    return Diagnosis(f"d {row.id}", row.id, cause, scenario, "call")


def member(pattern: str, row: Example, distance: float = 0.0) -> PatternMember:
    return PatternMember(pattern, row.id, f"d {row.id}", distance, 0.5)


def adds_up(stage: Stage[Any, Any, Any], params: Any, inputs: Inputs, output: Output) -> None:
    """Check what the stage says must add up."""
    accounts = list(stage.accounts(params, inputs, output))
    assert accounts
    for account in accounts:
        assert account.came == account.kept + account.dropped, account
