"""The rows of a recipe's three splits, read and checked: types, labels, ids, repetitions.

Each kind of finding is one problem, at the first row that shows it, with the number of the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.errors import Location, Problem, RecipeError
from engine.rows import SPLITS
from engine.spec.loader import LoadedRecipe
from engine.spec.privacy import redact_splits
from engine.spec.recipe import Source, Task
from engine.spec.wording import describe
from engine.sql import check_expression, column_types
from engine.sql.sources import NO_COLUMN, Record, read_source, resolve_source

Level = Literal["error", "warning"]


@dataclass
class SplitRows:
    """The rows of one split, and the file they come from (as shown in messages)."""

    split: str
    file: str
    records: list[Record]


@dataclass
class Read:
    """What reading gave: the splits that could be read, and the problems of the others."""

    splits: dict[str, SplitRows] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    redacted: int = 0
    """Rows that `privacy.redact` changed."""


def read_splits(loaded: LoadedRecipe) -> Read:
    """Read every split that lies on this machine; Hugging Face data sets are left to the run."""
    read = Read()
    for split in SPLITS:
        _read_split(loaded, split, read)
    _redact(loaded, read)
    read.problems = list(_columns_in_recipe(loaded, read.problems))
    return read


def _redact(loaded: LoadedRecipe, read: Read) -> None:
    """Redact what was read as a run would, so that every check sees what the run sees."""
    found = redact_splits(loaded, {name: rows.records for name, rows in read.splits.items()})
    for name, records in found.splits.items():
        read.splits[name].records = records
    read.problems += found.problems
    read.redacted = found.rows


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


def _read_split(loaded: LoadedRecipe, split: str, read: Read) -> None:
    source: Source = getattr(loaded.recipe.data, split)
    task = loaded.recipe.task
    where = loaded.at("data", split, "path")
    try:
        place = resolve_source(source.path, loaded.base)
    except RecipeError as error:
        for problem in error.problems:
            message = f"data.{split}.path: {problem.where}: {problem.message}"
            read.problems.append(Problem(where, message, problem.hint, code="data"))
        return
    if isinstance(place, str):
        _note_hub(place, split, where, read)
        return
    if ("data", split, "path") not in loaded.given:
        _note_outside(loaded, place.resolve().is_relative_to(loaded.base.resolve()), split, read)
    try:
        # `where` and `sample` come later: a bad row is bad even if it would be left out.
        records = read_source(place, columns=[*task.input, task.target])
        every = len(records)
        records = _chosen(loaded, split, source, place, records, read)
    except RecipeError as error:
        read.problems += error.problems
        return
    if not records and every:
        hint = f"the file has {every} rows, none of which is kept by `where`"
        read.problems.append(Problem(where, f"data.{split} has no rows", hint, code="empty-split"))
    elif not records:
        hint = f"{Location.at(place)} is empty: name a file with rows"
        read.problems.append(Problem(where, f"data.{split} has no rows", hint, code="empty-split"))
    else:
        read.splits[split] = SplitRows(split, Location.at(place).file, records)


def _chosen(
    loaded: LoadedRecipe, split: str, source: Source, place: Any, records: list[Record], read: Read
) -> list[Record]:
    """Apply `where` and `sample`; an expression that is no good is left to the check of the SQL."""
    if source.where is None and source.sample is None:
        return records
    sample = source.sample.model_dump() if source.sample else None
    try:
        return read_source(place, where=source.where, sample=sample)
    except RecipeError as error:
        types = column_types([record.values for record in records])
        if source.where is not None and check_expression(source.where, types):
            return records
        key = "sample" if source.where is None else "where"
        for problem in error.problems:
            message = f"data.{split}.{key}: {problem.message}"
            at = loaded.at("data", split, key)
            read.problems.append(Problem(at, message, problem.hint, code=problem.code))
        return records


def _note_hub(place: str, split: str, where: Location, read: Read) -> None:
    message = f"data.{split}: the rows of {place} are checked when the run reads them, not here"
    hint = "" if "@" in place else "pin a revision (name@revision), so that the rows stay the same"
    read.problems.append(Problem(where, message, hint, "warning", "hub"))


def _note_outside(loaded: LoadedRecipe, inside: bool, split: str, read: Read) -> None:
    if not inside:
        message = f"data.{split}.path leaves the recipe's folder"
        hint = "check that you want this recipe to read it; --var with a folder says so"
        at = loaded.at("data", split, "path")
        read.problems.append(Problem(at, message, hint, "warning", "outside"))


def check_rows(
    loaded: LoadedRecipe, splits: Mapping[str, SplitRows], labelled: bool
) -> list[Problem]:
    """Return what is wrong with the rows, alone and between splits.

    Args:
        loaded: The recipe.
        splits: The splits that were read.
        labelled: Whether targets come from a fixed set (a classification).
    """
    task = loaded.recipe.task
    problems: list[Problem] = []
    for rows in splits.values():
        problems += _wrong_values(rows, task)
        problems += _repeated_ids(rows)
        problems += _repeated_rows(rows, task)
    problems += _shared_rows(splits, task)
    if labelled and not any(problem.level == "error" for problem in problems):
        problems += _labels(loaded, splits)
    return problems


def _finding(
    rows: SplitRows, lines: Sequence[int], message: str, hint: str, level: Level, code: str
) -> list[Problem]:
    """Return one problem at the first of `lines`, none if there are none."""
    if not lines:
        return []
    more = f" (the first of {len(lines)} such rows)" if len(lines) > 1 else ""
    return [Problem(Location(rows.file, lines[0], 1), message + more, hint, level, code)]


def _wrong_values(rows: SplitRows, task: Task) -> list[Problem]:
    problems = []
    for column in dict.fromkeys([*task.input, task.target]):
        wrong = [
            record
            for record in rows.records
            if (isinstance(record.values[column], (bool, list, dict, float)) and column == task.target)
            or isinstance(record.values[column], (bool, list, dict))
        ]  # fmt: skip
        if wrong:
            what = "target" if column == task.target else "input"
            message = f"the {what} '{column}' must be text, not {describe(wrong[0].values[column])}"
            lines = [record.line for record in wrong]
            hint = "write it as text, in quotes"
            problems += _finding(rows, lines, message, hint, "error", "data")
        blank = [record.line for record in rows.records if str(record.values[column]).strip() == ""]
        level: Level = "error" if column == task.target else "warning"
        hint = "fill it in, or delete the row"
        problems += _finding(rows, blank, f"the column '{column}' is blank", hint, level, "data")
    return problems


def _repeated_ids(rows: SplitRows) -> list[Problem]:
    first: dict[str, int] = {}
    repeated = []
    for record in rows.records:
        if (id_ := record.values.get("id")) is not None:
            if str(id_) in first:
                repeated.append((record.line, id_))
            first.setdefault(str(id_), record.line)
    if not repeated:
        return []
    id_ = repeated[0][1]
    message = f"the id {id_!r} stands on line {first[str(id_)]} already"
    hint = "give every row an id of its own, or leave the column 'id' out"
    return _finding(rows, [line for line, _ in repeated], message, hint, "error", "duplicate-id")


def _inputs(record: Record, task: Task) -> tuple[str, ...]:
    return tuple(str(record.values[column]) for column in task.input)


def _repeated_rows(rows: SplitRows, task: Task) -> list[Problem]:
    """Warn of rows with the same inputs; with different targets they also contradict each other."""
    first: dict[tuple[str, ...], Record] = {}
    same: list[tuple[Record, Record]] = []
    other: list[tuple[Record, Record]] = []
    for record in rows.records:
        earlier = first.setdefault(_inputs(record, task), record)
        if earlier is record:
            continue
        agree = earlier.values[task.target] == record.values[task.target]
        (same if agree else other).append((record, earlier))
    problems = []
    if same:
        message = f"this row repeats line {same[0][1].line}"
        lines = [record.line for record, _ in same]
        hint = "only the first is used"
        problems += _finding(rows, lines, message, hint, "warning", "duplicate-row")
    if other:
        record, earlier = other[0]
        message = (
            f"the inputs of line {earlier.line} again, with the target "
            f"'{record.values[task.target]}' instead of '{earlier.values[task.target]}'"
        )
        lines = [record.line for record, _ in other]
        hint = "decide for one of the two, or add an input column that tells them apart"
        problems += _finding(rows, lines, message, hint, "warning", "contradiction")
    return problems


def _shared_rows(splits: Mapping[str, SplitRows], task: Task) -> list[Problem]:
    problems: list[Problem] = []
    seen: dict[tuple[str, ...], tuple[str, int]] = {}
    for split in SPLITS:
        if split not in splits:
            continue
        rows = splits[split]
        shared = [r for r in rows.records if seen.get(_inputs(r, task), (split, 0))[0] != split]
        if shared:
            other, line = seen[_inputs(shared[0], task)]
            message = f"this {split} row is in {other} too ({splits[other].file}:{line})"
            hint = (
                "a score on rows that were seen elsewhere says less: take it out of one of the two"
            )
            lines = [record.line for record in shared]
            problems += _finding(rows, lines, message, hint, "warning", "shared-row")
        for record in rows.records:
            seen.setdefault(_inputs(record, task), (split, record.line))
    return problems


def _labels(loaded: LoadedRecipe, splits: Mapping[str, SplitRows]) -> list[Problem]:
    task = loaded.recipe.task
    if "train" not in splits:
        return []
    train = splits["train"]
    trained = {str(record.values[task.target]) for record in train.records}
    declared = task.labels
    problems: list[Problem] = []
    if declared is not None:
        problems += _declared(loaded, declared, trained)
        for rows in splits.values():
            message = "the target '{}' is not one of task.labels"
            hint = "add it to task.labels, or correct the row"
            problems += _strangers(rows, task, set(declared), message, hint)
        return problems
    if len(trained) == 1:
        message = f"every training row has the target '{next(iter(trained))}'"
        hint = "a classification needs at least two labels"
        problems += _finding(train, [train.records[0].line], message, hint, "error", "labels")
    for split, rows in splits.items():
        if split != "train":
            message = "the label '{}' is in no training row"
            hint = f"add training rows with it to {train.file}, or take it out of {split}"
            problems += _strangers(rows, task, trained, message, hint)
    return problems


def _strangers(
    rows: SplitRows, task: Task, known: Iterable[str], message: str, hint: str
) -> list[Problem]:
    """Return one problem per label that is not in `known`."""
    lines: dict[str, list[int]] = {}
    for record in rows.records:
        label = str(record.values[task.target])
        if label not in known:
            lines.setdefault(label, []).append(record.line)
    return [
        problem
        for label, found in lines.items()
        for problem in _finding(rows, found, message.format(label), hint, "error", "labels")
    ]


def _declared(loaded: LoadedRecipe, declared: list[str], trained: set[str]) -> list[Problem]:
    at = loaded.at("task", "labels")
    twice = [label for label, count in Counter(declared).items() if count > 1]
    problems = [
        Problem(at, f"task.labels has '{label}' twice", "leave one out", code="labels")
        for label in twice
    ]
    for label in dict.fromkeys(declared):
        if label not in trained:
            message = f"no training row has the label '{label}' of task.labels"
            hint = "the student will hardly learn it: add training rows"
            problems.append(Problem(at, message, hint, "warning", "labels"))
    return problems
