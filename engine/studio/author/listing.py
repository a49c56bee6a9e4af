"""The list of recipes: what each is for, its last run, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.gate.packages import package_around
from engine.gate.roots import real
from engine.report.facts.scores import is_share
from engine.report.runs import RunLine, list_runs
from engine.site.checking import problems_of_file
from engine.site.tree import extended, read_tree
from engine.site.validation import of_its_own
from engine.spec.repository import every_package
from engine.spec.yaml import decode, parse, read_bytes
from engine.store import FILE, Stop
from engine.studio.asked import Asked
from engine.studio.recipes import recipe_file
from engine.studio.settings import Settings


def recipes(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return the project's recipes, each with what it says of itself and its last run; those of packages apart."""
    tree = read_tree(settings.folder)
    last = _last_runs(settings.state)
    found = [
        _line(settings, file.path.relative_to(tree.root).as_posix(), last)
        for file in tree.files
        if file.kind == "recipe" and real(file.path).is_relative_to(tree.root)
    ]
    return {"recipes": found, "packaged": _packaged(settings)}


def _packaged(settings: Settings) -> list[dict[str, Any]]:
    """Return the recipes of packages that were fetched into the project, to look at and to copy."""
    root = real(settings.folder)
    try:
        packages = every_package(settings.folder)
    except EngineError:
        # What is wrong with `pada.yaml` or the lock is said of each recipe.
        return []
    return [
        {**_line(settings, file.path.relative_to(root).as_posix(), {}), "package": name}
        for name, folder in sorted(packages.items())
        if folder.is_dir() and folder.is_relative_to(root) and package_around(folder) is not None
        for file in read_tree(folder).files
        if file.kind == "recipe" and real(file.path).is_relative_to(root)
    ]


def faults(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return the first error of each recipe that has any, and how many: what `pada validate --no-data` says.

    Asked apart from the list, because each recipe is read with all that it extends.
    """
    tree = read_tree(settings.folder)
    bases = extended(tree)
    told: dict[str, Any] = {}
    for file in tree.files:
        if file.kind != "recipe" or not real(file.path).is_relative_to(tree.root):
            continue
        if stop.asked:
            break
        found = of_its_own(file, problems_of_file(file, rows=False), is_extended=file.path in bases)
        if wrong := [one for one in found if one.level == "error"]:
            name = file.path.relative_to(tree.root).as_posix()
            told[name] = {"problem": wrong[0], "count": len(wrong)}
    return {"faults": told}


def _line(settings: Settings, name: str, last: Mapping[str, RunLine]) -> dict[str, Any]:
    said: Mapping[str, Any] = {}
    try:
        file = recipe_file(settings, name)
        said = parse(decode(read_bytes(file), file), file).data
    except (EngineError, OSError):
        # What is wrong with it is told by `faults`.
        said = {}
    task = said.get("task")
    title = _text(said.get("name"))
    return {
        "file": name,
        "name": title,
        "description": _text(said.get("description")),
        "kind": _text(task.get("kind")) if isinstance(task, Mapping) else "",
        "extends": _text(said.get("extends")),
        "last": last.get(title),
        "percent": title in last and is_share(last[title].metric),
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _last_runs(state: Path) -> dict[str, RunLine]:
    """Return the last run of each recipe, by the recipe's name; none where there is no store."""
    found = list_runs(state) if (state / FILE).exists() else []
    return {run.recipe: run for run in found}
