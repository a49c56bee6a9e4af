"""The quotas of a recipe, their shares in rows."""

from __future__ import annotations

import math
from typing import Literal

from engine.spec.recipe import Augment, Quota
from engine.stages.augment.selection.quotas import UsedQuota

_DIGITS = 9
"""To which a share of rows is rounded: 0.1 of 120 is 12, whatever floating point makes of it."""


def rows_of(quota: Quota, bound: Literal["at_least", "at_most"], rows_per_round: int) -> int | None:
    """Return a quota's bound in rows, None without one; a share is rounded to what keeps to it."""
    value = quota.at_least if bound == "at_least" else quota.at_most
    if value is None or isinstance(value, int):
        return value
    rows = round(value * rows_per_round, _DIGITS)
    return math.ceil(rows) if bound == "at_least" else math.floor(rows)


def used_quotas(augment: Augment) -> tuple[UsedQuota, ...]:
    """Return the quotas of a recipe."""
    return tuple(
        UsedQuota(
            by=quota.by or "sql",
            sql=quota.sql or "",
            of=tuple(quota.of),
            at_least=rows_of(quota, "at_least", augment.rows_per_round) or 0,
            at_most=rows_of(quota, "at_most", augment.rows_per_round),
        )
        for quota in augment.quotas
    )
