"""What a run cost, as tables and sentences: calls, tokens, money, retries, and what was expected beforehand.

Money that is not known is called unknown; it is never a zero and never left out of a sum in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from engine.report.formatting import NONE, between, count, duration, money
from engine.report.records import Calls, Report
from engine.report.tables.table import Table, titled
from engine.report.tables.totals import totals


class Cost(NamedTuple):
    """Money of some calls: the known part, and how many calls it lacks."""

    known: float | None
    unpriced: int

    @property
    def asked(self) -> bool:
        """Whether any of the calls cost money."""
        return self.known is not None or self.unpriced > 0

    @property
    def text(self) -> str:
        """The cost for a cell; `–` where nothing costs money."""
        if self.known is None:
            return "unknown" if self.unpriced else NONE
        return f"{money(self.known)} + unknown" if self.unpriced else money(self.known)


def cost_of(calls: Sequence[Calls]) -> Cost:
    """Return the money of these calls together."""
    known = [c.cost for c in calls if c.cost is not None]
    return Cost(sum(known) if known else None, sum(c.unpriced for c in calls))


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def tokens_text(tokens: int, unmetered: int) -> str:
    """Return a number of tokens, and whether those of `unmetered` calls are missing: unknown is not zero."""
    if not unmetered:
        return count(tokens)
    return "unknown" if not tokens else f"{count(tokens)} + unknown"


def _tokens(calls: Sequence[Calls], tokens: Sequence[int]) -> str:
    return tokens_text(sum(tokens), sum(c.unmetered for c in calls))


_CELLS: Mapping[str, Callable[[Sequence[Calls]], str]] = {
    "calls": lambda calls: count(sum(c.calls for c in calls)),
    "errors": lambda calls: count(sum(c.errors for c in calls)),
    "retries": lambda calls: count(sum(c.retries for c in calls)),
    "prompt tokens": lambda calls: _tokens(calls, [c.prompt_tokens for c in calls]),
    "cached tokens": lambda calls: count(_sum([c.cached_tokens for c in calls])),
    "completion tokens": lambda calls: _tokens(calls, [c.completion_tokens for c in calls]),
    "reasoning tokens": lambda calls: count(_sum([c.reasoning_tokens for c in calls])),
    "money": lambda calls: cost_of(calls).text,
    "model time": lambda calls: duration(sum(c.seconds for c in calls)),
}
"""Column -> the cell for one line's calls, or for all of them in a total."""


def _titles(calls: Sequence[Calls]) -> tuple[str, ...]:
    """Return the columns that say something: a run without servers has no retries, caches and prices."""
    silent = {
        "retries": not any(c.retries for c in calls),
        "cached tokens": not any(c.cached_tokens for c in calls),
        "reasoning tokens": not any(c.reasoning_tokens for c in calls),
        "money": not cost_of(calls).asked,
    }
    return tuple(title for title in _CELLS if not silent.get(title, False))


def spend_table(report: Report) -> Table:
    """Return the LLM calls per role and stage, this run's apart from reused ones, with totals."""
    titles = _titles(report.calls)
    rows: list[tuple[str, ...]] = []
    for reused in (False, True):
        part = [c for c in report.calls if c.reused is reused]
        paid = "from the ledger" if reused else "this run"
        rows += [(paid, c.role, c.stage, *(_CELLS[t]([c]) for t in titles)) for c in part]
        if len(part) > 1:
            rows.append((paid, "all", "", *(_CELLS[t](part) for t in titles)))
    return Table(
        "LLM calls",
        titled("paid", "role", "stage", *titles, numbers=titles),
        tuple(rows),
        " ".join(_notes(report.calls, titles)),
    )


