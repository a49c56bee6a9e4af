"""What a row must be, and what is odd about the rows of the three splits: types, labels, ids, repetitions.

A bad row (`row_check`, `unknown_labels`) is an error, or left out where the recipe says so. Other findings are one
problem each, at the first row that shows them, with the number of the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from engine.errors import Location, Problem
from engine.registry import did_you_mean
from engine.rows import SPLITS
from engine.spec.error_messages import describe
from engine.spec.recipe import Task
from engine.sql.expressions import Fault
from engine.sql.records import Record
from engine.sql.sources import Check

if TYPE_CHECKING:
    from engine.spec.data import SplitRows
    from engine.spec.loader import LoadedRecipe

Level = Literal["error", "warning"]


GOLDS = "golds"
"""Column that holds all acceptable answers of a row, where the target alone does not say them."""


def golds(values: Mapping[str, Any], target: str) -> tuple[str, ...]:
    """Return all acceptable answers of a row that a task has put into its form; the first is the target's."""
    kept = values.get(GOLDS)
    return tuple(kept) if isinstance(kept, list) else (str(values[target]),)


class RowRules(NamedTuple):
    """What a task makes of rows."""

    check: Check
    """Says what is wrong with a row's values, and puts them into the form that the task wants."""
    labels: Callable[[str], Sequence[str]] | None
    """Target -> its labels; None where targets are no labels."""
    still: Callable[[Mapping[str, Any]], Fault | None] = lambda values: None
    """Says what is wrong with a row that redaction changed, such as a span that is gone; quotes nothing of it."""


def row_check(
    inputs: Sequence[str], target: str, labelled: bool, nested: Collection[str] = ()
) -> Check:
    """Return what says whether a row can be used: every column there, inputs and target of a type that they may have.

    Args:
        inputs: Columns the student sees: text or numbers.
        target: Column with the right answer: text or a whole number, or a list of acceptable ones.
        labelled: Whether targets come from a fixed set; then a list is none.
        nested: Columns of any type: the task says what it takes.
    """
    columns = dict.fromkeys([*inputs, target])

    def check(values: dict[str, Any]) -> Fault | None:
        for column in columns:
            value = values.get(column)
            if type(value) is str:
                continue
            if value is None:
                return _missing(column, values)
            if column in nested:
                continue
            right = column == target
            if (
                fault := _wrong_target(column, value, labelled)
                if right
                else _wrong_input(column, value)
            ):
                return fault
        right = values[target]
        if target in nested:
            return None
        if not any(str(each).strip() for each in (right if isinstance(right, list) else [right])):
            return Fault(f"the column '{target}' is blank", "fill it in, or delete the row")
        return None

    return check


def _missing(column: str, values: Mapping[str, Any]) -> Fault:
    if column in values:
        hint = "give it one, or delete the row"
        return Fault(f"the column '{column}' has no value", hint)
    hint = did_you_mean(column, values) or "the row has no columns"
    return Fault(f"this row has no column '{column}'", hint)


def _wrong_input(column: str, value: Any) -> Fault | None:
    if not isinstance(value, bool | list | dict):
        return None
    message = f"the input '{column}' must be text, not {describe(value)}"
    return Fault(message, _derive(column, value))


def _wrong_target(column: str, value: Any, labelled: bool) -> Fault | None:
    texts = isinstance(value, list) and all(type(each) in (str, int) for each in value)
    if texts and not labelled:
        return None if value else Fault(f"the target '{column}' is an empty list", "give an answer")
    if not isinstance(value, bool | list | dict | float):
        return None
    what = "text" if labelled else "text or a list of texts"
    return Fault(
        f"the target '{column}' must be {what}, not {describe(value)}", _derive(column, value)
    )


def _derive(column: str, value: Any) -> str:
    """Return the remedy for a value that is no text: a derived column, spelled for its type."""
    if isinstance(value, list):
        sql = f"{column}[1]" if len(value) < 2 else f"array_to_string({column}, ', ')"
    elif isinstance(value, dict):
        sql = f"{column}.{next(iter(value), 'field')}"
    else:
        sql = f"{column}::varchar"
    return f'write it as text, or make it text in the recipe: `columns: {{{column}: "{sql}"}}`'


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
    problems += _shared_rows(splits, task)
    if rules.labels and not any(problem.level == "error" for problem in problems):
        problems += _labels(loaded, splits, rules.labels)
    return problems


