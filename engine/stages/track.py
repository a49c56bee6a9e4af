"""track: how each known pattern stands after a later fine-tune, by its members' failures now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from engine.rows import Failure, PatternMember, PatternStatus, Row
from engine.stages.protocol import Context, Inputs, Output, Stage

State = Literal["open", "shrinking", "fixed", "regressed"]


def track(params: Mapping[str, Any], inputs: Inputs, ctx: Context) -> Output:
    """Return one `PatternStatus` per pattern found in an earlier round."""
    failing = {f.example for f in inputs.of("score", Failure) if f.split == "validation"}
    members: dict[str, set[str]] = {}
    for edge in inputs.edges("cluster."):
        for member in inputs.of(edge, PatternMember):
            members.setdefault(member.pattern, set()).add(member.example)
    previous: dict[str, int] = {}
    for edge in inputs.edges("track."):
        for status in inputs.of(edge, PatternStatus):
            previous[status.pattern] = status.after
    rows: list[Row] = []
    for pattern, examples in members.items():
        after = len(examples & failing)
        rows.append(
            PatternStatus(
                pattern, state(len(examples), previous.get(pattern), after), len(examples), after
            )
        )
    return Output(tuple(rows))


def state(before: int, last: int | None, after: int) -> State:
    """Return the word for a pattern: `last` is its count in the round before, None when it was found there."""
    if after == 0:
        return "fixed"
    if last is not None and after > last:
        return "regressed"
    return "shrinking" if after < before else "open"


TRACK = Stage("track", 1, track)
