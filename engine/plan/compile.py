"""compile: a recipe and its resources to a plan. Pure: the same recipe and resources give the same plan.

The loop is unrolled: round 0 is the plain fine-tune, round r augments for the fine-tune of round r+1, nothing is
augmented after the last. Whether a round is really run is decided while running, by the gates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.metrics import METRICS
from engine.operators import OPERATORS
from engine.plan.benchmark import identity_settings, place_of
from engine.plan.graph import Node, Plan
from engine.plan.resources import Resources
from engine.rows import SPLITS
from engine.spec.recipe import Recipe
from engine.spec.recipe_benchmark import Benchmark
from engine.spec.recipe_data import Source
from engine.sql.expressions import quoted
from engine.stages import STAGES, shapes
from engine.tasks import TASKS

UNTUNED = -1
"""The round of the untuned student."""


class _Builder:
    """Collects nodes; each new one is fingerprinted over its parameters and its inputs' fingerprints."""

    def __init__(
        self, recipe: Recipe, resources: Resources, task_prompt: str, limit: int | None
    ) -> None:
        self.recipe, self.resources, self.task_prompt, self.limit = (
            recipe,
            resources,
            task_prompt,
            limit,
        )
        self.nodes: dict[str, Node] = {}

    def add(
        self,
        name: str,
        stage: str,
        params: Mapping[str, Any],
        inputs: Mapping[str, str],
        *,
        prompts: tuple[str, ...] = (),
        settings: Mapping[str, Any] | None = None,
        gates: tuple[str, ...] = (),
        only_if_final: tuple[str, ...] = (),
        seeded: int | None = None,
        round_: int = -1,
        attempt: int = 0,
    ) -> str:
        entry = STAGES[stage]
        models = self.resources.models
        identity = {
            "stage": stage,
            "version": entry.version,
            "params": params,
            "prompts": {p: self.resources.prompts[p].digest for p in (*entry.prompts, *prompts)},
            "models": {
                role: [models[role].identity, models[role].backend, models[role].identity_settings]
                for role in entry.asks
            },
            "seed": seeded,
            "place": [round_, attempt],
            "inputs": {edge: self.nodes[source].id for edge, source in inputs.items()},
        }
        self.nodes[name] = Node(
            name=name,
            stage=stage,
            identity=identity,
            settings=settings or {},
            inputs=dict(inputs),
            gates=gates,
            only_if_final=only_if_final,
            seed=seeded if seeded is not None else self.recipe.seeds[0],
            round=round_,
            attempt=attempt,
        )
        return name

    def task(self, training: bool = False) -> dict[str, Any]:
        """Return what most stages need to know of the task, with the prompt and shots of evaluation or training."""
        task, prompt, shots = self.recipe.task, self.task_prompt, self.recipe.task.shots
        if training:
            prompt = self.recipe.train.prompt or prompt
            shots = shots if shots and shots.train else None
        kind = TASKS[task.kind]
        params = kind.params.model_validate(task.params).model_dump(exclude_defaults=True)
        return {
            "kind": task.kind,
            "kind_version": kind.version,
            "target": task.target,
            "labels": task.labels if kind.labelled else [],
            "description": task.description,
            "prompt": prompt,
            # Only where there are any: recipes without them keep their fingerprints.
            **({"task_params": params} if params else {}),
            **({"shots": shots.model_dump(exclude={"train"})} if shots else {}),
        }

    def free(self) -> dict[str, Any]:
        """Return what a stage needs to know of a task whose targets are no labels; nothing of one with labels."""
        return {} if TASKS[self.recipe.task.kind].labelled else {"labelled": False}


def compile_plan(
    recipe: Recipe, resources: Resources, task_prompt: str, limit: int | None = None
) -> Plan:
    """Return the plan; `limit` keeps at most so many rows of each split."""
    build = _Builder(recipe, resources, task_prompt, limit)
    load = _load(build)
    _evaluate(build, "untuned", load, None, seeded=None, round_=UNTUNED)
    if recipe.benchmark is not None:
        _benchmark(build, recipe.benchmark, load)
    # A student that is not trained has no round of its own: what it fails at as it is, is looked at.
    trained = recipe.train.method != "none"
    numbers = range(recipe.loop.rounds + 1) if trained else range(UNTUNED, 0)
    for seed in recipe.seeds:
        for number in numbers:
            if trained:
                _fine_tune(build, load, seed, number)
            more = max(number, 0) < recipe.loop.rounds
            _decide(build, seed, number, numbers[0], more)
            if more:
                _analyse(build, load, seed, number)
                _augment(build, load, seed, number)
            if trained and recipe.benchmark is not None and recipe.benchmark.endpoint is None:
                _benchmark(build, recipe.benchmark, load, seed, number, more)
    return Plan(build.nodes.values())


