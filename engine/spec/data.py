"""The rows of a recipe's three splits, read as a run reads them; problems are moved to where the recipe causes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.errors import Location, Problem, RecipeError
from engine.rows import SPLITS
from engine.spec.loader import LoadedRecipe
from engine.spec.privacy import redact_splits
from engine.spec.recipe_data import Source
from engine.spec.row_checks import RowRules, unknown_labels
from engine.sql import check_expression
from engine.sql.drawing import divide
from engine.sql.expressions import Fault, Kind
from engine.sql.huggingface import Hub
from engine.sql.records import Choice, ColumnTypes, Record, shown
from engine.sql.sources import (
    NO_COLUMN,
    Place,
    SourceError,
    read_source,
    resolve_source,
)

_SHOWN = 10


@dataclass
class SplitRows:
    """The rows of one split, and where they come from (as shown in messages)."""

    split: str
    file: str
    records: list[Record]
    types: ColumnTypes = field(default_factory=ColumnTypes)

    def at(self, record: Record) -> Location:
        """Return where a row is."""
        return shown(self.file, record.file, record.line)


@dataclass
class Read:
    """What reading gave: the splits that could be read, and the problems of the others."""

    splits: dict[str, SplitRows] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    """Bad rows left out, per split."""
    redacted: int = 0
    """Rows that `privacy.redact` changed, without those left out."""


def read_splits(loaded: LoadedRecipe, rules: RowRules, *, network: bool = False) -> Read:
    """Read every split that lies on this machine; what needs the network is looked up, and read only with `network`.

    Args:
        loaded: The recipe.
        rules: What the task makes of rows.
        network: Read data sets that are not on this machine too.
    """
    read = Read()
    for split in SPLITS:
        if getattr(loaded.recipe.data, split).split_from is None:
            _read_split(loaded, split, rules, network, read)
    _divide(loaded, rules, read)
    if rules.labels and loaded.recipe.data.on_bad_row == "drop":
        _drop_unknown_labels(loaded, rules.labels, read)
    _redact(loaded, rules, read)
    for name in list(read.splits):
        _note_empty(loaded, name, read)
    read.problems = list(_columns_in_recipe(loaded, read.problems))
    return read


def _read_split(
    loaded: LoadedRecipe, split: str, rules: RowRules, network: bool, read: Read
) -> None:
    source: Source = getattr(loaded.recipe.data, split)
    task = loaded.recipe.task
    key = "sql" if source.sql is not None else "path"
    where = loaded.at("data", split, key)
    try:
        place = resolve_source(source.model_dump(), loaded.base)
    except RecipeError as error:
        for problem in error.problems:
            message = f"data.{split}.{key}: {problem.where}: {problem.message}"
            hint = problem.hint + _elsewhere(loaded, split, key)
            read.problems.append(Problem(where, message, hint, code="data"))
        read.problems += _expressions(loaded, split, source)
        return
    if isinstance(place, Hub) and not network and not place.cached():
        read.problems += [_hub(place, split, where), *_expressions(loaded, split, source)]
        return
    _note_outside(loaded, split, key, place, read)
    drop = loaded.recipe.data.on_bad_row == "drop"
    try:
        found = read_source(
            place,
            Choice.of(source.model_dump()),
            rules.check,
            [*task.input, task.target],
            drop=drop,
        )
    except SourceError as error:
        read.problems.append(_in_recipe(loaded, split, error))
        return
    except RecipeError as error:
        read.problems += error.problems
        return
    _note_bad(split, found.bad, read)
    read.splits[split] = SplitRows(split, place.name, found.records, found.types)


def _elsewhere(loaded: LoadedRecipe, split: str, key: str) -> str:
    """Return how to name another place from the command line, where the recipe leaves it open; else nothing."""
    written = str(loaded.document.data["data"][split][key])
    names = [name for name, value in loaded.vars.items() if f"{value}/" in f"{written}/"]
    return f"; another place is named by --var {names[0]}=…" if names else ""


def _in_recipe(loaded: LoadedRecipe, split: str, error: SourceError) -> Problem:
    """Return a problem with a setting of a source at its place in the recipe."""
    at = loaded.at("data", split, *error.key)
    message = f"data.{split}.{'.'.join(error.key)}: {error.fault.message}"
    return Problem(at, message, error.fault.hint, code="sql" if error.code == "sql" else "data")


def _expressions(loaded: LoadedRecipe, split: str, source: Source) -> Iterator[Problem]:
    """Check the SQL of a source without its rows: what is no expression is wrong whatever they are."""
    parts: list[tuple[tuple[str, ...], str, Kind]] = [
        (("columns", name), sql, "value") for name, sql in source.columns.items()
    ]
    if source.where is not None:
        parts.append((("where",), source.where, "condition"))
    for key, sql, kind in parts:
        if fault := check_expression(sql, None, kind):
            yield _in_recipe(loaded, split, SourceError(key, "", fault))


def _hub(place: Hub, split: str, where: Location) -> Problem:
    """Say that a data set is not on this machine; an error where it cannot be had from the Hub either."""
    if not_there := place.reachable():
        message = f"data.{split}: {place.name}: {not_there.message}"
        return Problem(where, message, not_there.hint, code="hub")
    message = (
        f"data.{split}: the rows of {place.name} are checked when the run reads them, not here"
    )
    hint = (
        ""
        if "@" in place.name
        else "pin a revision (name@revision), so that the rows stay the same"
    )
    return Problem(where, message, hint, "warning", "hub")


def _note_outside(loaded: LoadedRecipe, split: str, key: str, place: Place, read: Read) -> None:
    """Warn of files outside of the recipe's folder, unless the user gave their place."""
    base = loaded.base.resolve()
    given = [("data", split, name) in loaded.given for name in (key, "database")]
    if not any(given) and not all(f.resolve().is_relative_to(base) for f in place.files):
        message = f"data.{split}.{key} leaves the recipe's folder"
        hint = "check that you want this recipe to read it; --var with a folder says so"
        at = loaded.at("data", split, key)
        read.problems.append(Problem(at, message, hint, "warning", "outside"))


