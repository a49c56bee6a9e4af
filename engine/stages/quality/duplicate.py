"""duplicate: the row repeats no training row, no row accepted before, and no earlier candidate that still stands.

The last gate: which candidates stand is known only when all others have spoken.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.spec.recipe import Dedup
from engine.stages.quality.protocol import Batch, Finding, Gate
from engine.wording import words


def _check(batch: Batch, settings: Dedup) -> Sequence[Finding]:
    import numpy as np

    earlier = len(batch.accepted_texts)
    # Rows that are kept on the way; room for every candidate, so that nothing is copied when one is.
    kept = np.empty((earlier + len(batch.candidates), batch.vectors.shape[1]), dtype=np.float32)
    if earlier:
        kept[:earlier] = batch.accepted_vectors
    seen = {words(text) for text in (*batch.train_texts, *batch.accepted_texts)}
    findings = []
    for text, vector, stands in zip(batch.texts, batch.vectors, batch.standing, strict=True):
        nearest = float((batch.train_vectors @ vector).max())
        if earlier:
            nearest = max(nearest, float((kept[:earlier] @ vector).max()))
        sequence, detail = words(text), ""
        if sequence in seen:
            detail = "equals an earlier row"
        elif nearest >= settings.threshold:
            detail = f"similarity {nearest:.3f} to an earlier row"
        feedback = "There is such a row: write another." if detail else ""
        findings.append(Finding(detail, feedback))
        if stands and not detail:
            seen.add(sequence)
            kept[earlier] = vector
            earlier += 1
    return findings


DUPLICATE = Gate(
    name="duplicate",
    version=1,
    description="the row repeats no training row and no other generated row, word by word or nearly",
    settings=lambda quality: quality.dedup,
    check=_check,
)
