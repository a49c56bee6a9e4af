"""Calculations in a reasoning are done again; what is not clearly one is left alone."""

import pytest

from engine.tasks.arithmetic import computed, miscalculation


@pytest.mark.parametrize(
    "text",
    [
        "She eats 16 - 3 - 4 = <<16-3-4=9>>9 eggs.\nShe makes 9 * 2 = $<<9*2=18>>18.\n#### 18",
        "2 * (3 + 4) = <<2*(3+4)=14>>14",
        "16 - 3 - 4 = 9, and 9 x $2 = $18",
        "1,200 / 4 = 300",
        "8 / 3 = 2.67 and 8 / 3 = 2.66 and 8 / 3 = <<8/3=2>>2",
        # Parts of longer calculations, and what people write with per cent.
        "9 hours * 2/3 = 6 hours",
        "100% - 80% = 20%",
        "He used 1/2 of 16 = 8",
        "7 + 2x = 11",
        "2 hours * $15/hour = $30",
        "no numbers at all",
        "5 / 0 = 0",
    ],
)
def test_what_is_right_or_no_calculation_passes(text: str) -> None:
    assert miscalculation(text) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("4 + 6 = <<4+6=11>>11", "4+6 is 10, not 11"),
        ("first 2 * 3 = 6\nthen 6 * 7 = 41", "6 * 7 is 42, not 41"),
        ("1,200 / 4 = 301", "1,200 / 4 is 300, not 301"),
        ("8 / 3 = 2.70", "8 / 3 is 8/3, not 2.70"),
        ("0.5 * 3 = 3", "0.5 * 3 is 1.5, not 3"),
    ],
)
def test_what_is_wrong_is_told(text: str, why: str) -> None:
    assert miscalculation(text) == why


@pytest.mark.parametrize("text", ["__import__('os')", "2 ** 9999999", "9" * 300, "1e9999", "(1"])
def test_nothing_but_a_sum_is_computed(text: str) -> None:
    assert computed(text) is None
