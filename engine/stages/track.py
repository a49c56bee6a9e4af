"""track: how each known pattern stands after a later fine-tune, by its members' failures now.

Reads this round's failures, the members of the patterns of all earlier rounds, and their earlier statuses; writes one
`PatternStatus` per pattern.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from engine.identity import Params
from engine.rows import PatternStatus
from engine.stages.outputs import Clustered, Scored, Tracked
from engine.stages.protocol import Account, Context, Inputs, Stage

State = Literal["open", "shrinking", "fixed", "regressed"]


@dataclass(frozen=True, kw_only=True)
class TrackParams(Params):
    """Nothing decides but the inputs."""


@dataclass(frozen=True)
class TrackInputs(Inputs):
    """This round's scores, and patterns and statuses of the rounds before."""

    score: Scored
    clusters: tuple[Clustered, ...]
    tracked: tuple[Tracked, ...] = ()


def _members(inputs: TrackInputs) -> dict[str, set[str]]:
    """Return the examples of each pattern, over all rounds in which it was found."""
    members: dict[str, set[str]] = {}
    for clustered in inputs.clusters:
        for member in clustered.members:
            members.setdefault(member.pattern, set()).add(member.example)
    return members


def track(params: TrackParams, inputs: TrackInputs, ctx: Context) -> Tracked:
    """Return one `PatternStatus` per pattern found in an earlier round."""
    failing = {f.example for f in inputs.score.failures("validation")}
    previous = {s.pattern: s.after for tracked in inputs.tracked for s in tracked.statuses}
    rows = []
    for pattern, examples in _members(inputs).items():
        after = len(examples & failing)
        word = state(len(examples), previous.get(pattern), after)
        rows.append(PatternStatus(pattern, word, len(examples), after))
    return Tracked(tuple(rows))


def state(before: int, last: int | None, after: int) -> State:
    """Return the word for a pattern: `last` is its count in the round before, None when it was found there."""
    if after == 0:
        return "fixed"
    if last is not None and after > last:
        return "regressed"
    return "shrinking" if after < before else "open"


def _accounts(params: TrackParams, inputs: TrackInputs, output: Tracked) -> Iterable[Account]:
    yield Account("patterns of earlier rounds", len(_members(inputs)), len(output.statuses))


TRACK = Stage("track", 1, TrackParams, TrackInputs, Tracked, track, accounts=_accounts)
