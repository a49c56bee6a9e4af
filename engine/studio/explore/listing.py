"""Pages of a table of millions: of what is laid flat (decision 19), keys first, texts for the rows of the page alone.

A run's rows lie in *stretches*, each in one piece and in the order in which it was laid: of one round, seed and split.
How many there are of each is counted over narrow columns, and tells in which stretch a page is; only there it is looked
for. Words are looked for from the first stretch on, a piece at a time, until the page is full or `BUDGET` is spent:
whoever asks goes on from where that ended. In a table that is sorted they are looked for in its first rows, which is
enough for words that many rows have, and then in all rows: by degrees as well, and whoever goes on names the best rows
so far.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from engine.report.records import Query

BUDGET = 0.05
"""Seconds of looking for words until what was found so far is told: in the first answer, and in those after it."""
LATER_BUDGET = 1.0
PIECE = 20_000
"""Rows among which words are looked for at a time, to begin with; then twice as many, and so on."""
LARGEST_PIECE = 160_000
LATER_PIECE = 640_000
FOREMOST = 200
"""Rows of a sorted table in which words are looked for before all others."""
MOST_BEST = 500
"""Rows up to a page's end that a sorted search hands on from answer to answer; beyond, it looks at all in one go."""
SPLITS = ("validation", "logged", "train")
"""In this order: what patterns are found in comes first."""


class Listing(NamedTuple):
    """A flat table whose rows are listed: how they are told apart, shown, filtered and sorted."""

    kind: str
    """The parts of a run that hold the rows."""
    table: str
    key: tuple[str, ...]
    """Of `seed`, `round` and columns of the table."""
    columns: tuple[str, ...]
    by_split: bool
    exact: Mapping[str, str]
    """Filter -> the SQL of its value: `all` where none is said, a row without one where it is `-`."""
    searched: tuple[str, ...]
    sorts: Mapping[str, str]


class Wanted(NamedTuple):
    """Which page is asked for."""

    places: Mapping[str, int]
    """Of `seed` and `round`, those that are chosen."""
    where: str
    parameters: Sequence[Any]
    word: str
    sort: str
    down: bool
    limit: int
    offset: int
    since: tuple[int, int] | None = None
    """Where an earlier answer ended: the number of the stretch and the place of the row in the table."""
    found: int = 0
    """Rows with the word that were found before that."""
    best: Sequence[int] = ()
    """Of these, the places of the first in the order of a column, up to the end of the page."""


class Page(NamedTuple):
    """Rows of a page, and of how many."""

    rows: list[dict[str, Any]]
    total: int
    """Rows that fit; those found so far where `exact` is false."""
    exact: bool
    among: int
    """Rows among which words are looked for."""
    looked: int
    """Of these, how many were looked at."""
    further: str | None
    """Where to go on; None when the page is full or all was looked at."""
    best: Sequence[int] = ()
    """The places of the first rows so far, where a sorted search goes on: its rows are known at its end."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows of one round, seed and split, which lie together."""

    seed: int
    round: int
    part: int
    trained_in: int | None
    """The first student that was trained on what was made here."""
    split: str | None = None
    n: int = 0
    first: int = 0
    last: int = -1


def page(query: Query, run: str, listing: Listing, wanted: Wanted) -> Page:
    """Return one page of a run's rows. Raises StoreError."""
    stretches = _counted(query, run, listing, wanted)
    among = sum(one.n for one in stretches)
    if not stretches:
        return Page([], 0, True, 0, 0, None)
    if wanted.sort:
        return _sorted(query, listing, wanted, stretches, among)
    if wanted.word:
        return _searched(query, listing, wanted, stretches, among)
    ids: list[int] = []
    before = 0
    for one in stretches:
        if before + one.n > wanted.offset and len(ids) < wanted.limit:
            over = max(0, wanted.offset - before)
            ids += _ids(query, listing, one, wanted, wanted.limit - len(ids), over)
        before += one.n
    return Page(_rows(query, listing, stretches, ids), among, True, among, among, None)


def _counted(query: Query, run: str, listing: Listing, wanted: Wanted) -> list[Stretch]:
    """Return where the rows that fit the filters lie, words left aside: the latest student's first."""
    parts = query(
        "SELECT r.seed, r.round, r.part, min(t.round) AS trained_in FROM run_part r LEFT JOIN all_run_rows t"
        " ON t.run = r.run AND t.seed = r.seed AND t.round > r.round AND t.stage = 'train'"
        " WHERE r.run = ? AND r.kind = ? GROUP BY ALL",
        [run, listing.kind],
    )
    chosen = {
        one["part"]: one
        for one in parts
        if all(one[name] == value for name, value in wanted.places.items())
    }
    if not chosen:
        return []
    empty = [
        Stretch(one["seed"], one["round"], one["part"], one["trained_in"])
        for one in chosen.values()
    ]
    split = "split" if listing.by_split else "NULL AS split"
    counted = query(
        f"SELECT part, {split}, count(*) AS n, min(spot) AS first, max(spot) AS last"
        f" FROM {_relation(listing, empty, wanted.where)} WHERE {wanted.where} GROUP BY ALL",
        wanted.parameters,
    )
    return sorted((Stretch(**chosen[one["part"]] | one) for one in counted), key=_order)


