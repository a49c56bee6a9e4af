"""What types cannot say of a recipe: names, parameters, models, prompts, SQL and data agree.

Reads prompts and data, looks up models, loads none of them; never imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from engine import models
from engine.backends import BACKENDS
from engine.backends.entry import Backend
from engine.backends.structured import unbounded
from engine.data.checks import check_rows, check_shared
from engine.data.rules import unnamed_inputs
from engine.data.splits import Splits, read_splits
from engine.errors import BackendError, Location, ModelError, Problem, RecipeError
from engine.plan.benchmark import check_benchmark
from engine.plan.building.training_memory import of_recipe
from engine.plan.checks.adapter import check_adapter
from engine.plan.checks.languages import check_languages
from engine.plan.checks.metrics import (
    check_deciding,
    check_metrics,
    check_short_targets,
    check_slices,
    check_targets,
)
from engine.plan.checks.mining import check_mining
from engine.plan.checks.money import check_money
from engine.plan.checks.operators import check_operators
from engine.plan.checks.preferences import check_preferences
from engine.plan.checks.selection import check_selection
from engine.plan.checks.serving import check_serving
from engine.plan.checks.shots import check_shots
from engine.plan.checks.sql import check_sql
from engine.plan.checks.training import check_training
from engine.plan.defaults import complete
from engine.plan.packs import check_packs, packs_of
from engine.registry import Registry, did_you_mean
from engine.spec.error_messages import check_part
from engine.spec.limited import limited
from engine.spec.loader import LoadedRecipe, reading
from engine.spec.named_files import read_document
from engine.spec.pack import Pack, find_packs
from engine.spec.parts import GateMode
from engine.spec.prompts import PromptLibrary
from engine.spec.recipe import ModelSpec
from engine.spec.reply_schemas import SchemaLibrary
from engine.stages import STAGES
from engine.stages.analyse.clusterers import CLUSTERERS
from engine.stages.quality import GATES
from engine.stages.task_view import PROMPT_VARIABLES as TASK_VARIABLES
from engine.tasks import TASKS, TaskKind

ROLES = ("student", "teacher", "judge", "embedder")


class Examined(NamedTuple):
    """What checking a recipe found, and the rows that were read for it."""

    problems: list[Problem]
    """Warnings included, in file order."""
    splits: Splits


def check_recipe(loaded: LoadedRecipe) -> list[Problem]:
    """Return every problem of a recipe, warnings included, in file order."""
    return examine(loaded).problems


def examine(loaded: LoadedRecipe, splits: Splits | None = None, *, rows: bool = True) -> Examined:
    """Check a recipe, its prompts and its data: the rows in `splits`, where they were read already.

    Args:
        loaded: The recipe.
        splits: Its rows, read already; they are read when left out.
        rows: False looks at no rows: data need not be there, all else is checked.

    Raises:
        RecipeError: something in it takes more than its limits; what else is wrong is not looked for.
    """
    with reading(loaded.path):
        loaded = complete(loaded)
        with limited(loaded):
            return (_examined if rows else _examined_without_rows)(loaded, splits)


def _examined(loaded: LoadedRecipe, splits: Splits | None) -> Examined:
    splits = splits or read_splits(loaded)
    return _ordered(
        [
            *splits.problems,
            *(splits.log.problems() if splits.log else ()),
            *_pool(loaded, splits),
            *check_shared(splits),
            *_settled(loaded, splits),
        ],
        splits,
    )


def _examined_without_rows(loaded: LoadedRecipe, splits: Splits | None) -> Examined:
    splits = splits or Splits(loaded)
    return _ordered([*splits.problems_unread(), *_settled(loaded, splits)], splits)


def _settled(loaded: LoadedRecipe, splits: Splits) -> Iterator[Problem]:
    """Yield what is wrong with the recipe, alone and with the rows that were read, as far as any were."""
    task = [*_task(loaded)]
    yield from loaded.warnings
    yield from task
    yield from check_metrics(loaded)
    yield from check_slices(loaded)
    yield from _method(loaded)
    yield from _failures(loaded)
    yield from _clusterer(loaded)
    yield from check_operators(loaded)
    yield from check_mining(loaded)
    yield from _gates(loaded)
    yield from _models(loaded)
    yield from check_adapter(loaded)
    yield from check_serving(loaded)
    yield from check_preferences(loaded)
    yield from check_training(loaded, of_recipe(loaded, splits))
    yield from check_money(loaded)
    yield from check_benchmark(loaded)
    yield from _of_packs(loaded)
    yield from check_rows(loaded, splits.rows, splits.rules)
    yield from check_languages(loaded, splits.rows)
    if not task:
        # What a target is, only a task without mistakes says.
        yield from check_targets(loaded, splits.rows)
        yield from check_short_targets(loaded, splits.rows)
        yield from check_deciding(loaded, splits.rows)
        yield from check_shots(loaded, splits.rows)
    yield from check_sql(loaded, splits.rows)
    yield from check_selection(loaded, splits.rows)


def _ordered(problems: Iterable[Problem], splits: Splits) -> Examined:
    # Splits may share a file, or rows: a problem there is reported once.
    ordered = sorted(
        dict.fromkeys(problems),
        key=lambda problem: (problem.where, problem.level, problem.message),
    )
    return Examined(ordered, splits)


def _unknown(registry: Registry[Any], name: str, where: Location) -> Problem:
    message, hint = registry.unknown(name)
    return Problem(where, message, hint, code=f"unknown-{registry.kind.replace(' ', '-')}")


def _task(loaded: LoadedRecipe) -> Iterator[Problem]:
    task = loaded.recipe.task
    kind = TASKS.get(task.kind)
    if kind is None:
        yield _unknown(TASKS, task.kind, loaded.at("task", "kind"))
    else:
        yield from _task_params(loaded, kind)
        yield from _of_other_kinds(loaded, kind)
    for index, column in enumerate(task.input):
        at = loaded.at("task", "input", index)
        if column == task.target:
            hint = "the student would see the answer: take it out of task.input"
            yield Problem(at, f"the target '{column}' is an input too", hint, code="task")
        if column in task.input[:index]:
            yield Problem(at, f"the input '{column}' is given twice", "leave one out", code="task")
    known = [*task.input, task.target]
    for column in task.columns:
        if column not in known:
            at = loaded.at("task", "columns", column, key=True)
            message = f"task.columns describes '{column}', which is neither an input nor the target"
            hint = did_you_mean(column, known) or f"they are: {', '.join(known)}"
            yield Problem(at, message, hint, code="task")


def _task_params(loaded: LoadedRecipe, kind: TaskKind) -> Iterator[Problem]:
    """Yield what is wrong with the kind's parameters; rows can be read by its rules only where nothing is."""
    task = loaded.recipe.task
    wrong = list(check_part(kind.params, task.params, loaded.document, ("task", "params")))
    yield from wrong
    if wrong:
        return
    params = kind.params.model_validate(task.params)
    at = loaded.at("task", "params") if task.params else loaded.at("task", "kind")
    for problem in kind.problems(params):
        yield Problem(at, f"task.params: {problem}", "docs/tasks.md shows each kind", code="task")
    for problem in kind.input_problems(task.input):
        hint = "docs/tasks.md shows each kind"
        yield Problem(loaded.at("task", "input"), f"task.input: {problem}", hint, code="task")
    for name, column in unnamed_inputs(kind, params, task.input).items():
        hint = did_you_mean(column, task.input) or "name one of them"
        message = f"task.params.{name} is '{column}', which is not in task.input"
        yield Problem(loaded.at("task", "params", name), message, hint, code="task")


