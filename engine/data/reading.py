"""Sources to rows: read in batches, columns made, rows chosen, every bad row named with file, line and remedy.

Only the rows that are used are kept: a source may be larger than memory. Splits that take their rows from one and the
same place read it together, once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from engine.data.records import BadRow, Choice, ColumnTypes, Reading, Record, hash_rows, told_once
from engine.data.sampling import Sampler
from engine.data.sources.origins import Origin
from engine.errors import Location, Problem, RecipeError
from engine.registry import did_you_mean
from engine.sql.expressions import Fault, with_quotes
from engine.sql.row_values import RowExpression, Unusable

_BATCH = 8192
_TURNS = "messages"
"""Column of a log of OpenAI's chat format with a conversation's turns."""
_MOST_FAULTS = 10
"""At so many different ones reading stops, unless bad rows are left out."""
_MOST_BAD_ROWS = 1000
"""At so many it stops whatever is wrong with them."""
_LEFT_OUT = "or leave bad rows out: `on_bad_row: drop`"

Check = Callable[[dict[str, Any]], "Fault | tuple[str, ...]"]
"""Says what is wrong with a row's values. Else it returns all acceptable answers, none where the target is the only
one; it may put the values into another form."""


class SettingError(RecipeError):
    """What is wrong with one of a source's own settings; `key` says with which."""

    def __init__(self, key: tuple[str, ...], origin: str, fault: Fault, code: str = "sql") -> None:
        """Take the setting, where the rows are as shown in messages, and what is wrong."""
        self.key, self.fault, self.code = key, fault, code
        message = f"{'.'.join(key)}: {fault.message}"
        super().__init__([Problem(Location(origin), message, fault.hint, code=code)])


class NoColumnError(RecipeError):
    """Columns of the task that no row has, which is the recipe's mistake rather than the file's."""

    def __init__(self, lacking: Mapping[str, str], origin: str, others: Sequence[Problem]) -> None:
        """Take the columns with a hint for each, where the rows are, and what else is wrong with these."""
        self.lacking, self.origin, self.others = lacking, origin, others
        at = Location(origin)
        problems = [
            Problem(at, f"no row has a column '{column}'", hint, code="no-column")
            for column, hint in lacking.items()
        ]
        super().__init__([*others, *problems])


def read_source(
    origin: Origin,
    choice: Choice | None = None,
    check: Check | None = None,
    columns: Sequence[str] = (),
    *,
    drop: bool = False,
) -> Reading:
    """Return the rows of a source that are used, in its order.

    Args:
        origin: Where the rows are.
        choice: Which rows, with which columns.
        check: What a row must be; asked of the rows that `where` keeps, also of those that are not drawn.
        columns: Columns that some row must have.
        drop: Leave bad rows out instead of stopping.

    Raises:
        SettingError: for a setting that these rows do not bear.
        NoColumnError: no row has one of `columns`.
        RecipeError: with every bad row (up to ten), by file and line.
    """
    result = read_together(origin, {"": choice or Choice()}, check, columns, drop=drop)[""]
    if isinstance(result, RecipeError):
        raise result
    return result


def stream_source(
    origin: Origin,
    choice: Choice | None = None,
    check: Check | None = None,
    columns: Sequence[str] = (),
    *,
    drop: bool = False,
) -> Iterator[tuple[list[Record], list[BadRow]]]:
    """Yield the rows that `read_source` returns, a batch at a time with the bad rows of its place; none is kept here.

    Rows that are drawn (`sample`) come in the end. Arguments and errors are those of `read_source`; bad rows end it
    at the batch that has them.
    """
    reader = _Reader(origin, choice or Choice(), check, columns, drop)
    for batch in _batches(origin.rows(), _batch_size(reader.choice)):
        is_enough = reader.take(batch)
        if problems := reader.problems():
            raise RecipeError(problems)
        yield reader.handed_on()
        if is_enough:
            return
    if reader.sampler:
        yield reader.sampler.records()[: reader.choice.limit], []


