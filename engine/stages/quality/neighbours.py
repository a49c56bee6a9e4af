"""neighbours: the row is not much nearer to training rows of another label than to those of its own.

How much is too much, the training rows say: each is compared with all others as a candidate is with them. So a real
row that is hard, because it reads like another label, passes unless hardly any training row is like that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from engine.spec.recipe import Neighbours
from engine.stages.quality.calibration import places_of
from engine.stages.quality.protocol import Batch, Finding, Gate

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


_AT_ONCE = 2**22
"""Cosines that are held at a time where there are very many candidates: 16 MB."""


def _cosines(batch: Batch) -> Iterator[npt.NDArray[np.float32]]:
    """Yield each candidate's cosines to all training rows, shape (training rows,)."""
    if not batch.many:
        yield from (batch.train_vectors @ vector for vector in batch.vectors)
        return
    step = max(1, _AT_ONCE // len(batch.train))
    for start in range(0, len(batch.vectors), step):
        yield from batch.vectors[start : start + step] @ batch.train_vectors.T


def _check(batch: Batch, settings: Neighbours) -> Sequence[Finding]:
    import numpy as np

    least = batch.shown.quantile(batch.shown.margins, settings.quantile)
    if least is not None:
        # However well apart the labels are: a row that is nearest to its own reads like no other.
        least = min(least, 0.0)
    rows_of = places_of(batch.train_labels)
    masks: dict[tuple[str, ...], npt.NDArray[np.bool_]] = {}

    def alike_of(target: str) -> npt.NDArray[np.bool_]:
        own = tuple(batch.labels_of(target))
        if own not in masks:
            masks[own] = np.zeros(len(batch.train), dtype=bool)
            for label in own:
                masks[own][rows_of.get(label, [])] = True
        return masks[own]

    findings = []
    for candidate, cosines in zip(batch.candidates, _cosines(batch), strict=True):
        alike = alike_of(candidate.target)
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
