"""reviews: which verdicts of people go to which step of a plan, so that no other step becomes pending.

A verdict is on a row, whatever run wrote it, and says where the row was a candidate when it was given. It goes to the
selection of that round of that seed, and of the later ones, which rest on it anyway. One that changes nothing goes
along only where an earlier or a later one does change something: so a row that people accept, and that was trained on
already, makes nothing pending.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.rows import Said, Subject
from engine.stages.reviewing.verdicts import PersonVerdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """What people's verdicts on one row come to."""

    example: str
    subject: Subject
    verdict: Said
    inputs: Mapping[str, str] | None
    """As the row is changed; None where it is not."""
    target: str | None
    places: tuple[tuple[int, int], ...]
    """Seed and round of each place where it was a candidate."""
    changes: bool
    made: datetime

    @property
    def said(self) -> PersonVerdict:
        """The verdict as steps follow it."""
        return PersonVerdict(
            id=self.example, verdict=self.verdict, inputs=self.inputs, target=self.target
        )


@dataclass(frozen=True, slots=True)
class Reviews:
    """The verdicts of one recipe."""

    outcomes: Sequence[Outcome] = ()

    def training(self) -> tuple[PersonVerdict, ...]:
        """Return those that change training rows of the data."""
        return _said(o for o in self.outcomes if o.subject == "train" and o.changes)

    def candidates(self, seed: int, round: int) -> tuple[PersonVerdict, ...]:
        """Return those for the selection of one round."""
        here = [
            o
            for o in self.outcomes
            if o.subject == "candidate" and any(s == seed and r <= round for s, r in o.places)
        ]
        last = max((o.made for o in here if o.changes), default=None)
        if last is None:
            return ()
        return _said(o for o in here if o.changes or o.made <= last)


NONE = Reviews()
"""Nobody has said anything."""


def _said(outcomes: Iterable[Outcome]) -> tuple[PersonVerdict, ...]:
    return tuple(o.said for o in sorted(outcomes, key=lambda o: o.example))
