"""The recipe's SQL against the real columns: parsed, typed, and tried out on the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from engine.data.records import Record, references_of
from engine.data.split_rows import SplitRows
from engine.errors import Location, Problem, RunError
from engine.metrics import METRICS
from engine.registry import did_you_mean
from engine.spec.loader import LoadedRecipe
from engine.spec.taxonomies import AT
from engine.spec.yaml import KeyPath
from engine.sql import (
    Fault,
    check_expression,
    column_types,
    evaluate_aggregate,
    evaluate_condition,
    evaluate_value,
)
from engine.sql.expressions import Kind, quoted
from engine.stages.evaluate.measure import PARTS
from engine.stages.task_view import named

_TRIED = 2000
_CATEGORIES: KeyPath = (*AT, "categories")


def check_sql(loaded: LoadedRecipe, splits: Mapping[str, SplitRows]) -> Iterator[Problem]:
    """Yield what is wrong with the recipe's SQL, and with columns that hide its names."""
    if "validation" not in splits or "train" not in splits:
        yield from _without_rows(loaded)
        return
    records = [record for name in ("train", "validation") for record in splits[name].records]
    # Of test rows nothing is looked at but what their columns are called: the same SQL is applied to them.
    target = loaded.recipe.task.target
    test_columns = splits["test"].types.first if "test" in splits else ()
    tested = [name for name in test_columns if name != target]
    yield from _reserved(loaded, records, tested)
    types = column_types(_answered(loaded, records))
    answered = list(_answered(loaded, records[:_TRIED]))
    for path, sql, kind in _expressions(loaded):
        yield from _checked(loaded, path, sql, kind, _Columns(types, tested), answered)
    if loaded.recipe.slices:
        yield from _slices(loaded, records, tested)
    yield from _failing_right_answers(loaded, answered)


class _Columns(NamedTuple):
    """What the columns of rows are called."""

    types: Mapping[str, str]
    """Column -> its DuckDB type, of the rows that SQL is tried on."""
    tested: Sequence[str]
    """Columns of the test rows."""


def _expressions(loaded: LoadedRecipe) -> Iterator[tuple[KeyPath, str, Kind]]:
    recipe = loaded.recipe
    yield ("failure",), recipe.failure, "condition"
    for index, metric in enumerate(recipe.measured):
        if metric.sql is not None:
            yield ("metrics", index, "sql"), metric.sql, "aggregate"
    for index, category in enumerate(recipe.patterns.taxonomy.categories):
        if category.where is not None:
            yield (*_CATEGORIES, index, "where"), category.where, "condition"


def _place(loaded: LoadedRecipe, path: KeyPath) -> tuple[Location, str]:
    """Return where an expression stands, and what it is called; a category may stand in a file of its own."""
    if path[: len(_CATEGORIES)] != _CATEGORIES:
        return loaded.at(*path), _name(path)
    in_file = loaded.taxonomy_file is not None
    return loaded.at_category(*path[len(_CATEGORIES) :]), _name(path[2:] if in_file else path)


