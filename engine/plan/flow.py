"""flow: which fields of which rows go to which host, from the plan's nodes and the variables that their prompts use.

A prompt that does not use a variable does not send it; one that uses a variable unknown here is named with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from engine.backends import BACKENDS
from engine.plan.benchmark import place_of
from engine.plan.graph import Node, Plan
from engine.plan.resources import ROLES, Resources, RoleModel
from engine.spec.recipe import Recipe
from engine.stages import STAGES

_CARRIED: Mapping[str, Mapping[str, str]] = {
    "predict": {"row": "rows of all splits ({inputs})", "labels": "the labels"},
    "train": {"row": "train rows and accepted generated rows ({inputs}, {target})", "labels": ""},
    "rate": {
        "row": "rows of all splits ({inputs})",
        "target": "their {target}",
        "answer": "the student's answers",
        "rubric": "",
        "low": "",
        "high": "",
    },
    "diagnose": {
        "row": "failed validation rows ({inputs})",
        "target": "their {target}",
        "answer": "the student's answers",
        "labels": "the labels",
    },
    "name": {
        "diagnoses": "diagnoses of failed validation rows",
        "confusions": "their {target} and the student's answers, counted",
        "categories": "",
    },
    "strategy": {
        "pattern": "names of patterns",
        "about": "descriptions of patterns",
        "confusions": "{target} and the student's answers of failed validation rows, counted",
    },
    "generate": {
        "row": "train rows ({inputs})",
        "label": "their {target}",
        "target": "the {target} of the rows to write",
        "keep": "what of their {target} a rewording must keep",
        "examples": "further train rows ({inputs}, {target})",
        "pattern": "names of patterns",
        "strategy": "strategies",
        "feedback": "the judge's feedback",
        "count": "",
    },
    "judge": {
        "row": "generated rows ({inputs})",
        "target": "their {target}",
        "strategy": "strategies",
    },
}
"""Stage -> prompt variable -> what it carries; empty for what comes from the recipe alone."""
_EMBEDDED: Mapping[str, str] = {
    "cluster": "diagnoses of failed validation rows",
    "name": "diagnoses, texts of patterns, validation and test rows ({inputs})",
    "strategy": "strategies, validation and test rows ({inputs})",
    "generate": "rows of all splits ({inputs})",
    "judge": "generated rows and rows of all splits ({inputs})",
}
"""Stage -> what it embeds: no prompt is involved, so this is kept by hand."""
_SHOWN = "train rows with their {target}, shown before each"
"""What goes along wherever `task.shots` are."""
_OURS = {"description"}
"""Variables with the recipe's own text."""
_HERE = {"localhost", "127.0.0.1", "::1"}


class Flow(NamedTuple):
    """What one role's model is sent in one kind of work."""

    stage: str
    what: str


def flows(plan: Plan, resources: Resources, recipe: Recipe) -> dict[str, list[Flow]]:
    """Return what each role's model is sent, by the stages of the plan in its order."""
    words = {"inputs": ", ".join(recipe.task.input), "target": recipe.task.target}
    found: dict[str, dict[str, dict[str, None]]] = {role: {} for role in ROLES}
    for node in plan.nodes.values():
        for role in STAGES[node.stage].asks:
            if node.stage == "judge" and role == "judge" and recipe.quality.judge == "off":
                continue
            parts = _embedded(node) if role == "embedder" else _prompted(node, resources)
            told = found[role].setdefault(node.stage, {})
            told.update((part.format(**words), None) for part in parts if part)
    return {
        role: [Flow(stage, ", ".join(parts)) for stage, parts in stages.items()]
        for role, stages in found.items()
    }


def _embedded(node: Node) -> Iterator[str]:
    yield _EMBEDDED.get(node.stage, f"what {node.stage} embeds")


def _prompted(node: Node, resources: Resources) -> Sequence[str]:
    """Return what the node's prompts carry, in the order of the table, then what the table does not know."""
    used = {
        name for prompt in node.identity["prompts"] for name in resources.prompts[prompt].variables
    }
    if "kind" not in node.identity["params"]:
        used -= {"keep"}  # labels have nothing to keep
    known = _CARRIED.get(node.stage, {})
    told = [text for name, text in known.items() if name in used]
    if node.stage == "predict" and node.identity["params"].get("shots"):
        told.append(_SHOWN)
    others = sorted(used - known.keys() - _OURS)
    # Braces of a variable's name cannot occur: Jinja would have refused it.
    return [*told, *(f"its variable '{name}'" for name in others)]


class Timed(NamedTuple):
    """What a benchmark sends, and where."""

    model: str
    host: str
    key: str
    """Name of the environment variable that holds the key; empty where none is needed."""
    what: str


def timed(resources: Resources, recipe: Recipe) -> Timed | None:
    """Return what the recipe's benchmark sends to which host; None without one."""
    benchmark = recipe.benchmark
    if benchmark is None:
        return None
    student = resources.models["student"]
    place = place_of(benchmark, student)
    requests = benchmark.requests * len(benchmark.concurrency)
    what = (
        f"{benchmark.split} rows ({', '.join(recipe.task.input)}), {requests:,} requests each time"
    )
    if recipe.task.shots:
        what += f", {_SHOWN.format(target=recipe.task.target)}"
    if place is None:
        return Timed(student.name, "a server on this machine", "", what)
    return Timed(place.model, _host(place.base_url), place.key or "", what)


def host_of(model: RoleModel) -> str:
    """Return where a model's calls go: a server's host and port, a file, or this machine."""
    backend = BACKENDS[model.backend]
    if backend.deferred:
        return "a file of requests, answered outside"
    url = model.settings.get("base_url")
    return _host(url) if isinstance(url, str) else "this machine"


def _host(url: str) -> str:
    """Return an address's host and port, and whether that is here."""
    parts = urlsplit(url)
    host = parts.hostname or url
    shown = f"[{host}]" if ":" in host else host
    port = parts.port or (443 if parts.scheme == "https" else 80)
    here = " on this machine" if host in _HERE else ""
    return f"{shown}:{port}{here}"


def key_of(model: RoleModel) -> str:
    """Return the name of the environment variable that holds a model's key; empty where it needs none."""
    key = model.settings.get("api_key")
    return str(key["env"]) if isinstance(key, Mapping) and "env" in key else ""
