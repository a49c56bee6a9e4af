"""allot: what each pattern weighs where a round's rows are shared out, by what is known of it.

By evidence a pattern weighs its failures, times how far its test confirms it and how much of it still fails, halved for
each sign that rows written against it did not pay: rows were added and it is open or worse beside the control, or none
of its rows was ever accepted. A recipe may share out alike, or give patterns shares of its own, and exclude patterns:
then all that was asked before is reused, and nothing else differs. Reads the patterns, their tests, how they stood, and
what earlier rounds wrote against them; writes one `PatternShare` per pattern, and a `Drop` for each that is excluded or
not funded, and for each name in the recipe that no pattern has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from engine.identity import Params
from engine.registry import did_you_mean
from engine.rows import Drop, Life, Pattern, PatternShare, PatternStatus, PatternWord, Row
from engine.stages.outputs import Allotted, Attempt, Confirmed, NamedPatterns, Tracked
from engine.stages.protocol import Account, Context, Inputs, Stage

CONFIRMATION: Mapping[PatternWord, float] = {
    "confirmed": 1.0,
    "untested": 0.5,
    "weak": 0.25,
    "refuted": 0.25,
}
"""What a pattern's weight is multiplied by for what its test says."""
UNPAID = 0.5
"""What a pattern's weight is multiplied by for each sign that rows against it did not pay."""


@dataclass(frozen=True, kw_only=True)
class NamedShare(Params):
    """A share that the recipe gives."""

    name: str
    """Id, name or category of patterns."""
    share: float


@dataclass(frozen=True, kw_only=True)
class AllotParams(Params):
    """How rows are shared out, and which patterns get none."""

    shares: Literal["evidence", "uniform", "named"] = "evidence"
    named: tuple[NamedShare, ...] = ()
    exclude: tuple[str, ...] = ()
    """Ids, names or categories of patterns."""


@dataclass(frozen=True)
class AllotInputs(Inputs):
    """The patterns, those of earlier rounds, how they stood, and what was written against them."""

    name: NamedPatterns
    earlier: tuple[NamedPatterns, ...] = ()
    track: Tracked | None = None
    """After the fine-tune whose failures these are."""
    confirm: Confirmed | None = None
    """None where patterns are not tested."""
    attempts: tuple[Attempt, ...] = ()
    """All of the earlier rounds."""
    latest: Tracked | None = None
    """After the round's own fine-tune, where that may be another: it may have been rolled back."""


class _Evidence(NamedTuple):
    headroom: float
    paid: float
    reason: str
    confirmation: float


def allot(params: AllotParams, inputs: AllotInputs, ctx: Context) -> Allotted:
    """Return what each pattern weighs; names that no pattern has are warned of."""
    rows: list[Row] = []
    kept: list[Pattern] = []
    tests = {one.pattern: one for one in inputs.confirm.tests} if inputs.confirm else {}
    for pattern in inputs.name.patterns:
        test = tests.get(pattern.id)
        why = next((name for name in params.exclude if _is(pattern, name)), None)
        if why is None and test is not None and not test.funded:
            rows.append(Drop("allot", pattern.id, "unfunded", f"its test: {test.verdict}"))
        elif why is None:
            kept.append(pattern)
        else:
            rows.append(Drop("allot", pattern.id, "excluded", f"patterns.exclude has '{why}'"))
    evidence = _evidence(inputs, kept)
    weights = _weights(params, kept, evidence)
    total = sum(weights.values())
    for pattern in kept:
        known = evidence[pattern.id]
        rows.append(
            PatternShare(
                pattern.id,
                weights[pattern.id],
                round(weights[pattern.id] / total, 6) if total else 0.0,
                pattern.size,
                known.headroom,
                known.paid,
                known.reason,
                known.confirmation,
            )
        )
    rows.extend(_unknown(params, inputs, ctx))
    return Allotted(tuple(rows))


def _is(pattern: Pattern, name: str) -> bool:
    """Return whether a recipe's name is that of a pattern."""
    return name in {pattern.id, pattern.category} or name.casefold() == pattern.name.casefold()