_ALWAYS = ("where", "sample")
_CHOSEN = ("rename", "columns", "limit", "split_from")


def _load(build: _Builder) -> str:
    recipe, resources = build.recipe, build.resources
    sources = {
        split: _source(getattr(recipe.data, split), resources.data.get(split)) for split in SPLITS
    }
    params: dict[str, Any] = {
        "input": list(recipe.task.input),
        "target": recipe.task.target,
        "sources": sources,
        "limit": build.limit,
    }
    task = build.task()
    labels = {"labels": recipe.task.labels}
    # What follows only where it is used: recipes without it keep their fingerprints.
    if rules := recipe.privacy.redact:
        params["redact"] = [rule.model_dump() for rule in rules]
        # Raised when the same patterns would leave other rows.
        params["redaction"] = 2
    if recipe.data.on_bad_row == "drop":
        params |= {"on_bad_row": "drop", **labels}
    special: dict[str, Any] = {
        key: task[key] for key in ("kind", "kind_version", "task_params") if key in task
    }
    if not TASKS[recipe.task.kind].labelled or "task_params" in task:
        params |= special
    if not TASKS[recipe.task.kind].labelled and build.limit is not None:
        # Raised when the same limit would keep other rows.
        params["limited"] = 2
    settings: dict[str, Any] = {"places": dict(resources.places), **labels, **special}
    return build.add("load", "load", params, {}, settings=settings)


def _source(source: Source, digest: str | None) -> dict[str, Any]:
    """Return what decides the rows of a split: the data, by its digest, and what is chosen of it."""
    settings = source.model_dump()
    found = {"name": _name(source), "digest": digest, **{key: settings[key] for key in _ALWAYS}}
    return found | {key: settings[key] for key in _CHOSEN if settings[key]}


def _name(source: Source) -> str:
    """Return what a split's rows are said to come from: a file's name, an address."""
    if source.path is not None:
        is_address = "://" in source.path
        return source.path if is_address else source.path.rsplit("/", 1)[-1]
    return (source.database or "sql").rsplit("/", 1)[-1]


def _evaluate(
    build: _Builder, prefix: str, load: str, train: str | None, *, seeded: int | None, round_: int
) -> None:
    recipe = build.recipe
    inputs = {"load": load, **({"train": train} if train else {})}
    task = build.task()
    if any(m.name in METRICS and METRICS[m.name].reference for m in recipe.measured if not m.own):
        task["reference"] = True
    predict = build.add(
        f"{prefix}/predict", "predict", task, inputs,
        prompts=(build.task_prompt,), seeded=seeded, round_=round_,
    )  # fmt: skip
    scored = {"load": load, "predict": predict}
    if rubrics := [m for m in recipe.measured if m.judge]:
        rating = {
            "description": recipe.task.description,
            "metrics": [{"name": m.name, **m.judge.model_dump()} for m in rubrics if m.judge],
            "schema": shapes.base("rating"),
        }
        scored["rate"] = build.add(
            f"{prefix}/rate", "rate", rating, dict(scored), seeded=seeded, round_=round_
        )
    measured = _measured(recipe)
    failing = {**measured, "failure": recipe.failure}
    score = build.add(f"{prefix}/score", "score", failing, scored, seeded=seeded, round_=round_)
    if recipe.slices:
        # Apart from the scoring: what is only reported must not make what follows from the scores pending.
        cuts = [
            {"name": s, "sql": quoted(s)} if isinstance(s, str) else s.model_dump()
            for s in recipe.slices
        ]
        build.add(
            f"{prefix}/slice", "slice", {**measured, "slices": cuts},
            {"load": load, "predict": predict, "score": score}, seeded=seeded, round_=round_,
        )  # fmt: skip