def _finding(
    rows: SplitRows, found: Sequence[Record], message: str, hint: str, level: Level, code: str
) -> list[Problem]:
    """Return one problem at the first of the rows `found`, none if there are none."""
    if not found:
        return []
    more = f" (the first of {len(found)} such rows)" if len(found) > 1 else ""
    return [Problem(rows.at(found[0]), message + more, hint, level, code)]


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
            hint = "write all its values alike"
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
        message = f"this row repeats {_line(rows, same[0][1])}"
        again = [record for record, _ in same]
        hint = "only the first is used"
        problems += _finding(rows, again, message, hint, "warning", "duplicate-row")
    if other:
        record, earlier = other[0]
        message = (
            f"the inputs of {_line(rows, earlier)} again, with the target "
            f"'{record.values[task.target]}' instead of '{earlier.values[task.target]}'"
        )
        again = [record for record, _ in other]
        hint = "decide for one of the two, or add an input column that tells them apart"
        problems += _finding(rows, again, message, hint, "warning", "contradiction")
    return problems


def _shared_rows(splits: Mapping[str, SplitRows], task: Task) -> list[Problem]:
    problems: list[Problem] = []
    seen: dict[tuple[str, ...], tuple[str, Location]] = {}
    for split in SPLITS:
        if split not in splits:
            continue
        rows = splits[split]
        shared = [r for r in rows.records if seen.get(_inputs(r, task), (split,))[0] != split]
        if shared:
            other, where = seen[_inputs(shared[0], task)]
            message = f"this {split} row is in {other} too ({where.file}:{where.line})"
            hint = (
                "a score on rows that were seen elsewhere says less: take it out of one of the two"
            )
            problems += _finding(rows, shared, message, hint, "warning", "shared-row")
        for record in rows.records:
            seen.setdefault(_inputs(record, task), (split, rows.at(record)))
    return problems


def unknown_labels(
    splits: Mapping[str, Sequence[Record]],
    target: str,
    declared: Sequence[str] | None,
    labels: Callable[[str], Sequence[str]],
) -> Iterator[tuple[str, Record, Fault]]:
    """Yield the rows, with their split, whose label is not declared, or is in no training row where none are declared.

    Args:
        splits: The rows of the splits; nothing is said where there are no training rows.
        target: Column with the label.
        declared: The recipe's `task.labels`.
        labels: Target -> its labels.
    """
    if not splits.get("train"):
        return
    if declared is None:
        known = {label for r in splits["train"] for label in labels(str(r.values[target]))}
        message = "the label '{}' is in no training row"
        hint = "add training rows with it, or take it out of {}"
    else:
        known, message = set(declared), "the target '{}' is not one of task.labels"
        hint = "add it to task.labels, or correct the row"
    for split, records in splits.items():
        for record in records:
            for label in labels(str(record.values[target])):
                if label not in known:
                    yield split, record, Fault(message.format(label), hint.format(split))
                    break


def _labels(
    loaded: LoadedRecipe,
    splits: Mapping[str, SplitRows],
    labels: Callable[[str], Sequence[str]],
) -> list[Problem]:
    task = loaded.recipe.task
    if "train" not in splits:
        return []
    train = splits["train"]
    trained = {label for r in train.records for label in labels(str(r.values[task.target]))}
    problems: list[Problem] = []
    if task.labels is not None:
        problems += _declared(loaded, task.labels, trained)
    elif len(trained) == 1:
        message = f"every training row has the target '{next(iter(trained))}'"
        hint = "a classification needs at least two labels"
        problems += _finding(train, train.records[:1], message, hint, "error", "labels")
    return problems + _strangers(loaded, splits, labels)


def _strangers(
    loaded: LoadedRecipe,
    splits: Mapping[str, SplitRows],
    labels: Callable[[str], Sequence[str]],
) -> list[Problem]:
    """Return one problem per split and label that is not known."""
    task = loaded.recipe.task
    records = {split: rows.records for split, rows in splits.items()}
    found: dict[tuple[str, Fault], list[Record]] = {}
    for split, record, fault in unknown_labels(records, task.target, task.labels, labels):
        found.setdefault((split, fault), []).append(record)
    return [
        problem
        for (split, fault), rows in found.items()
        for problem in _finding(splits[split], rows, fault.message, fault.hint, "error", "labels")
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
