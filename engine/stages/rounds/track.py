"""track: how each known pattern stands after a later fine-tune, held against the control; its life, in one word.

A pattern's members were chosen because they failed, so any new fine-tune mends some of them, and breaks other rows.
What a pattern is credited with is therefore counted over all validation rows that fall under it, and the rows of a log
whose right answer is known, and against the
control: a second fine-tune on the original rows alone, whose members were chosen no less. A pattern is called fixed,
shrinking or regressed where a test says so and nowhere else; `unclear` is the default. Reads this round's and the
control's failures, the patterns of all earlier rounds, what was drawn for them, and how they stood before; writes one
`PatternStatus` per pattern, and one `PatternRow` per row that falls under it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from engine.identity import Params, outside
from engine.rows import Example, Life, PatternRow, PatternStatus
from engine.stages.analyse.assign import assign, text_with_answer
from engine.stages.outputs import Clustered, DecidedRound, Drawn, Loaded, Logged, Scored, Tracked
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.stages.task_view import TaskView
from engine.statistics import benjamini_hochberg, mcnemar, share_difference, wilson

LEAST = 20
"""Fewest rows over which a number is given."""
LEVEL = 0.05
"""Share of false words that is tolerated among those that say mended or worse."""
FIXED = 0.1
"""Share of its rows that may fail where a pattern that was mended is called fixed."""
OPEN = 0.5
"""A pattern is open where, by the effect's interval, less than this share of what fails with the control was mended."""


@dataclass(frozen=True, kw_only=True)
class TrackParams(Params):
    """Nothing decides but the inputs, which the task's kind reads: the rows are read by it already."""

    task: TaskView = outside()


@dataclass(frozen=True)
class TrackInputs(Inputs):
    """This round's scores, the rounds before it, how patterns stood then, and the control's scores, if there is one."""

    load: Loaded
    score: Scored
    clusters: tuple[Clustered, ...]
    """As they were named, which may split some."""
    drawn: tuple[Drawn, ...]
    control: Scored | None = None
    earlier: tuple[Tracked, ...] = ()
    """Of the earlier rounds."""
    linked: tuple[Clustered, ...] = ()
    """What the clusterings say became of patterns."""
    logged: Logged | None = None
    decided: tuple[DecidedRound, ...] = ()
    """Where rounds may be rolled back: what was decided after the earlier ones."""
    found: tuple[Scored, ...] = ()
    """The scores of the earlier rounds, where failures are looked for elsewhere than on validation."""

    @property
    def asked(self) -> list[Example]:
        """The rows that every student is asked about: of a log those whose right answer is known."""
        return [*self.load.split("validation"), *(self.logged.answered if self.logged else ())]


def track(params: TrackParams, inputs: TrackInputs, ctx: Context) -> Tracked:
    """Return the rows that fall under each earlier pattern, and one `PatternStatus` per pattern."""
    diagnosed = _diagnosed(inputs.clusters)
    assigned = [
        row
        for number in range(len(inputs.clusters))
        for row in _assigned(params.task, inputs, number, ctx)
    ]
    failing = _failing(inputs.score)
    # A logged row whose right answer nobody knows cannot be told mended: no student is asked about it.
    asked = {e.id for e in inputs.asked}
    rows: dict[str, list[PatternRow]] = {pattern: [] for pattern in diagnosed}
    for row in assigned:
        rows[row.pattern].append(row)
    # A later round's patterns are made of what its student fails at and the control need not: held against the control
    # they would look worse than they are.
    first = {member.pattern for clustered in inputs.clusters[:1] for member in clustered.members}
    statuses = [
        _status(pattern, diagnosed[pattern] & asked, failing, rows[pattern], pattern in first)
        for pattern in diagnosed
    ]
    worded = _with_words(statuses)
    back = _came_back(_counted(inputs), rows)
    merged = {one.parent for c in inputs.linked for one in c.links if one.kind == "merged"}
    # A cluster may split from a pattern, and so may a part that the namer made of one.
    latest = (*inputs.linked[-1:], *inputs.clusters[-1:])
    split = {one.parent for c in latest for one in c.links if one.kind == "split"}
    lives = [
        replace(
            one, life=_life(one, one.pattern in back, one.pattern in merged, one.pattern in split)
        )
        for one in worded
    ]
    return Tracked((*assigned, *lives))


