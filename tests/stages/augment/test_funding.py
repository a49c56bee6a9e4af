"""Patterns that are not real get no rows: the others get theirs, and where none is left, what does not fail."""

from __future__ import annotations

import pytest

from engine.rows import Decision, Pattern, PatternTest, PatternWord
from engine.stages.augment.planning import COVERAGE, RowPlan, Sources, quotas
from engine.stages.augment.select import SELECT, SelectInputs, SelectParams
from engine.stages.outputs import Confirmed, NamedPatterns
from tests.stages.scripted_context import ScriptedContext
from tests.stages.small_task import LOADED, SCORED, task_view

PATTERNS = NamedPatterns(
    tuple(
        Pattern(name, name, "", None, size, (1.0,), None, None, None)
        for name, size in (("p-1", 6), ("p-2", 3), ("p-3", 1))
    )
)


def verdicts(**words: PatternWord) -> Confirmed:
    return Confirmed(
        tuple(
            PatternTest(name.replace("_", "-"), word, word in ("confirmed", "untested"), "")
            for name, word in words.items()
        )
    )


def sizes(confirm: Confirmed | None, coverage: float = 0.2) -> dict[str, int]:
    sources = Sources(LOADED, SCORED, None, PATTERNS, None, confirm)
    plan = RowPlan(task=task_view("generation"), rows_per_round=30, coverage=coverage)
    found = quotas(plan, sources, [0])
    return {pattern: sum(slots.values()) for pattern, slots in found.items()}


def test_without_a_test_rows_go_by_size() -> None:
    assert sizes(None) == {"p-1": 15, "p-2": 7, "p-3": 2, COVERAGE: 6}


def test_the_rows_of_a_pattern_that_is_not_real_go_to_the_others() -> None:
    refuted = verdicts(p_1="refuted", p_2="confirmed", p_3="untested")
    assert sizes(refuted) == {"p-2": 18, "p-3": 6, COVERAGE: 6}
    assert sizes(verdicts(p_1="confirmed", p_2="weak", p_3="weak")) == {"p-1": 24, COVERAGE: 6}


@pytest.mark.parametrize("coverage", [0.0, 0.2])
def test_where_none_is_real_all_rows_are_for_what_does_not_fail(coverage: float) -> None:
    assert sizes(verdicts(p_1="weak", p_2="weak", p_3="refuted"), coverage) == {COVERAGE: 30}


def test_what_is_selected_says_that_none_was_real() -> None:
    params = SelectParams(task=task_view(), rows_per_round=4, coverage=0.2)
    inputs = SelectInputs(
        LOADED, SCORED, (), None, PATTERNS, confirm=verdicts(p_1="weak", p_2="weak", p_3="weak")
    )
    (decision,) = SELECT.run(params, inputs, ScriptedContext()).of(Decision)
    assert decision.reason.endswith("none of the round is real enough to get rows")