def _of_other_kinds(loaded: LoadedRecipe, kind: TaskKind) -> Iterator[Problem]:
    """Yield settings that fit other kinds only."""
    task = loaded.recipe.task
    if task.labels is not None and not kind.labelled:
        message = f"a task of the kind '{kind.name}' has no labels"
        yield Problem(loaded.at("task", "labels"), message, "leave them out", code="task")
    if task.fold_labels and not kind.labelled:
        message = f"a task of the kind '{kind.name}' has no labels whose spellings could be one"
        yield Problem(loaded.at("task", "fold_labels"), message, "leave it out", code="task")


def _method(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield a method that is not there, and what is wrong in its file."""
    loop = loaded.recipe.loop
    try:
        method = loaded.method
    except RecipeError as error:
        yield from error.problems
        return
    if (
        method.rounds != "recipe"
        and "rounds" in loop.model_fields_set
        and loop.rounds != method.rounds
    ):
        message = (
            f"loop.rounds is {loop.rounds}, but the method '{method.name}' has {method.rounds}"
        )
        hint = "leave loop.rounds out, or name another method"
        yield Problem(loaded.at("loop", "rounds"), message, hint, "warning", "method")


def _failures(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield sources of failures that the method does not look at."""
    sources = loaded.recipe.failures.sources
    if sources is None:
        return
    try:
        method = loaded.method
    except RecipeError:
        return
    if method.failures == "none":
        at = loaded.at("failures", "source")
        message = f"the method '{method.name}' looks at no failures"
        hint = "leave failures out, or name another method: `loop: {method: pada}`"
        yield Problem(at, message, hint, code="failures")
    elif method.plans == "wrong rows" and sources != ("train",):
        at = loaded.at("failures", "source")
        message = (
            f"the method '{method.name}' writes rows from training rows that the student gets wrong"
        )
        hint = "write `source: train` or leave failures out, or name another method: `loop: {method: pada}`"
        yield Problem(at, message, hint, code="failures")


def _pool(loaded: LoadedRecipe, splits: Splits) -> list[Problem]:
    """Return what is wrong with the pool, as this recipe reads it."""
    mine = loaded.recipe.augment.mine
    labelled = mine is not None and mine.label == "column"
    return splits.pool.problems(labelled=labelled) if splits.pool else []


def _clusterer(loaded: LoadedRecipe) -> Iterator[Problem]:
    cluster, path = loaded.recipe.patterns.cluster, ("patterns", "cluster")
    clusterer = CLUSTERERS.get(cluster.algorithm)
    if clusterer is None:
        yield _unknown(CLUSTERERS, cluster.algorithm, loaded.at(*path, "algorithm"))
    else:
        yield from check_part(clusterer.settings, cluster.settings, loaded.document, path)


def _gates(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield what is wrong with the gates of the recipe."""
    for name, mode in loaded.recipe.quality.gates.items():
        at = loaded.at("quality", "gates", name, key=True)
        yield from _gate(name, mode, at, "quality.gates")


def _gates_of_packs(loaded: LoadedRecipe, packs: Mapping[str, Pack]) -> Iterator[Problem]:
    """Yield what is wrong with the gates of the packs, at their own files."""
    files = find_packs(loaded.base, loaded.further)
    for pack in {pack.name: pack for pack in packs.values()}.values():
        document = read_document(files[pack.name], "pack")
        for name, mode in pack.gates.items():
            at = document.at(("gates", name), key=True)
            yield from _gate(name, mode, at, f"the gates of the pack '{pack.name}'")


def _gate(name: str, mode: GateMode, at: Location, where: str) -> Iterator[Problem]:
    """Yield that a gate does not exist, or cannot be turned off."""
    if name not in GATES:
        yield _unknown(GATES, name, at)
    elif mode != GATES[name].mode({}, {name: mode}):
        message = f"the gate '{name}' always rejects"
        yield Problem(at, message, f"leave {name} out of {where}", code="gate")


def _models(loaded: LoadedRecipe) -> Iterator[Problem]:
    recipe = loaded.recipe
    yield from _training(loaded)
    for role in ROLES:
        spec: ModelSpec = recipe.models.of(role)
        backend = BACKENDS.get(spec.backend)
        if backend is None:
            yield _unknown(BACKENDS, spec.backend, loaded.at("models", role, "backend"))
            continue
        if role not in backend.roles:
            able = [name for name, entry in BACKENDS.items() if role in entry.roles]
            at = loaded.at("models", role, "backend")
            message = f"the backend '{spec.backend}' cannot be the {role}"
            yield Problem(at, message, f"choose one of: {', '.join(able)}", code="role")
        wrong = check_part(backend.settings, spec.settings, loaded.document, ("models", role))
        yield from wrong
        if not wrong:
            yield from _model(loaded, role, spec, backend)


def _training(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield a student that cannot be fine-tuned here, and rounds that nothing is fine-tuned for."""
    recipe = loaded.recipe
    backend = BACKENDS.get(recipe.models.student.backend)
    if recipe.train.method == "none":
        if recipe.loop.rounds > 1:
            message = f"loop.rounds is {recipe.loop.rounds}, but `train: {{method: none}}` fine-tunes nothing"
            hint = "write rounds: 1 (measure and make rows) or rounds: 0 (measure only)"
            yield Problem(loaded.at("loop", "rounds"), message, hint, code="train")
    elif backend is not None and "student" in backend.roles and backend.train is None:
        at = loaded.at("models", "student", "backend")
        message = f"the backend '{backend.name}' cannot fine-tune the student"
        hint = (
            "use weights on this machine (backend: transformers), or measure the student as it is and make rows for "
            "a fine-tune elsewhere: `train: {method: none}`"
        )
        yield Problem(at, message, hint, code="train")


def _model(loaded: LoadedRecipe, role: str, spec: ModelSpec, backend: Backend) -> Iterator[Problem]:
    """Look the model up: local weights by name or folder, anything else by the files it reads."""
    try:
        if backend.extra is not None:
            backend.extra.require()
        if backend.local:
            models.locate(spec.model, loaded.base, backend.weights)
        else:
            backend.identity(spec.model, loaded.base, spec.settings)
    except OSError as error:
        at = loaded.at("models", role, "model")
        message = f"models.{role}.model cannot be looked up: {error.strerror}"
        yield Problem(at, message, "check the name", code="model")
    except (ModelError, BackendError) as error:
        at = loaded.at("models", role, "model")
        yield Problem(at, f"models.{role}.model: {error.message}", error.hint, code="model")


def _of_packs(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield what is wrong with the packs, and with the prompts and schemas that they lead to."""
    try:
        packs = packs_of(loaded)
    except RecipeError as error:
        yield from error.problems
        return
    yield from _gates_of_packs(loaded, packs)
    yield from check_packs(loaded, packs)
    yield from _prompts(loaded, packs)
    yield from _replies(loaded, packs)


def _replies(loaded: LoadedRecipe, packs: Mapping[str, Pack]) -> Iterator[Problem]:
    """Yield schemas of replies that cannot be used, or let a model go on for ever."""
    library = SchemaLibrary(loaded.base, loaded.further)
    # Those of operators are checked when their folders are read.
    for stage in STAGES.values():
        for name in stage.replies:
            try:
                schema = library.get(name, packs[stage.writer].name)
            except RecipeError as error:
                yield from error.problems
                continue
            for problem in unbounded(schema):
                message = f"the reply to {name}.schema.json can grow without end: {problem}"
                hint = "give every text a maxLength and every list a maxItems"
                yield Problem(loaded.at("models"), message, hint, code="schema")


class UsedPrompt(NamedTuple):
    """A prompt of a run, as it is looked up."""

    name: str
    role: str
    """Who is asked with it."""
    variables: frozenset[str]
    """What it is given."""


def used_prompts(loaded: LoadedRecipe) -> list[UsedPrompt]:
    """Return the prompts of a run of this recipe, operators aside."""
    recipe = loaded.recipe
    used = [
        UsedPrompt(prompt, stage.writer, variables)
        for stage in STAGES.values()
        for prompt, variables in stage.prompts.items()
    ]
    kind = TASKS.get(recipe.task.kind)
    task_prompt = recipe.task.prompt or (kind.prompt if kind else None)
    for prompt in (task_prompt, recipe.train.prompt):
        if prompt is not None:
            used.append(UsedPrompt(prompt, "student", TASK_VARIABLES))
    return list(dict.fromkeys(used))


def _prompts(loaded: LoadedRecipe, packs: Mapping[str, Pack]) -> Iterator[Problem]:
    library = PromptLibrary(loaded.base, loaded.further)
    for name, role, allowed in used_prompts(loaded):
        try:
            prompt = library.get(name, packs[role].name if role in packs else None)
        except RecipeError as error:
            for problem in error.problems:
                yield _in_recipe(loaded, name, problem)
            continue
        for variable in sorted(prompt.variables - allowed):
            at = Location.at(prompt.path, prompt.line_of(variable), 1)
            message = f"this prompt uses '{variable}', which it is not given"
            hint = did_you_mean(variable, allowed)
            yield Problem(at, message, hint, code="prompt")


def _in_recipe(loaded: LoadedRecipe, name: str, problem: Problem) -> Problem:
    """Move a problem about the prompt's name to where the recipe names it."""
    part_of = {loaded.recipe.task.prompt: "task", loaded.recipe.train.prompt: "train"}
    if problem.where.line or name not in part_of:
        return problem
    at, message = loaded.at(part_of[name], "prompt"), f"{part_of[name]}.prompt: {problem.message}"
    return Problem(at, message, problem.hint, code=problem.code)
