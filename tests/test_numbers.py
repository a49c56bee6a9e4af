"""Numbers are read whole or not at all, by one stated rule."""

from fractions import Fraction

import pytest

from engine.numbers import Decimal, Said, final_number, final_said, number_in, written
from engine.tasks import TASKS
from engine.tasks.numeric import Params
from engine.tasks.protocol import Task


@pytest.mark.parametrize(
    ("text", "decimal", "number"),
    [
        ("0,5", "comma", Fraction(1, 2)),
        ("0,5", "point", None),
        ("1.234,56", "comma", Fraction("1234.56")),
        ("1.234,56", "point", None),
        ("1.000.000", "comma", 1000000),
        ("1.000.000", "point", None),
        ("0.5", "comma", None),
        ("1{,}5", "comma", Fraction(3, 2)),
        ("Rs 1,00,000", "point", 100000),
        ("Rs.500", "point", 500),
        ("1 234", "point", 1234),
        ("1 234 567,5", "comma", Fraction("1234567.5")),
        ("1'234.5", "point", Fraction("1234.5")),
        ("2.5 × 10^3", "point", 2500),
        ("2.5x10³", "point", 2500),
        (r"\boxed{-2.5 \times 10^{-3}}", "point", Fraction(-1, 400)),
        ("10^3", "point", 1000),
        ("2^10", "point", None),
        ("10²", "point", 100),
        ("5²", "point", None),
        ("5½", "point", Fraction(11, 2)),
        ("3 / 4 of a cup", "point", Fraction(3, 4)),
        ("１，２３４．５", "point", Fraction("1234.5")),
        ("١٫٥", "point", Fraction(3, 2)),
        ("答案是-42元。", "point", -42),
        ("5万", "point", None),
        ("$5k", "point", None),
        ("5 km", "point", 5),
        ("5km", "point", 5),
        ("at 12:30", "point", None),
        ("on 2020-01-31", "point", None),
        ("on 31/1/2020", "point", None),
        ("version 3.14.15", "point", None),
        ("0x1F", "point", None),
        ("(3,4)", "point", None),
        ("2x3=6", "point", 6),
        ("12 of it is H2O", "point", 12),
        ("12 m^2", "point", 12),
        ("US$5", "point", 5),
    ],
)
def test_a_number_is_read_whole_or_not_at_all(
    text: str, decimal: Decimal, number: Fraction | int | None
) -> None:
    assert final_number(text, decimal) == number


def test_what_cannot_be_read_is_told_as_it_stands() -> None:
    assert final_said("It costs 1.234,56 euros.") == Said("1.234,56", None)
    assert final_said("It costs 1.234,56 euros.", "comma") == Said("1.234,56", Fraction("1234.56"))
    assert final_said("no number") is None


def test_the_last_number_is_not_replaced_by_one_before_it() -> None:
    assert final_number("3 of them cost 0,5") is None


def test_a_power_of_ten_is_a_number() -> None:
    assert number_in("-2.5 × 10^3") == -2500
    assert number_in("10**2") == 100


@pytest.mark.parametrize("decimal", ["point", "comma"])
def test_what_is_written_is_read(decimal: Decimal) -> None:
    for number in (Fraction(5, 2), Fraction(-1, 3), Fraction(123456789), Fraction(1, 1024)):
        assert number_in(written(number, decimal), decimal) == number


@pytest.mark.parametrize(
    "text",
    ["1" * 50000, "1 " * 20000, "1," * 20000, "1 234" * 9000, "1.5 × " * 8000, "x2" * 20000, "-$" * 9999],
    ids=lambda text: str(text[:6]),
)  # fmt: skip
def test_long_texts_take_no_time(text: str) -> None:
    final_number(text)


NUMERIC = TASKS["numeric"]


def test_a_target_that_breaks_the_rule_is_a_bad_row_that_says_so() -> None:
    with pytest.raises(ValueError, match=r"'0,5' in the target.*full stop.*decimal: comma"):
        NUMERIC.reference({}, "0,5", Params())
    with pytest.raises(ValueError, match=r"'5k' in the target is no number"):
        NUMERIC.reference({}, "5k", Params())


def test_targets_and_answers_are_read_by_the_tasks_setting() -> None:
    params = Params(decimal="comma")
    one = Task((), params)
    target = "1.000,5 * 2 = 2.001\n#### 2.001,0"
    assert NUMERIC.reference({}, target, params) == (target, ("2001",))
    assert NUMERIC.reference({}, 0.5, params) == ("0,5", ("0.5",))
    assert NUMERIC.read("Das sind 1.234,5 Euro.", {}, one) == "1234.5"
    assert NUMERIC.malformed({"text": "x"}, target, one) is None
    wrong = NUMERIC.malformed({"text": "x"}, "0,5 + 1 = 1,5\n#### 2,5", one)
    assert wrong == "the reasoning comes to 1,5, the answer is 2,5"
    assert NUMERIC.miscalculated("0,5 * 2 = 3", one) == "0,5 * 2 is 1, not 3"
    assert NUMERIC.corrupted({}, "#### 0,5", (), one) == "#### 1,5"
    assert "comma" in NUMERIC.answer_form(one)


def test_calculations_with_grouped_numbers_are_not_torn() -> None:
    one = Task((), Params())
    assert NUMERIC.malformed({"text": "x"}, "34 000/2 = 17 000\n#### 17 000", one) is None
    assert NUMERIC.miscalculated("12'000 + 1 = 12'001", one) is None
