"""near_duplicate: the row is not nearer to an earlier row than training rows are among themselves.

Earlier rows are training rows, rows accepted before, and earlier candidates that still stand. A row is compared with
those of its own label: a row that differs in few words and in its label is no repetition but a contrast. Where a
training set is so sparse that a good rewording is nearer than any two of its rows, the threshold is what a row shows
with one of its words left out. What is a copy of its seed row on purpose passes, and is nothing that others may repeat:
its seed row is.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.spec.recipe import NearDuplicate
from engine.stages.quality.calibration import places_of
from engine.stages.quality.protocol import Batch, Finding, Gate


def _check(batch: Batch, settings: NearDuplicate) -> Sequence[Finding]:
    import numpy as np

    among_rows = batch.shown.quantile(batch.shown.nearest, settings.quantile)
    known = [value for value in (among_rows, batch.shown.near_copy) if value is not None]
    if not known:
        return [Finding()] * len(batch.candidates)
    threshold = max(known)
    # Rows that are kept on the way; room for every candidate, so that nothing is copied when one is.
    earlier = len(batch.train) + len(batch.accepted_texts)
    kept = np.empty((earlier + len(batch.candidates), batch.vectors.shape[1]), dtype=np.float32)
    kept[: len(batch.train)] = batch.train_vectors
    if batch.accepted_texts:
        kept[len(batch.train) : earlier] = batch.accepted_vectors
    rows_of = places_of(
        [*batch.train_labels, *(batch.labels_of(t) for t in batch.accepted_targets)]
    )
    findings = []
    for candidate, vector, stands in zip(
        batch.candidates, batch.vectors, batch.standing, strict=True
    ):
        if batch.copies(candidate) != "none":
            findings.append(Finding())
            continue
        own = batch.labels_of(candidate.target)
        alike = sorted({row for label in own for row in rows_of.get(label, ())})
        nearest = float((kept[alike] @ vector).max()) if alike else -1.0
        if nearest > threshold:
            detail = f"similarity {nearest:.3f} to an earlier row (training rows: at most {threshold:.3f})"
            findings.append(Finding(detail, "There is a row very much like it: write another."))
            continue
        findings.append(Finding())
        if stands:
            kept[earlier] = vector
            for label in own:
                rows_of.setdefault(label, []).append(earlier)
            earlier += 1
    return findings


NEAR_DUPLICATE = Gate(
    name="near_duplicate",
    version=1,
    description="the row is no nearer to a row of its label than training rows are to one another",
    settings=lambda quality: quality.near_duplicate,
    check=_check,
)
