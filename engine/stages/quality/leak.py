"""leak: the row resembles no validation or test row more than real training rows do."""

from __future__ import annotations

from collections.abc import Sequence

from engine.spec.recipe import LeakLimits
from engine.stages.quality.protocol import Batch, Finding, Gate


def _check(batch: Batch, settings: LeakLimits) -> Sequence[Finding]:
    guard = batch.leak_guard(settings.ngram, settings.quantile)
    reasons = (
        copied or guard.check_turns(candidate.inputs) or guard.check_target(candidate.target)
        for candidate, copied in zip(batch.candidates, guard.check(batch.texts), strict=True)
    )
    # The feedback must not lead the generator to or around the evaluation row.
    return [Finding(why, "Write about something else.") if why else Finding() for why in reasons]


LEAK = Gate(
    name="leak",
    version=4,
    description="the row resembles no evaluation row more than training rows do",
    settings=lambda quality: quality.leak_guard,
    check=_check,
    always=True,
)