def _measured(recipe: Recipe) -> dict[str, Any]:
    """Return what is measured; what a recipe does not use is left out of its fingerprints."""
    given = {m.name: m.params for m in recipe.measured if not m.own}
    params: dict[str, Any] = {
        "target": recipe.task.target,
        "metrics": list(given),
        "sql_metrics": [
            {"name": m.name, "sql": m.sql} for m in recipe.measured if m.sql is not None
        ],
        "metric_versions": {name: METRICS[name].version for name in given},
        "bootstrap_seed": 0,
    }
    chosen = {
        name: METRICS[name].params.model_validate(some).model_dump(mode="json")
        for name, some in given.items()
        if METRICS[name].params.model_fields
    }
    if chosen:
        params["metric_params"] = chosen
    if rubrics := [m.name for m in recipe.measured if m.judge]:
        params["judge_metrics"] = rubrics
    return params


def _benchmark(
    build: _Builder,
    spec: Benchmark,
    load: str,
    seed: int | None = None,
    number: int = UNTUNED,
    more: bool = False,
) -> None:
    """Add the benchmark of the untuned student, or of one round's: it is run if the loop ends there."""
    at, trained = _at(seed, number) if seed is not None else "untuned", seed is not None
    name = at if spec.endpoint is None else "endpoint"
    student = build.resources.models["student"]
    place = place_of(spec, student)
    build.add(
        f"{name}/benchmark", "benchmark", {**build.task(), **identity_settings(spec, student)},
        {"load": load, **({"train": f"{at}/train"} if trained else {})},
        prompts=(build.task_prompt,), seeded=seed, round_=number,
        settings={"key": place.key if place else None},
        only_if_final=(f"{at}/decide", *([f"{at}/select"] if more else [])) if trained else (),
    )  # fmt: skip


def _at(seed: int, number: int) -> str:
    return f"seed-{seed}/untuned" if number == UNTUNED else f"seed-{seed}/round-{number}"


def _evaluated(seed: int, number: int) -> str:
    """Return the prefix of a round's evaluation: that of the untuned student is the same for all seeds."""
    return "untuned" if number == UNTUNED else _at(seed, number)


def _earlier(seed: int, number: int, stage: str) -> Iterator[tuple[str, str]]:
    """Yield (edge, node) of one stage in the rounds before `number`."""
    for r in range(number):
        yield f"{stage}.{r}", f"{_at(seed, r)}/{stage}"


def _fine_tune(build: _Builder, load: str, seed: int, number: int) -> None:
    recipe, at = build.recipe, _at(seed, number)
    gates = (f"{_at(seed, number - 1)}/select",) if number else ()
    task, settings = build.task(training=True), recipe.train.model_dump(exclude={"prompt"})
    train = build.add(
        f"{at}/train", "train", {**task, "train": settings} | _steps(recipe),
        {"load": load, **dict(_earlier(seed, number, "select"))},
        prompts=(task["prompt"],), gates=gates, seeded=seed, round_=number,
    )  # fmt: skip
    _evaluate(build, at, load, train, seeded=seed, round_=number)
    if number:
        inputs = {"score": f"{at}/score", **dict(_earlier(seed, number, "cluster"))}
        inputs |= {f"track.{r}": f"{_at(seed, r)}/track" for r in range(1, number)}
        build.add(f"{at}/track", "track", {}, inputs, seeded=seed, round_=number)


def _decide(build: _Builder, seed: int, number: int, first: int, more: bool) -> None:
    scores = {f"score.{r}": f"{_evaluated(seed, r)}/score" for r in range(first, number + 1)}
    loop = build.recipe.loop
    params = {
        "metric": loop.stop.metric,
        "min_gain": loop.stop.min_gain,
        "patience": loop.stop.patience,
        # Only whether this is the last round counts: a longer loop must not re-run the rounds that are done.
        "rounds": number + more,
    }
    if loop.stop.metric in METRICS and METRICS[loop.stop.metric].lower_is_better:
        params["lower_is_better"] = True
    build.add(f"{_at(seed, number)}/decide", "decide", params, scores, seeded=seed, round_=number)


def _steps(recipe: Recipe) -> dict[str, Any]:
    train = recipe.train
    return {"steps": train.steps, "epochs": train.epochs, "batch_size": train.batch_size}


def _guard(recipe: Recipe) -> dict[str, Any]:
    return {
        "ngram": recipe.quality.leak_guard.ngram,
        "quantile": recipe.quality.leak_guard.quantile,
    }


