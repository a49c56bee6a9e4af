"""The chosen students beside round 0 and the control, failures that nobody looked at, and what was switched off."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from engine.report.evidence import Comparison
from engine.report.formatting import NONE, count, hundredfold, points, round_label, value
from engine.report.records import Report
from engine.report.tables.table import Table, titled
from engine.stages.analyse.draw import HELD_OUT_FROM
from engine.stages.division import DIVIDED_FROM
from engine.stages.rounds.track import LEAST
from engine.statistics import share_difference


def choice_table(report: Report) -> Table | None:
    """Return each seed's chosen student on test beside its round 0 and its control; None before a second round."""
    if not report.choices:
        return None
    scores = report.scores
    percent = scores.primary in scores.percent
    controlled = any(choice.control is not None for choice in report.choices)
    rows = []
    for choice in report.choices:
        cells = [
            value(choice.value, percent),
            value(choice.first, percent),
            _difference(choice.value, choice.first, percent),
        ]
        if controlled:
            cells += [
                value(choice.control, percent),
                _difference(choice.value, choice.control, percent),
            ]
        rows.append((str(choice.seed), round_label(choice.round), *cells))
    comparison = report.headline.comparison
    chosen = tuple(choice.round for choice in report.choices)
    if len(rows) > 1 and comparison is not None and comparison.after == chosen:
        cells = [
            value(_mean([c.value for c in report.choices]), percent),
            value(_mean([c.first for c in report.choices]), percent),
            _spread(comparison, percent),
        ]
        if controlled:
            control = _mean([c.control for c in report.choices])
            cells += [value(control, percent), _spread(report.against_control, percent)]
        rows.append(("mean", NONE, *cells))
    numbers = ["chosen", "round 0", "difference"]
    numbers += ["control", "difference to control"] if controlled else []
    return Table(
        f"Chosen students, {scores.primary} on test",
        titled("seed", "round", *numbers, numbers=tuple(numbers)),
        tuple(rows),
        "Each seed's student as the stop rule chose it on validation, also where it kept round 0; no seed is left out."
        + (" In brackets: 95% interval over seeds and rows." if len(rows) > 1 else ""),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [number for number in values if number is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _difference(later: float | None, earlier: float | None, percent: bool) -> str:
    if later is None or earlier is None:
        return NONE
    return points(later - earlier, percent, signed=True, unit=False)


def _spread(comparison: Comparison | None, percent: bool) -> str:
    if comparison is None:
        return NONE
    mean = points(comparison.difference, percent, signed=True, unit=False)
    if comparison.low is None or comparison.high is None:
        return mean
    low, high = (
        points(end, percent, signed=True, unit=False) for end in (comparison.low, comparison.high)
    )
    return f"{mean} ({low} to {high})"


def validation_sentence(report: Report) -> str:
    """Return why validation scores are not to be judged by."""
    if report.safeguards.selection:
        return (
            "Validation is divided: patterns come from one half, the other stops the loop and chooses the student."
            " Judge by test."
        )
    return "Validation is optimistic: patterns come from there. Judge by test."


def held_out_sentence(report: Report) -> str:
    """Return what became of the failures that nobody diagnosed; empty where none were held out, or none followed."""
    held = report.safeguards.held_out
    if held is None or held.n < LEAST:
        return ""
    last = round_label(max(report.scores.rounds))
    text = f"Of {count(held.n)} failures that nobody diagnosed, {count(held.mended)} are right after {last}"
    if held.control_mended is None:
        return f"{text}; without a control it cannot be told how many would be anyway."
    text += f", and {count(held.control_mended)} with the control"
    if len(report.scores.seeds) > 1:
        return f"{text}."
    _, low, high = share_difference(held.better, held.worse, held.n)
    return f"{text} (95% interval of the difference {hundredfold(low, '+')} to {hundredfold(high, '+')} points)."


def blocked_sentence(report: Report) -> str:
    """Return how many texts of the teacher quoted an evaluation row, and what became of them; empty where none did."""
    found = report.safeguards.guarded
    parts = [
        text
        for number, text in (
            (found.reworded, f"{count(found.reworded)} said otherwise when asked once more"),
            (found.replaced, f"{count(found.replaced)} replaced by a neutral text"),
            (found.shortened, f"{count(found.shortened)} without entries of their lists"),
            (found.conventions, f"{_rules(found.conventions)} of annotation told to nobody"),
        )
        if number
    ]
    if not parts:
        return ""
    return (
        "What quoted an evaluation row and was blocked, of"
        f" {count(found.texts)} patterns and strategies: {', '.join(parts)}."
    )


def _rules(number: int) -> str:
    return f"{count(number)} rule{'s' if number != 1 else ''}"


def regression_sentence(report: Report) -> str:
    """Return what the last round broke of what was right, summed over the seeds; empty before a later round."""
    suites = report.suites
    if not suites:
        return ""
    last = round_label(max(suite.round for suite in suites))
    worse = [suite for suite in suites if suite.regressed]
    if len(suites) == 1:
        word = "Regression" if worse else "No regression beyond chance"
        return f"{word} after {last}: {suites[0].detail}."
    n, broken = (sum(getattr(suite, name) for suite in suites) for name in ("n", "broken"))
    text = f"Of {count(n)} rows that round 0 had right, over all seeds, {count(broken)} are wrong after {last}"
    control = [suite.control_broken for suite in suites if suite.control_broken is not None]
    if len(control) == len(suites):
        text += f", {count(sum(control))} with the control"
    said = ", ".join(f"{suite.seed} ({suite.detail})" for suite in worse)
    return f"{text}. " + (
        f"Regression with seed {said}." if worse else "No regression beyond chance."
    )


_KINDS = {
    "student_error": "wrong answers of the student",
    "corrected": "targets that were corrected",
    "blind_answer": "targets that blind answers outvoted",
}


def tuning_sentence(report: Report) -> str:
    """Return what the last students were tuned with by preferences; empty where the recipe has none."""
    tunings = report.tunings
    if not tunings:
        return ""
    where = round_label(max(tuning.round for tuning in tunings))
    done = [tuning for tuning in tunings if tuning.tuned]
    plain = {tuning.reason for tuning in tunings if not tuning.tuned}
    text = f"Preference tuning, {where}"
    if len(tunings) > 1:
        text += f", with {len(done)} of {len(tunings)} seeds"
    if done:
        kinds: Counter[str] = Counter()
        for tuning in done:
            kinds.update(tuning.kinds)
        found = ", ".join(f"{count(n)} {_KINDS[kind]}" for kind, n in kinds.most_common())
        steps, every = (
            sum(values)
            for values in ([t.steps for t in done], [t.steps + t.supervised_steps for t in done])
        )
        text += (
            f": {count(sum(t.pairs for t in done))} pairs of a right and a wrong answer ({found}),"
            f" {count(steps)} of {count(every)} optimizer steps"
        )
    if plain:
        text += f"; none, but the plain fine-tune: {'; '.join(sorted(plain))}"
    return f"{text}."


def switched_off_sentence(report: Report) -> str:
    """Return in one line what was left out for want of rows, or by the recipe; empty where nothing was."""
    guards = report.safeguards
    if not guards.validation:
        return ""
    short = []
    if guards.divide == "auto" and not guards.selection:
        rows = f"{count(guards.validation)} rows"
        if guards.deciding < guards.validation:
            rows += f", {count(guards.deciding)} of them with {report.scores.primary}"
        short.append(f"validation is not divided ({rows}, {DIVIDED_FROM} needed)")
    if guards.failures and guards.hold_out and not guards.holds_out:
        most, needed = max(guards.failures), _needed(guards.hold_out)
        short.append(f"no failures are held out ({count(most)} failures, {count(needed)} needed)")
    small = [p for p in report.patterns if p.standings and p.standings[-1].rows < LEAST]
    if small:
        short.append(
            f"no number for {count(len(small))} of {count(len(report.patterns))} patterns"
            f" (under {LEAST} rows each)"
        )
    untested = [p for p in report.patterns if p.test and p.test.verdict == "untested"]
    if untested:
        short.append(
            f"{count(len(untested))} of {count(len(report.patterns))} patterns are untested"
        )
    parts = [f"Switched off for want of rows: {'; '.join(short)}."] if short else []
    off = ["the control, so no pattern gets a number"] if _no_control(report) else []
    off += ["divided validation"] if guards.divide is False else []
    off += ["the hold-out of failures"] if guards.failures and not guards.hold_out else []
    parts += [f"Off in the recipe: {'; '.join(off)}."] if off else []
    return " ".join(parts)


def _no_control(report: Report) -> bool:
    return report.safeguards.control == "off" and any(p.standings for p in report.patterns)


def _needed(share: float) -> int:
    """Return from how many failures on a share of them is enough to be held out."""
    return math.ceil(HELD_OUT_FROM / share - 1e-9)
