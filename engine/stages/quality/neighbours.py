"""neighbours: most of the nearest labelled training rows carry the row's target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from engine.stages.quality.protocol import Batch, Finding, Gate


def _check(batch: Batch, settings: int) -> Sequence[Finding]:
    import numpy as np

    if not settings:
        return [Finding()] * len(batch.candidates)
    findings = []
    for candidate, vector in zip(batch.candidates, batch.vectors, strict=True):
        nearest = np.argsort(-(batch.train_vectors @ vector), kind="stable")[:settings]
        targets = [batch.train[int(i)].target for i in nearest]
        agreeing = targets.count(candidate.target)
        detail = feedback = ""
        if 2 * agreeing <= len(targets):
            others = Counter(target for target in targets if target != candidate.target)
            names = [name for name, _ in others.most_common()]
            detail = (
                f"{agreeing} of {len(targets)} nearest training rows are {candidate.target} "
                f"(the others: {', '.join(names)})"
            )
            feedback = f"It reads like {names[0]}: make it clearly {candidate.target}."
        findings.append(Finding(detail, feedback, {"neighbour": agreeing / len(targets)}))
    return findings


NEIGHBOURS = Gate(
    name="neighbours",
    version=1,
    description="most of the nearest labelled training rows carry the row's target",
    settings=lambda quality: quality.neighbours,
    check=_check,
    needs_labels=True,
)