def read_together(
    origin: Origin,
    choices: Mapping[str, Choice],
    check: Check | None = None,
    columns: Sequence[str] = (),
    *,
    drop: bool = False,
) -> dict[str, Reading | RecipeError]:
    """Return what `read_source` would for each of the choices, but read the origin once for all of them."""
    results: dict[str, Reading | RecipeError] = {}
    readers: dict[str, _Reader] = {}
    content = hashlib.sha256() if origin.known_by_rows else None
    for name, choice in choices.items():
        try:
            readers[name] = _Reader(origin, choice, check, columns, drop)
        except SettingError as error:
            results[name] = error
    size = max(map(_batch_size, choices.values()))
    is_whole = _feed(_batches(origin.rows(), size), readers, results, content)
    digest = content.hexdigest() if content is not None and is_whole else None
    read = {n: reader.result(digest) for n, reader in readers.items() if n not in results}
    return results | read


def _feed(
    batches: Iterator[list[Record | BadRow]],
    readers: Mapping[str, _Reader],
    results: dict[str, Reading | RecipeError],
    content: hashlib._Hash | None,
) -> bool:
    """Give the rows to all readers, until none needs more; return whether these were all rows there are.

    What stops a reader joins `results`. All rows join the hash `content`, where there is one.
    """
    waiting = dict(readers)
    try:
        for batch in batches:
            if content is not None:
                hash_rows(content, batch)
            for name, reader in list(waiting.items()):
                try:
                    enough = reader.take(batch if len(readers) == 1 else _copied(batch))
                except RecipeError as error:
                    enough, results[name] = True, error
                if enough:
                    del waiting[name]
            if not waiting:
                return False
    except RecipeError as error:
        for name, reader in waiting.items():
            results[name] = RecipeError([*reader.problems(), *error.problems])
        return False
    return True


