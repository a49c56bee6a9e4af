"""Totals over a whole run, for tiles and summaries."""

from __future__ import annotations

from typing import NamedTuple

from engine.report.formatting import count
from engine.report.records import Report


class Totals(NamedTuple):
    """Generated rows by what became of them, and this run's calls."""

    generated: int
    accepted: int
    rejected: int
    undecided: int
    """Generated rows without a verdict: the run waits, was stopped, or goes on."""
    selected: int
    trained: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    unmetered: int
    """Of the calls, those whose tokens are not known."""
    reused_calls: int
    """Calls whose replies an earlier run had got."""


def totals(report: Report) -> Totals:
    """Return the totals of the run's generated rows and calls."""
    own = [calls for calls in report.calls if not calls.reused]
    return Totals(
        generated=sum(f.generated for f in report.funnel),
        accepted=sum(f.accepted for f in report.funnel),
        rejected=sum(n for f in report.funnel for _, n in f.rejected),
        undecided=sum(f.waiting for f in report.funnel),
        selected=sum(f.selected for f in report.funnel),
        trained=sum(f.trained for f in report.funnel),
        calls=sum(calls.calls for calls in own),
        prompt_tokens=sum(calls.prompt_tokens for calls in own),
        completion_tokens=sum(calls.completion_tokens for calls in own),
        unmetered=sum(calls.unmetered for calls in own),
        reused_calls=sum(calls.calls for calls in report.calls if calls.reused),
    )


def decided_sentence(report: Report) -> str:
    """Say what is not decided yet, or that nothing was accepted; empty where neither is so."""
    total = totals(report)
    if not total.generated:
        return ""
    if total.undecided == total.generated:
        return "Nothing was decided yet about the generated rows."
    if total.undecided:
        return f"{count(total.undecided)} of the generated rows are not decided yet."
    if total.accepted:
        return ""
    if report.header.status != "done":
        return "None was accepted so far."
    return (
        "No candidate was accepted: the training set did not grow, and the previous model is kept."
    )
