"""quotas: how many of a round's rows may and how many must be of one label, answer or group.

`select` holds to the upper bounds (`Tally`), takes what lower bounds want before anything else, and says what became of
each (`statuses`). Where targets are labels the plan of a round's rows goes by them too (`planned`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from engine.errors import RunError
from engine.identity import Params
from engine.rows import QuotaStatus
from engine.sql import Fault
from engine.sql.row_values import RowExpression, Unusable
from engine.stages.task_view import TaskView, named

Scalar = bool | int | float | str
SAID = 3
"""Quotas that are not met and are named in a decision."""


@dataclass(frozen=True, kw_only=True)
class UsedQuota(Params):
    """One quota of a recipe, its bounds in rows."""

    by: str
    """`label`, `answer` or `sql`."""
    sql: str = ""
    """With `sql`: the expression over a row's columns."""
    of: tuple[Scalar, ...] = ()
    """The groups that it is for; all when empty."""
    at_least: int = 0
    at_most: int | None = None

    @property
    def what(self) -> str:
        """What it is by, in words."""
        return self.sql if self.by == "sql" else self.by

    def concerns(self, value: Scalar) -> bool:
        """Return whether it is for a group."""
        return not self.of or any(same(value, one) for one in self.of)


class Group(NamedTuple):
    """The rows of one value, under one quota."""

    quota: int
    """The quota's place."""
    value: Scalar


class Row(NamedTuple):
    """What decides which groups a row is in."""

    inputs: Mapping[str, str]
    target: str


def same(one: Scalar, other: Scalar) -> bool:
    """Return whether two values are one group: true is not 1, and 1 is 1.0."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def groups_of(
    quotas: Sequence[UsedQuota], task: TaskView, rows: Sequence[Row]
) -> list[frozenset[Group]]:
    """Return the groups that each row is in; a row without a value is in none.

    Raises:
        RunError: the SQL of a quota cannot be used on any row.
    """
    found: list[set[Group]] = [set() for _ in rows]
    for place, quota in enumerate(quotas):
        if quota.by == "sql":
            values = [[value] for value in _by_sql(place, quota, task, rows)]
        else:
            values = [by_target(quota, task, row.target) for row in rows]
        for groups, own in zip(found, values, strict=True):
            groups.update(
                Group(place, value) for value in own if value is not None and quota.concerns(value)
            )
    return [frozenset(groups) for groups in found]


def by_target(quota: UsedQuota, task: TaskView, target: str) -> list[Any]:
    """Return the labels of a target, or the answer that it is; nothing for one that cannot be read."""
    if quota.by == "answer":
        return [target]
    try:
        return list(task.entry.labels_in(target, task.settings))
    except (ValueError, TypeError):
        return []


def _by_sql(place: int, quota: UsedQuota, task: TaskView, rows: Sequence[Row]) -> list[Any]:
    """Return each row's value; None also where the expression cannot work with what the row holds."""
    seen = [named({**r.inputs, task.target: r.target}, {"target": r.target}) for r in rows]
    if not seen:
        return []
    try:
        expression = RowExpression(quota.sql, "value")
        expression.check_columns(seen[0])
        values = expression.over(seen)
    except Unusable as error:
        fault = error.fault
        message = f"augment.quotas[{place}]: the SQL `{quota.sql}` cannot be used: {fault.message}"
        raise RunError(message, fault.hint) from None
    return [
        None if isinstance(value, Fault) else value if isinstance(value, Scalar) else str(value)
        for value in (None if v is None else v for v in values)
    ]


