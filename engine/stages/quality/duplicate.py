"""duplicate: the row is no training row, no row accepted before, and no earlier candidate that still stands.

Compared word by word, without case and punctuation; a near copy of its seed row, as one with typos, letter by letter.
A row with the very inputs of its seed row, as oversampling and explaining make, is compared with generated rows alone,
and with its target: a training row comes back once. It stands behind the other gates: which candidates stand is known
only when these have spoken.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.stages.quality.protocol import Batch, Finding, Gate
from engine.wording import words


def _check(batch: Batch, settings: None) -> Sequence[Finding]:
    known = (*batch.train_texts, *batch.accepted_texts)
    seen: set[object] = {words(text) for text in known}
    seen |= set(known)
    seen |= set(zip(batch.accepted_texts, batch.accepted_targets, strict=True))
    findings = []
    for candidate, text, stands in zip(batch.candidates, batch.texts, batch.standing, strict=True):
        whole = (text, candidate.target)
        key = {"none": words(text), "near": text, "exact": whole}[batch.copies(candidate)]
        if key in seen:
            findings.append(Finding("equals an earlier row", "There is such a row: write another."))
            continue
        findings.append(Finding())
        if stands:
            seen |= {words(text), text, whole}
    return findings


DUPLICATE = Gate(
    name="duplicate",
    version=4,
    description="the row equals no training row and no other generated row, word by word",
    settings=lambda quality: None,
    check=_check,
    always=True,
)