def _note_bad(split: str, bad: Sequence[Problem], read: Read) -> None:
    """Note the rows that are left out: the first as warnings, of the others how many."""
    read.dropped[split] = read.dropped.get(split, 0) + len(bad)
    for problem in bad[:_SHOWN]:
        message = f"left out: {problem.message}"
        read.problems.append(Problem(problem.where, message, problem.hint, "warning", "bad-row"))
    if len(bad) > _SHOWN:
        last = bad[_SHOWN - 1].where
        note = f"left out: {len(bad) - _SHOWN} more bad rows of {split}"
        at = Location(last.file, last.line, last.column + 1)
        hint = "a run records each in the table drop"
        read.problems.append(Problem(at, note, hint, "warning", "bad-row"))


def _divide(loaded: LoadedRecipe, rules: RowRules, read: Read) -> None:
    """Give rows to the splits that take them from others."""
    data, task = loaded.recipe.data, loaded.recipe.task
    taken: dict[str, dict[str, Any]] = {
        split: source.split_from.model_dump()
        for split in SPLITS
        if (source := getattr(data, split)).split_from is not None
    }
    records = {split: rows.records for split, rows in read.splits.items()}
    found = divide(records, taken, task.input, task.target if rules.labels else None)
    for split, fault in found.faults.items():
        at = loaded.at("data", split, "split_from")
        message = f"data.{split}.split_from: {fault.message}"
        read.problems.append(Problem(at, message, fault.hint, code="data"))
    for split, rows in found.splits.items():
        origin = read.splits[taken[split]["split"] if split in taken else split]
        read.splits[split] = SplitRows(split, origin.file, rows, origin.types)


def _drop_unknown_labels(
    loaded: LoadedRecipe, labels: Callable[[str], Sequence[str]], read: Read
) -> None:
    """Leave out rows whose label cannot be learnt: one warning per split and label."""
    task = loaded.recipe.task
    records = {split: rows.records for split, rows in read.splits.items()}
    found: dict[tuple[str, Fault], list[Record]] = {}
    for split, record, fault in unknown_labels(records, task.target, task.labels, labels):
        found.setdefault((split, fault), []).append(record)
    for (split, fault), bad in found.items():
        _leave_out(split, bad, fault, read)


def _leave_out(split: str, bad: Sequence[Record], fault: Fault, read: Read) -> None:
    """Leave out rows that have one fault, with one warning."""
    rows, left_out = read.splits[split], set(map(id, bad))
    rows.records = [record for record in rows.records if id(record) not in left_out]
    read.dropped[split] = read.dropped.get(split, 0) + len(bad)
    message = f"left out: {fault.message}{_more(bad)}"
    read.problems.append(Problem(rows.at(bad[0]), message, fault.hint, "warning", "bad-row"))


def _more(bad: Sequence[Record]) -> str:
    return f" (the first of {len(bad)} such rows)" if len(bad) > 1 else ""


def _note_empty(loaded: LoadedRecipe, split: str, read: Read) -> None:
    rows = read.splits[split]
    if rows.records:
        return
    del read.splits[split]
    source: Source = getattr(loaded.recipe.data, split)
    if read.dropped.get(split):
        hint = f"all {read.dropped[split]} rows of {rows.file} are bad and left out"
    elif source.where is not None:
        hint = f"no row of {rows.file} is kept by `where`"
    else:
        hint = f"{rows.file} is empty: name a file with rows"
    key = "path" if source.path is not None else "sql"
    at = loaded.at("data", split, key)
    read.problems.append(Problem(at, f"data.{split} has no rows", hint, code="empty-split"))


def _redact(loaded: LoadedRecipe, rules: RowRules, read: Read) -> None:
    """Redact what was read as a run would, so that every check sees what the run sees."""
    found = redact_splits(loaded, {name: rows.records for name, rows in read.splits.items()})
    read.problems += found.problems
    for name, records in found.splits.items():
        rows, bad = read.splits[name], dict[Fault, list[Record]]()
        changed = [new for old, new in zip(rows.records, records, strict=True) if new is not old]
        for record in changed:
            if fault := rules.still(record.values):
                bad.setdefault(fault, []).append(record)
        rows.records = records
        read.redacted += len(changed)
        for fault, some in bad.items():
            if loaded.recipe.data.on_bad_row == "drop":
                _leave_out(name, some, fault, read)
                read.redacted -= len(some)
            else:
                message = fault.message + _more(some)
                read.problems.append(Problem(rows.at(some[0]), message, fault.hint, code="redact"))


def _columns_in_recipe(loaded: LoadedRecipe, problems: list[Problem]) -> Iterator[Problem]:
    """Move "no row has a column" to where the recipe names the column, once for all files."""
    task = loaded.recipe.task
    for problem in problems:
        if problem.code != NO_COLUMN:
            yield problem
    lacking = [problem for problem in problems if problem.code == NO_COLUMN]
    for message in dict.fromkeys(problem.message for problem in lacking):
        same = [problem for problem in lacking if problem.message == message]
        files = ", ".join(dict.fromkeys(str(problem.where) for problem in same))
        column = message.split("'", 1)[1][:-1]
        path = ("input", task.input.index(column)) if column in task.input else ("target",)
        at = loaded.at("task", *path)
        yield Problem(at, f"task.{path[0]}: {message} in {files}", same[0].hint, code=NO_COLUMN)
