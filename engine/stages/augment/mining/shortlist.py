"""shortlist: the pool is read, few rows at a time, and the most promising ones are kept.

Left out are rows that stand in the pool before, in the training rows, or in what earlier rounds added (word by word);
rows that resemble evaluation rows, as the leak guard tells them; and, where labels come from neighbours, rows whose
label is not sure. Of the others each label keeps as many, and of these each pattern: those most like it, or, where
patterns do not matter, a random part. Reads the training rows, the patterns and what earlier rounds added; writes a
`PoolRow` per row that is kept, and a `PoolCount` per reason for which rows were not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.data.pool import Pool
from engine.data.records import Record
from engine.errors import RunError
from engine.fingerprint import short
from engine.identity import outside
from engine.rows import PoolCount, PoolRow
from engine.rows.reasons import PoolReason
from engine.spec.recipe import LeakLimits
from engine.stages.augment.mining.choice import label_of
from engine.stages.augment.mining.likeness import Likeness
from engine.stages.augment.mining.neighbours import Guess, Neighbours
from engine.stages.augment.mining.outputs import Shortlisted
from engine.stages.augment.shares import filled
from engine.stages.load import ReadRows, SplitSource
from engine.stages.outputs import Confirmed, Loaded, Logged, NamedPatterns, SelectedRows
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.stages.quality.leak_guard import LeakGuard
from engine.wording import words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

AT_ONCE = 1024
"""Rows that are embedded and compared together."""
READ: Final = "read"
"""Reason of the count of all rows that were looked at."""


@dataclass(frozen=True, kw_only=True)
class ShortlistParams(ReadRows):
    """The pool, and what is kept of it."""

    source: SplitSource
    pool: Pool = outside()
    """The rows that these parameters decide."""
    guard: LeakLimits
    patterns: bool
    """Whether rows that are like a pattern come first."""
    own_labels: bool = False
    """Whether the pool's own labels are taken for right."""
    sure: float | None = None
    """Least probability that a label by neighbours is right; None where these label nothing."""
    size: int
    """Most rows that are kept."""


@dataclass(frozen=True)
class ShortlistInputs(Inputs):
    """The rows of the splits, the patterns, and what earlier rounds added."""

    load: Loaded
    name: NamedPatterns | None = None
    """None where patterns do not matter."""
    confirm: Confirmed | None = None
    logged: Logged | None = None
    earlier: tuple[SelectedRows, ...] = ()


def shortlist(params: ShortlistParams, inputs: ShortlistInputs, ctx: Context) -> Shortlisted:
    """Return the rows that are kept; raises RunError for a pool without rows."""
    looking = _Looking(params, inputs, ctx)
    for batch in params.pool.batches(labelled=params.own_labels):
        for detail in batch.bad:
            looking.read += 1
            looking.leave_out("bad-row", detail)
        records = iter(batch.records)
        while part := list(islice(records, AT_ONCE)):
            looking.look_at(part)
    if not looking.read:
        raise RunError(
            f"the pool {params.source.name} has no rows",
            "name a pool with rows, or check `where`",
        )
    kept = looking.kept()
    counts = [PoolCount("shortlist", READ, looking.read, ""), *looking.left_out()]
    return Shortlisted((*kept, *counts))


class _Found(NamedTuple):
    """A row that may be kept."""

    rank: tuple[float, str]
    """The highest come first."""
    place: int
    """In the pool."""
    row: PoolRow


