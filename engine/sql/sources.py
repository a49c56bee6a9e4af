"""Data sources to rows: read in batches, columns made, rows chosen, every bad row named with file, line and remedy.

Only the rows that are used are kept: a source may be larger than memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from engine.errors import Location, Problem, RecipeError
from engine.registry import did_you_mean
from engine.sql.connection import closed_off
from engine.sql.drawing import Sample
from engine.sql.expressions import Fault
from engine.sql.faults import Faults
from engine.sql.files import find_files, problem
from engine.sql.huggingface import is_hub, resolve_hub, saved_set
from engine.sql.queries import resolve_query
from engine.sql.records import Choice, ColumnTypes, Reading, Record, shown
from engine.sql.row_values import RowExpression, Unusable

if TYPE_CHECKING:
    import duckdb

NO_COLUMN = "no-column"
"""Code of the problem "no row has a column …", which is the recipe's rather than the file's."""
_BATCH = 8192

Check = Callable[[dict[str, Any]], Fault | None]
"""Says what is wrong with a row's values, None when they can be used; it may put them into another form."""


class Place(Protocol):
    """Where rows are: files, a data set, a query."""

    @property
    def name(self) -> str:
        """As shown in messages."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of this machine that are read."""
        ...

    def rows(self, faults: Faults) -> Iterator[Record]:
        """Yield all rows; bad ones are noted in `faults`. Raises RecipeError."""
        ...

    def digest(self) -> str:
        """Return what tells these rows from others. Raises RecipeError, OSError."""
        ...


class SourceError(RecipeError):
    """What is wrong with a source's own settings; `key` says with which."""

    def __init__(self, key: tuple[str, ...], place: str, fault: Fault, code: str = "sql") -> None:
        """Take the setting, the source it belongs to as shown in messages, and what is wrong."""
        self.key, self.fault, self.code = key, fault, code
        message = f"{'.'.join(key)}: {fault.message}"
        super().__init__([Problem(Location(place), message, fault.hint, code=code)])


def resolve_path(path: str, base: Path, streaming: bool = False) -> Place:
    """Return the files, the saved data set or the Hub's data set behind a path; raises RecipeError."""
    if is_hub(path):
        return resolve_hub(path, streaming)
    folder = base / path
    try:
        saved = saved_set(folder) if folder.is_dir() else None
    except OSError as error:
        raise problem(folder, f"this path cannot be used: {error.strerror}", "check it") from None
    return saved or find_files(path, base)


def resolve_source(source: Mapping[str, Any], base: Path) -> Place:
    """Return where the rows of a recipe's source are; `source` has a `path` or a `sql`. Raises RecipeError."""
    if source.get("sql") is not None:
        return resolve_query(source["sql"], base, source.get("database"))
    return resolve_path(source["path"], base, bool(source.get("streaming")))


def read_source(
    place: Place,
    choice: Choice | None = None,
    check: Check | None = None,
    columns: Sequence[str] = (),
    *,
    drop: bool = False,
) -> Reading:
    """Return the rows of a source that are used, in its order.

    Args:
        place: What `resolve_source` returned.
        choice: Which rows, with which columns.
        check: What a row must be; asked of the rows that `where` keeps, also of those that are not drawn.
        columns: Columns that some row must have.
        drop: Leave bad rows out instead of stopping.

    Raises:
        SourceError: for a setting that these rows do not bear.
        RecipeError: with every bad row (up to ten), by file and line.
    """
    choice = choice or Choice()
    with ExitStack() as stack:
        reader = _Reader(place, choice, check, columns, drop)
        if choice.columns or choice.where is not None:
            reader.prepare(stack.enter_context(closed_off()))
        return reader.read()


