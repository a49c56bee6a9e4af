"""The arms of a comparison: recipes, their methods and other settings, each at each budget of rows; what they share.

All of it is checked before anything runs: an arm on other rows, or with another student, is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.project import Project
from engine.registry import did_you_mean
from engine.rows import SPLITS
from engine.spec.extending.settings import SETTING, assignment
from engine.spec.method import Method
from engine.stages.load import example_id
from engine.system.places import STATE

VANILLA = "vanilla"
"""The arm that the others are held against where nobody names one."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be compared."""

    recipes: Sequence[str | Path]
    methods: Sequence[str] = ()
    """Each recipe goes by each of them; by its own where there are none."""
    settings: Sequence[str] = ()
    """`augment.coverage=0`: each is an arm more for each recipe and method."""
    seeds: Sequence[int] = ()
    """Those of the recipes when left out, which must then agree."""
    rows: Sequence[int] = ()
    """Generated rows of all rounds together, one budget after another; each recipe's own when left out."""
    baseline: str | None = None
    """Name of the arm that the others are held against; `vanilla`, or else the first, when left out."""
    vars: Mapping[str, str] = field(default_factory=dict)
    state: Path = STATE
    limit: int | None = None


def labelled(name: str, rows: int | None) -> str:
    """Return an arm's name, with its budget of rows where one was asked for."""
    return name if rows is None else f"{name}, {rows:,} rows"


@dataclass(frozen=True)
class Arm:
    """One way of making a student, at one budget of rows."""

    name: str
    project: Project
    rows: int | None = None
    """The budget of generated rows that was asked for; None for the recipe's own."""

    @property
    def rounds(self) -> int:
        """Augmented rounds at most."""
        return _method(self.project).rounds_of(self.project.loaded.recipe.loop.rounds)

    @property
    def most_rows(self) -> int:
        """Generated rows that its student may be trained on at most."""
        return self.rounds * self.project.loaded.recipe.augment.rows_per_round


@dataclass(frozen=True)
class Arms:
    """Arms that may be compared."""

    arms: tuple[Arm, ...]
    baseline: str
    notes: tuple[str, ...] = ()
    """What they do not share though it decides results."""

    @property
    def names(self) -> list[str]:
        """The arms, each once whatever the budgets."""
        return list(dict.fromkeys(arm.name for arm in self.arms))


def arms_of(asked: Asked) -> Arms:
    """Return the arms, their recipes without errors.

    Raises:
        RecipeError: with every problem of the first recipe that has one.
        EngineError: there is nothing to compare, or the arms cannot be.
    """
    arms = _arms(asked)
    names = list(dict.fromkeys(arm.name for arm in arms))
    if len(names) < 2:
        raise EngineError(
            f"there is one arm, '{names[0]}', and a comparison takes two",
            "name methods (--methods vanilla,pada), a setting (--set augment.coverage=0), or another recipe",
        )
    baseline = asked.baseline or (VANILLA if VANILLA in names else names[0])
    if baseline not in names:
        hint = did_you_mean(baseline, names) or f"they are: {', '.join(names)}"
        raise EngineError(f"no arm is called '{baseline}', which is to be the baseline", hint)
    first = arms[0].project
    arms = [replace(arm, project=arm.project.with_rows_of(first)) for arm in arms]
    for arm in arms:
        arm.project.validate()
    for other in arms[1:]:
        if fault := _differs(arms[0], other):
            raise EngineError(f"'{arms[0].name}' and '{other.name}' cannot be compared: {fault}")
    same = _same(arms)
    if len(set(names) - same.keys()) < 2:
        raise EngineError(
            f"all arms do the same as '{arms[0].name}': what was set decides nothing of them",
            "name other methods, or a setting that these use",
        )
    baseline = same.get(baseline, baseline)
    kept = list(_once([arm for arm in arms if arm.name not in same], baseline))
    notes = [f"left out, since it does the same as {other}: {name}" for name, other in same.items()]
    return Arms(tuple(kept), baseline, (*notes, *_notes(kept)))


def _same(arms: Sequence[Arm]) -> dict[str, str]:
    """Return the arms that at every budget do what one of another name before them does, with that one's name."""
    does = {
        name: {a.project.nodes for a in arms if a.name == name}
        for name in dict.fromkeys(a.name for a in arms)
    }
    found: dict[str, str] = {}
    for name, nodes in does.items():
        twin = next((other for other in does if other not in found and does[other] == nodes), name)
        if twin != name:
            found[name] = twin
    return found


def _once(arms: Sequence[Arm], baseline: str) -> Iterator[Arm]:
    """Yield the arms; a baseline that does the same at every budget once, without one."""
    mine = [arm for arm in arms if arm.name == baseline]
    is_same = len({arm.project.nodes for arm in mine}) == 1
    at_once = is_same and (len(mine) > 1 or not mine[0].rounds)
    for arm in arms:
        if arm.name != baseline or not at_once:
            yield arm
        elif arm is mine[0]:
            yield Arm(baseline, arm.project)


