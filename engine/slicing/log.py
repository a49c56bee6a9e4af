"""The rows of a log, as a search for drift sees them: what was logged wrong, and which pattern it was counted to.

Of each row the columns count that came with it, without its answer and without who rejected it. Failure rates are of
rows whose right answer is known: what was only rejected has no counterpart that was not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from engine.data.logged import THUMB_DOWN, TIME
from engine.plan.graph import Plan
from engine.slicing.predicates import circumstances
from engine.slicing.search import Search, candidates, held_by, stand_out, stand_out_each
from engine.slicing.validation import own_columns
from engine.slicing.windows import times_in
from engine.sql.times import no_times
from engine.stages.outputs import Logged, NamedPatterns
from engine.store import Store


class Grown(NamedTuple):
    """When and where more of the diagnosed failures of a log are of one pattern than elsewhere."""

    pattern: str
    name: str
    search: Search


class Drift(NamedTuple):
    """What a log shows."""

    search: Search
    """Of the rows whose right answer is known."""
    unanswered: int
    """Rows that were rejected, and whose right answer nobody knows."""
    grown: tuple[Grown, ...]
    """Patterns of which something stands out."""
    patterns: int
    """Patterns that were looked at."""
    odd_times: str
    """What is wrong with the times, in words; empty where nothing is."""


class LogRows(NamedTuple):
    """What a search for drift looks at."""

    answered: Sequence[Mapping[str, Any]]
    failed: Sequence[bool]
    unanswered: int
    diagnosed: Sequence[Mapping[str, Any]]
    """Columns beside the task's own of the logged failures that were counted to a pattern."""
    pattern_of: Sequence[str]
    names: Mapping[str, str]
    times: Sequence[Any] = ()
    """When each row that is looked at was logged, as the log has it."""


def log_rows(plan: Plan, store: Store, seed: int) -> LogRows | None:
    """Return the rows of the recipe's log; None without one, or where it was not read yet."""
    node = plan.nodes.get("logged")
    nodes = [node, *(n for n in plan.nodes.values() if n.stage == "name" and n.seed == seed)]
    finished = store.finished([each.id for each in nodes if each is not None])
    if node is None or node.id not in finished:
        return None
    log = Logged(tuple(store.load_output(node.id)))
    failing = {failure.example for failure in log.failures}
    names: dict[str, str] = {}
    pattern_of: dict[str, str] = {}
    for each in nodes[1:]:
        if each is not None and each.id in finished:
            found = NamedPatterns(tuple(store.load_output(each.id)))
            names.update((pattern.id, pattern.name) for pattern in found.patterns)
            pattern_of.update((member.example, member.pattern) for member in found.members)
    diagnosed = [e for e in log.examples if e.id in pattern_of]
    return LogRows(
        [_without_verdict(own_columns(e)) for e in log.answered],
        [e.id in failing for e in log.answered],
        len(log.examples) - len(log.answered),
        [_without_verdict(e.columns) for e in diagnosed],
        [pattern_of[e.id] for e in diagnosed],
        names,
        [own_columns(e).get(TIME) for e in log.examples if e.target or e.id in pattern_of],
    )


def _without_verdict(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in columns.items() if name != THUMB_DOWN}


def drift(rows: LogRows, labelled: bool, min_size: int, level: float, conditions: int) -> Drift:
    """Return where more of a log fails than elsewhere, and when which pattern grew.

    Args:
        rows: The log.
        labelled: Whether right answers are labels.
        min_size: Fewest rows of a slice, and of a pattern.
        level: The adjusted p-value up to which a slice is shown: once over all conditions for failures, once over all
            conditions and patterns for shares.
        conditions: 1, or 2 to try two conditions at once for failures.
    """
    tried = candidates(rows.answered, labelled, min_size, conditions)
    when = list(circumstances(rows.diagnosed, min_size))
    held = list(held_by(when, rows.diagnosed, min_size).values()) if when else []
    outcomes = {
        pattern: [one == pattern for one in rows.pattern_of]
        for pattern in dict.fromkeys(rows.pattern_of)
        if min_size <= rows.pattern_of.count(pattern) <= len(rows.pattern_of) - min_size
    }
    found = stand_out_each(held, outcomes, min_size, level)
    grown = [Grown(p, rows.names[p], search) for p, search in found.items() if search.slices]
    return Drift(
        stand_out(tried, rows.failed, min_size, level),
        rows.unanswered,
        tuple(grown),
        len(outcomes),
        _odd_times(rows.times),
    )


def _odd_times(values: Sequence[Any]) -> str:
    odd = no_times(values)
    if not odd:
        return ""
    there = [value for value in values if value is not None]
    fate = "they fall into no window" if times_in(there) is not None else "no windows are tried"
    return f"{len(odd) / len(there):.0%} of the values of '{TIME}' are not times, such as {odd[0]!r}: {fate}"