def _order(one: Stretch) -> tuple[int, int, int]:
    return -one.round, one.seed, SPLITS.index(one.split) if one.split in SPLITS else len(SPLITS)


def _relation(listing: Listing, stretches: Sequence[Stretch], asked: str) -> str:
    """Return the SQL of the rows of these stretches' parts; `spot` is a row's place in the table.

    Of `seed`, `round` and `trained_in` it has what `asked`, the SQL of columns and conditions, names: they are joined.
    """
    numbers = ", ".join(str(part) for part in sorted({one.part for one in stretches}))
    if not any(name in asked for name in ("seed", "round", "trained_in")):
        # A third of the time of the join.
        return f"(SELECT rowid AS spot, * FROM {listing.table} WHERE part IN ({numbers}))"
    parts = {(one.part, one.seed, one.round, one.trained_in) for one in stretches}
    values = ", ".join(
        f"({part}, {seed}, {round_}, {'NULL' if trained is None else trained}::INTEGER)"
        for part, seed, round_, trained in sorted(parts)
    )
    # The numbers besides the join: by them DuckDB leaves out the row groups of others before it reads any.
    return (
        f"(SELECT f.rowid AS spot, p.seed, p.round, p.trained_in, f.* FROM {listing.table} f"
        f" JOIN (VALUES {values}) p(part, seed, round, trained_in) ON p.part = f.part WHERE f.part IN ({numbers}))"
    )


def _ids(
    query: Query, listing: Listing, one: Stretch, wanted: Wanted, limit: int, over: int
) -> list[int]:
    """Return the places of some rows of a stretch that fit the filters."""
    if one.last - one.first + 1 == one.n:
        # Nothing is left out: the rows lie one after the other.
        return list(range(one.first + over, min(one.last + 1, one.first + over + limit)))
    where, parameters = _within(one, wanted)
    found = query(
        f"SELECT spot FROM {_relation(listing, [one], where)} WHERE {where} ORDER BY spot LIMIT ? OFFSET ?",
        [*parameters, limit, over],
    )
    return [row["spot"] for row in found]


def _within(one: Stretch, wanted: Wanted) -> tuple[str, list[Any]]:
    if one.split is None:
        return wanted.where, list(wanted.parameters)
    return f"{wanted.where} AND split = ?", [*wanted.parameters, one.split]


def _has_word(listing: Listing) -> str:
    return " OR ".join(f"contains(lower({text}), ?)" for text in listing.searched)


def _words(listing: Listing, wanted: Wanted) -> list[str]:
    return [wanted.word.lower()] * len(listing.searched)


def _budget(wanted: Wanted) -> float:
    return BUDGET if wanted.since is None else LATER_BUDGET


def _sorted(
    query: Query, listing: Listing, wanted: Wanted, stretches: list[Stretch], among: int
) -> Page:
    """Return a page in the order of a column; of equal rows, in the order of the stretches."""
    most = wanted.offset + wanted.limit
    if not wanted.word:
        ids = _in_order(query, listing, wanted, stretches, wanted.limit, wanted.offset)
        return Page(_rows(query, listing, stretches, ids), among, True, among, among, None)
    if most > MOST_BEST:
        ids, found = _matches(
            query, listing, wanted, stretches, "true", wanted.limit, wanted.offset
        )
        return Page(_rows(query, listing, stretches, ids), found, True, among, among, None)
    began = time.monotonic()
    if wanted.since is None:
        ids = _foremost(query, listing, wanted, stretches)
        if len(ids) > most:
            rows = _rows(query, listing, stretches, ids[wanted.offset : most])
            return Page(rows, most + 1, False, among, FOREMOST, None)
    best, found, further = list(wanted.best), wanted.found, None
    is_first = wanted.since is not None
    for number, at, until, one in _pieces(stretches, wanted.since):
        # Whoever goes on comes further by a piece at least.
        if not is_first and time.monotonic() - began > _budget(wanted):
            further = number, at
            break
        is_first = False
        here, n = _matches(query, listing, wanted, [one], f"spot BETWEEN {at} AND {until}", most)
        best += here
        found += n
    if best:
        these = f"spot IN ({', '.join(map(str, best))})"
        best, _ = _matches(query, listing, wanted, stretches, these, most)
    if further:
        number, at = further
        looked = _looked(stretches, number, at - 1)
        return Page([], found, False, among, looked, f"{number}:{at}", best)
    rows = _rows(query, listing, stretches, best[wanted.offset :])
    return Page(rows, found, True, among, among, None)


def _ordered(key: str, wanted: Wanted) -> str:
    return f"{key} {'DESC' if wanted.down else 'ASC'} NULLS LAST, spot"


