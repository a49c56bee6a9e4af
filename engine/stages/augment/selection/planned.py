"""planned: a plan of a round's rows that keeps to the quotas by label and by answer: writers are asked for that.

What quotas ask of anything else shows only in rows that are written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from engine.stages.augment.selection.quotas import Group, UsedQuota, by_target
from engine.stages.task_view import TaskView

S = TypeVar("S")


def planned(
    quotas: Sequence[UsedQuota],
    found: Mapping[str, Mapping[S, int]],
    target_of: Callable[[S], str | None],
    task: TaskView,
    targets: Sequence[str],
    coverage: str,
    slot_for: Callable[[str], S],
) -> dict[str, dict[S, int]]:
    """Return a plan of as many rows that keeps to the quotas by label and by answer, as far as it can.

    Rows above an upper bound go to slots that are open. Rows that are missing to a lower one are written against no
    pattern, and others give way to them: rows of no pattern first, then those of the largest slots.

    Args:
        quotas: The quotas.
        found: Pattern -> slot -> rows.
        target_of: A slot's target; None for one that any target fits.
        task: The task.
        targets: All targets that rows may be planned for.
        coverage: The pattern of rows that are written against none.
        slot_for: A slot of these rows, for a target.
    """
    plan = _Plan(quotas, found, target_of, task, coverage)
    plan.cut()
    for group, least in plan.least(targets):
        fitting = [t for t in targets if group in plan.groups(t)]
        # The one with the fewest other labels: others have bounds of their own.
        target = min(fitting, key=lambda t: (len(plan.groups(t)), fitting.index(t)), default=None)
        while target is not None and plan.count[group] < least and not plan.full(target):
            plan.add(coverage, slot_for(target))
    plan.shrink()
    plan.fill(targets, slot_for)
    return plan.rows()


class _Plan(Generic[S]):
    """A plan of rows while it is changed."""

    def __init__(
        self,
        quotas: Sequence[UsedQuota],
        found: Mapping[str, Mapping[S, int]],
        target_of: Callable[[S], str | None],
        task: TaskView,
        coverage: str,
    ) -> None:
        self._quotas, self._task, self._target_of = quotas, task, target_of
        self._found, self._coverage = found, coverage
        self._slots = Counter(
            {(pattern, slot): n for pattern, slots in found.items() for slot, n in slots.items()}
        )
        self._most = self._slots.total()
        self._groups: dict[str, tuple[Group, ...]] = {}
        self.count: Counter[Group] = Counter()
        for (_, slot), rows in self._slots.items():
            for group in self._of(slot):
                self.count[group] += rows

    def groups(self, target: str) -> tuple[Group, ...]:
        """Return the groups of rows with a target, each once and in an order: `cut` goes by it."""
        if target not in self._groups:
            found = {
                Group(place, value)
                for place, quota in enumerate(self._quotas)
                if quota.by != "sql"
                for value in by_target(quota, self._task, target)
                if quota.concerns(value)
            }
            self._groups[target] = tuple(sorted(found, key=str))
        return self._groups[target]

    def _of(self, slot: S) -> tuple[Group, ...]:
        target = self._target_of(slot)
        return () if target is None else self.groups(target)

    def full(self, target: str | None) -> bool:
        """Return whether no further row may have a target."""
        groups = () if target is None else self.groups(target)
        return any(
            (most := self._quotas[group.quota].at_most) is not None and self.count[group] >= most
            for group in groups
        )

    def least(self, targets: Iterable[str]) -> Iterator[tuple[Group, int]]:
        """Yield the groups that must have rows, and how many."""
        for group in sorted({g for target in targets for g in self.groups(target)}, key=str):
            if least := self._quotas[group.quota].at_least:
                yield group, least

    def add(self, pattern: str, slot: S, rows: int = 1) -> None:
        """Plan further rows, or fewer."""
        self._slots[pattern, slot] += rows
        for group in self._of(slot):
            self.count[group] += rows

    def cut(self) -> None:
        """Take away what is above upper bounds."""
        for group in list(self.count):
            most = self._quotas[group.quota].at_most
            while most is not None and self.count[group] > most:
                self._take_one(key for key in self._slots if group in self._of(key[1]))

    def shrink(self) -> None:
        """Take away what is above the rows in all, and no group below its lower bound."""
        while self._slots.total() > self._most:
            free = [key for key in self._slots if self._may_give(key[1])]
            if not any(self._slots[key] for key in free):
                return
            self._take_one(free)

    def _may_give(self, slot: S) -> bool:
        bounds = ((group, self._quotas[group.quota].at_least) for group in self._of(slot))
        return all(not least or self.count[group] > least for group, least in bounds)

    def _take_one(self, keys: Iterable[tuple[str, S]]) -> None:
        """Take a row away: of no pattern, else of the largest slot."""
        filled = [key for key in keys if self._slots[key]]
        key = max(filled, key=lambda key: (key[0] == self._coverage, self._slots[key]))
        self.add(*key, rows=-1)

    def fill(self, targets: Sequence[str], slot_for: Callable[[str], S]) -> None:
        """Plan what upper bounds took away for slots that are open, by their sizes; else for other targets."""
        sizes = {
            (pattern, slot): n
            for pattern, slots in self._found.items()
            for slot, n in slots.items()
            if n
        }
        while self._slots.total() < self._most:
            open_ = [key for key in sizes if not self.full(self._target_of(key[1]))]
            if open_:
                self.add(*max(open_, key=lambda key: sizes[key] / (self._slots[key] + 1)))
                continue
            left = [target for target in targets if not self.full(target)]
            if not left:
                return
            planned_for = {target: self._slots[self._coverage, slot_for(target)] for target in left}
            self.add(self._coverage, slot_for(min(left, key=planned_for.__getitem__)))

    def rows(self) -> dict[str, dict[S, int]]:
        """Return the plan."""
        plan: dict[str, dict[S, int]] = {pattern: {} for pattern in self._found}
        for (pattern, slot), rows in self._slots.items():
            if rows > 0:
                plan.setdefault(pattern, {})[slot] = rows
        return {pattern: slots for pattern, slots in plan.items() if slots}
