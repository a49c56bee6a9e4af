"""Which conditions hold for rows that fail more often than the rest do, beyond chance, and which of them to show.

The form of the search is Slice Finder's (Chung et al., arXiv 1807.06068): conditions on columns, the simpler first,
each tested against the rows outside it, with the number of tests accounted for. That few slices should account for the
failures, and be told in words, is Domino's (Eyuboglu et al., arXiv 2203.14960), whose own slices are regions of an
embedding; a person who names, mends and adopts what a search proposes is AdaTest's loop (Ribeiro and Lundberg, ACL
2022).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING

from engine.slicing.predicates import Predicate, Rows, predicates, slug_of
from engine.sql import evaluate_conditions
from engine.statistics import Interval, benjamini_hochberg, difference, fisher_greater

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bools = npt.NDArray[np.bool_]

MIN_SIZE = 20
"""Rows of a slice: under them a share is no number."""
LEVEL = 0.05
"""Expected share of false ones among the slices that are shown; where all failures are random, the chance of any."""
ALIKE = 0.8
"""Share of the rows of two slices that both hold (Jaccard), from which the simpler one stands for both."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows that fail more often than the rest."""

    id: str
    sql: str
    description: str
    size: int
    failures: int
    difference: Interval
    """Failure rate of its rows minus that of all other rows; larger than on new rows, because it was picked by it."""
    p: float
    """Adjusted for the number of conditions tried."""
    alike: tuple[str, ...] = ()
    """Conditions that hold for nearly the same rows and are less simple."""
    members: tuple[int, ...] = field(default=(), repr=False)
    """Places of its rows."""

    @property
    def rate(self) -> float:
        """The share of its rows that fail."""
        return self.failures / self.size


