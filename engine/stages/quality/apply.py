"""apply: every gate in turn over one batch; the first that rejects a candidate gives the reason, others may advise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from engine.spec.parts import GateMode
from engine.stages.quality.protocol import AnyGate, Batch


@dataclass(slots=True)
class GateResult:
    """The gates' verdict on one candidate."""

    reason: str = ""
    """Name of the first gate that rejects it; empty for a candidate that passes them all."""
    detail: str = ""
    feedback: str = ""
    advice: dict[str, str] = field(default_factory=dict)
    """Gate that only advises -> why it would have rejected the candidate."""
    numbers: dict[str, float] = field(default_factory=dict)
    """What all gates measured."""


def apply_gates(batch: Batch, gates: Iterable[tuple[AnyGate, Any, GateMode]]) -> list[GateResult]:
    """Return the verdict of the gates, each with its settings and its mode, on each candidate.

    Gates after the one that rejects run too, for what they measure and advise. One that advises rejects nothing.
    """
    results = [GateResult() for _ in batch.candidates]
    for gate, settings, mode in gates:
        if mode == "off" or (gate.needs_labels and not batch.kind.labelled):
            continue
        for result, finding in zip(results, gate.check(batch, settings), strict=True):
            result.numbers.update(finding.numbers)
            if finding.detail and mode == "advise":
                result.advice[gate.name] = finding.detail
            elif finding.detail and not result.reason:
                result.reason, result.detail = gate.name, finding.detail
                result.feedback = finding.feedback
        batch.standing = [not result.reason for result in results]
    return results
