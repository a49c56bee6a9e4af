"""The report's tables, every number already written: all renderers show the same cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.report.numbers import (
    NONE,
    count,
    duration,
    gap,
    measured,
    round_label,
    share,
    value,
)
from engine.report.records import Funnel, LoopDecision, PatternFacts, Report, Standing

Kind = Literal["text", "number", "status"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: numbers are right-aligned, a status is shown as a badge where there is colour."""

    title: str
    kind: Kind = "text"


@dataclass(frozen=True, slots=True)
class Table:
    """A caption, columns, rows of text, and what a reader must know about the numbers."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def titled(
    *titles: str, numbers: tuple[str, ...] = (), status: str | None = None
) -> tuple[Column, ...]:
    """Return columns by their titles: those among `numbers` hold numbers, the one called `status` a status."""
    return tuple(
        Column(t, "number" if t in numbers else "status" if t == status else "text") for t in titles
    )


SCORE_SPLITS = ("train", "validation", "test")


def score_table(report: Report, metric: str) -> Table:
    """Return one metric per student and split; several seeds get a row each, and a mean."""
    scores = report.scores
    percent = metric in scores.percent
    gaps = any(key[0] == metric and key[1].startswith("gap_") for key in scores.cells)
    titles = [_split_title(report, metric, split) for split in SCORE_SPLITS]
    titles += ["gap to validation", "gap to test"] if gaps else []
    several = len(scores.seeds) > 1
    rows: list[tuple[str, ...]] = []
    for round_ in scores.rounds:
        for seed in (*(scores.seeds if several else ()), None):
            cells = [_cell(report, metric, s, round_, seed) for s in SCORE_SPLITS]
            if gaps:
                cells += [
                    gap(scores.at(metric, s, round_, seed), percent)
                    for s in ("gap_validation", "gap_test")
                ]
            name = round_label(round_)
            if several:
                name += ", mean" if seed is None else f", seed {seed}"
            rows.append((name, *cells))
    note = "In brackets: 95% bootstrap interval."
    if several:
        note += " A mean's brackets are the lowest and the highest seed, not an interval."
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


def pattern_table(report: Report) -> Table:
    """Return the patterns with their sizes when found and after each later fine-tune."""
    rounds = sorted({s.round for p in report.patterns for s in p.standings})
    several = len(report.scores.seeds) > 1
    after = [f"after {round_label(r)}" for r in rounds]
    titles = ["pattern", *(["seed"] if several else []), "category", "found in", "before", *after]
    rows = []
    for p in report.patterns:
        by_round = {s.round: _after(p, s) for s in p.standings}
        rows.append(
            (
                p.name,
                *([str(p.seed)] if several else []),
                p.category or NONE,
                round_label(p.found),
                count(p.size),
                *(by_round.get(r, NONE) for r in rounds),
                p.status,
                count(p.selected),
            )
        )
    return Table(
        "Failure patterns on validation",
        titled(
            *titles,
            "status",
            "rows added",
            numbers=("before", *after, "rows added"),
            status="status",
        ),
        tuple(rows),
        "Before: failures in the pattern when it was found; after: how many of these still fail"
        " (of more, where a later round added failures to it).",
    )


def _after(pattern: PatternFacts, then: Standing) -> str:
    if then.before == pattern.size:
        return count(then.after)
    return f"{then.after:,} of {then.before:,}"


def movement_table(report: Report) -> Table:
    """Return how the validation failures changed against round 0."""
    several = len(report.scores.seeds) > 1
    head = ("student", *(("seed",) if several else ()))
    numbers = ("failures", "mended", "new", "in no pattern")
    rows = tuple(
        (
            round_label(m.round),
            *((str(m.seed),) if several else ()),
            count(m.failures),
            count(m.mended) if m.round else NONE,
            count(m.new) if m.round else NONE,
            count(m.outside),
        )
        for m in report.movements
    )
    return Table(
        "Validation failures against round 0",
        titled(*head, *numbers, numbers=numbers),
        rows,
        "Mended: failed in round 0, right now. New: right in round 0, failing now."
        " In no pattern: never among the diagnosed failures of any round.",
    )


def confusion_table(report: Report) -> Table:
    """Return the most confused label pairs on validation, round 0 against the last round."""
    before, after = "round 0", f"round {max(report.scores.rounds, default=0)}"
    several = after != before
    titles = ("right answer", "student's answer", before, *((after,) if several else ()))
    rows = tuple(
        (c.target, c.answer, count(c.before), *((count(c.after),) if several else ()))
        for c in report.confusions
    )
    return Table(
        "Most confused labels on validation", titled(*titles, numbers=(before, after)), rows
    )


def reasons_of(funnel: tuple[Funnel, ...]) -> dict[str, int]:
    """Return how many candidates each reason rejected, most frequent first."""
    counts: dict[str, int] = {}
    for part in funnel:
        for reason, n in part.rejected:
            counts[reason] = counts.get(reason, 0) + n
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def funnel_table(report: Report) -> Table:
    """Return the way from generated to trained on, per round, attempt and operator."""
    reasons = list(reasons_of(report.funnel))
    waiting = ["no verdict"] if any(f.waiting for f in report.funnel) else []
    numbers = ("generated", *reasons, *waiting, "accepted", "selected", "trained on")
    rows = []
    for f in report.funnel:
        rejected = dict(f.rejected)
        rows.append(
            (
                round_label(f.round),
                str(f.attempt),
                f.operator,
                count(f.generated),
                *(count(rejected.get(r, 0)) for r in reasons),
                *([count(f.waiting)] if waiting else []),
                count(f.accepted),
                count(f.selected),
                count(f.trained),
            )
        )
    if len(rows) > 1:
        totals = [sum(int(row[i].replace(",", "")) for row in rows) for i in range(3, len(rows[0]))]
        rows.append(("all", "", "", *(count(n) for n in totals)))
    return Table(
        "From generated to trained on",
        titled("round", "attempt", "operator", *numbers, numbers=numbers),
        tuple(rows),
        "The columns between generated and accepted count the first rule that rejected a row."
        " Rows generated in one round join the training set of the next.",
    )


def drop_table(report: Report) -> Table:
    """Return what stages left out, with one detail as an example."""
    rows = tuple((d.stage, d.reason, count(d.count), d.example) for d in report.drops)
    return Table(
        "Left out elsewhere",
        titled("stage", "reason", "rows", "example", numbers=("rows",)),
        rows,
    )


def judge_table(report: Report) -> Table:
    """Return how often the judge's scores and the rules said the same."""
    j = report.judgement
    columns = ("judge passes", "judge rejects")
    rows = tuple(
        (name, count(yes), count(no))
        for name, (yes, no) in zip(("rules pass", "rules reject"), j.table, strict=True)
    )
    note = ""
    if j.agreement is not None:
        kappa = NONE if j.kappa is None else f"{j.kappa:.2f}"
        agree = j.table[0][0] + j.table[1][1]
        note = (
            f"They agree on {share(agree, j.judged)} of {j.judged:,} judged rows;"
            f" Cohen's kappa {kappa} (1 perfect, 0 chance)."
        )
    if j.unscored:
        note += f" {j.unscored:,} rows have no judge scores."
    return Table("Judge against rules", titled("", *columns, numbers=columns), rows, note.strip())


