"""similarity: a row that keeps its seed row's label stays near the seed row, and is not the seed row again."""

from __future__ import annotations

from collections.abc import Sequence

from engine.spec.recipe import Similarity
from engine.stages.quality.protocol import Batch, Finding, Gate


def _check(batch: Batch, settings: Similarity) -> Sequence[Finding]:
    findings = []
    for candidate, vector, parent in zip(
        batch.candidates, batch.vectors, batch.parents, strict=True
    ):
        similarity = float(batch.train_vectors[parent] @ vector)
        detail = feedback = ""
        if candidate.operator in batch.keeping:
            if similarity < settings.low:
                feedback = "Too far from the original: keep its meaning."
            elif similarity > settings.high:
                feedback = "Too close to the original: change more words."
        if feedback:
            wanted = f"wanted {settings.low} to {settings.high}"
            detail = f"similarity to the seed row {similarity:.3f}, {wanted}"
        findings.append(Finding(detail, feedback, {"similarity": similarity}))
    return findings


SIMILARITY = Gate(
    name="similarity",
    version=1,
    description="a row that keeps its seed row's label is neither far from the seed row nor the same again",
    settings=lambda quality: quality.similarity,
    check=_check,
)
