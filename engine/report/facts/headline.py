"""Sums up a run in one sentence that says no more than the data allow; one seed is never good news."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.report.evidence import Comparison, Headline
from engine.report.facts.comparison import compare
from engine.report.formatting import points, round_name, value
from engine.report.records import Query, Scores
from engine.rows import UNTUNED
from engine.stages.rounds.track import LEAST


def headline(
    query: Query, run: str, recipe: Mapping[str, Any], scores: Scores, chosen: Mapping[int, int]
) -> Headline:
    """Return the outcome: the chosen students against round 0, or round 0 against the untuned student.

    `chosen` is the round of each seed's chosen student. The untuned student, where it is none of the two, is named too.
    """
    said = _claimed(query, run, recipe, scores, chosen)
    untuned = scores.at(scores.primary, "test", UNTUNED)
    if said.comparison is None or said.comparison.before == UNTUNED or untuned is None:
        return said
    shown = value(untuned.value, scores.primary in scores.percent)
    return replace(said, sentence=f"{said.sentence} The untuned student has {shown}.")


def _claimed(
    query: Query, run: str, recipe: Mapping[str, Any], scores: Scores, chosen: Mapping[int, int]
) -> Headline:
    tested = [r for r in scores.rounds if scores.at(scores.primary, "test", r) is not None]
    if not tested:
        return Headline("No student has been scored on the test rows yet.", "unclear", None)
    last = tested[-1]
    if last <= 0:
        pairs = dict.fromkeys(chosen, (UNTUNED, 0))
        comparison = compare(query, run, recipe, scores, pairs) if UNTUNED in tested[:-1] else None
        return Headline(_single(last), "unclear", None) if comparison is None else _outcome(
            comparison, scores
        )  # fmt: skip
    if chosen and not any(chosen.values()):
        return _kept(query, run, recipe, scores, last)
    comparison = compare(query, run, recipe, scores, {seed: (0, r) for seed, r in chosen.items()})
    return Headline(_single(last), "unclear", None) if comparison is None else _outcome(
        comparison, scores
    )  # fmt: skip


def _single(round_: int) -> str:
    name = round_name(round_, capital=True)
    return (
        f"{name} is the only student scored on the test rows so far, so there is nothing to "
        f"compare it with."
    )


def _kept(query: Query, run: str, recipe: Mapping[str, Any], scores: Scores, last: int) -> Headline:
    """Say that round 0 was kept, and what the last round would have brought on test."""
    reached = {
        seed: (0, last) for seed in scores.seeds if scores.at(scores.primary, "test", last, seed)
    }
    comparison = compare(query, run, recipe, scores, reached)
    kept = "Round 0 is kept: no later round beats it on validation by what the stop rule asks."
    if comparison is None:
        return Headline(kept, "unclear", None)
    where = "above" if comparison.difference > 0 else "below"
    size = points(abs(comparison.difference), scores.primary in scores.percent)
    said = f"{size} of {scores.primary} {where} it" if comparison.difference else "level with it"
    name = round_name(last, capital=True)
    return Headline(
        f"{kept} {name} is {said} on test ({_certainty(comparison, scores)}).",
        "unclear",
        comparison,
    )


def _certainty(comparison: Comparison, scores: Scores) -> str:
    percent = scores.primary in scores.percent
    several = len(comparison.seeds) > 1
    each = ", ".join(points(d, percent, signed=True, unit=False) for d in comparison.seeds)
    by_seed = f"; by seed {each}" if several else ""
    if comparison.low is None or comparison.high is None:
        overlap = "overlap" if comparison.overlap else "do not overlap"
        return f"the intervals of the two rounds {overlap}{by_seed}"
    low = points(comparison.low, percent, signed=True, unit=False)
    high = points(comparison.high, percent, signed=True)
    over = (
        f"over {len(comparison.seeds)} seeds and the rows"
        if several
        else "of the paired difference"
    )
    return f"95% interval {over} {low} to {high}, n = {comparison.n:,}{by_seed}"


def _outcome(comparison: Comparison, scores: Scores) -> Headline:
    how = _certainty(comparison, scores)
    size = points(abs(comparison.difference), scores.primary in scores.percent)
    size += f" of {scores.primary}"
    several = len(comparison.seeds) > 1
    mixed = len(set(comparison.after)) > 1
    after = "The chosen students" if mixed else round_name(comparison.after[0], capital=True)
    before = round_name(comparison.before)
    if comparison.difference == 0:
        return Headline(
            f"{after} and {before} score the same on test ({how}).", "unclear", comparison
        )
    up = comparison.difference > 0
    better = up != (scores.primary in scores.lower)
    stands = f"{after} {'are' if mixed else 'is'} {size} {'above' if up else 'below'} {before}"
    if comparison.n < LEAST:
        return Headline(
            f"{stands} on test ({how}): too few test rows to say ({LEAST} needed).",
            "unclear",
            comparison,
        )
    if comparison.overlap:
        reason = (
            "the interval includes zero" if comparison.low is not None else "that is within error"
        )
        return Headline(
            f"{stands} on test ({how}); {reason}, so it may be noise.", "unclear", comparison
        )
    if not several and better:
        return Headline(
            f"{stands} on test ({how}): more than chance among these test rows, but of one seed."
            " Another seed alone can move a score by several points.",
            "unclear",
            comparison,
        )
    verbs = ("beat", "fall behind") if mixed else ("beats", "falls behind")
    chance = "among seeds and test rows" if several else "among these test rows"
    return Headline(
        f"{after} {verbs[0] if better else verbs[1]} {before} on test by {size} ({how}): more than chance {chance}.",
        "good" if better else "bad",
        comparison,
    )
