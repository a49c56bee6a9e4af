"""Of a row that stands in a log and was asked of the student, that counts which the round looks at."""

from __future__ import annotations

import pytest

from engine.rows import Failure
from engine.stages.logged import failures_by_example
from engine.stages.outputs import Logged


@pytest.mark.parametrize(("round", "answer"), [(0, "pin"), (1, "fee")])
def test_the_first_round_looks_at_what_was_logged_and_later_ones_at_their_own(
    round: int, answer: str
) -> None:
    log = Logged(
        (Failure("e1", "logged", "pin", "card", "p"), Failure("e2", "logged", "pin", "card", "p"))
    )
    own = [Failure("e1", "logged", "fee", "card", "p"), Failure("e3", "validation", "fee", "card", "p")]  # fmt: skip
    found = failures_by_example(own, log, round)
    assert {example: failure.answer for example, failure in found.items()} == {
        "e1": answer,
        "e2": "pin",
        "e3": "fee",
    }
    assert failures_by_example(own, None, round)["e1"].answer == "fee"
