"""What the rows of a recipe must be: columns that are there, values of the types that they may have, answers that fit.

A row is put into its task's form where it is read; everything after sees it so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from engine.data.reading import Check
from engine.data.records import Record, references_of
from engine.registry import did_you_mean
from engine.spec.error_messages import describe
from engine.spec.recipe import Task
from engine.sql.expressions import Fault, quoted
from engine.tasks import TASKS, Reference, TaskKind
from engine.tasks import Task as KindTask

_HINT = (
    "correct the row, or leave such rows out: by a `where`, or all bad ones by `on_bad_row: drop`"
)
_NARROW = "narrow the pattern of privacy.redact, or leave such rows out: `on_bad_row: drop`"


class RowRules(NamedTuple):
    """What a task makes of rows."""

    check: Check
    """Says what is wrong with a row's values, and puts them into the form that the task wants."""
    labels: Callable[[str], Sequence[str]] | None
    """Target -> its labels; None where targets are no labels."""
    unanswered: Check
    """The same as `check` of a row without its answer."""
    misread: Callable[[Record, Sequence[str]], str | None]
    """Row, labels -> why a student that says what it is trained to say would not be right; None where it would."""
    found: frozenset[str] = frozenset()
    """Columns of the task that no row need have: what belongs there is found elsewhere in the row."""
    still: Callable[[Record], Fault | None] = lambda record: None
    """Says what is wrong with a row that redaction changed, such as a span that is gone; quotes nothing of it."""
    relabel: Callable[[str, Mapping[str, str]], str] = lambda target, names: target
    """Target, label -> label: the target with its labels so."""


def rules_for(task: Task, *, writes: bool = False) -> RowRules:
    """Return what a recipe's task makes of rows; where its kind or parameters are wrong, what any task wants.

    Args:
        task: The recipe's task.
        writes: Whether its student tells no likelihoods, so that it writes every answer.
    """
    kind = TASKS.get(task.kind)
    if kind is not None:
        try:
            params = kind.params.model_validate(task.params)
        except ValidationError:
            pass
        else:
            named = not unnamed_inputs(kind, params, task.input)
            if named and not kind.problems(params) and not kind.input_problems(task.input):
                return _rules(kind, params, task, writes)
    # What the types of their values should be is not known, so columns must only be there.
    anything = {*task.input, task.target}
    check = row_check(task.input, task.target, labelled=False, nested=anything)
    unanswered = _of_inputs(task.input, anything)
    found = kind.found(task.target) if kind else frozenset[str]()
    return RowRules(check, None, unanswered, lambda record, labels: None, found)


def _spread(
    kind: TaskKind, values: dict[str, Any], task: Task, params: Any, *, answered: bool = True
) -> Fault | None:
    why = kind.spread(values, task.input, task.target, params, answered=answered)
    return Fault(why, _HINT) if why else None


def _shown_inputs(kind: TaskKind, params: Any, task: Task) -> Check:
    """Return what checks the inputs of a row alone, and puts them into the form that the task wants."""
    inputs, target = task.input, task.target
    of_inputs = _of_inputs(inputs, kind.nested(params, target))

    def check(values: dict[str, Any]) -> Fault | tuple[str, ...]:
        if fault := _spread(kind, values, task, params, answered=False) or of_inputs(values):
            return fault
        try:
            for column in inputs:
                values[column] = kind.shown(column, values[column], params)
        except ValueError as problem:
            return Fault(str(problem), _HINT)
        return ()

    return check


def _of_inputs(inputs: Sequence[str], nested: Collection[str]) -> Check:
    """Return what says whether the inputs of a row can be used, whatever its answer."""

    def check(values: dict[str, Any]) -> Fault | tuple[str, ...]:
        for column in inputs:
            if values.get(column) is None:
                return _missing(column, values)
            if column not in nested and (fault := _wrong_input(column, values[column])):
                return fault
        return ()

    return check


def unnamed_inputs(kind: TaskKind, params: Any, inputs: Sequence[str]) -> dict[str, str]:
    """Return the parameters that name a column which is no input, with that column."""
    named = {name: getattr(params, name) for name in kind.column_params}
    return {name: column for name, column in named.items() if column not in (None, *inputs)}


def _rules(kind: TaskKind, params: Any, task: Task, writes: bool) -> RowRules:
    inputs, target = task.input, task.target
    columns_and_types = row_check(inputs, target, kind.labelled, kind.nested(params, target))

    def check(values: dict[str, Any]) -> Fault | tuple[str, ...]:
        if fault := _spread(kind, values, task, params) or columns_and_types(values):
            return fault
        try:
            for column in inputs:
                values[column] = kind.shown(column, values[column], params)
            shown = {column: values[column] for column in inputs}
            reference = kind.reference(shown, values[target], params)
        except ValueError as problem:
            return Fault(str(problem), _HINT)
        values[target] = reference.target
        return () if reference.references == (reference.target,) else reference.references

    unanswered = _shown_inputs(kind, params, task)

    def still(record: Record) -> Fault | None:
        shown = {column: str(record.values[column]) for column in inputs}
        right = record.values[target]
        answers = (right, *references_of(record, target))
        if answers[1] != right:
            # They are in the form in which answers are read, not in that of targets.
            answers = (right,)
        try:
            for answer in dict.fromkeys(answers):
                kind.reference(shown, answer, params)
        except ValueError:
            # The reason would quote the answer, and with it what was taken out of the inputs.
            return Fault(
                "after privacy.redact the row's inputs do not fit its answer any more", _NARROW
            )
        return None

    misread = _misread(kind, params, task, writes)
    found = kind.found(target)
    if kind.labelled:
        named = lambda row_target: kind.labels_in(row_target, params)  # noqa: E731
        relabel = lambda row_target, names: kind.relabelled(row_target, names, params)  # noqa: E731
        return RowRules(check, named, unanswered, misread, found, relabel=relabel)
    return RowRules(check, None, unanswered, misread, found, still)


def _misread(
    kind: TaskKind, params: Any, task: Task, writes: bool
) -> Callable[[Record, Sequence[str]], str | None]:
    """Return what says why what the student is trained to say is not read back as the right answer."""

    def misread(record: Record, labels: Sequence[str]) -> str | None:
        shown = {column: str(record.values[column]) for column in task.input}
        right = Reference(str(record.values[task.target]), references_of(record, task.target))
        return kind.misread(shown, right, KindTask(tuple(labels), params), written=writes)

    return misread


def row_check(
    inputs: Sequence[str], target: str, labelled: bool, nested: Collection[str] = ()
) -> Check:
    """Return what says whether a row can be used: every column there, inputs and target of a type that they may have.

    Args:
        inputs: Columns the student sees: text or numbers.
        target: Column with the right answer: text or a whole number, or a list of acceptable ones.
        labelled: Whether targets come from a fixed set; then a list is not a target.
        nested: Columns of any type: the task says what it takes.
    """
    columns = dict.fromkeys([*inputs, target])

    def check(values: dict[str, Any]) -> Fault | tuple[str, ...]:
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
            return ()
        if not any(str(each).strip() for each in (right if isinstance(right, list) else [right])):
            return Fault(f"the column '{target}' is blank", "fill it in, or delete the row")
        return ()

    return check


def _missing(column: str, values: Mapping[str, Any]) -> Fault:
    if column in values:
        name = column if re.fullmatch(r"[A-Za-z_]\w*", column) else quoted(column)
        hint = f"give it one, or leave such rows out: `where: '{name} is not null'`"
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
