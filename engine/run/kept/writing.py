"""What a run keeps, written into the store at its beginning."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import EngineError, Problem
from engine.gate import project_of
from engine.gate.packages import package_around
from engine.gate.roots import real
from engine.plan.resources import Resources
from engine.run.kept.files import files_of, packages_of
from engine.run.kept.repository import NOWHERE, commit_of
from engine.run.kept.resolved import meaning, resolved_text
from engine.spec.loader import LoadedRecipe
from engine.spec.repository import used_packages
from engine.spec.yaml import KeyPath
from engine.store import FileTextRow, ProvenanceRow, RunFileRow, Store
from engine.system.hardware import hardware


class Kept(NamedTuple):
    """What a run is made of, as the store keeps it."""

    provenance: ProvenanceRow
    files: Sequence[RunFileRow]
    texts: Sequence[FileTextRow]


def keep(store: Store, run: str, kept: Kept, problems: Sequence[Problem]) -> None:
    """Write down what a run is made of, on this machine, and what the check of it warned of."""
    project = Path(kept.provenance.project)
    warnings = tuple(
        {
            "file": _shown(one.where.file, project),
            "line": one.where.line,
            "column": one.where.column,
            "code": one.code,
            "message": one.message,
            "hint": one.hint,
        }
        for one in problems
    )
    row = replace(kept.provenance, run=run, hardware=hardware(), warnings=warnings)
    store.note([row, *(replace(file, run=run) for file in kept.files), *kept.texts])


def kept_of(loaded: LoadedRecipe, resources: Resources, say: Callable[[str], None]) -> Kept:
    """Return what a run is made of; what cannot be told stays open, and a line says so at most."""
    try:
        files = files_of(loaded, resources)
    except (EngineError, OSError) as error:
        say(f"the run does not note the files that it is made of: {error}")
        files = []
    project = project_of(loaded.base)
    own = [kept.file for kept in files if kept.kind != "data" and not kept.package]
    # A recipe of an installed package is in no commit of the repository around it: its package has one.
    commit = NOWHERE if package_around(project) else commit_of(project, own, say)
    lock = next((kept for kept in files if kept.kind == "lock"), None)
    known = {kept.file for kept in files} if files else None
    resolved = resolved_text(loaded, packages_of(loaded), known)
    try:
        packages = [package._asdict() for package in used_packages(loaded.base)]
    except EngineError as error:
        say(f"the run does not note its packages: {error}")
        packages = []
    changed = commit.changed
    row = ProvenanceRow(
        run="",
        version=loaded.recipe.version,
        resolved=resolved,
        digest=meaning(resolved),
        project=str(project),
        file=_inside(real(loaded.path.absolute()), project),
        vars=dict(loaded.vars),
        places=tuple(dict.fromkeys(_values(loaded))),
        settings=dict(loaded.settings),
        repository=commit.repository,
        commit_hash=commit.hash,
        branch=commit.branch,
        tags=commit.tags,
        changed=None if changed is None else tuple(_inside(file, project) for file in changed),
        lock=lock.digest if lock else None,
        packages=tuple(packages),
        models={
            role: {"backend": model.backend, "name": model.name, "identity": model.identity}
            for role, model in resources.models.items()
        },
        data=dict(resources.data),
        hardware={},
    )
    return Kept(
        row,
        [RunFileRow("", k.path, k.package, k.kind, k.digest, k.size) for k in files],
        [FileTextRow(k.digest, k.text) for k in files if k.text is not None],
    )


def _shown(file: str, project: Path) -> str:
    """Return where a warning is as the run's files are named; what is no file, such as a `--set`, as it is."""
    return _inside(real(Path(file).absolute()), project) if os.path.isfile(file) else file


def _inside(file: Path, project: Path) -> str:
    return (file.relative_to(project) if file.is_relative_to(project) else file).as_posix()


def _values(loaded: LoadedRecipe) -> list[str]:
    """Return the texts of the recipe that name places which the user gave."""
    return [str(value) for path in loaded.given if (value := _at(loaded.document.data, path))]


def _at(data: Any, path: KeyPath) -> Any:
    for key in path:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return None
    return data
