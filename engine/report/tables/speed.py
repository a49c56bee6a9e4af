"""How fast the students answer when they are served, beside their scores."""

from __future__ import annotations

from engine.report.formatting import NONE, count, round_label, value
from engine.report.records import Report, Speed
from engine.report.tables.table import Table, titled


def speed_table(report: Report) -> Table:
    """Return the students' speed beside their score on test: latencies as median and 95th percentile."""
    scores = report.scores
    several = len(scores.seeds) > 1
    rows = []
    for speed in report.speeds:
        cell = None
        if speed.subject == "student":
            cell = scores.at(scores.primary, "test", speed.round, speed.seed)
        rows.append(
            (
                _named(speed, several),
                value(cell.value if cell else None, scores.primary in scores.percent),
                count(speed.concurrency),
                _latency(speed, "time_to_first_token_ms"),
                _latency(speed, "inter_token_latency_ms"),
                _mean(speed, "requests_per_second"),
                _mean(speed, "output_tokens_per_second"),
                _mean(speed, "output_tokens"),
            )
        )
    titles = (
        f"{scores.primary} on test" if scores.primary else "score on test",
        "at once",
        "first token (ms)",
        "per token (ms)",
        "requests /s",
        "tokens /s",
        "tokens per answer",
    )
    columns = titled("student", *titles, numbers=titles)
    return Table("Speed when served", columns, tuple(rows), _note(report))


def _named(speed: Speed, several: bool) -> str:
    if speed.subject == "endpoint":
        return "endpoint"
    name = round_label(speed.round)
    return f"{name}, seed {speed.seed}" if several and speed.round >= 0 else name


def _latency(speed: Speed, metric: str) -> str:
    if metric not in speed.figures:
        return NONE
    _, median, late = speed.figures[metric]
    return f"{_short(median)} ({_short(late)})"


def _mean(speed: Speed, metric: str) -> str:
    figures = speed.figures.get(metric)
    return NONE if figures is None else _short(figures[0])


def _short(number: float) -> str:
    """Return a number with two digits or more."""
    return (
        f"{number:,.0f}" if number >= 100 else f"{number:.1f}" if number >= 1 else f"{number:.2g}"
    )


def _note(report: Report) -> str:
    servers = " and ".join(dict.fromkeys(speed.server for speed in report.speeds))
    sent = sum(speed.requests for speed in report.speeds)
    failed = sum(speed.failed for speed in report.speeds)
    requests = " and ".join(
        count(n) for n in dict.fromkeys(speed.requests for speed in report.speeds)
    )
    text = (
        f"Measured by guidellm, {requests} requests a row, answered by {servers}. At once: requests under way."
        " Latencies: median and, in brackets, 95th percentile."
    )
    if failed:
        text += f" {count(failed)} of {count(sent)} requests failed and are in none of the numbers."
    return text