def _diagnosed(clusters: Sequence[Clustered]) -> dict[str, set[str]]:
    """Return the examples ever diagnosed and counted to each pattern."""
    members: dict[str, set[str]] = {}
    for clustered in clusters:
        for member in clustered.members:
            members.setdefault(member.pattern, set()).add(member.example)
    return members


def _failing(score: Scored) -> frozenset[str]:
    found = (*score.failures("validation"), *score.failures("logged"))
    return frozenset(failure.example for failure in found)


def _failed(inputs: TrackInputs, number: int) -> frozenset[str]:
    """Return what failed when a round's patterns were found; on validation also where a log alone was looked at."""
    drawn = frozenset(one.example for one in inputs.drawn[number].drawn)
    if not inputs.found:
        return drawn
    back = {one.number: one.decide.decision for one in inputs.decided}
    of = back[number].best_round if number in back and back[number].rolled_back else number
    return drawn | {failure.example for failure in inputs.found[of].failures("validation")}


def _assigned(task: TaskView, inputs: TrackInputs, number: int, ctx: Context) -> list[PatternRow]:
    """Return the rows that fall under the patterns which a round found first."""
    clustered = inputs.clusters[number]
    earlier = {pattern for before in inputs.clusters[:number] for pattern in before.by_pattern}
    scored = [score for score in (inputs.score, inputs.control) if score is not None]
    unanswered = {drop.item for score in scored for drop in score.drops}
    examples = [e for e in inputs.asked if e.id not in unanswered]
    places = {e.id: place for place, e in enumerate(examples)}
    members = {
        pattern: [places[m.example] for m in found if m.example in places]
        for pattern, found in clustered.by_pattern.items()
        if pattern not in earlier
    }
    members = {pattern: found for pattern, found in members.items() if found}
    if not members:
        return []
    failed = _failed(inputs, number)
    held_out = {failure.example for failure in inputs.drawn[number].held_out}
    fails = _failing(inputs.score)
    control = None if inputs.control is None else _failing(inputs.control)
    of_members = {place for found in members.values() for place in found}
    found = assign(ctx.embed([text_with_answer(task, e) for e in examples]), members)
    return [
        PatternRow(
            one.pattern,
            examples[place].id,
            "member" if place in of_members
            else "held_out" if examples[place].id in held_out
            else "other",
            one.similarity,
            examples[place].id in failed,
            examples[place].id in fails,
            None if control is None else examples[place].id in control,
        )
        for place, one in sorted(found.items())
    ]  # fmt: skip


def _status(
    pattern: str,
    diagnosed: set[str],
    failing: frozenset[str],
    rows: Sequence[PatternRow],
    found_in_round_0: bool,
) -> PatternStatus:
    controlled = bool(rows) and all(row.control_fails is not None for row in rows)
    effect = p = None
    if controlled and found_in_round_0 and len(rows) >= LEAST:
        better = sum(bool(row.control_fails) and not row.fails for row in rows)
        worse = sum(row.fails and not row.control_fails for row in rows)
        effect, p = share_difference(better, worse, len(rows)), mcnemar(better, worse)
    fails = sum(row.fails for row in rows)
    rate = wilson(fails, len(rows)) if len(rows) >= LEAST else None
    held_out = [row for row in rows if row.part == "held_out"]

    def with_control(count: Iterable[bool]) -> int | None:
        return sum(count) if controlled else None

    return PatternStatus(
        pattern,
        "unclear",
        before=len(diagnosed),
        after=len(diagnosed & failing),
        rows=len(rows),
        mended=sum(row.failed and not row.fails for row in rows),
        broken=sum(row.fails and not row.failed for row in rows),
        control_mended=with_control(row.failed and not row.control_fails for row in rows),
        control_broken=with_control(bool(row.control_fails) and not row.failed for row in rows),
        effect=effect.value if effect else None,
        low=effect.low if effect else None,
        high=effect.high if effect else None,
        p=p,
        failed=sum(row.failed for row in rows),
        failing=fails,
        control_failing=with_control(bool(row.control_fails) for row in rows),
        rate=rate.value if rate else None,
        rate_low=rate.low if rate else None,
        rate_high=rate.high if rate else None,
        held_out=len(held_out),
        held_out_mended=sum(not row.fails for row in held_out),
        control_held_out_mended=with_control(not row.control_fails for row in held_out),
    )


