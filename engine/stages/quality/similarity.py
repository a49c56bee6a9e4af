"""similarity: a row that keeps its seed row's target stays near the seed row, and is not the seed row again.

Near is what training rows of one target are to one another; too near is more than that, and more than the seed row
with one of its words left out. A copy of the seed row on purpose, as one with typos, is measured and passes.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.spec.recipe import Similarity
from engine.stages.quality.protocol import Batch, Finding, Gate


def _check(batch: Batch, settings: Similarity) -> Sequence[Finding]:
    shown = batch.shown
    low = shown.quantile(shown.pairs, settings.low_quantile)
    high = shown.quantile(shown.pairs, settings.high_quantile)
    floor = -1.0 if low is None else low
    ceiling = max(
        floor if high is None else high, 1.0 if shown.near_copy is None else shown.near_copy
    )
    findings = []
    for candidate, vector, parent in zip(
        batch.candidates, batch.vectors, batch.parents, strict=True
    ):
        similarity = float(batch.train_vectors[parent] @ vector)
        detail = feedback = ""
        rule = batch.seed_rules.get(candidate.operator)
        if rule is not None and rule.keeps and rule.copies == "none":
            if similarity < floor:
                feedback = "Too far from the original: keep its meaning."
            elif similarity > ceiling:
                feedback = "Too close to the original: change more words."
        if feedback:
            detail = (
                f"similarity to the seed row {similarity:.3f}, wanted {floor:.3f} to {ceiling:.3f}"
            )
        findings.append(Finding(detail, feedback, {"similarity": similarity}))
    return findings


SIMILARITY = Gate(
    name="similarity",
    version=2,
    description="a row that keeps its seed row's label is neither far from the seed row nor the same again",
    settings=lambda quality: quality.similarity,
    check=_check,
)
