"""neighbours: the row is not much nearer to training rows of another label than to those of its own.

How much is too much, the training rows say: each is compared with all others as a candidate is with them. So a real
row that is hard, because it reads like another label, passes unless hardly any training row is like that.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.spec.recipe import Neighbours
from engine.stages.quality.calibration import places_of
from engine.stages.quality.protocol import Batch, Finding, Gate


def _check(batch: Batch, settings: Neighbours) -> Sequence[Finding]:
    import numpy as np

    least = batch.shown.quantile(batch.shown.margins, settings.quantile)
    if least is not None:
        # However well apart the labels are: a row that is nearest to its own reads like no other.
        least = min(least, 0.0)
    rows_of = places_of(batch.train_labels)
    findings = []
    for candidate, vector in zip(batch.candidates, batch.vectors, strict=True):
        cosines = batch.train_vectors @ vector
        alike = np.zeros(len(cosines), dtype=bool)
        for label in batch.labels_of(candidate.target):
            alike[rows_of.get(label, [])] = True
        if alike.all() or not alike.any():
            # No training row has its label, or none has another: there is nothing to be told apart.
            findings.append(Finding())
            continue
        own, foreign = float(cosines[alike].max()), float(cosines[~alike].max())
        detail = feedback = ""
        if least is not None and own - foreign < least:
            reads_like = batch.train[int(np.where(alike, -np.inf, cosines).argmax())].target
            detail = (
                f"similarity {foreign:.3f} to a training row that is {reads_like}, {own:.3f} to the nearest that is "
                f"{candidate.target} (training rows: at most {-least:.3f} between them)"
            )
            feedback = f"It reads like {reads_like}: make it clearly {candidate.target}."
        findings.append(Finding(detail, feedback, {"neighbour": own - foreign}))
    return findings


NEIGHBOURS = Gate(
    name="neighbours",
    version=2,
    description="the row is not much nearer to training rows of another label than to those of its own",
    settings=lambda quality: quality.neighbours,
    check=_check,
    needs_labels=True,
)