def _batch_size(choice: Choice) -> int:
    if choice.limit is None or _is_sample(choice):
        return _BATCH
    # A small limit is met in the first rows, where no condition leaves many out.
    return min(_BATCH, max(choice.limit, _BATCH // 16))


def _is_sample(choice: Choice) -> bool:
    return choice.sample is not None and choice.sample.n is not None


def _copied(batch: Sequence[Record | BadRow]) -> list[Record | BadRow]:
    """Return a batch whose values may be put into a task's form without the next reader's seeing it."""
    return [
        Record(row.line, dict(row.values), row.file) if isinstance(row, Record) else row
        for row in batch
    ]


class _Reader:
    """Takes the rows of an origin, batch by batch, and keeps those of one choice."""

    def __init__(
        self,
        origin: Origin,
        choice: Choice,
        check: Check | None,
        columns: Sequence[str],
        drop: bool,
    ) -> None:
        self.origin, self.choice, self.check, self.columns = origin, choice, check, columns
        self.drop = drop
        self.bad: list[BadRow] = []
        self.faults: set[Fault] = set()
        """What is wrong with these, where they are not left out."""
        self.types = ColumnTypes()
        self.new_names = {old: name for name, old in choice.rename.items()}
        self.names_are_checked = False
        self.kept: list[Record] = []
        self.given = 0
        """Rows that were kept and handed on."""
        sample = choice.sample
        self.sampler = (
            Sampler(sample.n, sample.per, sample.seed) if sample and sample.n is not None else None
        )
        self.derived: dict[str, RowExpression] = {}
        self.where: RowExpression | None = None
        for name, sql in choice.columns.items():
            with self._usable("columns", name):
                self.derived[name] = RowExpression(sql, "value")
        if choice.where is not None:
            with self._usable("where"):
                self.where = RowExpression(choice.where, "condition")

    @contextmanager
    def _usable(self, *key: str) -> Iterator[None]:
        """Say of an expression that cannot be used which setting it is."""
        try:
            yield
        except Unusable as error:
            sql = (self.choice.where or "") if key == ("where",) else self.choice.columns[key[-1]]
            fault = with_quotes(error.fault, sql, self._first_names())
            raise SettingError(key, self.origin.name, fault) from None

    def _first_names(self) -> list[str]:
        """Return the columns of the first row, under their new names; none where it cannot be read."""
        try:
            first = next((row for row in self.origin.rows() if isinstance(row, Record)), None)
        except RecipeError:
            return []
        return [self.new_names.get(name, name) for name in first.values] if first else []

    def problems(self) -> list[Problem]:
        """Return what is wrong with the rows so far, none of it where bad rows are left out."""
        return [] if self.drop else told_once(self.bad, self.origin.name, by_row=self.origin.by_row)

    def result(self, digest: str | None) -> Reading | RecipeError:
        """Return the rows that are used, or what is wrong with them."""
        if problems := self.problems():
            return RecipeError(problems)
        records = self.sampler.records() if self.sampler else self.kept
        return Reading(records[: self.choice.limit], self.bad, self.types, digest)

    def handed_on(self) -> tuple[list[Record], list[BadRow]]:
        """Return the rows and the bad rows so far, which are not kept here any more."""
        kept, bad, self.kept, self.bad = self.kept, self.bad, [], []
        self.given += len(kept)
        return kept, bad

    def take(self, batch: Sequence[Record | BadRow]) -> bool:
        """Take the next rows; return whether no more are needed. Raises RecipeError."""
        records = [row for row in batch if isinstance(row, Record)]
        if self.choice.rename:
            records = [self._renamed(record) for record in records]
        if records and not self.names_are_checked:
            self._check_names(records, [row for row in batch if isinstance(row, BadRow)])
            self.names_are_checked = True
        results = self._judged(records)
        if len(records) < len(batch):
            results = _with_bad_rows(batch, results)
        for result in results:
            if isinstance(result, BadRow):
                self._note(result)
            elif result is not None and self._keep(result):
                return True
        return False

    def _note(self, bad: BadRow) -> None:
        self.bad.append(bad)
        if self.drop:
            return
        self.faults.add(bad.fault)
        if len(self.faults) < _MOST_FAULTS and len(self.bad) < _MOST_BAD_ROWS:
            return
        at = bad.problem(self.origin.name, by_row=self.origin.by_row).where
        note = f"reading stops after {len(self.bad):,} bad rows"
        hint = f"correct these first, {_LEFT_OUT}"
        end = Location(at.file, at.line, at.column + 1)
        raise RecipeError([*self.problems(), Problem(end, note, hint, code="data")])

    def _keep(self, record: Record) -> bool:
        if self.sampler:
            self.sampler.add(record)
            return False
        self.kept.append(record)
        return self.given + len(self.kept) == self.choice.limit

    def _renamed(self, record: Record) -> Record:
        new, values = self.new_names, record.values
        taken = [name for name in self.choice.rename if name in values and name not in new]
        if taken:
            fault = Fault(f"the data has a column '{taken[0]}' already", "rename that one too")
            raise SettingError(("rename", taken[0]), self.origin.name, fault, "data")
        renamed = {new.get(name, name): value for name, value in values.items()}
        return Record(record.line, renamed, record.file)

    def _check_names(self, batch: Sequence[Record], bad: Sequence[BadRow]) -> None:
        """Refuse columns that no row has; a column that starts late in the source is looked for in all of it."""
        existing = dict.fromkeys(column for record in batch for column in record.values)
        lower = {name.lower() for name in existing}
        if lacking := {name.lower() for name in self._wanted()} - lower:
            existing |= self._everywhere(lacking)
        for new, old in self.choice.rename.items():
            if new not in existing:
                fault = Fault(f"no row has a column '{old}'", did_you_mean(old, existing))
                raise SettingError(("rename", new), self.origin.name, fault, "data")
        for key, expression in self._expressions():
            known = [*existing, *self.choice.columns] if key == ("where",) else list(existing)
            with self._usable(*key):
                expression.check_columns(known)
        self._check_required([*existing, *self.choice.columns], bad)

    def _wanted(self) -> Iterator[str]:
        """Yield the columns of the data, with their new names, that the settings need."""
        made = set(self.choice.columns)
        for key, expression in self._expressions():
            yield from (n for n in expression.columns if key != ("where",) or n not in made)
        per = self.choice.sample.per if self.choice.sample else None
        needed = [*self.columns, *([per] if per is not None else []), *self.choice.rename]
        yield from (name for name in needed if name not in made or name in self.choice.rename)

    def _expressions(self) -> Iterator[tuple[tuple[str, ...], RowExpression]]:
        yield from ((("columns", name), each) for name, each in self.derived.items())
        if self.where is not None:
            yield ("where",), self.where

    def _everywhere(self, lacking: Collection[str]) -> dict[str, None]:
        """Return all columns of the source, reading on until those that are lacking were seen."""
        missing, existing = set(lacking), dict[str, None]()
        for record in self.origin.rows():
            if isinstance(record, BadRow):
                continue
            names = [self.new_names.get(name, name) for name in record.values]
            existing |= dict.fromkeys(names)
            missing -= {name.lower() for name in names}
            if not missing:
                break
        return existing

    def _check_required(self, existing: Collection[str], bad: Sequence[BadRow]) -> None:
        per = self.choice.sample.per if self.choice.sample else None
        if per is not None and per not in existing:
            fault = Fault(f"no column '{per}' to sample by", did_you_mean(per, existing))
            raise SettingError(("sample", "per"), self.origin.name, fault, "data")
        lacking = {c: _hint(c, existing) for c in self.columns if c not in existing}
        if lacking:
            others = [] if self.drop else [*self.bad, *bad]
            problems = told_once(others, self.origin.name, by_row=self.origin.by_row)[:_MOST_FAULTS]
            raise NoColumnError(lacking, self.origin.name, problems)

    def _derived(self, batch: list[Record]) -> tuple[list[Record], list[Fault | None]]:
        """Return the rows with their derived columns, and for each why one of these has no value."""
        faults: list[Fault | None] = [None] * len(batch)
        rows = [record.values for record in batch]
        made: dict[str, list[Any]] = {}
        for name, expression in self.derived.items():
            with self._usable("columns", name):
                made[name] = expression.over(rows)
            for index, value in enumerate(made[name]):
                if isinstance(value, Fault):
                    made[name][index] = None
                    message = f"the column '{name}' cannot be made here: {value.message}"
                    hint = f"{value.hint or 'correct the row'}, {_LEFT_OUT}"
                    faults[index] = faults[index] or Fault(message, hint)
        if made:
            columns = [
                dict(zip(made, each, strict=True)) for each in zip(*made.values(), strict=True)
            ]
            batch = [
                Record(record.line, {**record.values, **new}, record.file)
                for record, new in zip(batch, columns, strict=True)
            ]
        return batch, faults

    def _judged(self, batch: list[Record]) -> Iterator[Record | BadRow | None]:
        """Yield each row with its derived columns, or what is wrong with it; None where `where` leaves it out."""
        batch, faults = self._derived(batch)
        kept: list[Any] = [True] * len(batch)
        if self.where is not None:
            with self._usable("where"):
                kept = self.where.over([record.values for record in batch])
        self.types.see([r for r, keep in zip(batch, kept, strict=True) if keep is True])
        for record, keep, fault in zip(batch, kept, faults, strict=True):
            if isinstance(keep, Fault):
                message = f"`where` cannot be tried here: {keep.message}"
                hint = f"{keep.hint or 'correct the row'}, {_LEFT_OUT}"
                yield BadRow(record.line, Fault(message, hint), file=record.file)
            elif keep is not True:
                yield None
            else:
                yield self._checked(record, fault)

    def _checked(self, record: Record, fault: Fault | None) -> Record | BadRow:
        verdict = fault or (self.check(record.values) if self.check else ())
        if isinstance(verdict, Fault):
            return BadRow(record.line, verdict, file=record.file)
        return record._replace(references=verdict) if verdict else record


def _hint(column: str, existing: Collection[str]) -> str:
    """Return what to do about a column of the task that no row has."""
    if _TURNS in existing:
        return (
            f"rows with `{_TURNS}` are a chat log: make the column of its turns, `columns: {{{column}: "
            f'"{_TURNS}[-1].content"}}` if it is the answer, or take the task kind `chat` (docs/data.md, Chat logs)'
        )
    return did_you_mean(column, existing)


def _with_bad_rows(
    batch: Sequence[Record | BadRow], results: Iterator[Record | BadRow | None]
) -> Iterator[Record | BadRow | None]:
    """Yield the bad rows of a batch between the results of the others, each in its place."""
    for row in batch:
        yield row if isinstance(row, BadRow) else next(results)


def _batches(rows: Iterator[Record | BadRow], size: int) -> Iterator[list[Record | BadRow]]:
    """Yield rows in batches; an error that ends the reading comes behind the rows before it."""
    # These may be all that are used: what stands behind a limit is no mistake.
    ended: RecipeError | None = None
    while ended is None:
        batch: list[Record | BadRow] = []
        try:
            for row in islice(rows, size):
                batch.append(row)
        except RecipeError as error:
            ended = error
        if batch:
            yield batch
        elif ended is None:
            return
    raise ended
