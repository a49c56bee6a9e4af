"""What is known of one failure pattern as tables and sentences; all patterns of a run in one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine.report.dossier import Dossier, LifeRound, PriceItem, Tally
from engine.report.formatting import NONE, count, hundredfold, money, round_label
from engine.report.tables.patterns import effect_text, real_text
from engine.report.tables.spend import tokens_text
from engine.report.tables.table import Table, titled

LONGEST = 160
"""Characters of a row that a table shows at most."""
BLOCKS = ("█", "░")
"""What a bar is made of: failures that are left, and what was mended."""


def tally_table(
    tallies: Sequence[Tally],
    bar: int = 0,
    *,
    wide: bool = True,
    blocks: tuple[str, str] = BLOCKS,
) -> Table:
    """Return all patterns of a run, one line each.

    Args:
        tallies: The patterns.
        bar: Characters of the longest bar; 0 leaves bars out.
        wide: Also the category, the test of the name and the effect; else ids only as far as they differ.
        blocks: What bars are made of.
    """
    several = len({one.facts.seed for one in tallies}) > 1
    priced = any(one.price.cost is not None for one in tallies)
    most = max((one.facts.before for one in tallies), default=0)
    ids = {one.facts.id for one in tallies}
    columns: dict[str, list[str]] = {
        "id": [one.facts.id if wide else _brief(one.facts.id, ids) for one in tallies],
        "pattern": [one.facts.name for one in tallies],
    }
    if several:
        columns["seed"] = [str(one.facts.seed) for one in tallies]
    if wide:
        columns["category"] = [one.facts.category or NONE for one in tallies]
    if bar:
        columns["failures"] = [_bar(one, most, bar, blocks) for one in tallies]
    columns["failing"] = [_failing(one) for one in tallies]
    columns["status"] = [one.facts.status for one in tallies]
    if wide:
        columns["real"] = [real_text(one.facts) for one in tallies]
        columns["effect (points)"] = [effect_text(one.facts) for one in tallies]
    columns["rows"] = [count(one.facts.selected) for one in tallies]
    columns["tokens"] = [
        tokens_text(round(one.price.tokens), one.price.unmetered) for one in tallies
    ]
    if priced and wide:
        columns["money"] = [_cost(one.price.cost, one.price.unpriced) for one in tallies]
    note = (
        "Failing: members that still fail after the latest fine-tune, of all ever counted to it; any fine-tune mends"
        " some. Rows: added to training. Tokens: of all its calls; one for several patterns is split evenly."
    )
    numbers = ("seed", "failing", "effect (points)", "rows", "tokens", "money")
    rows = tuple(zip(*columns.values(), strict=True))
    return Table("Failure patterns", titled(*columns, numbers=numbers, status="status"), rows, note)


def _brief(pattern: str, ids: set[str], least: int = 10) -> str:
    """Return the beginning of an id that no other of them has: enough for `pada patterns show`."""
    for length in range(least, len(pattern)):
        if sum(one.startswith(pattern[:length]) for one in ids) == 1:
            return pattern[:length]
    return pattern


def _bar(one: Tally, most: int, width: int, blocks: tuple[str, str]) -> str:
    """Return a bar as long as its failures: those that still fail, then those that were mended."""
    before = one.facts.before
    after = before if one.facts.after is None else one.facts.after
    length = max(1, round(width * before / most)) if before else 0
    left = min(length, max(1, round(length * after / before))) if after else 0
    return blocks[0] * left + blocks[1] * (length - left)


def _failing(one: Tally) -> str:
    after = one.facts.before if one.facts.after is None else one.facts.after
    return f"{after:,}/{one.facts.before:,}"


def _cost(cost: float | None, unpriced: int) -> str:
    if cost is None:
        return NONE
    return f"{money(cost)} + unknown" if unpriced else money(cost)


def life_table(dossier: Dossier) -> Table:
    """Return a pattern from round to round: all validation rows that fall under it, beside the control."""
    rows = tuple(
        (
            round_label(one.round),
            one.life,
            count(one.found),
            count(one.rows),
            _rate(one),
            count(one.control_failing),
            ", ".join(_sources(one)) or NONE,
        )
        for one in dossier.life
    )
    numbers = ("found", "rows", "failing", "control")
    return Table(
        "Its life",
        titled("round", "status", *numbers, "from", numbers=numbers, status="status"),
        rows,
        "Found: failures that the round put into it. Rows: validation rows that fall under it; failing: of these, how"
        " many fail, and the rate with its 95% interval; control: how many fail after a fine-tune on original rows. A"
        " cluster of several causes is split into parts when it is named.",
    )


def _sources(one: LifeRound) -> Iterator[str]:
    """Yield what a pattern came from in a round."""
    if one.split_from:
        yield f"split from {one.split_from}"
    if one.part_of:
        others = " and ".join(f"'{name}'" for name in one.beside)
        yield f"part of cluster {one.part_of}" + (f" beside {others}" if others else "")
    yield from (f"took in {other}" for other in one.merged)


def _rate(one: LifeRound) -> str:
    if one.rate is None or one.rate_low is None or one.rate_high is None:
        return count(one.failing)
    low, high = hundredfold(one.rate_low), hundredfold(one.rate_high)
    return f"{count(one.failing)}: {hundredfold(one.rate)}% ({low} to {high})"


def member_table(dossier: Dossier) -> Table:
    """Return failures of a pattern, the most typical first."""
    rows = tuple(
        (
            round_label(one.round),
            _cut(one.inputs),
            one.target,
            NONE if one.answer is None else one.answer,
            one.root_cause,
            "fails" if one.fails else "right",
        )
        for one in dossier.members
    )
    caption = _part("Members", len(dossier.members), dossier.members_total)
    titles = ("found in", "row", "right answer", "answered", "why it failed", "now")
    return Table(caption, titled(*titles), rows)


def written_table(dossier: Dossier) -> Table:
    """Return rows that were written against a pattern, with what was decided about each."""
    rows = tuple(
        (
            round_label(one.round),
            one.operator,
            _cut(one.inputs),
            one.target,
            one.outcome,
            f"{one.reason}: {one.detail}" if one.reason and one.detail else one.reason or NONE,
        )
        for one in dossier.written
    )
    caption = _part("Rows written against it", len(dossier.written), dossier.written_total)
    titles = ("round", "operator", "row", "target", "outcome", "why")
    return Table(caption, titled(*titles), rows)


def price_table(dossier: Dossier) -> Table:
    """Return what a pattern took in calls, by what they were for."""
    price = dossier.tally.price
    lines = [
        (one.what, count(one.calls), _tokens(one), _cost(one.cost, one.unpriced))
        for one in price.items
    ]
    total = ("in all", NONE, tokens_text(round(price.tokens), price.unmetered),
             _cost(price.cost, price.unpriced))  # fmt: skip
    numbers = ("calls", "tokens", "money")
    return Table(
        "Its price",
        titled("for", *numbers, numbers=numbers),
        (*lines, total) if lines else (),
        "A call for several rows or patterns is split evenly among these; what an earlier run asked counts too.",
    )


def _tokens(one: PriceItem) -> str:
    return tokens_text(round(one.tokens), one.unmetered)


def tested_sentence(dossier: Dossier) -> str:
    """Return whether a pattern is real, and by which numbers; empty where patterns are not tested."""
    test, tried = dossier.facts.test, dossier.tried
    if test is None or tried is None:
        return ""
    parts = [f"{test.verdict}: {test.detail}"]
    if tried.failed or tried.passed:
        parts.append(
            f"under its description fall {tried.failed_under:,} of {tried.failed:,} failed rows and"
            f" {tried.passed_under:,} of {tried.passed:,} passed ones"
        )
    for name, cell in (("precision", tried.precision), ("recall", tried.recall)):
        if cell is not None:
            value, low, high = map(hundredfold, cell)
            parts.append(f"{name} {value}% ({low} to {high})")
    if not test.funded:
        parts.append("no rows are written against it")
    return "; ".join(parts)


def written_sentence(dossier: Dossier) -> str:
    """Return how many rows were written against a pattern, and why some joined no training set."""
    facts = dossier.facts
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in dossier.rejected)
    return (
        f"{facts.generated:,} rows generated, {facts.accepted:,} accepted, {facts.selected:,} added to training"
        + (f"; left out: {reasons}" if reasons else "")
    )


def _part(caption: str, shown: int, total: int) -> str:
    return f"{caption} ({shown:,} of {total:,})" if shown < total else caption


def _cut(inputs: Mapping[str, str]) -> str:
    text = " / ".join(inputs.values())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
