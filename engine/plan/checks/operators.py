"""The operators of a recipe: they exist, serve its task, have parameters in bounds, and a prompt that fits its rows."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import Location, Problem, RecipeError
from engine.operators import (
    ITEM_KEYS,
    TARGET,
    Found,
    Operator,
    brings_target,
    itemised,
    look_for_operators,
    variables_of,
)
from engine.operators.demonstration import trial
from engine.plan.packs import choose
from engine.registry import did_you_mean
from engine.spec.error_messages import check_part
from engine.spec.loader import LoadedRecipe
from engine.spec.recipe import OperatorSpec
from engine.spec.taxonomies import OTHER
from engine.spec.yaml import KeyPath
from engine.tasks import TASKS, TaskKind

SUGGESTED = 3
"""Operators that are named in place of one that does not serve the task."""


def check_operators(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield what is wrong with the operators beside the recipe, and with those that it names."""
    folders = loaded.recipe.augment.operator_folders
    places = [loaded.at("augment", "operator_folders", i) for i in range(len(folders))]
    available = look_for_operators(loaded.base, folders, places, loaded.further)
    yield from available.problems
    categories = _categories(loaded)
    used = loaded.recipe.augment.operators
    for index, spec in enumerate(used):
        path: KeyPath = ("augment", "operators", index)
        if spec.name in [other.name for other in used[:index]]:
            hint = "put its params and patterns into one entry"
            message = f"the operator '{spec.name}' is given twice"
            yield Problem(loaded.at(*path, "name"), message, hint, code="operator")
        operator = available.operators.get(spec.name)
        if operator is not None:
            yield from _use(loaded, available, operator, spec, path)
        elif spec.name not in available.broken:
            message, hint = available.operators.unknown(spec.name)
            at = loaded.at(*path, "name")
            yield Problem(at, message, hint, code="unknown-operator")
        for position, name in enumerate(spec.patterns or []):
            if name not in categories:
                at = loaded.at(*path, "patterns", position)
                hint = (
                    did_you_mean(name, categories) or "declare it in patterns.taxonomy.categories"
                )
                message = f"the taxonomy has no category '{name}'"
                yield Problem(at, message, hint, code="taxonomy")
    yield from _idle(loaded, available)


def _idle(loaded: LoadedRecipe, available: Found) -> Iterator[Problem]:
    """Yield what is wrong where no row would ever be asked for: nothing is analysed, and operators need patterns."""
    augment = loaded.recipe.augment
    try:
        method = loaded.method
    except RecipeError:
        # Said elsewhere.
        return
    found = [available.operators.get(used.name) for used in augment.operators]
    served = method.analysis == "patterns" or not method.rounds_of(loaded.recipe.loop.rounds)
    if served or augment.mine or not all(found):
        return
    able = [
        operator.covers and not used.patterns
        for operator, used in zip(found, augment.operators, strict=True)
        if operator is not None
    ]
    if able and not any(able):
        at = loaded.at("augment", "operators")
        message = (
            f"the method '{loaded.recipe.loop.method}' looks for no patterns, and without them none of the recipe's "
            "operators writes a row: they are for certain patterns, change a label, or repeat a row with another target"
        )
        hint = "add new_situation or paraphrase without `patterns`, or take a method with patterns (loop.method: pada)"
        yield Problem(at, message, hint, code="operator")


def _categories(loaded: LoadedRecipe) -> list[str]:
    taxonomy = loaded.recipe.patterns.taxonomy
    categories = [category.id for category in taxonomy.categories]
    return [*categories, OTHER] if taxonomy.sorting == "hybrid" else categories