def criteria_table(report: Report) -> Table:
    """Return the judge's mean scores of accepted and rejected rows."""
    rows = tuple(
        (name, *(NONE if m is None else f"{m:.1f}" for m in (yes, no)))
        for name, yes, no in report.judgement.means
    )
    columns = ("accepted rows", "rejected rows")
    return Table(
        "Judge's mean scores (1 to 5)", titled("criterion", *columns, numbers=columns), rows
    )


def judge_sentence(report: Report) -> str:
    """Return in one line whether the judge's verdicts decided or were only recorded."""
    if report.judgement.mode == "off":
        return "The LLM judge was off: rules and embedder decided."
    if report.judgement.mode == "advises":
        return "The LLM judge's verdicts were only recorded: rules and embedder decided."
    return "The LLM judge's verdicts decided, after the rules and the embedder."


def stage_seconds(report: Report) -> dict[str, tuple[float, int, int]]:
    """Return per stage this run's own seconds, its own nodes, and the cached nodes."""
    found: dict[str, tuple[float, int, int]] = {}
    for node in report.nodes:
        seconds, own, cached = found.get(node.stage or "(unfinished)", (0.0, 0, 0))
        done = node.status == "done"
        found[node.stage or "(unfinished)"] = (
            seconds + (node.seconds if done else 0.0),
            own + done,
            cached + (node.status == "cached"),
        )
    return dict(sorted(found.items(), key=lambda item: (-item[1][0], item[0])))


def time_table(report: Report) -> Table:
    """Return the wall time per stage."""
    titles = ("nodes run", "nodes cached", "wall time")
    rows = tuple(
        (stage, count(own), count(cached), duration(seconds))
        for stage, (seconds, own, cached) in stage_seconds(report).items()
    )
    return Table(
        "Wall time per stage",
        titled("stage", *titles, numbers=titles),
        rows,
        "A cached node took no time in this run.",
    )


def node_table(report: Report) -> Table:
    """Return every node in plan order."""
    rows = tuple((n.name, n.status, duration(n.seconds)) for n in report.nodes)
    return Table(
        "Every node in plan order",
        titled("node", "status", "wall time", numbers=("wall time",)),
        rows,
        "A cached node's time was spent in the run that made it.",
    )


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
    """Return which student is the best by the stop rule, the one to use; empty before any, or where there is one."""
    last = {d.seed: d for d in report.decisions if d.stage == "decide"}
    if not last:
        return ""
    metric = next(iter(last.values())).metric
    rounds = {d.best_round for d in last.values()}
    if max(rounds) < 0:
        return ""
    if len(rounds) == 1:
        return (
            f"By {metric} on validation the best student so far is {round_label(rounds.pop())}'s."
        )
    each = ", ".join(f"{round_label(d.best_round)} (seed {s})" for s, d in sorted(last.items()))
    return f"By {metric} on validation the best students so far are those of {each}."


def tile_numbers(report: Report) -> dict[str, int]:
    """Return the totals of the run's generated rows and calls, for tiles and summaries."""
    return {
        "generated": sum(f.generated for f in report.funnel),
        "accepted": sum(f.accepted for f in report.funnel),
        "rejected": sum(n for f in report.funnel for _, n in f.rejected),
        "selected": sum(f.selected for f in report.funnel),
        "trained": sum(f.trained for f in report.funnel),
        "calls": sum(c.calls for c in report.calls if not c.reused),
        "prompt": sum(c.prompt_tokens for c in report.calls if not c.reused),
        "completion": sum(c.completion_tokens for c in report.calls if not c.reused),
        "reused": sum(c.calls for c in report.calls if c.reused),
    }