def _analyse(build: _Builder, load: str, seed: int, number: int) -> None:
    recipe, at = build.recipe, _at(seed, number)
    patterns, taxonomy = recipe.patterns, recipe.patterns.taxonomy
    place: dict[str, Any] = {"gates": (f"{at}/decide",), "seeded": seed, "round_": number}
    task, evaluated, free = build.task(), _evaluated(seed, number), build.free()
    special = {key: task[key] for key in ("task_params",) if key in task}
    score, predict = f"{evaluated}/score", f"{evaluated}/predict"
    description = {"description": task["description"]}
    diagnose = build.add(
        f"{at}/diagnose", "diagnose",
        {
            **description, "labels": task["labels"], "limit": patterns.diagnose,
            "schema": shapes.base("diagnosis"), **special,
        },
        {"load": load, "score": score}, **place,
    )  # fmt: skip
    names = dict(_earlier(seed, number, "name"))
    categories = [c.model_dump() for c in taxonomy.categories]
    cluster = build.add(
        f"{at}/cluster", "cluster",
        {
            "target": task["target"], "k": patterns.cluster.k, "max_k": patterns.cluster.max_k,
            "same_pattern": patterns.same_pattern, "categories": categories,
        },
        {"load": load, "score": score, "predict": predict, "diagnose": diagnose, **names}, **place,
    )  # fmt: skip
    # A category with a condition is SQL's to give, so the teacher is not offered it.
    offered = [
        {"id": c.id, "description": c.description} for c in taxonomy.categories if not c.where
    ]
    if offered and taxonomy.mode == "hybrid":
        offered.append({"id": "other", "description": "None of these."})
    choices = [c["id"] for c in offered]
    name = build.add(
        f"{at}/name", "name",
        {
            **description, **_guard(recipe), "shown": 4, "categories": offered,
            "where_categories": {c.id: c.id for c in taxonomy.categories if c.where},
            "schema": shapes.pattern(choices), **free,
        },
        {"load": load, "score": score, "diagnose": diagnose, "cluster": cluster, **names}, **place,
    )  # fmt: skip
    build.add(
        f"{at}/strategy", "strategy",
        {**description, **_guard(recipe), "labels": 4, "schema": shapes.base("strategy"), **free},
        {"load": load, "score": score, "cluster": cluster, "name": name}, **place,
    )  # fmt: skip


def _augment(build: _Builder, load: str, seed: int, number: int) -> None:
    recipe, at = build.recipe, _at(seed, number)
    quality, task = recipe.quality, build.task()
    special = {key: task[key] for key in ("task_params",) if key in task}
    operators = [
        {**o.model_dump(), "version": OPERATORS[o.name].version,
         "params": OPERATORS[o.name].params.model_validate(o.params).model_dump(mode="json")}
        for o in recipe.augment.operators
    ]  # fmt: skip
    place: dict[str, Any] = {"gates": (f"{at}/decide",), "seeded": seed, "round_": number}
    found = {
        "load": load,
        "score": f"{_evaluated(seed, number)}/score",
        "name": f"{at}/name",
        "strategy": f"{at}/strategy",
    }
    generating = {
        "description": task["description"], **_guard(recipe), "operators": operators,
        "rows_per_round": recipe.augment.rows_per_round, "oversample": recipe.augment.oversample,
        "temperature": recipe.augment.temperature, "rows_schema": shapes.base("rows"),
        **({**build.free(), **task} if build.free() else special),
    }  # fmt: skip
    judging = {
        "kind": task["kind"], "kind_version": task["kind_version"], "labels": task["labels"],
        "description": task["description"], **_guard(recipe), "judge": quality.judge,
        **special,
        "minimum": quality.minimum.model_dump(), "similarity": quality.similarity.model_dump(),
        "neighbours": quality.neighbours, "dedup": quality.dedup.threshold, "schema": shapes.base("verdict"),
    }  # fmt: skip
    selects = dict(_earlier(seed, number, "select"))
    done: dict[str, str] = {}
    for attempt in range(1, quality.attempts + 1):
        generate = build.add(
            f"{at}/generate-{attempt}", "generate", generating, {**found, **done}, attempt=attempt,
            prompts=tuple(OPERATORS[o["name"]].prompt for o in operators), **place,
        )  # fmt: skip
        judge = build.add(
            f"{at}/judge-{attempt}", "judge", judging,
            {"load": load, "strategy": found["strategy"], "generate": generate, **done, **selects},
            attempt=attempt, **place,
        )  # fmt: skip
        done |= {f"generate.{attempt}": generate, f"judge.{attempt}": judge}
    build.add(
        f"{at}/select", "select", {"rows_per_round": recipe.augment.rows_per_round},
        {"load": load, "name": found["name"], **done, **selects}, **place,
    )  # fmt: skip
