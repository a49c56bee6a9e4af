"""Reads what students were tuned with by preferences."""

from __future__ import annotations

from engine.report.evidence import Tuning
from engine.report.records import MINE, Query

_LAST = MINE + (
    "SELECT seed, round, tuned, reason, pairs, steps, supervised_steps, accuracy"
    " FROM preference_tuning SEMI JOIN mine USING (node, run)"
    " QUALIFY row_number() OVER (PARTITION BY seed ORDER BY round DESC) = 1 ORDER BY seed"
)
_KINDS = MINE + (
    "SELECT seed, round, kind, count(*) AS n FROM preference_pair SEMI JOIN mine USING (node, run)"
    " GROUP BY ALL ORDER BY n DESC, kind"
)


def collect_tunings(query: Query, run: str) -> tuple[Tuning, ...]:
    """Return the tuning of each seed's last round that has one."""
    rows = query(_LAST, [run])
    kinds = query(_KINDS, [run]) if rows else []
    return tuple(
        Tuning(
            **row,
            kinds={
                k["kind"]: k["n"]
                for k in kinds
                if (k["seed"], k["round"]) == (row["seed"], row["round"])
            },
        )
        for row in rows
    )