class _Reader:
    def __init__(
        self,
        place: Place,
        choice: Choice,
        check: Check | None,
        columns: Sequence[str],
        drop: bool,
    ) -> None:
        self.place, self.choice, self.check, self.columns = place, choice, check, columns
        self.faults = Faults(place.name, drop=drop)
        self.types = ColumnTypes()
        self.new_names = {old: name for name, old in choice.rename.items()}
        self.derived: dict[str, RowExpression] = {}
        self.where: RowExpression | None = None
        self.kept: list[Record] = []
        n = (choice.sample or {}).get("n")
        sample = choice.sample or {}
        self.sample = Sample(n, sample.get("per"), sample.get("seed", 0)) if n is not None else None

    def prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Take the expressions; raises SourceError for one that is none."""
        for name, sql in self.choice.columns.items():
            with self._usable("columns", name):
                self.derived[name] = RowExpression(sql, "value", connection)
        if self.choice.where is not None:
            with self._usable("where"):
                self.where = RowExpression(self.choice.where, "condition", connection)

    @contextmanager
    def _usable(self, *key: str) -> Iterator[None]:
        """Say of an expression that cannot be used which setting it is."""
        try:
            yield
        except Unusable as error:
            raise SourceError(key, self.place.name, error.fault) from None

    def read(self) -> Reading:
        self._read_rows()
        self.faults.stop()
        records = self.sample.records() if self.sample else self.kept
        bad = sorted(self.faults.problems, key=lambda each: each.where)
        return Reading(records[: self.choice.limit], bad, self.types)

    def _read_rows(self) -> None:
        limit = self.choice.limit if self.sample is None else None
        # A small limit is met in the first rows, where no condition leaves many out.
        size = _BATCH if limit is None else min(_BATCH, max(limit, _BATCH // 16))
        for number, batch in enumerate(_batches(self._renamed(), size)):
            if number == 0:
                self._check_names(batch)
            for record in self._chosen(batch):
                if self.sample:
                    self.sample.add(record)
                    continue
                self.kept.append(record)
                if len(self.kept) == limit:
                    self._forget_behind(record)
                    return

    def _forget_behind(self, last: Record) -> None:
        """Take back what is wrong with rows of the batch that stand behind the last one used."""
        end = shown(self.place.name, last.file, last.line)
        self.faults.problems = [each for each in self.faults.problems if each.where < end]

    def _renamed(self) -> Iterator[Record]:
        rows = self.place.rows(self.faults)
        if not self.choice.rename:
            yield from rows
            return
        for record in rows:
            yield record._replace(values=self._with_new_names(record.values))

    def _with_new_names(self, values: dict[str, Any]) -> dict[str, Any]:
        new = self.new_names
        taken = [name for name in self.choice.rename if name in values and name not in new]
        if taken:
            fault = Fault(f"the data has a column '{taken[0]}' already", "rename that one too")
            raise SourceError(("rename", taken[0]), self.place.name, fault, "data")
        return {new.get(name, name): value for name, value in values.items()}

    def _check_names(self, batch: Sequence[Record]) -> None:
        """Refuse columns that no row has; a column that starts late in the source is looked for in all of it."""
        there = dict.fromkeys(column for record in batch for column in record.values)
        lower = {name.lower() for name in there}
        if lacking := {name.lower() for name in self._wanted()} - lower:
            there |= self._everywhere(lacking)
        for new, old in self.choice.rename.items():
            if new not in there:
                fault = Fault(f"no row has a column '{old}'", did_you_mean(old, there))
                raise SourceError(("rename", new), self.place.name, fault, NO_COLUMN)
        for key, expression in self._expressions():
            known = [*there, *self.choice.columns] if key == ("where",) else list(there)
            with self._usable(*key):
                expression.check_columns(known)
        self._check_required([*there, *self.choice.columns])

    def _wanted(self) -> Iterator[str]:
        """Yield the columns of the data, with their new names, that the settings need."""
        made = set(self.choice.columns)
        for key, expression in self._expressions():
            yield from (n for n in expression.columns if key != ("where",) or n not in made)
        per = (self.choice.sample or {}).get("per")
        needed = [*self.columns, *([per] if per is not None else []), *self.choice.rename]
        yield from (name for name in needed if name not in made or name in self.choice.rename)

    def _expressions(self) -> Iterator[tuple[tuple[str, ...], RowExpression]]:
        yield from ((("columns", name), each) for name, each in self.derived.items())
        if self.where is not None:
            yield ("where",), self.where

    def _everywhere(self, lacking: Collection[str]) -> dict[str, None]:
        """Return all columns of the source, reading on until those that are lacking were seen."""
        missing, there = set(lacking), dict[str, None]()
        for record in self.place.rows(Faults(self.place.name, drop=True)):
            names = [self.new_names.get(name, name) for name in record.values]
            there |= dict.fromkeys(names)
            missing -= {name.lower() for name in names}
            if not missing:
                break
        return there

    def _check_required(self, there: Collection[str]) -> None:
        per = (self.choice.sample or {}).get("per")
        if per is not None and per not in there:
            fault = Fault(f"no column '{per}' to sample by", did_you_mean(per, there))
            raise SourceError(("sample", "per"), self.place.name, fault, "data")
        lacking = [column for column in self.columns if column not in there]
        if lacking:
            raise RecipeError(
                [
                    *([] if self.faults.drop else self.faults.problems),
                    *(
                        Problem(Location(self.place.name), f"no row has a column '{column}'",
                                did_you_mean(column, there), code=NO_COLUMN)
                        for column in lacking
                    ),
                ]
            )  # fmt: skip

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
                    faults[index] = faults[index] or Fault(message, value.hint)
        if made:
            columns = [
                dict(zip(made, each, strict=True)) for each in zip(*made.values(), strict=True)
            ]
            batch = [
                Record(record.line, {**record.values, **new}, record.file)
                for record, new in zip(batch, columns, strict=True)
            ]
        return batch, faults

    def _chosen(self, batch: list[Record]) -> Iterable[Record]:
        """Yield the rows that `where` keeps and that can be used, with their derived columns."""
        batch, faults = self._derived(batch)
        kept: list[Any] = [True] * len(batch)
        if self.where is not None:
            with self._usable("where"):
                kept = self.where.over([record.values for record in batch])
        self.types.see([r for r, keep in zip(batch, kept, strict=True) if keep is True])
        for record, keep, fault in zip(batch, kept, faults, strict=True):
            if isinstance(keep, Fault):
                self._bad(record, Fault(f"`where` cannot be tried here: {keep.message}", keep.hint))
            elif keep is True:
                if fault := fault or (self.check(record.values) if self.check else None):
                    self._bad(record, fault)
                else:
                    yield record

    def _bad(self, record: Record, fault: Fault) -> None:
        at = shown(self.place.name, record.file, record.line)
        self.faults.add(at.line, fault.message, fault.hint, file=at.file)


def _batches(rows: Iterator[Record], size: int) -> Iterator[list[Record]]:
    """Yield rows in batches; an error that ends the reading comes behind the rows before it."""
    # These may be all that are used: what stands behind a limit is no mistake.
    ended: RecipeError | None = None
    while ended is None:
        batch: list[Record] = []
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