def _notes(calls: Sequence[Calls], titles: Sequence[str]) -> list[str]:
    notes = ["Model time is summed over calls and can exceed wall time."]
    if "retries" in titles:
        notes.append("Retries: exchanges that brought no reply and were tried again.")
    if "cached tokens" in titles:
        notes.append("Cached tokens are counted in the prompt tokens.")
    if "money" in titles:
        notes.append("Money: in the currency of the recipe's prices; unknown is not zero.")
    if unmetered := sum(c.unmetered for c in calls):
        notes.append(f"{count(unmetered)} calls came without a token count.")
    return notes


def spent(report: Report) -> str:
    """Return time, tokens and money of this run in one line."""
    total = totals(report)
    minutes = report.header.minutes
    took = "still running" if minutes is None else duration(60 * minutes)
    prompt, completion = (
        tokens_text(tokens, total.unmetered)
        for tokens in (total.prompt_tokens, total.completion_tokens)
    )
    asked = (
        f"{count(total.calls)} LLM calls with {prompt} prompt and {completion} completion tokens"
    )
    if total.unmetered and not total.prompt_tokens + total.completion_tokens:
        asked = f"{count(total.calls)} LLM calls, tokens unknown"
    if total.reused_calls and not total.calls:
        asked = "no new LLM calls"
    parts = [took, asked]
    mine = [c for c in report.calls if not c.reused]
    cost = cost_of(mine)
    if cost.known is not None and cost.unpriced:
        calls = f"{count(cost.unpriced)} {'call' if cost.unpriced == 1 else 'calls'}"
        parts.append(f"cost {money(cost.known)} and an unknown part of {calls}")
    elif cost.asked:
        parts.append(f"cost {cost.text}")
    if retries := sum(c.retries for c in mine):
        parts.append(f"{count(retries)} {'retry' if retries == 1 else 'retries'}")
    if total.reused_calls:
        parts.append(f"{count(total.reused_calls)} calls reused from the ledger")
    return "; ".join(parts)


class Foreseen(NamedTuple):
    """One quantity, expected and actual."""

    what: str
    expected: str
    was: str


def foreseen(report: Report) -> list[Foreseen]:
    """Return what the run was expected to take beside what it took; empty where no estimate was stored."""
    forecast = report.forecast
    if forecast is None:
        return []
    total = totals(report)
    tokens = total.prompt_tokens + total.completion_tokens
    reused = f" ({count(total.reused_calls)} reused)" if total.reused_calls else ""
    quantities = [
        Foreseen("LLM calls", between(forecast.calls), f"{count(total.calls)}{reused}"),
        Foreseen("tokens", between(forecast.tokens), tokens_text(tokens, total.unmetered)),
    ]
    cost = cost_of([c for c in report.calls if not c.reused])
    if forecast.money or forecast.unpriced or cost.asked:
        known = [between(forecast.money, 2)] if forecast.money else []
        unknown = ["unknown"] if forecast.unpriced or not known else []
        quantities.append(Foreseen("money", " + ".join([*known, *unknown]), cost.text))
    quantities.append(Foreseen("optimizer steps", count(forecast.steps), count(forecast.trained)))
    if forecast.minutes:
        minutes = report.header.minutes
        was = "still running" if minutes is None else f"{minutes:,.1f}"
        quantities.append(Foreseen("minutes", between(forecast.minutes, 1), was))
    return quantities


def foreseen_sentence(report: Report) -> str:
    """Return in one line what was expected and what came; empty where no estimate was stored."""
    parts = [
        f"{one.what} {one.was if one.was != NONE else 'unknown'}, estimated {one.expected}"
        for one in foreseen(report)
        if (one.was, one.expected) != (NONE, "unknown")
    ]
    return f"Used: {'; '.join(parts)}." if parts else ""


def foreseen_table(report: Report) -> Table:
    """Return what the run was expected to take beside what it took."""
    note = "Estimated when this run began, for what was not done yet."
    if report.forecast and report.forecast.minutes:
        note += " The estimated minutes leave evaluation out."
    numbers = ("estimated", "actual")
    return Table(
        "Estimated and actual",
        titled("", *numbers, numbers=numbers),
        tuple(foreseen(report)),
        note,
    )
