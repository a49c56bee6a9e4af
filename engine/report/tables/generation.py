"""Generated rows: the way from generated to trained on, what was left out, the judge's part."""

from __future__ import annotations

from engine.report.formatting import NONE, count, round_label, share
from engine.report.records import Funnel, Report
from engine.report.tables.table import Table, titled


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
    numbers = ("generated", *reasons, *waiting, "accepted", "selected", "trained on", "verified")
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
                count(f.verified),
            )
        )
    if len(rows) > 1:
        totals = [sum(int(row[i].replace(",", "")) for row in rows) for i in range(3, len(rows[0]))]
        rows.append(("all", "", "", *(count(n) for n in totals)))
    return Table(
        "From generated to trained on",
        titled("round", "attempt", "operator", *numbers, numbers=numbers),
        tuple(rows),
        (
            "Columns between generated and accepted: the first rule that rejected a row. "
            if reasons
            else ""
        )
        + "Rows generated in one round join the training set of the next. Verified: of those trained on, the rows of "
        "which somebody besides whoever wrote them says that the label is right.",
    )


def quota_table(report: Report) -> Table:
    """Return how far quotas were met, those that were not first."""
    numbers = (
        "at least", "at most", "written", "accepted", "joined", "kept out", "missing",
    )  # fmt: skip
    found = sorted(report.quotas, key=lambda one: (one.missing == 0, one.round, one.seed))
    rows = tuple(
        (
            round_label(one.round),
            str(one.seed),
            one.group,
            count(one.at_least) if one.at_least else NONE,
            NONE if one.at_most is None else count(one.at_most),
            *(count(n) for n in (one.written, one.accepted, one.joined)),
            count(one.held_back),
            count(one.missing),
            one.reason,
        )
        for one in found
    )
    return Table(
        "Quotas", titled("round", "seed", "rows of", *numbers, "why", numbers=numbers), rows
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
    """Return how often the judge's scores and the rules agreed."""
    j = report.judgement
    columns = ("judge passes", "judge rejects")
    rows = tuple(
        (name, count(yes), count(no))
        for name, (yes, no) in zip(("rules pass", "rules reject"), j.table, strict=True)
    )
    note = ""
    if j.agreement is not None:
        kappa = "" if j.kappa is None else f"; Cohen's kappa {j.kappa:.2f} (1 perfect, 0 chance)"
        agree = j.table[0][0] + j.table[1][1]
        note = f"They agree on {share(agree, j.judged)} of {j.judged:,} judged rows{kappa}."
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


def calibration_table(report: Report) -> Table:
    """Return how well the judge told training rows with their own answer from those with a wrong one."""
    numbers = ("right ones passed", "wrong ones caught", "balanced accuracy", "95% interval")
    rows = tuple(
        (
            str(calibrated.seed),
            round_label(calibrated.round),
            _hits(found.sensitivity, found.n_right),
            _hits(found.specificity, found.n_wrong),
            NONE if found.balanced_accuracy is None else f"{found.balanced_accuracy:.2f}",
            NONE
            if found.low is None or found.high is None
            else f"{found.low:.2f} to {found.high:.2f}",
            "decides" if found.decides else "advises",
        )
        for calibrated in report.judgement.calibrations
        for found in [calibrated.result]
    )
    results = [calibrated.result for calibrated in report.judgement.calibrations]
    note = f"It decides where the lower end exceeds {results[0].threshold:g}."
    if failed := [found for found in results if not found.decides]:
        note += f" It only advises: {failed[0].reason}."
    if any(found.by_people for found in results):
        note += (
            " Where people had said enough of rows that it judged, these are the rows: each counts as much as the rows"
            " that it stands for."
        )
    return Table(
        "The judge on training rows"
        if not any(found.by_people for found in results)
        else "The judge on rows that people reviewed",
        titled("seed", "round", *numbers, "so it", numbers=numbers),
        rows, note,
    )  # fmt: skip


def _hits(part: float | None, n: int) -> str:
    return NONE if part is None else f"{round(part * n)} of {n}"


def verified_sentence(report: Report) -> str:
    """Return how far blind answers came to the targets; empty where none were asked for."""
    j = report.judgement
    if j.agreed is None:
        return ""
    return f"Answered without their targets: {j.verified:,} rows; {j.agreed:.0%} of the answers came to the target."


def judge_sentence(report: Report) -> str:
    """Return in one line whether the judge's verdicts decided or were only recorded; empty where no row was written."""
    if not report.funnel:
        return ""
    if report.judgement.mode == "off":
        return "The LLM judge was off: rules and embedder decided."
    if report.judgement.mode == "advises":
        failed = any(not one.result.decides for one in report.judgement.calibrations)
        why = ", because it did not pass its calibration" if failed else ""
        return f"The LLM judge's verdicts were only recorded{why}: rules and embedder decided."
    return "The LLM judge's verdicts decided, after the rules and the embedder."