def _evidence(inputs: AllotInputs, patterns: Sequence[Pattern]) -> dict[str, _Evidence]:
    standing = {one.pattern: one for one in inputs.track.statuses} if inputs.track else {}
    latest = inputs.latest or inputs.track
    lives = {one.pattern: one.life for one in latest.statuses} if latest else {}
    tests = {one.pattern: one.verdict for one in inputs.confirm.tests} if inputs.confirm else {}
    judged, accepted = Counter[str](), Counter[str]()
    for attempt in inputs.attempts:
        for candidate, verdict in attempt.judged:
            judged[candidate.pattern] += 1
            accepted[candidate.pattern] += verdict.accepted
    return {
        pattern.id: _of_one(
            pattern,
            standing.get(pattern.id),
            lives.get(pattern.id),
            tests.get(pattern.id),
            judged[pattern.id],
            accepted[pattern.id],
        )
        for pattern in patterns
    }


def _of_one(
    pattern: Pattern,
    status: PatternStatus | None,
    life: Life | None,
    verdict: PatternWord | None,
    judged: int,
    accepted: int,
) -> _Evidence:
    headroom, paid = 1.0, 1.0
    words = [f"{pattern.size} failures", *([verdict] if verdict else [])]
    confirmation = CONFIRMATION[verdict] if verdict else 1.0
    if status is not None and status.failed:
        headroom = round(min(1.0, status.failing / status.failed), 6)
        words.append(f"{status.failing} rows fail of {status.failed} at first")
    if accepted and life in {"open", "regressed"}:
        paid *= UNPAID
        words.append(f"{life} though {accepted} rows were accepted")
    if judged and not accepted:
        paid *= UNPAID
        words.append(f"none of {judged} rows was accepted")
    return _Evidence(headroom, paid, "; ".join(words), confirmation)


def _weights(
    params: AllotParams, patterns: Sequence[Pattern], evidence: Mapping[str, _Evidence]
) -> dict[str, float]:
    if params.shares == "uniform":
        return {pattern.id: 1.0 for pattern in patterns}
    # Never nothing: what still fails has failures, however few of its first rows are among them.
    by_evidence = {
        p.id: p.size
        * evidence[p.id].confirmation
        * max(evidence[p.id].headroom, 0.05)
        * evidence[p.id].paid
        for p in patterns
    }
    if params.shares == "evidence":
        return by_evidence
    weights: dict[str, float] = {}
    for given in params.named:
        mine = [p.id for p in patterns if _is(p, given.name) and p.id not in weights]
        weights.update(_parts({pattern: by_evidence[pattern] for pattern in mine}, given.share))
    left = max(0.0, 1.0 - sum(given.share for given in params.named))
    others = {pattern: weight for pattern, weight in by_evidence.items() if pattern not in weights}
    weights.update(_parts(others, left))
    return {pattern.id: weights[pattern.id] for pattern in patterns}


def _parts(weights: Mapping[str, float], whole: float) -> dict[str, float]:
    total = sum(weights.values())
    return {name: whole * weight / total for name, weight in weights.items()} if total else {}


def _unknown(params: AllotParams, inputs: AllotInputs, ctx: Context) -> Iterable[Drop]:
    """Yield the recipe's names that no pattern of this round, or of an earlier one, has."""
    patterns = [*inputs.name.patterns, *(p for named in inputs.earlier for p in named.patterns)]
    known = {word for p in patterns for word in (p.id, p.name, p.category) if word}
    for where, names in (
        ("patterns.exclude", params.exclude),
        ("augment.shares", [given.name for given in params.named]),
    ):
        for name in names:
            if not any(_is(pattern, name) for pattern in patterns):
                hint = did_you_mean(name, known) or "there is none"
                why = f"{where}: no pattern is called '{name}'"
                ctx.warn(f"{why}: {hint}")
                yield Drop("allot", name, "unknown_pattern", f"{why}: {hint}")


def _accounts(params: AllotParams, inputs: AllotInputs, output: Allotted) -> Iterable[Account]:
    excluded = sum(drop.reason in {"excluded", "unfunded"} for drop in output.drops)
    shared = len(output.of(PatternShare))
    yield Account("patterns", len(inputs.name.patterns), shared, excluded)


ALLOT = Stage(
    "allot", 1, AllotParams, AllotInputs, Allotted, allot,
    description="Says how much each pattern weighs when a round's new rows are shared out.",
    accounts=_accounts,
)  # fmt: skip
