"""Intervals and tests for shares, paired answers and several seeds; pure functions that know nothing of runs or stores.

Every interval is a 95 % one, every p-value two-sided where its test does not say otherwise. What draws at random is
seeded.
"""

from engine.statistics.lift import Drawn, Lift, lift
from engine.statistics.multiple import benjamini_hochberg, holm
from engine.statistics.paired import (
    mcnemar,
    says_too_much,
    share_difference,
    standard_error,
    widened,
)
from engine.statistics.permutation import exchanges, sign_flips
from engine.statistics.proportions import Interval, Z, exact, wilson
from engine.statistics.reliability import Reliability, krippendorff_alpha
from engine.statistics.settling import MOST, settling_seeds
from engine.statistics.two_groups import difference, fisher_greater
from engine.statistics.two_way import Compared, two_way, two_way_mean

__all__ = [
    "MOST",
    "Compared",
    "Drawn",
    "Interval",
    "Lift",
    "Reliability",
    "Z",
    "benjamini_hochberg",
    "difference",
    "exact",
    "exchanges",
    "fisher_greater",
    "holm",
    "krippendorff_alpha",
    "lift",
    "mcnemar",
    "says_too_much",
    "settling_seeds",
    "share_difference",
    "sign_flips",
    "standard_error",
    "two_way",
    "two_way_mean",
    "widened",
    "wilson",
]