class Tally:
    """Counts the rows that join by their groups, and says which may still."""

    def __init__(self, quotas: Sequence[UsedQuota], members: Sequence[Collection[Group]]) -> None:
        """Take the quotas, and the groups of each row that may join."""
        self._quotas, self._members = quotas, members
        self.joined: Counter[Group] = Counter()
        self._taken: set[int] = set()

    @property
    def binds(self) -> bool:
        """Whether an upper bound keeps rows out where all others join."""
        there = Counter(group for groups in self._members for group in groups)
        most = ((self._quotas[group.quota].at_most, n) for group, n in there.items())
        return any(bound is not None and n > bound for bound, n in most)

    def full(self, place: int) -> Group | None:
        """Return a group of a row that may have no further row; None where the row may join."""
        for group in sorted(self._members[place], key=str):
            most = self._quotas[group.quota].at_most
            if most is not None and self.joined[group] >= most:
                return group
        return None

    def take(self, place: int) -> bool:
        """Count a row in, and return whether it may join."""
        if self.full(place) is not None:
            return False
        self.joined.update(self._members[place])
        self._taken.add(place)
        return True

    def wanted_first(self) -> Iterator[tuple[list[int], int]]:
        """Yield rows that lower bounds want, and how many of them; those that serve the most bounds come first.

        It goes on from what was taken since, and ends where nothing was: rows of one bound leave room for another's.
        """
        while serving := self._serving():
            groups, places = max(serving.items(), key=lambda one: len(one[0]))
            before = len(self._taken)
            yield places, min(map(self._lacking, groups))
            if len(self._taken) == before:
                return

    def _lacking(self, group: Group) -> int:
        return max(0, self._quotas[group.quota].at_least - self.joined[group])

    def _serving(self) -> dict[tuple[Group, ...], list[int]]:
        """Return the rows that may still join, by the groups of each that lack rows; those that serve none left out."""
        there = {group for groups in self._members for group in groups}
        lacking = sorted((group for group in there if self._lacking(group)), key=str)
        found: dict[tuple[Group, ...], list[int]] = {}
        for place, members in enumerate(self._members) if lacking else ():
            served = tuple(group for group in lacking if group in members)
            if served and place not in self._taken and self.full(place) is None:
                found.setdefault(served, []).append(place)
        return dict(sorted(found.items(), key=lambda one: list(map(str, one[0]))))


def why_full(quotas: Sequence[UsedQuota], group: Group) -> str:
    """Return why a row of a full group does not join."""
    quota = quotas[group.quota]
    return f"augment.quotas[{group.quota}]: at most {quota.at_most} rows of {quota.what} {group.value!r} join"


def statuses(
    quotas: Sequence[UsedQuota],
    labels: Sequence[str],
    reasons: Sequence[str],
    members: Sequence[Collection[Group]],
    joined: Mapping[Group, int],
    held_back: Mapping[Group, int],
) -> Iterator[QuotaStatus]:
    """Yield what became of each group that has a lower bound, or whose upper bound kept rows out.

    Args:
        quotas: The quotas.
        labels: The task's labels.
        reasons: Of each of the round's candidates: `accepted`, or what keeps it from joining.
        members: The groups of each of these.
        joined: Group -> rows that join.
        held_back: Group -> accepted rows that its upper bound kept out.
    """
    by_group: dict[Group, Counter[str]] = {}
    for reason, groups in zip(reasons, members, strict=True):
        for group in groups:
            by_group.setdefault(group, Counter())[reason] += 1
    for place, quota in enumerate(quotas):
        named_ones = quota.of or (labels if quota.by == "label" else ())
        seen = [group.value for group in by_group if group.quota == place]
        values = [*named_ones, *(v for v in seen if not any(same(v, one) for one in named_ones))]
        for value in values:
            group = Group(place, value)
            counts = by_group.get(group, Counter())
            missing = max(0, quota.at_least - joined.get(group, 0))
            if not quota.at_least and not held_back.get(group):
                continue
            yield QuotaStatus(
                quota=place,
                what=quota.what,
                value=str(value).lower() if isinstance(value, bool) else str(value),
                at_least=quota.at_least,
                at_most=quota.at_most,
                written=counts.total(),
                accepted=counts["accepted"],
                joined=joined.get(group, 0),
                held_back=held_back.get(group, 0),
                missing=missing,
                reason=_why_missing(counts) if missing else "",
            )


def _why_missing(counts: Counter[str]) -> str:
    if not counts:
        return "no such row was written"
    rejected = [f"{n} {reason}" for reason, n in counts.most_common() if reason != "accepted"]
    parts = [f"{counts.total()} written", f"{counts['accepted']} accepted"]
    return ", ".join(parts) + (f"; rejected: {', '.join(rejected)}" if rejected else "")


def unmet(found: Iterable[QuotaStatus]) -> str:
    """Return which lower bounds are not reached, the first few of them, to stand behind a reason."""
    lacking = [one for one in found if one.missing]
    parts = [
        f"{one.what} '{one.value}' {one.joined} of {one.at_least} ({one.reason})"
        for one in lacking[:SAID]
    ]
    more = f" and {len(lacking) - SAID} more" if len(lacking) > SAID else ""
    return f"; quotas not met: {', '.join(parts)}{more}" if parts else ""