class _Looking:
    """Goes through the pool; holds no more than the rows that may be kept."""

    def __init__(self, params: ShortlistParams, inputs: ShortlistInputs, ctx: Context) -> None:
        self._params, self._ctx = params, ctx
        load = inputs.load
        self._train = load.train
        self._guard: LeakGuard = ctx.leak_guard(
            params.task.entry, load.examples, params.guard.ngram, params.guard.quantile
        )
        added = [e for selected in inputs.earlier for e in selected.examples]
        self._known = {words(params.task.text_of(e.inputs)) for e in (*load.train, *added)}
        self._seen: set[str] = set()
        self._train_vectors = ctx.embed([params.task.text_of(e.inputs) for e in load.train])
        self._targets = [e.target for e in load.train]
        self._places = _places(self._targets)
        labelled, labels = params.task.labelled, params.task.task(load.examples).labels
        self._labels = frozenset(labels) if labelled else None
        self._spelled = params.spelling(labels)
        self._guess = Neighbours(self._train_vectors, self._targets) if labelled else None
        self._likeness = _likeness(params, inputs, ctx)
        self._found: dict[str, dict[str, list[_Found]]] = defaultdict(lambda: defaultdict(list))
        """Label -> pattern -> rows; a row without a label, or that is like no pattern, under ''."""
        self.read = 0
        self._counts: Counter[PoolReason] = Counter()
        self._details: dict[PoolReason, str] = {}

    def leave_out(self, reason: PoolReason, detail: str, rows: int = 1) -> None:
        """Count rows that are not kept."""
        self._counts[reason] += rows
        self._details.setdefault(reason, detail)

    def left_out(self) -> Iterator[PoolCount]:
        """Yield how many rows were not kept, by reason."""
        for reason, rows in self._counts.items():
            yield PoolCount("shortlist", reason, rows, self._details[reason])

    def look_at(self, records: Sequence[Record]) -> None:
        """Keep what is promising of some rows of the pool."""
        first = self.read
        self.read += len(records)
        fresh: list[tuple[int, Record, dict[str, str]]] = []
        for place, record in enumerate(records, first):
            inputs = {column: str(record.values[column]) for column in self._params.input}
            if why := self._unusable(record, inputs):
                self.leave_out(why[0], f"{self._at(record)} {why[1]}")
                continue
            fresh.append((place, record, inputs))
        if not fresh:
            return
        texts = [self._params.task.text_of(inputs) for _, _, inputs in fresh]
        vectors = self._ctx.embed(texts, keep=False)
        leaks = [
            leak or self._guard.check_turns(inputs)
            for leak, (_, _, inputs) in zip(self._guard.check(texts, vectors), fresh, strict=True)
        ]
        clean = [number for number, leak in enumerate(leaks) if leak is None]
        for number, leak in enumerate(leaks):
            if leak is not None:
                self.leave_out("evaluation", f"{self._at(fresh[number][1])} {leak}")
        if clean:
            self._keep([fresh[number] for number in clean], vectors[clean])
        held = sum(len(rows) for own in self._found.values() for rows in own.values())
        if held > 2 * self._params.size:
            self._shrink()

    def _unusable(self, record: Record, inputs: dict[str, str]) -> tuple[PoolReason, str] | None:
        """Return why a row is no use, as a reason and its words; None where it may be."""
        key = words(self._params.task.text_of(inputs))
        if not key:
            return "empty", "has no words"
        if key in self._known:
            return "training", "stands in the training rows"
        mark = short(key)
        if mark in self._seen:
            return "duplicate", "repeats an earlier row"
        self._seen.add(mark)
        right = self._right(record)
        if not right or self._labels is None:
            return None
        kind, settings = self._params.task.entry, self._params.task.settings
        if self._labels.issuperset(kind.labels_in(right, settings)):
            return None
        return "unknown_label", "has a label that is none of the task's"

    def _right(self, record: Record) -> str:
        """Return the pool's own label of a row, as the task spells it; empty where it has none."""
        right = record.values.get(self._params.task.target)
        return "" if right is None else self._spelled(str(right))

    def _keep(
        self,
        fresh: Sequence[tuple[int, Record, dict[str, str]]],
        vectors: npt.NDArray[np.float32],
    ) -> None:
        guesses = self._guess(vectors) if self._guess else [None] * len(fresh)
        likeness = self._likeness(vectors) if self._likeness else None
        near = vectors @ self._train_vectors.T
        for number, ((place, record, inputs), guess) in enumerate(zip(fresh, guesses, strict=True)):
            sure = self._params.sure
            if sure is not None and guess is not None and guess.confidence < sure:
                detail = f"{self._at(record)} is {guess.label} or {guess.second}"
                self.leave_out("unsure", detail)
                continue
            pattern, alike = "", None
            if likeness is not None and self._likeness is not None and likeness.shape[1]:
                best = int(likeness[number].argmax())
                pattern = self._likeness.patterns[best]
                alike = round(float(likeness[number, best]), 6)
            row = self._row(record, inputs, guess, near[number], pattern, alike)
            chance = short([self._ctx.seed, self._ctx.round, row.id])
            found = _Found((alike or 0.0, chance), place, row)
            label = label_of(row) if self._labels is not None else ""
            self._found[label][pattern].append(found)

    def _shrink(self) -> None:
        """Keep the best rows of each label and pattern, in all as many as may be kept."""
        there = {
            label: sum(map(len, by_pattern.values())) for label, by_pattern in self._found.items()
        }
        for label, most in filled(there, self._params.size).items():
            by_pattern = self._found[label]
            each = filled({pattern: len(rows) for pattern, rows in by_pattern.items()}, most)
            for pattern, count in each.items():
                rows = by_pattern[pattern]
                if more := len(rows) - count:
                    why = "others of its label and pattern are more promising"
                    self.leave_out("not_shortlisted", why, more)
                    rows[:] = nlargest(count, rows, key=lambda found: found.rank)

    def _parent(self, cosines: npt.NDArray[np.float32], label: str) -> str:
        """Return the nearest training row, of a label where it has any."""
        own = self._places.get(label)
        place = cosines.argmax() if own is None else own[cosines[own].argmax()]
        return self._train[int(place)].id

    def _row(
        self,
        record: Record,
        inputs: dict[str, str],
        guess: Guess | None,
        cosines: npt.NDArray[np.float32],
        pattern: str,
        alike: float | None,
    ) -> PoolRow:
        target = self._params.task.target
        right = self._right(record)
        return PoolRow(
            id=short([inputs]),
            inputs=inputs,
            columns={
                column: value
                for column, value in record.values.items()
                if column not in inputs and column != target
            },
            target=right,
            guess=guess.label if guess else "",
            second=guess.second if guess else "",
            confidence=round(guess.confidence, 6) if guess else None,
            parent=self._parent(cosines, right or (guess.label if guess else "")),
            pattern=pattern,
            likeness=alike,
            source=record.file or self._params.source.name,
            line=record.line,
        )

    def _at(self, record: Record) -> str:
        return f"{record.file or self._params.source.name}:{record.line}"

    def kept(self) -> list[PoolRow]:
        """Return the rows that are kept, in the pool's order."""
        self._shrink()
        found = [one for own in self._found.values() for rows in own.values() for one in rows]
        return [one.row for one in sorted(found, key=lambda one: one.place)]


