"""Selection agrees with the recipe: quotas that rows can meet, and a pass rate that answers have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from engine.data.records import references_of
from engine.data.split_rows import SplitRows
from engine.errors import Problem
from engine.operators import look_for_operators
from engine.plan.building.quotas import rows_of
from engine.registry import did_you_mean
from engine.spec.loader import LoadedRecipe
from engine.spec.recipe import Quota
from engine.spec.yaml import KeyPath
from engine.sql import Fault, check_expression, column_types
from engine.sql.row_values import RowExpression, Unusable, type_name
from engine.stages.augment.selection.quotas import Scalar, same
from engine.stages.task_view import named
from engine.tasks import TASKS, TaskKind

_TRIED = 2000
_AT: KeyPath = ("augment", "quotas")


def check_selection(loaded: LoadedRecipe, splits: Mapping[str, SplitRows]) -> Iterator[Problem]:
    """Yield quotas that no row can meet or that no expression defines, and a pass rate that nothing has."""
    yield from _pass_rate(loaded)
    quotas = loaded.recipe.augment.quotas
    labels = _labels(loaded, splits)
    for place, quota in enumerate(quotas):
        yield from _bounds(loaded, place, quota)
        if quota.by == "label":
            yield from _of_labels(loaded, place, quota, labels)
        if quota.by is not None:
            yield from _of_texts(loaded, place, quota)
        if quota.sql is not None:
            yield from _sql(loaded, place, quota, splits)
        if quota.at_least and not quota.of and quota.by != "label":
            at = loaded.at(*_AT, place, "at_least")
            message = f"{_name(place)}: at_least is for groups that are known beforehand, and here they are not"
            yield Problem(at, message, "name them: `of: […]`", code="quota")
    yield from _together(loaded, labels)
    yield from _writers(loaded, splits)


def _pass_rate(loaded: LoadedRecipe) -> Iterator[Problem]:
    kind = TASKS.get(loaded.recipe.task.kind)
    if loaded.recipe.quality.pass_rate is None or kind is None or kind.agreement is not None:
        return
    message = (
        f"answers of the kind '{kind.name}' are too free to be compared, so none is simply right"
    )
    hint = "leave quality.pass_rate out; a judge can rate such rows (`quality: {judge: decides}`)"
    at = loaded.at("quality", "pass_rate", key=True)
    yield Problem(at, f"quality.pass_rate: {message}", hint, code="pass-rate")


def _name(place: int, key: str = "") -> str:
    return f"augment.quotas[{place}]{key}"


def _kind(loaded: LoadedRecipe) -> tuple[TaskKind, Any] | None:
    """Return the task's kind and its parameters; None where one of them is wrong, which is said elsewhere."""
    kind = TASKS.get(loaded.recipe.task.kind)
    if kind is None:
        return None
    try:
        return kind, kind.params.model_validate(loaded.recipe.task.params)
    except ValueError:
        return None


def _labels(loaded: LoadedRecipe, splits: Mapping[str, SplitRows]) -> list[str] | None:
    """Return the task's labels; None where it has none, or they are not known yet."""
    known = _kind(loaded)
    if known is None or not known[0].labelled:
        return None
    declared = loaded.recipe.task.label_names
    if declared is not None:
        return declared
    return sorted(_trained(loaded, splits)) if "train" in splits else None


def _trained(loaded: LoadedRecipe, splits: Mapping[str, SplitRows]) -> set[str]:
    """Return the labels that training rows have."""
    known = _kind(loaded)
    if known is None:
        return set()
    kind, params = known
    target = loaded.recipe.task.target
    found: set[str] = set()
    for text in {references_of(record, target)[0] for record in splits["train"].records}:
        try:
            found.update(kind.labels_in(text, params))
        except (ValueError, TypeError):
            continue
    return found


