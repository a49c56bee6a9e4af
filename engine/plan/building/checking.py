"""What is checked of each candidate before a judge sees it: gates, blind answers, how often the student is right."""

from __future__ import annotations

from engine.metrics import METRICS
from engine.plan.resources import Resources
from engine.spec.recipe import Recipe
from engine.stages.augment.gate import MANY, GateParams, UsedGate
from engine.stages.augment.judging.pass_rate import PassRateParams
from engine.stages.augment.verify import VerifyParams
from engine.stages.blocks import Briefing
from engine.stages.evaluate.measure import UsedMetric
from engine.stages.quality import GATES, seed_rules
from engine.stages.task_view import Shots, TaskView
from engine.tasks import TASKS


def gate_params(recipe: Recipe, resources: Resources, task: TaskView) -> GateParams:
    """Return which gates a candidate must pass."""
    # Rows are written by the teacher: its pack says how far the gates are trusted with them.
    pack = resources.packs["teacher"].gates
    gates = tuple(
        UsedGate(
            name=gate.name,
            version=gate.version,
            settings=gate.settings(recipe.quality),
            mode=mode,
        )
        for gate in GATES.values()
        if (mode := gate.mode(pack, recipe.quality.gates)) != "off"
    )
    used = (resources.operators[one.name] for one in recipe.augment.operators)
    many = may_be_many(recipe, resources)
    return GateParams(task=task, gates=gates, seed_rules=seed_rules(used), many=many)


def may_be_many(recipe: Recipe, resources: Resources) -> bool:
    """Return whether an attempt may have more candidates than are compared one by one."""
    augment = recipe.augment
    asked = augment.oversample or resources.packs["teacher"].generate.oversample
    return augment.rows_per_round * asked > MANY


def verify_params(
    recipe: Recipe, resources: Resources, task: TaskView, briefing: Briefing, conventions: bool
) -> VerifyParams | None:
    """Return how candidates are answered blind; None where they are not."""
    settings, pack = recipe.quality.verify, resources.packs["judge"]
    samples = pack.verify.samples if settings.samples is None else settings.samples
    name = TASKS[recipe.task.kind].agreement
    if not samples or name is None:
        return None
    metric = METRICS[name]
    return VerifyParams(
        task=task,
        briefing=briefing,
        samples=samples,
        rows_per_call=pack.judge.rows_per_call,
        temperature=settings.temperature,
        metric=UsedMetric(name=name, version=metric.version, settings=metric.params()),
        schema=resources.schemas["answers"],
        conventions=conventions,
    )


def pass_rate_params(
    recipe: Recipe, task: TaskView, prompt: str, shots: Shots | None
) -> PassRateParams | None:
    """Return how often the student answers candidates; None where it is not asked."""
    limits, name = recipe.quality.pass_rate, TASKS[recipe.task.kind].agreement
    if limits is None or name is None:
        return None
    metric = METRICS[name]
    return PassRateParams(
        task=task,
        prompt=prompt,
        shots=shots,
        samples=limits.samples,
        temperature=limits.temperature,
        metric=UsedMetric(name=name, version=metric.version, settings=metric.params()),
    )
