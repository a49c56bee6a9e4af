"""duplicate: the row is no training row, no row accepted before, and no earlier candidate that still stands.

Compared word by word, without case and punctuation. It stands behind the other gates: which candidates stand is known
only when these have spoken.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.stages.quality.protocol import Batch, Finding, Gate
from engine.wording import words


def _check(batch: Batch, settings: None) -> Sequence[Finding]:
    seen = {words(text) for text in (*batch.train_texts, *batch.accepted_texts)}
    findings = []
    for text, stands in zip(batch.texts, batch.standing, strict=True):
        sequence = words(text)
        if sequence in seen:
            findings.append(Finding("equals an earlier row", "There is such a row: write another."))
            continue
        findings.append(Finding())
        if stands:
            seen.add(sequence)
    return findings


DUPLICATE = Gate(
    name="duplicate",
    version=3,
    description="the row equals no training row and no other generated row, word by word",
    settings=lambda quality: None,
    check=_check,
    always=True,
)
