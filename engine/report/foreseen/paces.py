"""What finished nodes of a store took per unit of their work: the samples that a forecast goes by."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from engine.plan.duration.rates import Sample, Unit
from engine.store import rows

_SAMPLES = """
WITH took AS (SELECT id, stage, epoch(ended - started) AS seconds, counts FROM node),
asked AS (SELECT node, count(*) AS calls FROM llm_call GROUP BY node)
SELECT t.stage, 'step' AS unit, m.seconds / m.steps AS seconds
FROM model m JOIN took t ON t.id = m.node WHERE m.steps > 0 AND NOT m.interim
UNION ALL
SELECT t.stage, 'call', t.seconds / a.calls FROM took t JOIN asked a ON a.node = t.id
UNION ALL
SELECT t.stage, 'row', t.seconds / (t.counts->>'prediction')::BIGINT
FROM took t WHERE t.stage = 'predict' AND (t.counts->>'prediction')::BIGINT > 0
UNION ALL
SELECT t.stage, 'node', t.seconds FROM took t
"""


def samples(state: Path) -> list[Sample]:
    """Return what the nodes of a store took: per step, call, row and node; raises StoreError.

    A node's time is from its start to its end, with what it waited for; that of a call is the node's by its calls, so
    many at a time as they were.
    """
    return [
        Sample(row["stage"], cast(Unit, row["unit"]), row["seconds"])
        for row in rows(state, _SAMPLES)
        if row["seconds"] is not None and row["seconds"] >= 0
    ]