def _bounds(loaded: LoadedRecipe, place: int, quota: Quota) -> Iterator[Problem]:
    rows = loaded.recipe.augment.rows_per_round
    least, most = rows_of(quota, "at_least", rows) or 0, rows_of(quota, "at_most", rows)
    if most is not None and least > most:
        message = f"{_name(place)}: at_least is {least} rows, which is more than at_most, {most}"
        at = loaded.at(*_AT, place, "at_least")
        yield Problem(at, message, "lower one, or raise the other", code="quota")
    if most == 0 and isinstance(quota.at_most, float):
        message = (
            f"{_name(place, '.at_most')}: {quota.at_most:g} of {rows} rows is less than one row"
        )
        at = loaded.at(*_AT, place, "at_most")
        yield Problem(at, message, "write 0 to keep all of them out, or more", code="quota")


def _of_labels(
    loaded: LoadedRecipe, place: int, quota: Quota, labels: Sequence[str] | None
) -> Iterator[Problem]:
    kind = TASKS.get(loaded.recipe.task.kind)
    if kind is not None and not kind.labelled:
        message = f"{_name(place)}: a task of the kind '{kind.name}' has no labels"
        hint = "write `by: answer`, or group rows by `sql`"
        yield Problem(loaded.at(*_AT, place, "by"), message, hint, code="quota")
        return
    for index, label in enumerate(quota.of if labels is not None else ()):
        if isinstance(label, str) and label not in (labels or ()):
            message = f"{_name(place)}: the task has no label '{label}'"
            hint = did_you_mean(label, labels or ()) or "leave it out"
            yield Problem(loaded.at(*_AT, place, "of", index), message, hint, code="quota")


def _of_texts(loaded: LoadedRecipe, place: int, quota: Quota) -> Iterator[Problem]:
    for index, value in enumerate(quota.of):
        if not isinstance(value, str):
            message = f"{_name(place)}: a {quota.by} is a text, and {value!r} is a {_type(value)}"
            at = loaded.at(*_AT, place, "of", index)
            yield Problem(at, message, "put it into quotes", code="quota")


def _type(value: object) -> str:
    return type_name(type(value))


def _sql(
    loaded: LoadedRecipe, place: int, quota: Quota, splits: Mapping[str, SplitRows]
) -> Iterator[Problem]:
    """Try an expression on training rows as new rows have them: inputs and target alone."""
    sql, at = quota.sql or "", loaded.at(*_AT, place, "sql")
    if "train" not in splits:
        if fault := check_expression(sql, None, "value"):
            yield Problem(at, f"{_name(place, '.sql')}: {fault.message}", fault.hint, code="sql")
        return
    task = loaded.recipe.task
    rows = []
    for record in islice(splits["train"].records, _TRIED):
        target = references_of(record, task.target)[0]
        inputs = {column: str(record.values[column]) for column in task.input}
        rows.append(named({**inputs, task.target: target}, {"target": target}))
    fault = check_expression(sql, column_types(rows), "value")
    if fault is not None:
        hint, elsewhere = fault.hint, set(splits["train"].types.first) - set(task.input)
        if any(f"'{column}'" in fault.message for column in elsewhere):
            hint = "new rows have inputs and a target, no other columns"
        yield Problem(at, f"{_name(place, '.sql')}: {fault.message}", hint, code="sql")
        return
    try:
        values = RowExpression(sql, "value").over(rows)
    except Unusable as error:
        message = f"{_name(place, '.sql')}: {error.fault.message}"
        yield Problem(at, message, error.fault.hint, code="sql")
        return
    yield from _of_values(loaded, place, quota, values)


def _of_values(
    loaded: LoadedRecipe, place: int, quota: Quota, values: Sequence[Any]
) -> Iterator[Problem]:
    """Yield groups that the expression cannot give, by their type, and those that no training row is in."""
    known: list[Scalar] = [value for value in values if isinstance(value, Scalar)]
    faults = [value for value in values if isinstance(value, Fault)]
    if faults and not known:
        at = loaded.at(*_AT, place, "sql")
        message = f"{_name(place, '.sql')}: it has a value for no training row: {faults[0].message}"
        yield Problem(at, message, faults[0].hint, code="sql")
        return
    kinds = list(dict.fromkeys(map(_type, known)))
    for index, one in enumerate(quota.of):
        at = loaded.at(*_AT, place, "of", index)
        if kinds and _type(one) not in kinds:
            message = f"{_name(place)}: {one!r} is a {_type(one)}, and the values of `{quota.sql}` are {kinds[0]}"
            seen = ", ".join(_yaml(value) for value in list(dict.fromkeys(known))[:3])
            yield Problem(at, message, f"write such values as {seen}", code="quota")
        elif known and not any(same(one, value) for value in known):
            message = f"{_name(place)}: `{quota.sql}` is {_yaml(one)} for no training row"
            hint = "rows like that may be hard to write: see whether it is meant"
            yield Problem(at, message, hint, "warning", "quota")


