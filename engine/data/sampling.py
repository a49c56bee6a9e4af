"""Which rows are taken: samples, and rows that one split gives to another.

Both go by the hash of a row's content and a seed, so that what is drawn depends neither on the order of rows nor on
how many others there are. A sample keeps only what is drawn so far in memory.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

from engine.data.records import Record
from engine.fingerprint import canonical
from engine.registry import did_you_mean
from engine.spec.recipe import SplitFrom
from engine.sql.expressions import Fault

_REFERENCES = "golds"
"""What acceptable answers are called in the content that is hashed. Another word would draw other rows."""


Same = Callable[[Record], Hashable]
"""Gives what is equal for rows that count as the same."""


class Sampler:
    """Keeps `n` rows, or `n` per value of `per`: those with the lowest hash of seed and content, each content once."""

    def __init__(self, n: int, per: str | None, seed: int) -> None:
        """Take how many rows to keep, the column whose values are drawn for (if any), and the seed."""
        self._n, self._per, self._seed = n, per, seed
        self._groups: dict[str, list[int]] = defaultdict(list)
        """Group -> heap of minus the ranks of its rows, the highest rank first."""
        self._kept: dict[int, Record] = {}
        """Rank -> row, in the order in which they were offered."""

    def add(self, record: Record) -> None:
        """Offer one row."""
        hashed = hashlib.sha256(f"{self._seed}:0:{_whole(record)}".encode()).digest()
        rank = int.from_bytes(hashed, "big")
        if rank in self._kept:
            return
        heap = self._groups[str(record.values.get(self._per)) if self._per is not None else ""]
        if len(heap) < self._n:
            heapq.heappush(heap, -rank)
        elif rank < -heap[0]:
            del self._kept[-heapq.heapreplace(heap, -rank)]
        else:
            return
        self._kept[rank] = record

    def records(self) -> list[Record]:
        """Return the rows drawn, in the order in which they were offered."""
        return list(self._kept.values())


def _whole(record: Record) -> str:
    """Return all that a row holds as one text: its columns, and its acceptable answers where there are several."""
    if not record.references:
        return canonical(record.values)
    values, references = record.values, list(record.references)
    if _REFERENCES in values:
        return canonical([values, references])
    return canonical({**values, _REFERENCES: references})


class Filled(NamedTuple):
    """The rows of every split, and why a split could not be given any."""

    splits: dict[str, list[Record]]
    faults: dict[str, Fault]


def fill_splits(
    splits: Mapping[str, list[Record]],
    takers: Mapping[str, SplitFrom],
    inputs: Sequence[str],
    target: str | None,
    same: Same | None = None,
) -> Filled:
    """Give rows to the splits that take them from others, one after the other.

    Args:
        splits: The rows of the splits that have their own.
        takers: The others, with what each takes; one whose giver is not among `splits` stays without rows.
        inputs: Columns by which rows are told apart.
        target: Column whose values keep their shares; None where they are free.
        same: What is equal for rows that stay together; their inputs when left out.
    """
    filled = Filled(dict(splits), {})
    givers = {taker.split for taker in takers.values() if taker.split in splits}
    # Before anything is taken: shares count from all of a split's rows.
    counts = {name: count_different(splits[name], inputs, same) for name in givers}
    for name, taker in takers.items():
        if taker.split not in counts:
            continue
        wanted = taker.rows or max(1, round((taker.share or 0) * counts[taker.split]))
        giver = filled.splits[taker.split]
        columns = dict.fromkeys(column for record in giver for column in record.values)
        if taker.group is not None and taker.group not in columns:
            message = f"no row has a column '{taker.group}' to group by"
            filled.faults[name] = Fault(message, did_you_mean(taker.group, columns))
            continue
        try:
            if taker.group is None:
                parts = train_test_split(giver, wanted, taker.seed, inputs, target, same)
            else:
                parts = group_train_test_split(giver, wanted, taker.seed, inputs, taker.group, same)
        except ValueError as error:
            hint = "ask for fewer, or name a file for this split"
            filled.faults[name] = Fault(str(error), hint)
            continue
        filled.splits[taker.split], filled.splits[name] = parts.train, parts.test
    return filled


class Parts(NamedTuple):
    """Rows in two parts, each in its order."""

    train: list[Record]
    """Those that stay."""
    test: list[Record]
    """Those that are taken out."""


def count_different(
    records: Iterable[Record], inputs: Sequence[str], same: Same | None = None
) -> int:
    """Return how many rows differ in their inputs, or in what `same` gives."""
    of = same or (lambda record: _inputs(record, inputs))
    return len({of(record) for record in records})


def _inputs(record: Record, inputs: Sequence[str]) -> str:
    return canonical([record.values[column] for column in inputs])


def _rank(seed: int, key: str) -> str:
    return hashlib.sha256(f"{seed}:{key}".encode()).hexdigest()


def train_test_split(
    records: Sequence[Record],
    size: int,
    seed: int,
    inputs: Sequence[str],
    target: str | None,
    same: Same | None = None,
) -> Parts:
    """Part rows: some are taken out, the rest stays.

    Rows with equal inputs stay together, on one side. With a `target` its values keep their shares on both sides
    (stratification), and each keeps at least one row on the side that stays.

    Args:
        records: The rows to part.
        size: How many to take out, of rows with different inputs.
        seed: Seed of the draw.
        inputs: Columns by which rows are told apart.
        target: Column whose values keep their shares; None where they are free.
        same: What is equal for rows that stay together; their inputs when left out.

    Raises:
        ValueError: more are asked for than can be taken.
    """
    together: dict[Hashable, list[Record]] = defaultdict(list)
    for record in records:
        together[same(record) if same else _inputs(record, inputs)].append(record)
    strata: dict[str, list[tuple[str, str]]] = defaultdict(list)
    firsts: dict[str, list[Record]] = {}
    """The first inputs of rows that stay together -> these rows."""
    for rows in together.values():
        content = min(_inputs(record, inputs) for record in rows)
        firsts[content] = rows
        value = "" if target is None else min(str(record.values[target]) for record in rows)
        strata[value].append((_rank(seed, content), content))
    quotas = _quotas({value: len(ranked) for value, ranked in strata.items()}, size)
    drawn = {
        content
        for value, ranked in strata.items()
        for _, content in sorted(ranked)[: quotas[value]]
    }
    return _parted(records, {id(record) for content in drawn for record in firsts[content]})


def group_train_test_split(
    records: Sequence[Record],
    size: int,
    seed: int,
    inputs: Sequence[str],
    group: str,
    same: Same | None = None,
) -> Parts:
    """Part rows so that those of one group stay on one side, as questions about the same paragraph should.

    Whole groups are taken until there are enough rows, so some more than asked for may be.

    Args:
        records: The rows to part.
        size: How many to take out at least, of rows with different inputs.
        seed: Seed of the draw.
        inputs: Columns by which rows are told apart.
        group: Column whose values are the groups; a row without one is a group by itself.
        same: What is equal for rows that count once; their inputs when left out.

    Raises:
        ValueError: nothing would stay.
    """
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        value = record.values.get(group)
        alone = value is None
        groups[_inputs(record, inputs) if alone else canonical({group: value})].append(record)
    drawn: set[int] = set()
    count = 0
    for key in sorted(groups, key=lambda key: _rank(seed, key)):
        if count >= size:
            break
        count += count_different(groups[key], inputs, same)
        drawn.update(map(id, groups[key]))
    if len(drawn) == len(records):
        raise ValueError(f"{size} rows of {len(groups)} groups are asked for, and none would stay")
    return _parted(records, drawn)


def _parted(records: Sequence[Record], drawn: set[int]) -> Parts:
    return Parts(
        [record for record in records if id(record) not in drawn],
        [record for record in records if id(record) in drawn],
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
