"""What a comparison says in words, and no more than its intervals allow."""

from __future__ import annotations

from typing import Literal, NamedTuple

from engine.comparison.arms import labelled
from engine.comparison.results import LEVEL, ArmResult, Comparison, Difference, Remedy
from engine.report.formatting import points
from engine.statistics import MOST

Tone = Literal["good", "bad", "unclear"]


class Sentence(NamedTuple):
    """One sentence, and how to colour it."""

    text: str
    tone: Tone


def called(arm: ArmResult) -> str:
    """Return an arm's name, with its budget of rows where one was asked for."""
    return labelled(arm.name, arm.budget)


def sentences(comparison: Comparison) -> list[Sentence]:
    """Return one sentence per arm that is held against the baseline, in their order."""
    return [_sentence(comparison, arm, arm.against) for arm in comparison.arms if arm.against]


def _sentence(comparison: Comparison, arm: ArmResult, found: Difference) -> Sentence:
    percent = comparison.percent
    size = f"{points(abs(found.value), percent)} of {comparison.metric}"
    low, high = (points(end, percent, signed=True, unit=False) for end in (found.low, found.high))
    chance = f"95% interval {low} to {high}, p {p_text(found.p_adjusted)}"
    name, base = called(arm), comparison.baseline
    if found.word == "better":
        return Sentence(f"{name} beats {base} by {size} ({chance}).", "good")
    if found.word == "worse":
        return Sentence(f"{name} falls behind {base} by {size} ({chance}).", "bad")
    stands = f"level with {base}"
    if found.value:
        stands = f"{size} {'above' if found.value > 0 else 'below'} {base}"
    return Sentence(f"{name} is {stands} ({chance}): {_why(comparison, found)}.", "unclear")


def _why(comparison: Comparison, found: Difference) -> str:
    """Return why a difference is none yet, and what would settle it."""
    if found.word == "one seed":
        return "of one seed no difference counts, since another alone can move a score by points; run more seeds"
    if found.low <= 0 <= found.high:
        why = "the interval holds zero, so it is no win and no loss"
    else:
        why = f"the permutation test, corrected for {_comparisons(comparison)}, is above {LEVEL}"
    remedies: dict[Remedy, str] = {
        "seeds": f"about {found.seeds_needed} seeds would settle it",
        "more seeds": "more seeds may settle it",
        "too many seeds": f"not even {MOST} seeds would settle it: more test rows may",
        "rows": f"no number of seeds settles it with {comparison.n:,} test rows: more rows would",
    }
    return f"{why}; if it stays so, {remedies[found.remedy]}" if found.remedy else why


def _comparisons(comparison: Comparison) -> str:
    return f"{comparison.compared} comparison{'s' if comparison.compared != 1 else ''}"


def p_text(p: float) -> str:
    """Return a p-value as it is read."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def headline(comparison: Comparison) -> Sentence:
    """Return the outcome in one sentence: which arms beat the baseline, if any."""
    held = [arm for arm in comparison.arms if arm.against]
    if not held:
        return Sentence(f"Nothing has been compared with {comparison.baseline} yet.", "unclear")
    wins = [called(arm) for arm in held if arm.against and arm.against.word == "better"]
    losses = [called(arm) for arm in held if arm.against and arm.against.word == "worse"]
    parts = []
    if wins:
        parts.append(f"{_and(wins)} {'beats' if len(wins) == 1 else 'beat'} {comparison.baseline}")
    if losses:
        it = "it" if wins else comparison.baseline
        parts.append(f"{_and(losses)} {'falls' if len(losses) == 1 else 'fall'} behind {it}")
    text = "; ".join(parts) or f"No arm differs beyond chance from {comparison.baseline}"
    tone: Tone = "good" if wins else "bad" if losses else "unclear"
    return Sentence(f"{text} on test{basis(comparison)}.", tone)


def basis(comparison: Comparison) -> str:
    """Return over what it was compared."""
    count = len(comparison.seeds)
    seeds = f"{count} seed{'s' if count != 1 else ''}"
    return f" ({comparison.metric}, {seeds}, {comparison.n:,} test rows)"


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def reading(comparison: Comparison) -> str:
    """Return how the numbers are to be read."""
    which = (
        "the student of the last round that its loop reached"
        if comparison.student == "last"
        else "the student that its stop rule chose on validation"
    )
    return (
        f"Each arm stands for {which}, seed by seed. Intervals are of 95%, over seeds and test rows, the same for all; "
        f"p is of a permutation test over test rows, corrected for"
        f" {_comparisons(comparison)} (Holm). Rows, tokens, money and minutes are what each arm takes by"
        " itself, work that it shares with others included."
    )


def runs(comparison: Comparison) -> str:
    """Return which run each arm is, by which `pada report` and SQL know it."""
    told = "; ".join(f"{arm.run} {called(arm)}" for arm in comparison.arms)
    return f"Runs (pada report RUN): {told}."
