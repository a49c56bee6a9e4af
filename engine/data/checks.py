"""What is odd about the rows of the three splits: blanks, types, ids, repetitions, labels.

Each finding is one problem, at the first row that shows it, with the number of the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from engine.data.labels import alike, visible
from engine.data.records import Record
from engine.data.rules import RowRules
from engine.data.split_rows import Level, SplitRows
from engine.data.splits import Splits
from engine.errors import Problem
from engine.registry import did_you_mean
from engine.rows import SPLITS
from engine.spec.loader import LoadedRecipe
from engine.spec.recipe import Task
from engine.sql.expressions import Fault

_NEAR_SHARE = 0.01
"""Share of a split's rows from which those are told that are only near to others."""
_SAME_HINT = "a score on rows that were seen elsewhere says less: take it out of one of the two"
_NEAR_HINT = (
    "most of its words stand there in the same order, so a score on it says less: look at such rows, take them out "
    "of one of the two, or keep what belongs together on one side by a column (`split_from: {group: …}`)"
)


def check_rows(
    loaded: LoadedRecipe, splits: Mapping[str, SplitRows], rules: RowRules
) -> list[Problem]:
    """Return what is wrong with the rows, alone and between splits.

    Args:
        loaded: The recipe.
        splits: The splits that were read.
        rules: What the task makes of rows.
    """
    task = loaded.recipe.task
    problems: list[Problem] = []
    for rows in splits.values():
        problems += _blank(rows, task)
        problems += _mixed(rows, task)
        problems += _repeated_ids(rows)
        problems += _repeated_rows(rows, task)
    if rules.labels and "train" in splits:
        problems += _labels(loaded, splits["train"], rules.labels)
    return problems


def _finding(
    rows: SplitRows, records: Sequence[Record], message: str, hint: str, level: Level, code: str
) -> list[Problem]:
    """Return one problem at the first of `records`, none if there are none."""
    return [rows.problem(records, Fault(message, hint), level, code)] if records else []


def _blank(rows: SplitRows, task: Task) -> list[Problem]:
    problems = []
    for column in task.input:
        blank = [record for record in rows.records if not str(record.values[column]).strip()]
        message, hint = f"the column '{column}' is blank", "fill it in, or delete the row"
        problems += _finding(rows, blank, message, hint, "warning", "data")
    return problems


def _mixed(rows: SplitRows, task: Task) -> list[Problem]:
    """Warn of columns that hold values of several types: SQL sees all of them as text."""
    problems = []
    for column, types in rows.types.first.items():
        if len(types) > 1:
            (kind, first), (other, odd) = list(types.items())[:2]
            where = rows.at(first)
            message = f"the column '{column}' holds {kind} on {where} and {other} here"
            hint = "write all its values the same way"
            problems.append(Problem(rows.at(odd), message, hint, "warning", "mixed"))
    return problems


def _repeated_ids(rows: SplitRows) -> list[Problem]:
    first: dict[str, Record] = {}
    repeated = []
    for record in rows.records:
        if (id_ := record.values.get("id")) is not None:
            if str(id_) in first:
                repeated.append(record)
            first.setdefault(str(id_), record)
    if not repeated:
        return []
    id_ = repeated[0].values["id"]
    message = f"the id {id_!r} stands on {_line(rows, first[str(id_)])} already"
    hint = "give every row an id of its own, or leave the column 'id' out"
    return _finding(rows, repeated, message, hint, "error", "duplicate-id")


def _line(rows: SplitRows, record: Record) -> str:
    """Return a row's line, with its file where a split has several."""
    if rows.by_row:
        return f"row {record.line}"
    return f"line {record.line}" + (f" of {rows.at(record).file}" if record.file else "")


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
        message = f"this {rows.split} row repeats {_line(rows, same[0][1])}"
        again = [record for record, _ in same]
        hint = "only the first is used"
        problems += _finding(rows, again, message, hint, "warning", "duplicate-row")
    if other:
        record, earlier = other[0]
        message = (
            f"this {rows.split} row has the inputs of {_line(rows, earlier)} again, with the target "
            f"'{record.values[task.target]}' instead of '{earlier.values[task.target]}'"
        )
        again = [record for record, _ in other]
        hint = "decide for one of the two, or add an input column that tells them apart"
        problems += _finding(rows, again, message, hint, "warning", "contradiction")
    return problems


def check_shared(splits: Splits) -> list[Problem]:
    """Warn of rows that an earlier split has too: in the same words, or in nearly the same."""
    problems: list[Problem] = []
    for split in (split for split in SPLITS if split in splits.rows):
        rows = splits.rows[split]
        told: set[int] = set()
        for other in (other for other in SPLITS[: SPLITS.index(split)] if other in splits.rows):
            same, near = splits.shared(split, other)
            many = near and (same or len(near) >= _NEAR_SHARE * len(rows.records))
            for places, how, code, hint in (
                (same, "in {} too", "shared-row", _SAME_HINT),
                (near if many else None, "nearly one of {}", "near-row", _NEAR_HINT),
            ):
                numbers = [number for number in places or () if number not in told]
                told.update(numbers)
                if places and numbers:
                    where = splits.rows[other].at(splits.rows[other].records[places[numbers[0]]])
                    message = f"this {split} row is {how.format(other)} ({where.by_line})"
                    found = [rows.records[number] for number in numbers]
                    problems += _finding(rows, found, message, hint, "warning", code)
    return problems


def _labels(
    loaded: LoadedRecipe, train: SplitRows, labels: Callable[[str], Sequence[str]]
) -> list[Problem]:
    """Check the labels of the training rows; those of other rows are checked where rows are read."""
    task = loaded.recipe.task
    trained = {label for r in train.records for label in labels(str(r.values[task.target]))}
    if task.labels is not None:
        return _declared(loaded, list(task.labels), trained)
    if len(trained) != 1:
        return []
    message = f"every training row has the target '{next(iter(trained))}'"
    hint = "a classification needs at least two labels"
    return _finding(train, train.records[:1], message, hint, "error", "labels")


def _declared(loaded: LoadedRecipe, declared: list[str], trained: set[str]) -> list[Problem]:
    at = loaded.at("task", "labels")
    twice = [label for label, count in Counter(declared).items() if count > 1]
    problems = [
        Problem(at, f"task.labels has '{label}' twice", "leave one out", code="labels")
        for label in twice
    ]
    folds = loaded.recipe.task.fold_labels
    for group in alike(dict.fromkeys(declared), folds) if folds else ():
        named = " and ".join(f"'{visible(label)}'" for label in group)
        message = f"task.labels has {named}, which are one label by task.fold_labels"
        problems.append(Problem(at, message, "leave all but one out", code="labels"))
    described = loaded.recipe.task.definitions
    for label in dict.fromkeys(declared):
        if label in trained:
            continue
        if label in described:
            message = f"task.labels describes '{label}', a label that no training row has"
            hint = (
                did_you_mean(label, trained - set(declared)) or "add training rows, or leave it out"
            )
            where = loaded.at("task", "labels", label, key=True)
            problems.append(Problem(where, message, hint, "warning", "labels"))
            continue
        message = f"no training row has the label '{label}' of task.labels"
        hint = "the student will hardly learn it: add training rows"
        problems.append(Problem(at, message, hint, "warning", "labels"))
    return problems