@dataclass(frozen=True, slots=True)
class Search:
    """What was tried, and what came of it."""

    slices: tuple[Slice, ...]
    """By rising p-value."""
    tried: int
    """Conditions that hold for different rows, enough and not too many of them."""
    folded: int
    """Conditions beyond chance that are not shown: their rows are nearly those of a slice, or fail because of it."""
    rows: int
    failures: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A condition with the rows for which it holds, as SQL says, and its test once that is made."""

    predicate: Predicate
    parts: tuple[Bools, ...]
    """The rows of each condition that it joins: pairs are many, and their own rows are worked out when asked for."""
    p: float = 1.0
    adjusted: float = 1.0

    @property
    def holds(self) -> Bools:
        """Whether it holds, for each row."""
        first, *others = self.parts
        for other in others:
            first = first & other
        return first


def search(
    rows: Rows,
    failed: Sequence[bool],
    labelled: bool,
    *,
    min_size: int = MIN_SIZE,
    level: float = LEVEL,
    conditions: int = 1,
) -> Search:
    """Return the slices that fail more often than the rest.

    Args:
        rows: The columns of each row, without its answer; the right answer is `target`.
        failed: Whether each row failed.
        labelled: Whether right answers are labels.
        min_size: Fewest rows of a slice, and fewest outside it.
        level: The adjusted p-value up to which a slice is shown.
        conditions: 1, or 2 to try two conditions at once as well: many more tests, so each must stand out more.

    Raises:
        ValueError: `rows` and `failed` differ in length.
    """
    if len(rows) != len(failed):
        raise ValueError(f"{len(rows)} rows, {len(failed)} outcomes")
    return stand_out(candidates(rows, labelled, min_size, conditions), failed, min_size, level)


def stand_out(
    tried: Sequence[Candidate],
    failed: Sequence[bool],
    min_size: int = MIN_SIZE,
    level: float = LEVEL,
) -> Search:
    """Return which candidates fail more often than the rest; see `stand_out_each`."""
    return stand_out_each(tried, {"": failed}, min_size, level)[""]


def stand_out_each(
    tried: Sequence[Candidate],
    outcomes: Mapping[str, Sequence[bool]],
    min_size: int = MIN_SIZE,
    level: float = LEVEL,
) -> dict[str, Search]:
    """Return which candidates have each outcome more often than the rest.

    Each is tested by Fisher's exact test, one-sided; p-values are adjusted by Benjamini and Hochberg over all
    candidates and outcomes that were tried. Where outcomes have nothing to do with the rows, some slice is proposed in
    at most a share `level` of the searches.
    """
    import numpy as np

    known = {name: np.asarray(outcome, dtype=bool) for name, outcome in outcomes.items()}
    tests = {name: _tested(tried, fails) for name, fails in known.items()}
    adjusted = iter(benjamini_hochberg([one.p for tested in tests.values() for one in tested]))
    return {
        name: _shown_of(
            [replace(one, adjusted=next(adjusted)) for one in tested],
            known[name],
            min_size,
            level,
            len(tried),
        )
        for name, tested in tests.items()
    }


def _shown_of(
    tested: Sequence[Candidate], fails: Bools, min_size: int, level: float, tried: int
) -> Search:
    total = int(fails.sum())
    found = [one for one in tested if one.adjusted <= level]
    kept, folded = _fold(found, fails, min_size, level)
    names = _names([one.predicate for one, _ in kept])
    slices = tuple(
        _slice(name, one, alike, fails) for name, (one, alike) in zip(names, kept, strict=True)
    )
    return Search(slices, tried, folded, len(fails), total)


def candidates(rows: Rows, labelled: bool, least: int, conditions: int = 1) -> list[Candidate]:
    """Return the conditions that hold for enough rows and not for nearly all, one for each set of rows.

    Who failed is not asked, so their number is that of the tests.
    """
    distinct = held_by(list(predicates(rows, labelled, least)), rows, least)
    if conditions > 1:
        for both in _both(list(distinct.values()), least):
            distinct.setdefault(_digest(both.holds), both)
    return list(distinct.values())


def held_by(single: Sequence[Predicate], rows: Rows, least: int) -> dict[bytes, Candidate]:
    """Return the conditions that hold for enough rows and not for nearly all, by the digest of these."""
    import numpy as np

    held = evaluate_conditions([one.sql for one in single], rows, ours=True)
    distinct: dict[bytes, Candidate] = {}
    for predicate, holds in sorted(
        zip(single, held, strict=True), key=lambda pair: _simple(pair[0])
    ):
        mask = np.asarray(holds, dtype=bool)
        if least <= mask.sum() <= len(rows) - least:
            distinct.setdefault(_digest(mask), Candidate(predicate, (mask,)))
    return distinct


def _digest(rows: Bools) -> bytes:
    return blake2b(rows.tobytes(), digest_size=16).digest()


def _both(single: Sequence[Candidate], least: int) -> list[Candidate]:
    """Return the pairs of conditions that hold together for enough rows, and for fewer than each alone."""
    import numpy as np

    if not single:
        return []
    held = np.stack([one.holds for one in single])
    counts = held.astype(np.float32) @ held.T.astype(np.float32)
    sizes = np.diag(counts)
    narrower = (counts < sizes[:, None]) & (counts < sizes[None, :]) & (counts >= least)
    return [
        Candidate(_and(single[i].predicate, single[j].predicate), (held[i], held[j]))
        for i, j in zip(*np.nonzero(np.triu(narrower, 1)), strict=True)
    ]


def _and(one: Predicate, other: Predicate) -> Predicate:
    said = other.description.removeprefix("rows ")
    return Predicate(
        f"{one.sql} AND {other.sql}",
        f"{one.description} and {said}",
        f"{slug_of(one.slug)[:27]}-and-{slug_of(other.slug)[:24]}",
        10 + one.rank + other.rank,
    )


def _tested(tried: Sequence[Candidate], fails: Bools) -> list[Candidate]:
    """Return the candidates with their p-values, those that stand out most first; none where all rows are alike."""
    import numpy as np

    if not tried or int(fails.sum()) in (0, len(fails)):
        return []
    sizes = np.array([one.holds.sum() for one in tried], dtype=np.int64)
    failing = np.array([(one.holds & fails).sum() for one in tried], dtype=np.int64)
    p = fisher_greater(failing, sizes, int(fails.sum()), len(fails)).tolist()
    tested = [replace(one, p=chance) for one, chance in zip(tried, p, strict=True)]
    return sorted(tested, key=lambda one: (one.p, *_simple(one.predicate)))


def _simple(predicate: Predicate) -> tuple[int, int, str]:
    return predicate.rank, len(predicate.sql), predicate.sql


def _fold(
    found: Sequence[Candidate], fails: Bools, least: int, level: float
) -> tuple[list[tuple[Candidate, list[str]]], int]:
    """Return the slices to show, each with the conditions that it stands for, and how many others are left out.

    From the one that stands out most: one that holds nearly the same rows as a slice before it is told under that
    slice, by the simplest of them; one whose other rows, those that no slice before it holds, do not fail more often
    adds nothing (as many are tested for that as are found: Bonferroni). Of one threshold at several numbers one is
    shown.
    """
    groups: list[tuple[Bools, list[Candidate]]] = []
    covered = fails & False
    for one in found:
        holds = one.holds
        alike = next((group for rows, group in groups if _jaccard(rows, holds) >= ALIKE), None)
        if alike is not None:
            alike.append(one)
            continue
        family = one.predicate.family
        if family and any(family == other.predicate.family for _, g in groups for other in g):
            continue
        if not groups or _adds(holds, covered, fails, least, level / len(found)):
            groups.append((holds, [one]))
            covered = covered | holds
    kept = []
    for _, group in groups:
        simplest = min(group, key=lambda one: (one.predicate.rank, one.p))
        others = (one for one in group if one is not simplest)
        kept.append((simplest, [one.predicate.sql for one in others]))
    return kept, len(found) - len(kept)


def _jaccard(one: Bools, other: Bools) -> float:
    return float((one & other).sum() / (one | other).sum())


def _adds(holds: Bools, covered: Bools, fails: Bools, least: int, level: float) -> bool:
    """Return whether rows that no slice before holds fail more often under this condition than outside it."""
    import numpy as np

    rest = ~covered
    size = int((holds & rest).sum())
    if size < least:
        return False
    failing = np.array([(holds & rest & fails).sum()], dtype=np.int64)
    sizes = np.array([size], dtype=np.int64)
    p = fisher_greater(failing, sizes, int((fails & rest).sum()), int(rest.sum()))
    return bool(p[0] <= level)


def _names(chosen: Sequence[Predicate]) -> list[str]:
    """Return an id for each, all different."""
    names: list[str] = []
    for number, predicate in enumerate(chosen, start=1):
        name = slug_of(predicate.slug) or f"slice-{number}"
        # What begins like this is an id of a pattern's.
        name = f"slice-{name}" if name.startswith("p-") else name
        names.append(name if name not in names else f"{name}-{number}")
    return names


def _slice(name: str, one: Candidate, alike: Sequence[str], fails: Bools) -> Slice:
    size, failing = int(one.holds.sum()), int((one.holds & fails).sum())
    others, other_failing = len(fails) - size, int(fails.sum()) - failing
    return Slice(
        id=name,
        sql=one.predicate.sql,
        description=one.predicate.description,
        size=size,
        failures=failing,
        difference=difference(failing, size, other_failing, others),
        p=one.adjusted,
        alike=tuple(alike),
        members=tuple(one.holds.nonzero()[0].tolist()),
    )


def as_category(found: Slice) -> Mapping[str, str]:
    """Return a slice as a category of a taxonomy."""
    said = found.description[0].upper() + found.description[1:]
    return {"id": found.id, "description": f"{said}.", "where": found.sql}
