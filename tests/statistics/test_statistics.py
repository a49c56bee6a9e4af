"""Known values of the textbooks' examples, and how often an interval is wrong where nothing differs."""

import numpy as np
import pytest
from scipy.stats import binomtest, fisher_exact

from engine.statistics import (
    Drawn,
    benjamini_hochberg,
    difference,
    exact,
    fisher_greater,
    holm,
    lift,
    mcnemar,
    settling_seeds,
    share_difference,
    sign_flips,
    standard_error,
    two_way,
    two_way_mean,
    wilson,
)


@pytest.mark.parametrize("n", [1, 7, 60, 500])
def test_intervals_of_shares_are_those_of_scipy(n: int) -> None:
    for successes in {0, 1, n // 3, n - 1, n}:
        test = binomtest(successes, n)
        for mine, method in ((wilson, "wilson"), (exact, "exact")):
            expected = test.proportion_ci(0.95, method)
            assert mine(successes, n) == pytest.approx(
                (successes / n, expected.low, expected.high), abs=1e-12
            )


def test_sixty_of_sixty_is_not_certain() -> None:
    assert wilson(60, 60).low == pytest.approx(0.9398, abs=1e-4)
    assert wilson(60, 60).high == 1.0


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (2, 1), (-1, 4)])
def test_what_is_no_share_is_refused(successes: int, n: int) -> None:
    for interval in (wilson, exact):
        with pytest.raises(ValueError, match="are no share"):
            interval(successes, n)


def test_mcnemar_is_exact_for_few_and_edwards_for_many() -> None:
    for better, worse in ((0, 0), (5, 0), (2, 9), (12, 12)):
        expected = binomtest(better, better + worse).pvalue if better + worse else 1.0
        assert mcnemar(better, worse) == pytest.approx(expected)
    # The table of Agresti (1990), as statsmodels' documentation has it.
    assert mcnemar(121, 59) == pytest.approx(5.450094825427117e-06)
    assert mcnemar(59, 121) == mcnemar(121, 59)


def test_a_difference_of_shares_leaves_out_zero_just_where_the_test_says_so() -> None:
    for better in range(30):
        for worse in range(20):
            value, low, high = share_difference(better, worse, 60)
            assert low <= value <= high
            if better + worse < 25:
                assert (low > 0 or high < 0) == (mcnemar(better, worse) < 0.05)
    assert share_difference(0, 0, 20) == pytest.approx((0.0, -0.1684, 0.1684), abs=1e-4)
    with pytest.raises(ValueError, match="cannot be discordant"):
        share_difference(3, 3, 5)


def test_adjusted_p_values_are_those_of_r() -> None:
    # R: p.adjust(c(0.01, 0.04, 0.03, 0.005, 0.9), "BH")
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.005, 0.9]) == pytest.approx(
        [0.025, 0.05, 0.05, 0.025, 0.9]
    )
    assert benjamini_hochberg([]) == []


def test_a_standard_error_is_that_of_the_mean() -> None:
    assert standard_error(np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx(0.6454972)
    assert standard_error(np.array([1.0])) == 0.0


def test_one_seed_gives_the_interval_over_examples() -> None:
    differences = np.array([[1.0, 0.0, 0.0, -1.0, 1.0] * 40])
    found = two_way_mean(differences)
    error = standard_error(differences[0])
    assert found.difference == pytest.approx(0.2)
    assert list(found.seeds) == pytest.approx([0.2])
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.07)
    assert two_way_mean(differences) == found


def test_seeds_that_differ_make_the_interval_wider_and_those_that_agree_do_not() -> None:
    rows = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], size=400, p=[0.1, 0.7, 0.2])
    same = two_way_mean(np.stack([rows, rows, rows]))
    one = two_way_mean(rows[None])
    assert same.high - same.low == pytest.approx(one.high - one.low, rel=0.07)
    apart = two_way_mean(np.stack([rows - 0.1, rows, rows + 0.1]))
    assert apart.difference == pytest.approx(same.difference)
    assert apart.high - apart.low > 2 * (same.high - same.low)
    assert apart.low < 0 < apart.high


def test_draws_without_a_value_are_left_out_and_none_at_all_is_refused() -> None:
    drawn = np.array([[0.1, np.nan, 0.3], [0.2, 0.5, 0.4]])
    found = two_way(np.array([0.2, 0.3]), drawn)
    assert found.low < 0.25 < found.high
    with pytest.raises(ValueError, match="nothing to compare"):
        two_way(np.array([0.2]), np.array([[np.nan]]))
    with pytest.raises(ValueError, match="nothing to compare"):
        two_way_mean(np.empty((0, 5)))


