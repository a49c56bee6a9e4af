"""What a pattern's members were taken for: the confusions that rows are written against, as labels alone.

Used where a strategy is drafted and where rows are planned. Never holds anything of a row but its labels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from engine.rows import Failure, PatternMember
from engine.stages.analyse.targets import confusions


def observed_pairs(
    members: Sequence[PatternMember], failures: Mapping[str, Failure], known: Collection[str]
) -> list[dict[str, Any]]:
    """Return the members' confusions as `Strategy.pairs` has them, most frequent first; shares sum to 1.

    Args:
        members: The failures of one pattern.
        failures: By example.
        known: The targets of the training rows: rows can be written for these alone. A pair whose wrong answer is none
            of them, such as one that could not be read, has `wrong: None`.
    """
    counted = [
        (right, wrong if wrong in known else None, count)
        for right, wrong, count in confusions(members, failures)
        if right in known
    ]
    total = sum(count for *_, count in counted)
    return [
        {"right": right, "wrong": wrong, "share": count / total} for right, wrong, count in counted
    ]
