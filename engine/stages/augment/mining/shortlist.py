"""shortlist: the pool is read, few rows at a time, and the most promising ones are kept.

Left out are rows that stand in the pool before, in the training rows, or in what earlier rounds added (word by word);
rows that resemble evaluation rows, as the leak guard tells them; and, where labels come from neighbours, rows whose
label is not sure. Of the others each label keeps as many: those most like what failed, or, where patterns do not
matter, a random part. Reads the training rows, the patterns and what earlier rounds added; writes a `PoolRow` per row
that is kept, and a `PoolCount` per reason for which rows were not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from engine.data.pool import Pool
from engine.data.records import Record
from engine.errors import RunError
from engine.fingerprint import short
from engine.identity import Params, outside
from engine.rows import Example, PoolCount, PoolRow
from engine.spec.recipe import LabelBy, LeakLimits, Redaction
from engine.stages.augment.mining.likeness import Likeness
from engine.stages.augment.mining.neighbours import Guess, Neighbours
from engine.stages.augment.mining.outputs import Shortlisted
from engine.stages.load import SplitSource
from engine.stages.outputs import Confirmed, Loaded, Logged, NamedPatterns, SelectedRows
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.stages.quality.leak_guard import LeakGuard
from engine.stages.task_view import TaskView
from engine.wording import text_of, words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

AT_ONCE = 1024
"""Rows that are embedded and compared together."""
READ = "read"
"""Reason of the count of all rows that were looked at."""


@dataclass(frozen=True, kw_only=True)
class ShortlistParams(Params):
    """The pool, and what is kept of it."""

    task: TaskView
    input: tuple[str, ...]
    source: SplitSource
    pool: Pool = outside()
    """The rows that these parameters decide."""
    guard: LeakLimits
    patterns: bool
    """Whether rows that are like a pattern come first."""
    label: LabelBy
    sure: float
    """Least probability that a label by neighbours is right."""
    size: int
    """Most rows that are kept."""
    redact: tuple[Redaction, ...] = ()
    on_bad_row: str = "stop"


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
    for batch in params.pool.batches(labelled=params.label == "column"):
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
            load.examples, params.guard.ngram, params.guard.quantile
        )
        added = [e for selected in inputs.earlier for e in selected.examples]
        self._known = {words(text_of(e.inputs)) for e in (*load.train, *added)}
        self._seen: set[str] = set()
        self._train_vectors = ctx.embed([text_of(e.inputs) for e in load.train])
        self._targets = [e.target for e in load.train]
        labelled = params.task.labelled
        self._labels = frozenset(params.task.task(load.examples).labels) if labelled else None
        self._guess = Neighbours(self._train_vectors, self._targets) if labelled else None
        self._likeness = _likeness(params, inputs, ctx)
        self._found: dict[str, list[_Found]] = defaultdict(list)
        labels = len(set(self._targets)) if labelled else 1
        self._each = -(-params.size // labels)
        """Rows that a label keeps."""
        self.read = 0
        self._counts: Counter[str] = Counter()
        self._details: dict[str, str] = {}

    def leave_out(self, reason: str, detail: str, rows: int = 1) -> None:
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
        texts = [text_of(inputs) for _, _, inputs in fresh]
        vectors = self._ctx.embed(texts, keep=False)
        leaks = self._guard.check(texts, vectors)
        clean = [number for number, leak in enumerate(leaks) if leak is None]
        for number, leak in enumerate(leaks):
            if leak is not None:
                self.leave_out("evaluation", f"{self._at(fresh[number][1])} {leak}")
        if clean:
            self._keep([fresh[number] for number in clean], vectors[clean])

    def _unusable(self, record: Record, inputs: dict[str, str]) -> tuple[str, str] | None:
        """Return why a row is no use, as a reason and its words; None where it may be."""
        key = words(text_of(inputs))
        if not key:
            return "empty", "has no words"
        if key in self._known:
            return "training", "stands in the training rows"
        mark = short(key)
        if mark in self._seen:
            return "duplicate", "repeats an earlier row"
        self._seen.add(mark)
        right = record.values.get(self._params.task.target)
        if right is None or self._labels is None:
            return None
        kind, settings = self._params.task.entry, self._params.task.settings
        if self._labels.issuperset(kind.labels_in(str(right), settings)):
            return None
        return "unknown_label", "has a label that is none of the task's"

    def _keep(
        self,
        fresh: Sequence[tuple[int, Record, dict[str, str]]],
        vectors: npt.NDArray[np.float32],
    ) -> None:
        guesses = self._guess(vectors) if self._guess else [None] * len(fresh)
        likeness = self._likeness(vectors) if self._likeness else None
        near = vectors @ self._train_vectors.T
        for number, ((place, record, inputs), guess) in enumerate(zip(fresh, guesses, strict=True)):
            if (
                self._params.label == "neighbours"
                and guess is not None
                and guess.confidence < self._params.sure
            ):
                detail = f"{self._at(record)} is {guess.label} or {guess.second}"
                self.leave_out("unsure", detail)
                continue
            pattern, alike = "", None
            if likeness is not None and self._likeness is not None and likeness.shape[1]:
                best = int(likeness[number].argmax())
                pattern = self._likeness.patterns[best]
                alike = round(float(likeness[number, best]), 6)
            row = self._row(
                record, inputs, guess, self._parent(near[number], guess), pattern, alike
            )
            chance = short([self._ctx.seed, self._ctx.round, row.id])
            bucket = self._found[guess.label if guess else ""]
            bucket.append(_Found((alike or 0.0, chance), place, row))
            if len(bucket) > 2 * self._each:
                self._shrink(bucket)

    def _shrink(self, bucket: list[_Found]) -> None:
        best = nlargest(self._each, bucket, key=lambda found: found.rank)
        if more := len(bucket) - len(best):
            self.leave_out("not_shortlisted", "others of its label are more promising", more)
            bucket[:] = best

    def _parent(self, cosines: npt.NDArray[np.float32], guess: Guess | None) -> str:
        """Return the nearest training row, of the guessed label where there is one."""
        import numpy as np

        if guess is not None:
            own = np.array([target == guess.label for target in self._targets])
            cosines = np.where(own, cosines, -2.0)
        return self._train[int(cosines.argmax())].id

    def _row(
        self,
        record: Record,
        inputs: dict[str, str],
        guess: Guess | None,
        parent: str,
        pattern: str,
        alike: float | None,
    ) -> PoolRow:
        target = self._params.task.target
        right = record.values.get(target)
        return PoolRow(
            id=short([inputs]),
            inputs=inputs,
            columns={
                column: value
                for column, value in record.values.items()
                if column not in inputs and column != target
            },
            target="" if right is None else str(right),
            guess=guess.label if guess else "",
            second=guess.second if guess else "",
            confidence=round(guess.confidence, 6) if guess else None,
            parent=parent,
            pattern=pattern,
            likeness=alike,
            source=record.file or self._params.source.name,
            line=record.line,
        )

    def _at(self, record: Record) -> str:
        return f"{record.file or self._params.source.name}:{record.line}"

    def kept(self) -> list[PoolRow]:
        """Return the rows that are kept, in the pool's order."""
        for bucket in self._found.values():
            self._shrink(bucket)
        found = [one for bucket in self._found.values() for one in bucket]
        return [one.row for one in sorted(found, key=lambda one: one.place)]


def _likeness(params: ShortlistParams, inputs: ShortlistInputs, ctx: Context) -> Likeness | None:
    if not params.patterns or inputs.name is None:
        return None
    patterns = inputs.name.patterns
    if inputs.confirm is not None:
        patterns = inputs.confirm.funded(patterns)
    return Likeness(patterns, inputs.name.by_pattern, _examples(inputs), ctx)


def _examples(inputs: ShortlistInputs) -> list[Example]:
    """Return the rows among which failures are: test rows are not."""
    log = inputs.logged.examples if inputs.logged else ()
    return [*(e for e in inputs.load.examples if e.split != "test"), *log]


def _accounts(
    params: ShortlistParams, inputs: ShortlistInputs, output: Shortlisted
) -> Iterable[Account]:
    by_reason = {count.reason: count.rows for count in output.counts}
    read = by_reason.pop(READ)
    yield Account("rows of the pool", read, len(output.pool), sum(by_reason.values()))


SHORTLIST = Stage(
    "shortlist", 1, ShortlistParams, ShortlistInputs, Shortlisted, shortlist,
    asks=("embedder",), embeds="rows of the pool and rows of all splits ({inputs})", accounts=_accounts,
)  # fmt: skip