def _arms(asked: Asked) -> list[Arm]:
    settings: list[tuple[str, dict[str, Any]]] = [("", {})]
    for text in asked.settings:
        key, value = assignment(text)
        if key in ("seeds", "loop.method"):
            other = "--seeds" if key == "seeds" else "--methods"
            raise EngineError(f"{SETTING.format(text)}: arms differ in {key}", f"write {other}")
        settings.append((text.strip(), {key: value}))
    if few := [rows for rows in asked.rows if rows < 1]:
        raise EngineError(
            f"--rows {few[0]}: a budget is at least one row",
            "for none, compare with the method vanilla",
        )
    several = len(asked.recipes) > 1
    arms: list[Arm] = []
    for recipe in asked.recipes:
        for method in asked.methods or (None,):
            for setting, values in settings:
                given = dict(values)
                if method is not None:
                    given["loop.method"] = method
                if asked.seeds:
                    given["seeds"] = list(asked.seeds)
                project = _opened(asked, recipe, given)
                own = project.loaded.recipe
                parts = [own.name] if several or not (method or setting) else []
                name = " ".join(
                    [*parts, *([method] if method else []), *([setting] if setting else [])]
                )
                arms += _at_budgets(asked, recipe, given, Arm(name, project))
    twice = next(
        (a for a, b in pairwise(sorted((arm.name, arm.rows or 0) for arm in arms)) if a == b), None
    )
    if twice:
        raise EngineError(
            f"two arms are called '{twice[0]}'",
            "give the recipes different names, and name each method and setting once",
        )
    return arms


def _method(project: Project) -> Method:
    return project.loaded.method


def _opened(asked: Asked, recipe: str | Path, settings: dict[str, Any]) -> Project:
    project = Project.open(recipe, asked.state, asked.vars, asked.limit, settings)
    method = settings.get("loop.method")
    if method is None or project.loaded.recipe.failures.source is None:
        return project
    # A method that is named here may look at no failures, or at others than the recipe's own method does.
    if _method(project).analysis == "patterns":
        return project
    return Project.open(recipe, asked.state, asked.vars, asked.limit, {**settings, "failures": {}})


def _at_budgets(
    asked: Asked, recipe: str | Path, settings: dict[str, Any], arm: Arm
) -> Iterator[Arm]:
    """Yield an arm at each budget: its rows are shared out among its rounds."""
    if not asked.rows:
        yield arm
        return
    for rows in asked.rows:
        if rows < arm.rounds:
            raise EngineError(
                f"--rows {rows}: '{arm.name}' goes {arm.rounds} rounds, so that one would get no row",
                f"ask for {arm.rounds} rows at least, or for fewer rounds",
            )
        per_round = rows // max(1, arm.rounds)
        given = {**settings, "augment.rows_per_round": per_round}
        yield Arm(arm.name, _opened(asked, recipe, given), rows)


def _differs(one: Arm, other: Arm) -> str:
    """Return why two arms cannot be compared; nothing where they can."""
    first, second = one.project.loaded.recipe, other.project.loaded.recipe
    a, b = one.project.resources, other.project.resources
    for split in reversed(SPLITS):
        mine, theirs = (_rows(arm.project, split) for arm in (one, other))
        if mine != theirs:
            common = len(mine & theirs)
            return (
                f"their {split} rows differ ({len(mine):,} and {len(theirs):,}, {common:,} of them the same); "
                "name the same data in both recipes"
            )
    checks: list[tuple[str, Callable[[int], Any]]] = [
        ("task kinds", lambda i: (first, second)[i].task.kind),
        ("targets", lambda i: (first, second)[i].task.target),
        ("students", lambda i: (a, b)[i].models["student"].name),
        ("students' weights", lambda i: (a, b)[i].models["student"].identity),
        ("students' backends", lambda i: (a, b)[i].models["student"].backend),
        ("students' adapters", lambda i: (first, second)[i].models.student.adapter),
        ("conditions of failure", lambda i: (first, second)[i].failure),
        ("metrics", lambda i: (first, second)[i].loop.stop.metric),
        ("seeds", lambda i: ", ".join(map(str, (first, second)[i].seeds))),
        ("ways of training", lambda i: (first, second)[i].train.method),
    ]
    for what, value in checks:
        if value(0) != value(1):
            return f"their {what} differ: {value(0)} and {value(1)}"
    if first.train.method == "none":
        return "nothing is fine-tuned (`train: {method: none}`)"
    return ""


def _rows(project: Project, split: str) -> frozenset[str]:
    """Return the ids of a split's rows; what stands for them where they are on no machine of ours yet."""
    task = project.loaded.recipe.task
    rows = project.examined.splits.rows.get(split)
    if rows is None:
        source = project.loaded.recipe.data.of(split)
        return frozenset({str(source), str(project.resources.data.get(split))})
    return frozenset(
        example_id({c: str(r.values[c]) for c in task.input}, str(r.values[task.target]))
        for r in rows.records
    )


def _notes(arms: Sequence[Arm]) -> Iterator[str]:
    """Yield what the arms do not share though results hang on it."""
    for role in ("teacher", "judge", "embedder"):
        models = {arm.name: arm.project.resources.models[role].identity for arm in arms}
        if len(set(models.values())) > 1:
            yield f"not the same {role}: {_each(models)}"
    writing = [arm for arm in arms if arm.rounds]
    if writing and writing[0].rows is None:
        most = {arm.name: arm.most_rows for arm in writing}
        if len(set(most.values())) > 1:
            yield f"not the same budget of rows (--rows N gives one): {_each(most)}"
    training = {arm.name: _training(arm) for arm in arms}
    if len(set(training.values())) > 1:
        yield f"not the same optimizer steps: {_each(training)}"


def _training(arm: Arm) -> str:
    train = arm.project.loaded.recipe.train
    steps = f"{train.steps} steps" if train.steps is not None else f"{train.epochs:g} epochs"
    return f"{steps} of {train.batch_size} rows"


def _each(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