def test_where_nothing_differs_but_seeds_one_interval_in_twenty_is_wrong() -> None:
    generator = np.random.default_rng(7)
    wrong = {"two_way": 0, "examples": 0}
    runs, n, seeds = 120, 120, 3
    for _ in range(runs):
        shift = generator.normal(0, 0.04, size=(seeds, 1))
        rows = generator.choice([-1.0, 0.0, 1.0], size=n, p=[0.06, 0.88, 0.06])
        differences = rows + shift
        found = two_way_mean(differences, draws=250)
        wrong["two_way"] += not found.low <= 0 <= found.high
        naive = two_way_mean(differences.mean(axis=0)[None], draws=250)
        wrong["examples"] += not naive.low <= 0 <= naive.high
    assert wrong["two_way"] / runs <= 0.09
    assert wrong["examples"] / runs > 0.1


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3 (Wilson); 20 of 20 by hand.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718),
     (20, 20, 0.8389, 1.0)],
)  # fmt: skip
def test_wilson_is_that_of_the_literature(hits: int, n: int, low: float, high: float) -> None:
    assert wilson(hits, n)[1:] == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("failing", "size", "total_failing", "total"),
    [(9, 20, 40, 200), (0, 20, 40, 200), (5, 5, 5, 50)],
)
def test_the_chance_of_a_group_is_fishers(
    failing: int, size: int, total_failing: int, total: int
) -> None:
    table = [
        [failing, size - failing],
        [total_failing - failing, total - size - total_failing + failing],
    ]
    expected = fisher_exact(table, alternative="greater").pvalue
    (chance,) = fisher_greater(np.array([failing]), np.array([size]), total_failing, total)
    assert chance == pytest.approx(expected, rel=1e-9)


def test_the_difference_of_two_shares_is_newcombes() -> None:
    # Newcombe 1998, table II, method 10: 56/70 and 48/80; 9/10 and 3/10; 10/10 and 0/20.
    assert difference(56, 70, 48, 80) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
    assert difference(9, 10, 3, 10) == pytest.approx((0.6, 0.1705, 0.8090), abs=1e-4)
    assert difference(10, 10, 0, 20) == pytest.approx((1.0, 0.6791, 1.0), abs=1e-4)


def test_a_lift_is_of_all_rows_however_failed_and_passed_ones_were_drawn() -> None:
    # Of 1,000 rows 200 fail: 80 of these fall under it, and 80 of the others, so half of them fail against 1 of 7.
    small = lift(Drawn(20, 50), Drawn(10, 100), failing=0.2)
    large = lift(Drawn(80, 200), Drawn(80, 800), failing=0.2)
    for found in (small, large):
        assert found.precision.value == pytest.approx(0.5, abs=0.02)
        assert found.lift.value == pytest.approx(0.5 / (120 / 840), rel=0.1)
        assert found.odds.value == pytest.approx(6, rel=0.1)
        assert found.recall.value == 0.4
        assert all(i.low < i.value < i.high for i in (found.lift, found.odds, found.precision))
    assert large.lift.high - large.lift.low < small.lift.high - small.lift.low
    assert lift(Drawn(20, 50), Drawn(10, 100), failing=0.2) == small, "draws are seeded"


def test_a_lifts_p_value_is_that_of_fishers_test() -> None:
    found = lift(Drawn(5, 24), Drawn(1, 56), failing=0.4)
    assert found.p == pytest.approx(fisher_exact([[5, 19], [1, 55]], "greater").pvalue)
    assert lift(Drawn(1, 24), Drawn(9, 56), failing=0.4).p > 0.9


def test_a_lift_has_ends_where_nothing_or_everything_falls_under() -> None:
    for under in (0, 1):
        found = lift(Drawn(20 * under, 20), Drawn(20 * under, 20), failing=0.5)
        assert found.lift.low < 1 < found.lift.high
        assert found.p == 1.0
    with pytest.raises(ValueError, match="are no share"):
        lift(Drawn(0, 0), Drawn(1, 5), failing=0.5)


def test_the_interval_of_a_lift_misses_one_in_twenty() -> None:
    draw, missed, times = np.random.default_rng(3), 0, 300
    for _ in range(times):
        failed, passed = (
            Drawn(int(draw.binomial(40, 0.3)), 40),
            Drawn(int(draw.binomial(40, 0.1)), 40),
        )
        found = lift(failed, passed, failing=0.3).lift
        # Under it 0.09 fail and 0.07 pass, elsewhere 0.21 and 0.63.
        missed += not found.low < (0.09 / 0.16) / (0.21 / 0.84) < found.high
    assert missed / times < 0.08


def test_p_values_are_adjusted_as_holm_does() -> None:
    # R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_signs_that_all_agree_are_rare_and_balanced_ones_are_not() -> None:
    # Of ten pairs that all moved one way, 2 of 1,024 sign patterns are as extreme.
    assert sign_flips(np.ones(10)) == pytest.approx(2 / 1024, abs=1e-3)
    assert sign_flips(np.array([1.0, -1.0] * 5)) == 1.0
    assert sign_flips(np.zeros(50)) == 1.0
    # Pairs that did not move decide nothing.
    moved = np.array([1.0] * 8 + [-1.0] * 3)
    assert sign_flips(np.concatenate([moved, np.zeros(500)])) == sign_flips(moved)


def test_the_permutation_test_finds_nothing_where_nothing_differs() -> None:
    generator = np.random.default_rng(3)
    draws = generator.normal(size=(60, 30))
    assert sum(sign_flips(row) < 0.05 for row in draws) <= 8


def test_as_many_seeds_as_the_noise_of_seeds_needs() -> None:
    noisy = [0.06, -0.02, 0.05]
    needed = settling_seeds(noisy, of_examples=1e-5)
    assert needed is not None
    assert needed > 3
    fewer = settling_seeds([0.05, 0.03, 0.04], of_examples=1e-5)
    assert fewer is not None
    assert fewer < needed
    # Where the rows alone leave zero in, no seed helps; of one seed nobody knows how much seeds vary.
    assert settling_seeds(noisy, of_examples=0.02**2) is None
    assert settling_seeds([0.5], of_examples=1e-5) is None
    assert settling_seeds([0.1, -0.1], of_examples=1e-5) is None
