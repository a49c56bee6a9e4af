"""reviews: which verdicts of people go to which step of a plan, so that no other step becomes pending.

A verdict is on a row, whatever run wrote it, and says where the row was a candidate when it was given. It goes to the
selection of that round of that seed, and of the later ones, which rest on it anyway. One that changes nothing alone
goes along where one changes something that was given later, or on a row of the same run: whatever people said in one
sitting, in whatever order. So a row that people accept, and that was trained on already, makes nothing pending.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.fingerprint import short
from engine.rows import Said, Subject
from engine.stages.augment.judging.by_people import PeopleSaid, enough
from engine.stages.augment.judging.calibration import fewest
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
    run: str
    """In which the row was looked at."""
    reason: str = ""
    """Of a rejection."""
    judge: str | None = None
    """Mark of the judge that said something of the row (`judge_mark`)."""
    judge_passes: bool | None = None
    judge_share: float | None = None
    """Share of the rows that it judged in that run whose answer it takes for right."""

    @property
    def is_right(self) -> bool | None:
        """Whether people say that the row's answer is right; None where they say nothing of that."""
        if self.verdict == "accept":
            return True
        wrong = self.verdict == "relabel" or (self.verdict == "reject" and self.reason == "wrong")
        return False if wrong else None

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
    mark: str | None = None
    """Of the judge that the plan asks; None until it is known."""

    def judged(self, threshold: float) -> PeopleSaid | None:
        """Return what people said of rows that the plan's judge judged; None where it is too little to calibrate it by.

        Taken are the first N, 2 N, 4 N, …, where N is what calibration needs of each half at least: so not each verdict
        makes pending all that the judge judged.
        """
        least = fewest(threshold)
        rows = sorted(
            (
                o
                for o in self.outcomes
                if o.judge is not None
                and o.judge == self.mark
                and o.is_right is not None
                and o.judge_passes is not None
                and o.judge_share is not None
            ),
            key=lambda o: (o.made, o.example),
        )
        taken = least
        while 2 * taken <= len(rows):
            taken *= 2
        if len(rows) < taken:
            return None
        rows = rows[:taken]
        counts = Counter((o.is_right, o.judge_passes) for o in rows)
        said = PeopleSaid(
            right_passed=counts[True, True],
            right_rejected=counts[True, False],
            wrong_passed=counts[False, True],
            wrong_rejected=counts[False, False],
            passes=round(sum(o.judge_share or 0.0 for o in rows) / taken, 6),
        )
        return said if enough(said, threshold) else None

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
        last = max((o for o in here if o.changes), key=lambda o: o.made, default=None)
        if last is None:
            return ()
        return _said(o for o in here if o.changes or o.made <= last.made or o.run == last.run)


NONE = Reviews()
"""Nobody has said anything."""


def judge_mark(identity: Mapping[str, Any]) -> str:
    """Return the mark of a judge: what it says of a row may be held against what another of the same mark says."""
    return short([identity["version"], identity["models"]["judge"], identity["prompts"]])


def _said(outcomes: Iterable[Outcome]) -> tuple[PersonVerdict, ...]:
    return tuple(o.said for o in sorted(outcomes, key=lambda o: o.example))
