"""What is to be said of a recipe, gathered from its file, its plan and a rehearsal; sends nothing, loads no model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import yaml

from engine.data.logged import Log
from engine.data.pool import Pool
from engine.data.sources.hub import is_hub
from engine.data.splits import Splits
from engine.errors import EngineError, Location, Problem, RecipeError
from engine.operators import Operator, look_for_operators
from engine.operators.document import facts, parameter_rows
from engine.plan.compile import compile_plan
from engine.plan.defaults import complete
from engine.plan.graph import Plan
from engine.plan.resources import Resources, gather, task_prompt
from engine.plan.validate import Examined, examine
from engine.rehearsal import ASKING, STUDENT, rehearse
from engine.rows import SPLITS
from engine.site.pages.facts import Branch, RecipeFacts, ShownPrompt, UsedOperator
from engine.site.pages.graph import graph_of
from engine.spec.limited import limited
from engine.spec.loader import LoadedRecipe, load, reading
from engine.spec.named_files import passed_file
from engine.spec.recipe import Taxonomy
from engine.spec.yaml import decode, read_bytes
from engine.stages import STAGES

ROWS = 120
"""Rows of a split with which prompts are rendered: they show a few of them."""
_NOWHERE = Path("/nonexistent")
"""In place of a state folder: what is shown are training rows, and stand-ins made of them."""


class _UnreadPool(Pool):
    def digest(self) -> str:
        return ""


class _UnreadLog(Log):
    def digest(self) -> str:
        return ""


class UnreadSplits(Splits):
    """Splits that are not looked at, for a plan of which nobody asks whether it was run."""

    def __init__(self, loaded: LoadedRecipe) -> None:
        """Take the recipe."""
        super().__init__(loaded)
        self.pool = _UnreadPool(loaded, self.rules) if self.pool else None
        self.log = _UnreadLog(loaded, self.rules) if self.log else None

    def digests(self) -> dict[str, str]:
        """Return nothing that tells the rows from others."""
        return {split: "" for split in SPLITS if split in self._origins}


class Wanted(NamedTuple):
    """A recipe, and how much is to be said of it."""

    path: Path
    root: Path
    rows: bool
    """Whether prompts are shown with rows."""


def facts_of(wanted: Wanted) -> RecipeFacts:
    """Return what the page of a recipe says; of a broken one, what is wrong with it."""
    told = _facts(wanted)
    return replace(told, problems=tuple(_placed(one, wanted.root) for one in told.problems))


def _placed(problem: Problem, root: Path) -> Problem:
    """Return a problem with its paths as they are in the tree: where that lies on this machine is for nobody else."""

    def inside(text: str) -> str:
        return text.replace(f"{root}/", "").replace(str(root), ".")

    absolute = Path.cwd() / problem.where.file
    file = (
        absolute.relative_to(root).as_posix()
        if absolute.is_relative_to(root)
        else problem.where.file
    )
    where = replace(problem.where, file=file)
    return replace(problem, where=where, message=inside(problem.message), hint=inside(problem.hint))


def _facts(wanted: Wanted) -> RecipeFacts:
    path, root, rows = wanted
    file = path.relative_to(root).as_posix()
    try:
        with reading(path):
            # It is found and not named by the user: a link that leaves the tree is refused.
            passed_file(path, path.parent, "recipe")
            loaded = complete(load(path))
            # Rows that are not here are no reason to say nothing of a recipe.
            examined = examine(loaded, rows=False)
            if _has_errors(examined.problems):
                return _broken(file, path, examined.problems)
            with limited(loaded):
                return _told(loaded, file, rows, examined)
    except RecipeError as error:
        return _broken(file, path, error.problems)
    except EngineError as error:
        return _broken(file, path, [Problem(Location.at(path), error.message, error.hint)])


def crashed(wanted: Wanted) -> RecipeFacts:
    """Return what is said of a recipe over which the process ended."""
    file = wanted.path.relative_to(wanted.root).as_posix()
    problem = Problem(Location.at(wanted.path), "a library ended the process over this recipe")
    return RecipeFacts(file, _called(file), (problem,), "")


def _called(file: str) -> str:
    path = Path(file)
    return path.parent.name if path.name == "recipe.yaml" and path.parent.name else path.stem


def _broken(file: str, path: Path, problems: Sequence[Problem]) -> RecipeFacts:
    return RecipeFacts(file, _called(file), tuple(problems), _source(path))


def _source(path: Path) -> str:
    """Return a recipe as it is written; nothing of one that may not or cannot be read."""
    try:
        return decode(read_bytes(passed_file(path, path.parent, "recipe")), path)
    except (EngineError, OSError):
        return ""


def _told(loaded: LoadedRecipe, file: str, rows: bool, examined: Examined) -> RecipeFacts:
    recipe = loaded.recipe
    resources = gather(loaded, UnreadSplits(loaded))
    plan = compile_plan(recipe, resources, task_prompt(loaded), None)
    prompts, note = _prompts(loaded, plan, resources, rows)
    taxonomy = recipe.patterns.taxonomy
    return RecipeFacts(
        file=file,
        name=recipe.name,
        problems=tuple(examined.problems),
        source=loaded.source,
        version=recipe.version,
        description=recipe.description,
        kind=recipe.task.kind,
        student=recipe.models.student.model,
        method=recipe.loop.method,
        models=tuple(_models(loaded)),
        data=tuple(_data(loaded)),
        resolved=yaml.safe_dump(loaded.effective, sort_keys=False, allow_unicode=True, width=100),
        graph=graph_of(plan),
        taxonomy=branches(taxonomy),
        sorting=taxonomy.sorting,
        taxonomy_file=taxonomy.file or "",
        operators=tuple(_operators(loaded)),
        prompts=prompts,
        prompts_note=note,
    )


def _models(loaded: LoadedRecipe) -> Iterator[tuple[str, str, str]]:
    models = loaded.recipe.models
    yield "student", models.student.model, models.student.backend
    for role in ("teacher", "judge", "embedder"):
        if (spec := getattr(models, role)) is not None:
            yield role, spec.model, spec.backend


def _data(loaded: LoadedRecipe) -> Iterator[tuple[str, str]]:
    data = loaded.recipe.data
    for split in SPLITS:
        source = data.of(split)
        if source.split_from is not None:
            yield split, f"rows of {source.split_from.split}"
        else:
            yield (
                split,
                source.path or f"a query{f' of {source.database}' if source.database else ''}",
            )
    if data.pool is not None:
        yield "pool", data.pool.path or "a query"


def branches(taxonomy: Taxonomy, parent: str | None = None) -> tuple[Branch, ...]:
    """Return the categories that are part of one, or of none, with what is part of them."""
    return tuple(
        Branch(one.id, one.description, one.where, tuple(one.examples), branches(taxonomy, one.id))
        for one in taxonomy.categories
        if one.parent == parent
    )


def _operators(loaded: LoadedRecipe) -> Iterator[UsedOperator]:
    augment = loaded.recipe.augment
    known = look_for_operators(loaded.base, augment.operator_folders).operators
    for used in augment.operators:
        operator = known[used.name]
        example = operator.definition.example
        said = used.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
        yield UsedOperator(
            operator.name,
            operator.description,
            _origin(operator, loaded.base),
            ", ".join(f"{key}: {_json(value)}" for key, value in said.items()),
            tuple(facts(operator)),
            tuple(parameter_rows(operator)),
            _json(example.before) if example and example.before is not None else None,
            _json(example.after) if example else None,
        )


def _origin(operator: Operator, base: Path) -> str:
    if not operator.own:
        return "the engine"
    folder = operator.folder
    return folder.relative_to(base).as_posix() if folder.is_relative_to(base) else folder.name


def _json(value: object) -> str:
    return json.dumps(dict(value) if isinstance(value, Mapping) else value, ensure_ascii=False)


def _prompts(
    loaded: LoadedRecipe, plan: Plan, resources: Resources, rows: bool
) -> tuple[tuple[ShownPrompt, ...], str]:
    """Return the prompts with rows where there are any that may be shown, and else as they are written; and why."""
    if not rows:
        return tuple(
            _written(plan, resources)
        ), "As they are written: rows are left out of these pages."
    splits = None if _is_remote(loaded) else Splits(loaded)
    if splits is not None:
        splits.read()
    if splits is None or splits.counts.keys() != set(SPLITS) or _has_errors(splits.problems):
        why = "As they are written: the recipe's rows are not on this machine, or have errors."
        return tuple(_written(plan, resources)), why
    resources = replace(resources, splits=splits, data=splits.digests())
    plan = compile_plan(loaded.recipe, resources, task_prompt(loaded), ROWS)
    shown = [*_asked(plan, resources)]
    names = {one.file for one in shown}
    others = [one for one in _written(plan, resources) if one.file not in names]
    note = (
        "With training rows of the recipe, as `privacy.redact` leaves them, in the place of all others; what models"
        " would have to say before is made up of them. No validation and no test row is shown."
    )
    return (*shown, *others), note


def _is_remote(loaded: LoadedRecipe) -> bool:
    """Return whether rows are on the Hub, which may be asked for them even where there is a copy here."""
    data, log = loaded.recipe.data, loaded.recipe.failures.log
    sources = [*map(data.of, SPLITS), data.pool, log]
    return any(source is not None and is_hub(source.path or "") for source in sources)


def _has_errors(problems: Sequence[Problem]) -> bool:
    return any(problem.level == "error" for problem in problems)


def _asked(plan: Plan, resources: Resources) -> Iterator[ShownPrompt]:
    """Yield the first request of each stage that asks a model, with each of its prompts."""
    for stage in (STUDENT, *ASKING):
        try:
            rehearsal = rehearse(plan, resources, stage, _NOWHERE)
        except EngineError:
            # The recipe does without this stage, or it has nothing to ask with these rows.
            continue
        for one in rehearsal.prompts:
            turns = tuple((message.role, message.content) for message in one.request.messages)
            yield ShownPrompt(stage, one.role, one.prompt.name, turns, rendered=True)


def _written(plan: Plan, resources: Resources) -> Iterator[ShownPrompt]:
    """Yield the prompts of a plan as they are written."""
    seen: set[str] = set()
    for node in plan.nodes.values():
        stage = STAGES[node.stage]
        role = stage.writer if {"teacher", "judge"} & set(stage.asks) else "student"
        for name in node.prompts:
            if name not in seen:
                seen.add(name)
                sections = resources.prompts[name].sections
                turns = tuple((section.role, section.text) for section in sections)
                yield ShownPrompt(node.stage, role, name, turns, rendered=False)
