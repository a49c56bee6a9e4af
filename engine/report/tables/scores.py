"""Scores of the students, and why the loop went on or ended."""

from __future__ import annotations

from collections.abc import Sequence

from engine.report.formatting import NONE, count, gap, measured, round_label, round_name, value
from engine.report.records import LoopDecision, Report, Unread
from engine.report.tables.table import Table, titled
from engine.rows import CONTROL, UNTUNED

LOGGED = "logged"
SCORE_SPLITS = ("train", "validation", "test", LOGGED)
"""Those that are shown; the rows of a log where students were asked about them."""


FIRST = 120
"""Characters of an answer that could not be read, as a sentence shows it."""


WARNINGS = 5
"""Most warnings of the check that a report says."""


def unread_sentences(report: Report) -> list[str]:
    """Return one sentence per student whose answers could mostly not be read, with the first of them."""
    return [
        f"{_how_many(one)} answers of {round_name(one.round)} could {'' if one.unread == one.answers else 'not '}be"
        f" read, and what cannot be read is wrong; the first: {_quoted(one.first)}."
        for one in report.unread
    ]


def warning_sentences(report: Report) -> list[str]:
    """Return what the check had warned of before the run, a sentence each; of many the first, and how many more."""
    warned = report.header.warnings
    said = [
        f"The check before the run warned: {one.where}: {one.message}" for one in warned[:WARNINGS]
    ]
    if more := len(warned) - len(said):
        said.append(
            f"The check before the run warned of {more:,} more, which `pada validate` says."
        )
    return said


def _how_many(one: Unread) -> str:
    return f"{'None' if one.unread == one.answers else count(one.unread)} of {count(one.answers)}"


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= FIRST else f"{line[: FIRST - 1]}…")


def score_table(report: Report, metric: str) -> Table:
    """Return one metric per student and split; several seeds get a row each, and a mean."""
    scores = report.scores
    percent = metric in scores.percent
    gaps = any(key[0] == metric and key[1].startswith("gap_") for key in scores.cells)
    splits = [s for s in SCORE_SPLITS if s != LOGGED or any(k[1] == s for k in scores.cells)]
    titles = [_split_title(report, metric, split) for split in splits]
    titles += ["gap to validation", "gap to test"] if gaps else []
    several = len(scores.seeds) > 1
    rows: list[tuple[str, ...]] = []
    controlled = any(key[0] == metric and key[2] == CONTROL for key in scores.cells)
    for round_ in (*scores.rounds, *([CONTROL] if controlled else [])):
        apart = several and round_ != UNTUNED  # which is one student for all seeds
        for seed in (*(scores.seeds if apart else ()), None):
            cells = [_cell(report, metric, s, round_, seed) for s in splits]
            if gaps:
                cells += [
                    gap(scores.at(metric, s, round_, seed), percent)
                    for s in ("gap_validation", "gap_test")
                ]
            name = round_label(round_)
            if apart:
                name += ", mean" if seed is None else f", seed {seed}"
            rows.append((name, *cells))
    note = "In brackets: 95% interval."
    if several:
        note += " A mean's brackets are the lowest and the highest seed, not an interval."
    if controlled:
        note += (
            " Control: round 0 once more with another training seed; what differs there is chance."
        )
    if gaps:
        note += " Gap: train minus that split, in points."
    if metric in scores.lower:
        note += " Lower is better."
    return Table(
        f"{metric} per student",
        titled("student", *titles, numbers=tuple(titles)),
        tuple(rows),
        note,
    )


def _cell(report: Report, metric: str, split: str, round_: int, seed: int | None) -> str:
    scores = report.scores
    cell = scores.at(metric, split, round_, seed)
    if cell is None and (metric, split, round_) in scores.unscored:
        return "not scored"
    return measured(cell, metric in scores.percent)


def _split_title(report: Report, metric: str, split: str) -> str:
    sizes = {
        cell.n for key, cell in report.scores.cells.items() if key[0] == metric and key[1] == split
    }
    if not sizes:
        return split
    low, high = min(sizes), max(sizes)
    return f"{split} (n = {low:,})" if low == high else f"{split} (n = {low:,} to {high:,})"


def decision_table(report: Report) -> Table:
    """Return why the loop went on or ended."""
    rows = tuple(
        (
            str(d.seed),
            round_label(d.round),
            "go on" if d.go_on else "stop",
            d.reason,
            _decided_on(report, d),
            round_label(d.best_round) if d.stage == "decide" else NONE,
        )
        for d in report.decisions
    )
    titles = ("seed", "after", "decision", "why", "on validation", "best so far")
    return Table("Decisions of the loop", titled(*titles), rows)


def _decided_on(report: Report, decision: LoopDecision) -> str:
    if decision.value is None or decision.stage != "decide":
        return NONE
    percent = decision.metric in report.scores.percent
    return f"{decision.metric} {value(decision.value, percent)}"


def best_sentence(report: Report) -> str:
    """Return which student is the best by the stop rule, the one to use, and why none with a better value is.

    Empty before any, or where there is one.
    """
    decided = [d for d in report.decisions if d.stage == "decide"]
    last = {d.seed: d for d in decided}
    if not last:
        return ""
    metric = next(iter(last.values())).metric
    rounds = {d.best_round for d in last.values()}
    if max(rounds) < 0:
        return ""
    if len(rounds) == 1:
        said = f"By {metric} on validation the best student so far is {round_label(rounds.pop())}'s"
    else:
        best_by_seed = ", ".join(
            f"{round_label(d.best_round)} (seed {s})" for s, d in sorted(last.items())
        )
        said = f"By {metric} on validation the best students so far are those of {best_by_seed}"
    passed = [_passed_over(report, [d for d in decided if d.seed == s]) for s in sorted(last)]
    named = [
        f"{text} (seed {seed})" if len(last) > 1 else text
        for seed, text in zip(sorted(last), passed, strict=True)
        if text
    ]
    return f"{said}: {'; '.join(named)}." if named else f"{said}."


def _passed_over(report: Report, decided: Sequence[LoopDecision]) -> str:
    """Return why the round of one seed with the best value is not its best round; empty where it is."""
    best = decided[-1].best_round
    values = {d.round: d.value for d in decided if d.value is not None and not d.rolled_back}
    if best not in values:
        return ""
    metric = decided[-1].metric
    percent = metric in report.scores.percent
    sign = -1.0 if metric in report.scores.lower else 1.0
    peak = max(values, key=lambda number: (sign * values[number], -number))
    # Of rounds before the best one, it is not known against which other they were held.
    if peak <= best or values[peak] == values[best]:
        return ""
    asked = decided[-1].min_gain
    more = "one standard error" if asked is None else f"loop.stop.min_gain, {asked:g}"
    return (
        f"{round_label(peak)}'s {value(values[peak], percent)} is not better than {round_label(best)}'s"
        f" {value(values[best], percent)} by more than {more}"
    )