def _yaml(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _together(loaded: LoadedRecipe, labels: Sequence[str] | None) -> Iterator[Problem]:
    """Yield bounds that cannot be kept together: groups of one expression share no row, unless labels do."""
    augment = loaded.recipe.augment
    known = _kind(loaded)
    several = known is not None and known[0].labelled and not known[0].chosen(known[1])
    least: dict[str, dict[Scalar, int]] = {}
    last: dict[str, int] = {}
    for place, quota in enumerate(augment.quotas):
        what = quota.sql or quota.by or ""
        rows = rows_of(quota, "at_least", augment.rows_per_round) or 0
        for value in quota.of or (labels or () if quota.by == "label" else ()):
            of_value = least.setdefault(what, {})
            of_value[value] = max(rows, of_value.get(value, 0))
        if rows:
            last[what] = place
    for what, place in last.items():
        total = sum(least.get(what, {}).values())
        if total > augment.rows_per_round and not (what == "label" and several):
            at = loaded.at(*_AT, place, "at_least")
            message = (
                f"{_name(place)}: the least rows of all groups by {what} add up to {total}, "
                f"and rows_per_round is {augment.rows_per_round}"
            )
            yield Problem(at, message, "lower them, or raise rows_per_round", code="quota")
    if labels and not several:
        yield from _room(loaded, labels)


def _room(loaded: LoadedRecipe, labels: Sequence[str]) -> Iterator[Problem]:
    """Yield upper bounds on labels under which a round can never be full."""
    rows = loaded.recipe.augment.rows_per_round
    most: dict[str, int] = {}
    last = 0
    for place, quota in enumerate(loaded.recipe.augment.quotas):
        bound = rows_of(quota, "at_most", rows)
        if quota.by != "label" or bound is None:
            continue
        last = place
        for label in quota.of or labels:
            if label in labels:
                most[str(label)] = min(bound, most.get(str(label), bound))
    room = sum(most.values())
    if len(most) == len(labels) and room < rows:
        at = loaded.at(*_AT, last, "at_most")
        message = (
            f"{_name(last)}: no more than {room} of the {rows} rows of rows_per_round can ever join"
        )
        hint = "raise at_most, or lower rows_per_round"
        yield Problem(at, message, hint, "warning", "quota")


def _writers(loaded: LoadedRecipe, splits: Mapping[str, SplitRows]) -> Iterator[Problem]:
    """Yield lower bounds on labels of which nothing brings a row: operators start from training rows."""
    augment = loaded.recipe.augment
    known = _kind(loaded)
    if augment.mine is not None or "train" not in splits or known is None or not known[0].labelled:
        return
    trained = _trained(loaded, splits)
    labels = _labels(loaded, splits) or []
    available = look_for_operators(
        loaded.base, augment.operator_folders, more=loaded.further
    ).operators
    writes = any(
        used.name not in available or (not used.patterns and available[used.name].covers)
        for used in augment.operators
    )
    for place, quota in enumerate(augment.quotas):
        if quota.by != "label" or not quota.at_least:
            continue
        at = loaded.at(*_AT, place, "at_least")
        for label in quota.of or labels:
            if label in labels and label not in trained:
                message = f"{_name(place)}: no training row has the label '{label}', and operators start from such rows"
                hint = "add training rows of it, mine it from a pool, or leave it out"
                yield Problem(at, message, hint, code="quota")
        if not writes:
            message = f"{_name(place)}: every operator is for patterns alone, so rows of a label are not written for it"
            hint = "add an operator without `patterns`; else only what patterns bring counts"
            yield Problem(at, message, hint, "warning", "quota")
