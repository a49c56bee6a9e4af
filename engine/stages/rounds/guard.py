"""guard: what a later fine-tune breaks: the regression suite, beside the control, and the patterns that regressed.

The suite is the validation rows that round 0 has right; those that the control has right too are its steady part. Any
fine-tune breaks some of them, so a round has regressed where it breaks more of the suite than the control does, beyond
chance, or where a pattern has. Logged rows whose right answer is known are counted beside it and decide nothing: what a
log says is right may be wrong. The student shares its training seed with round 0 and the control does not, so this is
said too seldom rather than too often. What follows is the recipe's to say (`loop.regressions`, stage `decide`). Reads
the scores of this round, round 0 and the control, and how patterns stand; writes one `RegressionSuite`, and one
`Regression` per row of the suite that fails now or with the control.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from engine.identity import Params
from engine.rows import Regression, RegressionSuite, Split
from engine.stages.outputs import Guarded, Loaded, NamedPatterns, Scored, Tracked
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.statistics import Interval, mcnemar, share_difference

LEAST = 20
"""Fewest rows over which a number is given."""
LEVEL = 0.05
"""p-value from which no more is broken than by chance."""


@dataclass(frozen=True, kw_only=True)
class GuardParams(Params):
    """Nothing decides but the inputs."""


@dataclass(frozen=True)
class GuardInputs(Inputs):
    """This round's scores, round 0's, the control's where there is one, and how patterns stand with their names."""

    load: Loaded
    score: Scored
    first: Scored
    control: Scored | None = None
    track: Tracked | None = None
    names: tuple[NamedPatterns, ...] = ()
    """Of the earlier rounds."""


def guard(params: GuardParams, inputs: GuardInputs, ctx: Context) -> Guarded:
    """Return what this round's fine-tune broke of what was right."""
    suite, logged = _suite(inputs), _of_log(inputs)
    fails = _failing(inputs.score)
    control = None if inputs.control is None else _failing(inputs.control)
    broken = [row for row in suite if row in fails]
    broken_by_control = None if control is None else [row for row in suite if row in control]
    steady = None if control is None else [row for row in suite if row not in control]
    compared, p = None, None
    if control is not None and len(suite) >= LEAST:
        better = sum(row in control and row not in fails for row in suite)
        worse = sum(row in fails and row not in control for row in suite)
        # Turned round: what is counted here is what breaks.
        compared, p = share_difference(worse, better, len(suite)), mcnemar(better, worse)
    statuses = inputs.track.statuses if inputs.track else ()
    worse_patterns = tuple(one.pattern for one in statuses if one.life == "regressed")
    mended = sum(one.life in {"fixed", "shrinking"} for one in statuses)
    beyond = compared is not None and p is not None and p <= LEVEL and compared.value > 0
    detail = _worded(
        mended,
        [_name(inputs, pattern) for pattern in worse_patterns],
        f"of {len(suite)} rows that round 0 had right, {len(broken)} are wrong"
        + ("" if broken_by_control is None else f", {len(broken_by_control)} with the control"),
        compared,
        "" if logged is None else logged.worded,
    )
    one = RegressionSuite(
        n=len(suite),
        broken=len(broken),
        control_broken=None if broken_by_control is None else len(broken_by_control),
        steady=None if steady is None else len(steady),
        steady_broken=None if steady is None else sum(row in fails for row in steady),
        difference=compared.value if compared else None,
        low=compared.low if compared else None,
        high=compared.high if compared else None,
        p=p,
        patterns=worse_patterns,
        regressed=beyond or bool(worse_patterns),
        detail=detail,
        logged=logged.right if logged else None,
        logged_broken=logged.broken if logged else None,
        logged_control_broken=logged.control_broken if logged else None,
    )
    patterns = _patterns(inputs.track)
    rows = [
        Regression(
            row, row in fails, None if control is None else row in control, patterns.get(row)
        )
        for row in suite
        if row in fails or (control is not None and row in control)
    ]
    return Guarded((one, *rows))


class _OfLog(NamedTuple):
    """What became of the logged rows whose right answer is known."""

    right: int
    """That round 0 has right; `broken`: of these, wrong now."""
    broken: int
    control_broken: int | None
    wrong: int
    """That round 0 has wrong; `mended`: of these, right now."""
    mended: int

    @property
    def worded(self) -> str:
        control = "" if self.control_broken is None else f", {self.control_broken} with the control"
        return (
            f"of {self.wrong} logged rows that round 0 had wrong, {self.mended} are right, and of {self.right} that it"
            f" had right, {self.broken} are wrong{control}"
        )


def _of_log(inputs: GuardInputs) -> _OfLog | None:
    """Return what became of logged rows; None where students are asked about none."""
    answered = {score.example for score in inputs.first.scores if score.split == "logged"}
    if not answered:
        return None
    asked = answered - _unanswered(inputs)
    first, now = asked & _failing(inputs.first, "logged"), _failing(inputs.score, "logged")
    control = None if inputs.control is None else _failing(inputs.control, "logged")
    right = asked - first
    return _OfLog(
        right=len(right),
        broken=len(right & now),
        control_broken=None if control is None else len(right & control),
        wrong=len(first),
        mended=len(first - now),
    )


def _suite(inputs: GuardInputs) -> list[str]:
    """Return the validation rows that round 0 has right and that every student was asked for."""
    failed, unanswered = _failing(inputs.first), _unanswered(inputs)
    rows = (example.id for example in inputs.load.split("validation"))
    return [row for row in rows if row not in failed and row not in unanswered]


def _unanswered(inputs: GuardInputs) -> frozenset[str]:
    """Return the rows that a student could not be asked: of these nobody knows what became."""
    scored = [one for one in (inputs.first, inputs.score, inputs.control) if one is not None]
    return frozenset(drop.item for one in scored for drop in one.drops)


def _failing(score: Scored, split: Split = "validation") -> frozenset[str]:
    return frozenset(failure.example for failure in score.failures(split))


def _patterns(track: Tracked | None) -> dict[str, str]:
    """Return the pattern that each row falls under, the first by id where there are several."""
    if track is None:
        return {}
    assigned = sorted(track.assigned, key=lambda row: row.pattern, reverse=True)
    return {row.example: row.pattern for row in assigned}


def _name(inputs: GuardInputs, pattern: str) -> str:
    named = (one.name for each in inputs.names for one in each.patterns if one.id == pattern)
    return next(named, pattern)


def _worded(
    mended: int, worse: list[str], suite: str, compared: Interval | None, logged: str
) -> str:
    """Return in words what was mended and what was broken."""
    parts = []
    if mended or worse:
        quoted = ", ".join(f"'{name}'" for name in worse)
        names = f" ({quoted})" if worse else ""
        parts.append(f"patterns mended: {mended}, broken: {len(worse)}{names}")
    interval = ""
    if compared is not None:
        low, high = (f"{100 * end:+.1f}" for end in (compared.low, compared.high))
        interval = f" (95% interval of the difference {low} to {high} points)"
    return "; ".join([*parts, suite + interval, *([logged] if logged else [])])


def _accounts(params: GuardParams, inputs: GuardInputs, output: Guarded) -> Iterable[Account]:
    broken = [row for row in output.of(Regression) if row.fails]
    yield Account("rows that broke", output.suite.broken, len(broken))


GUARD = Stage(
    "guard", 3, GuardParams, GuardInputs, Guarded, guard,
    description="Says what a later fine-tune broke of what was right before.",
    accounts=_accounts,
)  # fmt: skip