def _without_rows(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Without the data the columns are not known, but what is no expression is wrong all the same."""
    for path, sql, kind in _expressions(loaded):
        if fault := check_expression(sql, None, kind):
            at, name = _place(loaded, path)
            yield Problem(at, f"{name}: {fault.message}", fault.hint, code="sql")


def _checked(
    loaded: LoadedRecipe,
    path: KeyPath,
    sql: str,
    kind: Kind,
    columns: _Columns,
    answered: list[dict[str, Any]],
) -> Iterator[Problem]:
    fault = check_expression(sql, columns.types, kind, columns.tested)
    if fault is not None and path == ("failure",) and "failure" not in loaded.document.data:
        message = f"failure is `{sql}` where a recipe has none, and here {fault.message}"
        hint = "write a `failure` over this recipe's metrics, or measure that one too"
        yield Problem(loaded.at("metrics", key=True), message, hint, code="sql")
        return
    at, name = _place(loaded, path)
    if fault is not None:
        yield Problem(at, f"{name}: {fault.message}", fault.hint, code="sql")
        return
    try:
        if kind == "condition":
            evaluate_condition(sql, answered)
        else:
            evaluate_aggregate(sql, answered)
    except RunError as error:
        message = f"{name}: tried on the rows of this recipe, {error.message}"
        yield Problem(at, message, error.hint, code="sql")


def _slices(
    loaded: LoadedRecipe, records: Sequence[Record], tested: Sequence[str]
) -> Iterator[Problem]:
    """What rows are parted by are their own columns, not what was answered: parts must not move with the student."""
    target = loaded.recipe.task.target
    own = [named(record.values, {"target": str(record.values[target])}) for record in records]
    types = column_types(own)
    for index, cut in enumerate(loaded.recipe.slices):
        if isinstance(cut, str):
            at, name, sql = loaded.at("slices", index), f"slices[{index}]", quoted(cut)
            fault = (
                check_expression(sql, types, "value", tested)
                if cut in types or cut == target
                else Fault(f"no column '{cut}'", did_you_mean(cut, types))
            )
        else:
            at, name, sql = loaded.at("slices", index, "sql"), f"slices[{index}].sql", cut.sql
            fault = check_expression(sql, types, "value", tested)
        if fault is not None:
            yield Problem(at, f"{name}: {fault.message}", fault.hint, code="slice")
            continue
        try:
            parts = len(set(evaluate_value(sql, own)))
        except RunError as error:
            yield Problem(at, f"{name}: {error.message}", error.hint, code="slice")
            continue
        if parts > PARTS:
            message = f"{name}: {parts} values; all beyond the {PARTS} most frequent are one part, (other)"
            hint = "group them in SQL, such as `case when length(text) < 30 then 'short' else 'long' end`"
            yield Problem(at, message, hint, "warning", "slice")


def _name(path: KeyPath) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".")


def _scores(loaded: LoadedRecipe) -> dict[str, float]:
    """Return the metrics that have a value per example, each with that of a right answer."""
    best: dict[str, float] = {}
    for metric in loaded.recipe.measured:
        if metric.judge is not None:
            best[metric.name] = float(metric.judge.scale[1])
        elif not metric.own and metric.name in METRICS:
            best[metric.name] = METRICS[metric.name].best
    return best


def _answered(loaded: LoadedRecipe, records: Sequence[Record]) -> Iterator[dict[str, Any]]:
    """Yield rows as users' SQL sees them, as if the student had given every right answer."""
    scores = _scores(loaded)
    target = loaded.recipe.task.target
    for record in records:
        right = {"target": record.values[target], "prediction": references_of(record, target)[0]}
        yield named(record.values, {**right, **scores})


def _reserved(
    loaded: LoadedRecipe, records: Sequence[Record], tested: Sequence[str]
) -> Iterator[Problem]:
    """Columns whose names mean something else in SQL."""
    task = loaded.recipe.task
    names = [*dict.fromkeys(name for record in records for name in record.values), *tested]
    columns = {name.lower(): name for name in names if name != task.target}
    meanings = {"prediction": "the student's answer", "target": "the right answer"}
    meanings |= {name: "a score" for name in _scores(loaded)}
    for name, meaning in meanings.items():
        if name in columns:
            message = f"the data has a column '{columns[name]}', which in SQL means {meaning}"
            hint = "give the column another name in the data"
            yield Problem(loaded.at("data", key=True), message, hint, code="reserved")


def _failing_right_answers(
    loaded: LoadedRecipe, answered: list[dict[str, Any]]
) -> Iterator[Problem]:
    try:
        count = sum(evaluate_condition(loaded.recipe.failure, answered))
    except RunError:
        return
    if count:
        message = (
            f"failure: holds for {count} of {len(answered)} rows even when they are answered right"
        )
        hint = "check the direction of the comparison, such as `accuracy < 1`"
        yield Problem(loaded.at("failure"), message, hint, "warning", "failure")