def _use(
    loaded: LoadedRecipe, available: Found, operator: Operator, spec: OperatorSpec, path: KeyPath
) -> Iterator[Problem]:
    kind = TASKS.get(loaded.recipe.task.kind)
    serves = kind is None or kind.name in operator.kinds
    if kind is not None and not serves:
        others = _serving(available, kind)
        at = loaded.at(*path, "name")
        message = f"the operator '{spec.name}' {_not_for(operator, kind)}"
        hint = f"use {_any_of(others)}; `pada list operators` has all"
        yield Problem(at, message, hint, code="operator")
    wrong = check_part(operator.params, spec.params, loaded.document, (*path, "params"))
    yield from wrong
    clash = [*_clashes(loaded, operator, path)]
    yield from clash
    if serves and kind is not None and not wrong and not clash:
        yield from _trial(loaded, operator, spec, kind, path)


def _serving(available: Found, kind: TaskKind) -> list[str]:
    """Return the operators for a task kind that write most rows by themselves."""
    serving = [one for one in available.operators.values() if kind.name in one.kinds]
    order = sorted(serving, key=lambda one: (-one.definition.share, one.make is not None, one.name))
    return [one.name for one in order[:SUGGESTED]]


def _any_of(names: list[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _not_for(operator: Operator, kind: TaskKind) -> str:
    match operator.definition.tasks:
        case "labelled":
            return f"needs labels, which tasks of the kind '{kind.name}' do not have"
        case "unlabelled":
            return f"is for tasks without labels, which the kind '{kind.name}' has"
        case _:
            kinds = ", ".join(sorted(operator.kinds))
            return f"is for the kinds {kinds}, and the task is of the kind '{kind.name}'"


def _clashes(loaded: LoadedRecipe, operator: Operator, path: KeyPath) -> Iterator[Problem]:
    """Yield input columns that have the name of something else in the operator's rows."""
    extra = set(operator.reply["properties"]["rows"]["items"].get("properties", {}))
    examples = operator.definition.examples
    kind = TASKS.get(loaded.recipe.task.kind)
    brings = kind is not None and brings_target(operator, labelled=kind.labelled)
    if brings or (examples is not None and examples.with_target):
        extra.add(TARGET)
    if any(map(itemised, operator.prompts.values())):
        extra.update(ITEM_KEYS)
    if operator.make is not None:
        extra.clear()
    for index, column in enumerate(loaded.recipe.task.input):
        if column in extra:
            at = loaded.at("task", "input", index)
            message = f"the operator '{operator.name}' uses the name '{column}' for another part of its rows"
            hint = f"give the column another name: `rename: {{input_{column}: {column}}}` in each split"
            yield Problem(at, message, hint, code="operator")


def _trial(
    loaded: LoadedRecipe, operator: Operator, spec: OperatorSpec, kind: TaskKind, path: KeyPath
) -> Iterator[Problem]:
    """Render the prompt once, with rows of the recipe's columns: a column that it gets wrong shows here."""
    if operator.make is not None:
        yield from _columns(loaded, operator)
        return
    try:
        prompt = operator.prompt(choose(loaded.recipe.models.teacher).name)
    except RecipeError as error:
        for problem in error.problems:
            at = loaded.at(*path, "name")
            yield Problem(at, problem.message, problem.hint, code=problem.code)
        return
    params = operator.params.model_validate(spec.params)
    task = loaded.recipe.task
    asked = trial(operator, kind, params, task.input, task.description)
    try:
        prompt.render(variables_of(operator, asked, params))
    except RecipeError as error:
        yield from error.problems


def _columns(loaded: LoadedRecipe, operator: Operator) -> Iterator[Problem]:
    """Yield where a row function would make rows of other columns than the task's."""
    make, wanted = operator.make, frozenset(loaded.recipe.task.input)
    if make is None or make.columns is None:
        return
    for number, columns in enumerate(make.columns(operator.material), 1):
        if columns != wanted:
            message = (
                f"row {number} of this file has the columns {', '.join(sorted(columns))},"
                f" and the task has {', '.join(sorted(wanted))}"
            )
            at = Location.at(operator.folder / make.file)
            yield Problem(at, message, "name the task's input columns", code="operator")