def _in_order(
    query: Query, listing: Listing, wanted: Wanted, stretches: list[Stretch], most: int, over: int
) -> list[int]:
    """Return the places of rows that fit the filters, in the order of a column."""
    key = listing.sorts[wanted.sort]
    found = query(
        f"SELECT spot FROM {_relation(listing, stretches, wanted.where + key)} WHERE {wanted.where}"
        f" ORDER BY {_ordered(key, wanted)} LIMIT ? OFFSET ?",
        [*wanted.parameters, most, over],
    )
    return [row["spot"] for row in found]


def _matches(
    query: Query,
    listing: Listing,
    wanted: Wanted,
    stretches: list[Stretch],
    which: str,
    most: int,
    over: int = 0,
) -> tuple[list[int], int]:
    """Return the places of rows with the word, in the order of a column, and how many there are among `which`."""
    where, parameters = (
        _within(stretches[0], wanted)
        if len(stretches) == 1
        else (wanted.where, list(wanted.parameters))
    )
    key = listing.sorts[wanted.sort]
    # Put down first: it is read twice, to be counted and to be sorted.
    found = query(
        f"WITH has AS MATERIALIZED (SELECT spot, {key} AS key"
        f" FROM {_relation(listing, stretches, where + key)} WHERE {where} AND {which} AND ({_has_word(listing)}))"
        f" SELECT spot, (SELECT count(*) FROM has) AS n FROM has ORDER BY {_ordered('key', wanted)} LIMIT ? OFFSET ?",
        [*parameters, *_words(listing, wanted), most, over],
    )
    return [row["spot"] for row in found], found[0]["n"] if found else 0


def _foremost(
    query: Query, listing: Listing, wanted: Wanted, stretches: list[Stretch]
) -> list[int]:
    """Return the places of those of the first rows, in their order, that have the word."""
    first = _in_order(query, listing, wanted, stretches, FOREMOST, 0)
    found = query(
        f"SELECT spot FROM {_relation(listing, stretches, '')} WHERE spot BETWEEN {min(first)} AND {max(first)}"
        f" AND spot IN ({', '.join(map(str, first))}) AND ({_has_word(listing)})",
        _words(listing, wanted),
    )
    have = {row["spot"] for row in found}
    return [at for at in first if at in have]


def _searched(
    query: Query, listing: Listing, wanted: Wanted, stretches: list[Stretch], among: int
) -> Page:
    """Return the rows of a page that have a word, as far as they were found in time."""
    began = time.monotonic()
    found, ids, ended = wanted.found, list[int](), None
    for number, at, until, one in _pieces(stretches, wanted.since):
        where, parameters = _within(one, wanted)
        most = wanted.offset + wanted.limit - found
        # One more than the page holds: it tells that there is a next page.
        here = query(
            f"SELECT spot FROM {_relation(listing, [one], where)} WHERE {where} AND spot BETWEEN ? AND ?"
            f" AND ({_has_word(listing)}) ORDER BY spot LIMIT ?",
            [*parameters, at, until, *_words(listing, wanted), most + 1],
        )
        over = max(0, wanted.offset - found)
        ids += [row["spot"] for row in here[over:most]]
        found += len(here)
        ended = number, until
        if len(here) > most or time.monotonic() - began > _budget(wanted):
            break
    else:
        ended = None
    is_full = found > wanted.offset + wanted.limit
    rows = _rows(query, listing, stretches, ids)
    further = f"{ended[0]}:{ended[1] + 1}" if ended and not is_full else None
    looked = among if ended is None else _looked(stretches, *ended)
    return Page(rows, found, ended is None, among, looked, further)


def _pieces(
    stretches: list[Stretch], since: tuple[int, int] | None
) -> Iterator[tuple[int, int, int, Stretch]]:
    """Yield pieces of the stretches in turn: the number of the stretch, and the first and last place in it."""
    size, largest = (PIECE, LARGEST_PIECE) if since is None else (LATER_PIECE, LATER_PIECE)
    for number, one in enumerate(stretches):
        at = one.first
        if since is not None:
            if number < since[0]:
                continue
            if number == since[0]:
                at = max(at, since[1])
        while at <= one.last:
            yield number, at, min(at + size - 1, one.last), one
            at += size
            size = min(2 * size, largest)


def _looked(stretches: list[Stretch], number: int, until: int) -> int:
    """Return about how many rows were looked at up to a place: those of one stretch lie evenly."""
    one = stretches[number]
    share = (until - one.first + 1) / (one.last - one.first + 1)
    return sum(before.n for before in stretches[:number]) + round(one.n * share)


def _rows(
    query: Query, listing: Listing, stretches: list[Stretch], ids: list[int]
) -> list[dict[str, Any]]:
    """Return what is shown of the rows at these places, in this order."""
    if not ids:
        return []
    columns = ", ".join(["spot", *listing.key, *listing.columns])
    found = query(
        f"SELECT {columns} FROM {_relation(listing, stretches, columns)}"
        f" WHERE spot BETWEEN {min(ids)} AND {max(ids)} AND spot IN ({', '.join(map(str, ids))})",
        [],
    )
    by_place = {row.pop("spot"): row for row in found}
    return [by_place[at] for at in ids]
