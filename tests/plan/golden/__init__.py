"""What fingerprints rest on, written down: those of the shipped recipes, and the defaults that leave no trace in them.

`python -m tests.plan.golden --write` writes both files anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

from pydantic import BaseModel

from engine.identity import is_outside, plain
from engine.metrics import METRICS
from engine.operators import find_operators
from engine.plan.compile import compile_plan
from engine.plan.defaults import complete
from engine.plan.graph import Plan
from engine.plan.resources import task_prompt
from engine.spec.loader import load
from engine.spec.package_data import shipped
from engine.spec.recipe import Quality
from engine.stages import STAGES
from engine.stages.analyse.clusterers import CLUSTERERS
from engine.stages.quality import GATES
from engine.tasks import TASKS
from tests.plan.fake_resources import fake_resources

FOLDER = Path(__file__).parent
FINGERPRINTS, DEFAULTS = FOLDER / "fingerprints.json", FOLDER / "defaults.json"
WRITE = "python -m tests.plan.golden --write"

Fingerprints = Mapping[str, Mapping[str, str]]
"""Recipe -> node -> fingerprint."""


class Known(NamedTuple):
    """What is written down of one thing that takes part in fingerprints."""

    version: int
    defaults: Mapping[str, Any]
    """Class and field -> default, in the classes of its parameters and of those nested in them."""


def plans() -> dict[str, Plan]:
    """Return the plans of all shipped recipes, over data and weights with made-up digests."""
    found = {}
    for file in sorted(shipped("recipes").glob("*/recipe.yaml")):
        loaded = complete(load(file))
        resources = fake_resources(loaded.recipe)
        found[file.parent.name] = compile_plan(loaded.recipe, resources, task_prompt(loaded))
    return found


def fingerprints(plans: Mapping[str, Plan]) -> dict[str, dict[str, str]]:
    """Return the fingerprints of all nodes of some plans."""
    return {
        recipe: {name: node.id for name, node in plan.nodes.items()}
        for recipe, plan in plans.items()
    }


def changed_nodes(plans: Mapping[str, Plan], written: Fingerprints) -> list[str]:
    """Return the nodes whose fingerprint is not the one written down, without those that only follow from others."""
    found = []
    for recipe, plan in plans.items():
        before = written.get(recipe, {})
        changed = {name for name, node in plan.nodes.items() if before.get(name) != node.id}
        found += [
            f"{recipe}: {name} (stage {plan.nodes[name].stage})"
            for name in plan.nodes
            if name in changed and changed.isdisjoint(plan.nodes[name].inputs.values())
        ]
        found += [f"{recipe}: {name} is gone" for name in before if name not in plan.nodes]
    return found + [f"{recipe} is gone" for recipe in written if recipe not in plans]


def known() -> dict[str, Known]:
    """Return version and defaults of everything that takes part in fingerprints with parameters of its own."""
    entries: list[tuple[str, int, type]] = [
        *((f"stage {s.name}", s.version, s.params) for s in STAGES.values()),
        *((f"task kind {k.name}", k.version, k.params) for k in TASKS.values()),
        *((f"metric {m.name}", m.version, m.params) for m in METRICS.values()),
        *(
            (f"operator {o.name}", o.definition.version, o.params)
            for o in find_operators(None).values()
        ),
        *((f"clusterer {c.name}", c.version, c.settings) for c in CLUSTERERS.values()),
        *((f"gate {g.name}", g.version, type(g.settings(Quality()))) for g in GATES.values()),
    ]
    return {name: Known(version, dict(sorted(_defaults(kind)))) for name, version, kind in entries}


def _defaults(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield (class.field, default) of a class of parameters and of all classes that its fields are made of."""
    todo, seen = [kind], {kind}
    while todo:
        current = todo.pop()
        for name, default in _own_defaults(current):
            yield f"{current.__name__}.{name}", default
        for hint in get_type_hints(current).values():
            nested = [found for found in _classes(hint) if found not in seen]
            seen.update(nested)
            todo += nested


def _own_defaults(kind: type) -> Iterator[tuple[str, Any]]:
    if issubclass(kind, BaseModel):
        for name, info in kind.model_fields.items():
            if not info.is_required():
                yield name, plain(info.get_default(call_default_factory=True))
    elif is_dataclass(kind):
        for one in fields(kind):
            if one.default is not MISSING and not is_outside(one):
                yield one.name, plain(one.default)
            elif one.default_factory is not MISSING:
                yield one.name, plain(one.default_factory())


def _classes(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and (is_dataclass(hint) or issubclass(hint, BaseModel)):
        yield hint
    for part in get_args(hint):
        yield from _classes(part)


def changed_defaults(now: Mapping[str, Known], written: Mapping[str, Known]) -> list[str]:
    """Return the defaults that have another value in the same version, which no fingerprint shows."""
    return [
        f"{name}, version {entry.version}: {field} was {before.defaults[field]!r} and is {value!r}"
        for name, entry in now.items()
        if (before := written.get(name)) is not None and before.version == entry.version
        for field, value in entry.defaults.items()
        if field in before.defaults and before.defaults[field] != value
    ]


def read_fingerprints() -> Fingerprints:
    """Return the fingerprints as written down."""
    found: Fingerprints = json.loads(FINGERPRINTS.read_text("utf-8"))
    return found


def read_known() -> dict[str, Known]:
    """Return versions and defaults as written down."""
    return {name: Known(**one) for name, one in json.loads(DEFAULTS.read_text("utf-8")).items()}


def write() -> None:
    """Write both down as they are now."""
    _write(FINGERPRINTS, fingerprints(plans()))
    _write(DEFAULTS, {name: entry._asdict() for name, entry in known().items()})


def _write(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
