"""What the stages of preference tuning hand on, and read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from engine.rows import PreferencePair
from engine.stages.outputs import Bundle, Output, Verified


class Paired(Output):
    """The pairs that a round's student is tuned with."""

    @cached_property
    def pairs(self) -> Sequence[PreferencePair]:
        """The best first: the student's own mistakes, the latest before earlier ones."""
        return self.of(PreferencePair)


@dataclass(frozen=True)
class VerifiedAttempt(Bundle):
    """The blind answers to one attempt's candidates."""

    verify: Verified
