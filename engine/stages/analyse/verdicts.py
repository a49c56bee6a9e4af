"""What a test of a pattern's description comes to: whether there are rows enough for one, and in which word it ends.

- `confirmed`: rows that fall under it fail more often than others: the interval of the lift is above 1, and the
  p-value, adjusted for the patterns that were tested in the round, is at most LEVEL.
- `refuted`: not confirmed, and one of two things can be ruled out (95 % intervals): that the odds of failing are ODDS
  times as high under it, or that it holds of half as many failures as were found to belong to it.
- `weak`: neither.
- `untested`: too few rows for a test that could end in `confirmed`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from engine.rows import PatternTest, PatternTestRow
from engine.statistics import Drawn, Lift, benjamini_hochberg, lift

LEVEL = 0.05
"""Share of false words that is tolerated among those that say confirmed."""
LEAST = 20
"""Fewest failed rows, and fewest passed ones, on which a pattern is tested."""
EXPECTED = 5
"""Fewest failed rows that would fall under a real pattern: under fewer a test would miss too many of them."""
ANSWERED = 0.75
"""Share of the rows of a test that must be answered."""
ODDS = 3.0
"""Odds of failing, against other rows, that a pattern is worth writing rows for; with them three rows in ten that fail
become more than half."""


def too_few(share: float, failed: int, passed: int) -> str:
    """Return why there are too few rows to test a pattern; "" where there are enough.

    Args:
        share: Of the diagnosed failures those that belong to the pattern.
        failed: Failed rows at hand.
        passed: Passed rows at hand.
    """
    if failed < LEAST:
        return f"{failed} failed rows are at hand, {LEAST} are needed"
    if passed < LEAST:
        return f"{passed} passed rows are at hand, {LEAST} are needed"
    if share * failed < EXPECTED:
        needed = math.ceil(EXPECTED / share) if share else 0
        return f"{failed} failed rows are at hand, {needed} are needed for a pattern of its size"
    return ""


def most_tested(failed: int) -> int:
    """Return how many patterns of a round can be tested on so many failed rows."""
    return failed // EXPECTED


def outcome(
    pattern: str, share: float, failing: float, asked: int, answers: Sequence[PatternTestRow]
) -> PatternTest:
    """Return a test whose p-value is not adjusted yet, and whose verdict is what follows without `confirmed`.

    Args:
        pattern: The pattern's id.
        share: Of the diagnosed failures those that belong to it.
        failing: Share of the validation rows that fail.
        asked: Rows that were asked about.
        answers: What was said of them.
    """
    failed = [row for row in answers if row.part != "passed"]
    passed = [row for row in answers if row.part == "passed"]
    counted = PatternTest(
        pattern,
        "untested",
        True,
        f"{len(answers)} of {asked} rows were answered, {math.ceil(ANSWERED * asked)} are needed",
        asked,
        failed=len(failed),
        failed_under=sum(row.falls_under for row in failed),
        passed=len(passed),
        passed_under=sum(row.falls_under for row in passed),
        diagnosed=sum(row.part == "diagnosed" for row in failed),
    )
    if len(answers) < ANSWERED * asked or not failed or not passed:
        return counted
    found = lift(
        Drawn(counted.failed_under, counted.failed),
        Drawn(counted.passed_under, counted.passed),
        failing,
    )
    refuted = _refuted(found, share)
    return replace(
        counted,
        verdict="refuted" if refuted else "weak",
        detail=refuted or "neither chance nor a real pattern can be ruled out",
        failing=failing,
        lift=found.lift.value,
        lift_low=found.lift.low,
        lift_high=found.lift.high,
        precision=found.precision.value,
        precision_low=found.precision.low,
        precision_high=found.precision.high,
        recall=found.recall.value,
        recall_low=found.recall.low,
        recall_high=found.recall.high,
        p=found.p,
    )


def _refuted(found: Lift, share: float) -> str:
    """Return what the numbers rule out; "" where they rule out nothing."""
    if found.odds.high < ODDS:
        return f"the odds of failing are at most {found.odds.high:.1f} times as high under it"
    if found.recall.high < share / 2:
        return f"at most {found.recall.high:.0%} of the failed rows fall under it, and {share:.0%} were counted to it"
    return ""


def words(tests: Sequence[PatternTest]) -> list[PatternTest]:
    """Return the tests of one round with their words; those asked in it are adjusted for one another."""
    new = [test for test in tests if test.asked and test.p is not None]
    adjusted = benjamini_hochberg([test.p for test in new if test.p is not None])
    found = dict(zip((test.pattern for test in new), adjusted, strict=True))
    return [_worded(test, found[test.pattern]) if test.pattern in found else test for test in tests]


def _worded(test: PatternTest, p: float) -> PatternTest:
    if p > LEVEL or test.lift is None or test.lift_low is None or test.lift_low <= 1:
        return replace(test, p=p)
    detail = f"rows that fall under it fail {test.lift:.1f} times as often as others"
    return replace(test, p=p, verdict="confirmed", detail=detail)
