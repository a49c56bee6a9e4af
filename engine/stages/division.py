"""Which validation rows stop the loop and choose among students, where there are enough to keep them apart.

Rows whose failures are diagnosed are written against, so a student looks better on them than on others. With enough
rows, validation is divided: failures of one part are analysed, the other part decides, names the best round, and
chooses checkpoints.
"""

from __future__ import annotations

from typing import Literal

from engine.fingerprint import short
from engine.stages.outputs import Loaded

Divide = bool | Literal["auto"]
"""auto: from DIVIDED_FROM validation rows on."""
DIVIDED_FROM = 300
"""Half of them shows a difference of about 6 points between two students that disagree on a fifth of the rows."""


def selection_part(load: Loaded, divide: Divide) -> frozenset[str]:
    """Return the ids of the validation rows that stop and choose; empty where validation is not divided.

    The half is drawn by the rows' content, so it is the same for all seeds and rounds.
    """
    rows = load.split("validation")
    if not is_divided(len(rows), divide):
        return frozenset()
    ordered = sorted((row.id for row in rows), key=lambda row: short(["selection", row]))
    return frozenset(ordered[: len(ordered) // 2])


def is_divided(rows: int, divide: Divide) -> bool:
    """Return whether so many validation rows are divided."""
    return rows >= DIVIDED_FROM if divide == "auto" else divide
