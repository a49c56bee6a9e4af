"""Which rows are taken: samples, and rows taken out of one split for another.

Both go by the hash of a row's content and a seed, so that what is drawn depends neither on the order of rows nor on
how many others there are. Only what is drawn so far is kept in memory.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from engine.fingerprint import canonical
from engine.registry import did_you_mean
from engine.sql.expressions import Fault
from engine.sql.records import Record


class Sample:
    """Keeps `n` rows, or `n` per value of `per`: those with the lowest hash of seed and content, each content once."""

    def __init__(self, n: int, per: str | None, seed: int) -> None:
        """Take how many rows to keep, the column whose values are drawn for (if any), and the seed."""
        self._n, self._per, self._seed = n, per, seed
        self._groups: dict[str, list[tuple[int, int]]] = defaultdict(list)
        """Group -> heap of (minus the rank, number of the row), the highest rank first."""
        self._kept: dict[int, tuple[int, Record]] = {}
        """Rank -> number of the row, and the row."""
        self._count = 0

    def add(self, record: Record) -> None:
        """Offer one row."""
        content = canonical(record.values)
        hashed = hashlib.sha256(f"{self._seed}:0:{content}".encode()).digest()
        rank = int.from_bytes(hashed, "big")
        self._count += 1
        if rank in self._kept:
            return
        heap = self._groups[str(record.values.get(self._per)) if self._per is not None else ""]
        if len(heap) < self._n:
            heapq.heappush(heap, (-rank, self._count))
        elif rank < -heap[0][0]:
            del self._kept[-heapq.heapreplace(heap, (-rank, self._count))[0]]
        else:
            return
        self._kept[rank] = (self._count, record)

    def records(self) -> list[Record]:
        """Return the rows drawn, in the order in which they were offered."""
        return [record for _, record in sorted(self._kept.values(), key=lambda kept: kept[0])]


class Divided(NamedTuple):
    """The rows of every split, and why a split could not be given any."""

    splits: dict[str, list[Record]]
    faults: dict[str, Fault]


def divide(
    splits: Mapping[str, list[Record]],
    taken: Mapping[str, Mapping[str, Any]],
    inputs: Sequence[str],
    target: str | None,
) -> Divided:
    """Give rows to the splits that take them from others, one after the other.

    Args:
        splits: The rows of the splits that have their own.
        taken: For each of the others: from which `split`, what `share` of its rows or how many `rows`, the `seed`, and
            the column of a `group`, if any.
        inputs: Columns by which rows are told apart.
        target: Column whose values keep their shares; None where they are free.
    """
    found = Divided(dict(splits), {})
    counts = {
        name: different(splits[name], inputs)
        for name in {t["split"] for t in taken.values()}
        if name in splits
    }
    for name, how in taken.items():
        if how["split"] not in counts:
            continue
        count = counts[how["split"]]
        wanted = how["rows"] if how.get("rows") else max(1, round(how["share"] * count))
        giver, group = found.splits[how["split"]], how.get("group")
        columns = dict.fromkeys(column for record in giver for column in record.values)
        if group is not None and group not in columns:
            fault = Fault(
                f"no row has a column '{group}' to group by", did_you_mean(group, columns)
            )
            found.faults[name] = fault
            continue
        try:
            if group is None:
                rest, rows = take_out(giver, wanted, how["seed"], inputs, target)
            else:
                rest, rows = take_groups(giver, wanted, how["seed"], inputs, group)
        except ValueError as error:
            hint = "ask for fewer, or name a file for this split"
            found.faults[name] = Fault(str(error), hint)
            continue
        found.splits[how["split"]], found.splits[name] = rest, rows
    return found


class Taken(NamedTuple):
    """Rows in two parts, each in its order."""

    rest: list[Record]
    taken: list[Record]


def different(records: Iterable[Record], inputs: Sequence[str]) -> int:
    """Return how many rows differ in their inputs."""
    return len({_content(record, inputs) for record in records})


def _content(record: Record, inputs: Sequence[str]) -> str:
    return canonical([record.values[column] for column in inputs])


def take_out(
    records: Sequence[Record],
    wanted: int,
    seed: int,
    inputs: Sequence[str],
    target: str | None,
) -> Taken:
    """Part rows: some are taken out, the rest stays.

    Rows with equal inputs stay together, on one side. With a `target` its values keep their shares on both sides, and
    each keeps at least one row on the side that stays.

    Args:
        records: The rows to part.
        wanted: How many to take out, of rows with different inputs.
        seed: Seed of the draw.
        inputs: Columns by which rows are told apart.
        target: Column whose values keep their shares; None where they are free.

    Raises:
        ValueError: more are asked for than can be taken.
    """
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[_content(record, inputs)].append(record)
    strata: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for content, group in groups.items():
        value = "" if target is None else min(str(record.values[target]) for record in group)
        rank = hashlib.sha256(f"{seed}:{content}".encode()).hexdigest()
        strata[value].append((rank, content))
    quotas = _quotas({value: len(found) for value, found in strata.items()}, wanted)
    taken = {
        content for value, found in strata.items() for _, content in sorted(found)[: quotas[value]]
    }
    chosen = {id(record) for content in taken for record in groups[content]}
    return Taken(
        [record for record in records if id(record) not in chosen],
        [record for record in records if id(record) in chosen],
    )


def take_groups(
    records: Sequence[Record], wanted: int, seed: int, inputs: Sequence[str], group: str
) -> Taken:
    """Part rows so that those of one group stay on one side, as questions about the same paragraph should.

    Whole groups are taken until there are enough rows, so some more than asked for may be.

    Args:
        records: The rows to part.
        wanted: How many to take out at least, of rows with different inputs.
        seed: Seed of the draw.
        inputs: Columns by which rows are told apart.
        group: Column whose values are the groups; a row without one is a group by itself.

    Raises:
        ValueError: nothing would stay.
    """
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        value = record.values.get(group)
        alone = value is None
        groups[_content(record, inputs) if alone else canonical({group: value})].append(record)
    ranked = sorted(groups, key=lambda key: hashlib.sha256(f"{seed}:{key}".encode()).hexdigest())
    chosen: set[int] = set()
    count = 0
    for key in ranked:
        if count >= wanted:
            break
        count += different(groups[key], inputs)
        chosen.update(map(id, groups[key]))
    if len(chosen) == len(records):
        raise ValueError(
            f"{wanted} rows of {len(groups)} groups are asked for, and none would stay"
        )
    return Taken(
        [record for record in records if id(record) not in chosen],
        [record for record in records if id(record) in chosen],
    )


def _quotas(sizes: Mapping[str, int], wanted: int) -> dict[str, int]:
    """Share `wanted` out by the sizes (largest remainders first), leaving one of each size."""
    total, free = sum(sizes.values()), sum(size - 1 for size in sizes.values())
    if wanted > free:
        raise ValueError(f"{wanted} of {total} different rows are asked for, {free} can be taken")
    exact = {value: wanted * size / total for value, size in sizes.items()}
    quotas = {value: min(int(exact[value]), size - 1) for value, size in sizes.items()}
    # Until all are given: where most is missing, ties by name.
    while (missing := wanted - sum(quotas.values())) > 0:
        open_ = [value for value, size in sizes.items() if quotas[value] < size - 1]
        for value in sorted(open_, key=lambda v: (quotas[v] - exact[v], v))[:missing]:
            quotas[value] += 1
    return quotas