def _with_words(statuses: Sequence[PatternStatus]) -> list[PatternStatus]:
    """Return the statuses with their words, for which p-values are adjusted for the number of patterns."""
    tested = [status for status in statuses if status.p is not None]
    adjusted = dict(
        zip(
            (status.pattern for status in tested),
            benjamini_hochberg([status.p for status in tested if status.p is not None]),
            strict=True,
        )
    )
    return [
        replace(s, p=p, status=_word(s, p)) for s in statuses for p in [adjusted.get(s.pattern)]
    ]


def _word(status: PatternStatus, p: float | None) -> Literal["unclear", "mended", "worse"]:
    if p is None or p > LEVEL or not status.effect:
        return "unclear"
    if status.effect > 0:
        return "mended"
    # The student shares its training seed with the one whose failures made the pattern, the control does not: it may
    # fail at more of the same rows for that alone. Then it breaks no more of the others than the control does.
    return "worse" if status.broken > (status.control_broken or 0) else "unclear"


def _counted(inputs: TrackInputs) -> list[Tracked]:
    """Return how patterns stood after earlier rounds; what a fine-tune mended whose rows are kept out since is gone."""
    out = {number for one in inputs.decided for number in one.kept_out}
    # The rows of round r are what the fine-tune of round r + 1, the r-th here, came with.
    return [tracked for number, tracked in enumerate(inputs.earlier) if number not in out]


def _came_back(
    earlier: Sequence[Tracked], rows: Mapping[str, Sequence[PatternRow]]
) -> frozenset[str]:
    """Return the patterns that were fixed or shrinking and fail at more of their rows again, beyond chance."""
    best: dict[str, Tracked] = {}
    for tracked in earlier:
        best.update(
            (one.pattern, tracked) for one in tracked.statuses if one.life in {"fixed", "shrinking"}
        )
    tests: dict[str, float] = {}
    for pattern, tracked in best.items():
        then = {row.example: row.fails for row in tracked.assigned if row.pattern == pattern}
        both = [
            (then[row.example], row.fails) for row in rows.get(pattern, ()) if row.example in then
        ]
        mended = sum(before and not now for before, now in both)
        broken = sum(now and not before for before, now in both)
        tests[pattern] = mcnemar(mended, broken) if broken > mended else 1.0
    adjusted = zip(tests, benjamini_hochberg(list(tests.values())), strict=True)
    return frozenset(pattern for pattern, p in adjusted if p <= LEVEL)


def _life(status: PatternStatus, came_back: bool, merged: bool, split: bool) -> Life:
    """Return a pattern's life in one word: what the tests say first, then what the clustering did to it."""
    if status.status == "mended":
        return "fixed" if status.failing <= FIXED * status.rows else "shrinking"
    if status.status == "worse" or came_back:
        return "regressed"
    if merged or split:
        return "merged" if merged else "split"
    if status.high is not None and status.control_failing:
        most = status.high * status.rows
        return "open" if most < OPEN * status.control_failing else "unclear"
    return "unclear"


def _accounts(params: TrackParams, inputs: TrackInputs, output: Tracked) -> Iterable[Account]:
    yield Account(
        "patterns of earlier rounds", len(_diagnosed(inputs.clusters)), len(output.statuses)
    )
    under = sum(status.rows for status in output.statuses)
    yield Account("rows under patterns", len(output.assigned), under)


TRACK = Stage(
    "track", 4, TrackParams, TrackInputs, Tracked, track,
    description="Says what became of each pattern after a later fine-tune.",
    asks=("embedder",), embeds="validation rows, and those of a log ({inputs}, {target})", accounts=_accounts,
)  # fmt: skip