def _likeness(params: ShortlistParams, inputs: ShortlistInputs, ctx: Context) -> Likeness | None:
    if not params.patterns or inputs.name is None:
        return None
    patterns = inputs.name.patterns
    if inputs.confirm is not None:
        patterns = inputs.confirm.funded(patterns)
    return Likeness(params.task, patterns, inputs.name, inputs.load, inputs.logged, ctx)


def _places(targets: Sequence[str]) -> dict[str, npt.NDArray[np.int_]]:
    """Return the places of the training rows that have each target."""
    import numpy as np

    places: dict[str, list[int]] = defaultdict(list)
    for place, target in enumerate(targets):
        places[target].append(place)
    return {target: np.array(own) for target, own in places.items()}


def _accounts(
    params: ShortlistParams, inputs: ShortlistInputs, output: Shortlisted
) -> Iterable[Account]:
    by_reason = {count.reason: count.rows for count in output.counts}
    read = by_reason.pop(READ)
    yield Account("rows of the pool", read, len(output.pool), sum(by_reason.values()))


SHORTLIST = Stage(
    "shortlist", 2, ShortlistParams, ShortlistInputs, Shortlisted, shortlist,
    description="Reads the pool, and keeps its most promising rows.",
    asks=("embedder",), embeds="rows of the pool and of all splits, failures of a log ({inputs})", accounts=_accounts,
)  # fmt: skip
