"""Whose word stands for a row's label: the one place where an export calls a label checked or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from engine.report.records import MINE, Query

LabelStatus = Literal["given", "verified", "unverified"]
"""given: as in the data; verified: somebody who did not see it came to it, or a judge who tells right labels from wrong
ones says that it is right; unverified: nobody but its writer says so."""
LABEL_STATUSES: Mapping[LabelStatus, str] = {
    "given": "as in the recipe's data",
    "verified": "most blind answers came to it, or a calibrated judge that decides calls it right",
    "unverified": "nobody but the model that wrote the row, and the gates, stand for it",
}
_MAJORITY = 0.5
"""Share of blind answers above which they stand for a label."""


class Checked(NamedTuple):
    """What was found out about the label of one candidate, beside whether the judge could be trusted."""

    agreement: float | None
    """Share of the blind answers that came to it; None where none were asked for."""
    decides: bool
    """Whether the judge passed its calibration, and decided."""
    label_correct: str | None
    """What the judge says of it; None where it was not asked that."""
    judge_agrees: bool | None
    """Whether the judge's scores reach the recipe's minimum."""

    @property
    def status(self) -> LabelStatus:
        """What follows from it."""
        if self.agreement is not None and self.agreement > _MAJORITY:
            return "verified"
        # A small judge is not asked whether the label is right: its scores stand in for that.
        says_right = self.label_correct == "yes" or (
            self.label_correct is None and self.judge_agrees is True
        )
        return "verified" if self.decides and says_right else "unverified"


def label_statuses(query: Query, run: str) -> dict[tuple[int, int, str], LabelStatus]:
    """Return the status of every accepted candidate's label, by seed, round and candidate."""
    rows = query(
        MINE + ", c AS (SELECT node, bool_and(decides) AS decides FROM judge_calibration"
        " SEMI JOIN mine USING (node, run) GROUP BY node)"
        " SELECT v.seed, v.round, v.candidate, v.agreement, v.label_correct, v.judge_agrees,"
        " coalesce(c.decides, false) AS decides FROM verdict v SEMI JOIN mine USING (node, run)"
        " LEFT JOIN c USING (node) WHERE v.accepted",
        [run],
    )
    return {
        (r["seed"], r["round"], r["candidate"]): Checked(
            r["agreement"], r["decides"], r["label_correct"], r["judge_agrees"]
        ).status
        for r in rows
    }
