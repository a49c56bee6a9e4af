"""One side of a comparison: a recipe as it is, as it was in a commit, or as a run had it; each read the same way."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from engine import gate
from engine.errors import EngineError, RecipeError
from engine.gate.packages import INSTALLED, package_around
from engine.gate.roots import PROJECT, real
from engine.packages.installing import install
from engine.plan.graph import Plan
from engine.plan.resources import gather
from engine.project import Planned, Project
from engine.run.kept import KeptFile, files_of, packages_of
from engine.spec.loader import find_recipe
from engine.spec.repository import project_file
from engine.spec.repository.installed import repository
from engine.spec.taxonomies import AT
from engine.spec.yaml import parse
from engine.store import FILE
from engine.version import versions
from engine.versions.commits import files_at
from engine.versions.stored import StoredRun, stored_run
from engine.versions.trees import laid_out, link_what_is_missing, recipe_in, said_of, tree_of

_RUN = re.compile(r"r\d{4,}\Z")


@dataclass(frozen=True)
class Given:
    """What a command says for all sides."""

    state: Path
    vars: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Side:
    """A recipe that is compared with another."""

    label: str
    """As shown: `recipes/support`, `v1.3`, `r0003`."""
    project: Project
    root: Path | None = None
    """The folder of its tree, which goes after the comparison; None where it lies in its place."""
    run: StoredRun | None = None
    notes: tuple[str, ...] = ()
    """What is not as it was then."""

    @cached_property
    def _tried(self) -> tuple[Planned | None, str]:
        try:
            self.project.validate()
            return self.project.plan(), ""
        except EngineError as error:
            first: object = error
            if isinstance(error, RecipeError):
                first = next((p for p in error.problems if p.level == "error"), error.problems[0])
            return None, self.shown(str(first).splitlines()[0])

    @property
    def planned(self) -> Planned | None:
        """What a run would do; None where that cannot be told, as `why_not` says."""
        return self._tried[0]

    @property
    def why_not(self) -> str:
        """Why it cannot be told what a run would do; empty where it can."""
        return self._tried[1]

    @property
    def plan(self) -> Plan | None:
        """Its nodes."""
        return self.planned.plan if self.planned else None

    @cached_property
    def files(self) -> list[KeptFile]:
        """The files that it is made of; of a run as they were. Raises EngineError where some cannot be told."""
        if self.run is not None:
            return [
                KeptFile(Path(f.path), f.kind, f.path, f.package, f.digest, f.bytes, f.text)
                for f in self.run.files
            ]
        loaded = self.project.loaded
        resources = self.planned.resources if self.planned else gather(loaded, with_data=False)
        return files_of(loaded, resources)

    @cached_property
    def nodes(self) -> Mapping[str, tuple[str, Mapping[str, Any]]] | None:
        """Name -> fingerprint and identity of its nodes; of a run as they were. None where they are not known."""
        planned = (
            {n.name: (n.id, n.identity) for n in self.plan.nodes.values()} if self.plan else None
        )
        if self.run is None:
            return planned
        reached = {
            n.name: (n.id, n.identity) for n in self.run.nodes.values() if n.identity is not None
        }
        if planned is None or any(planned.get(name) != of for name, of in reached.items()):
            return reached
        # Those that it skipped are known by what it did.
        return planned | reached

    @property
    def versions(self) -> Mapping[str, str]:
        """Those of the engine and its libraries."""
        return self.run.versions if self.run else versions()

    def shown(self, text: str) -> str:
        """Return a text with the paths of its tree as they are in the project."""
        return text if self.root is None else text.replace(f"{self.root}/", "")

    def at(self, path: Sequence[str | int]) -> str:
        """Return where a setting stands: file and line (of a package after its name), or the run; empty: a default."""
        if self.run is not None:
            return self.run.id
        loaded, of_taxonomy = self.project.loaded, (*AT, "categories")
        if tuple(path[: len(of_taxonomy)]) == of_taxonomy:
            where = loaded.at_category(*path[len(of_taxonomy) :])
        else:
            where = loaded.at(*path)
        if not where.line:
            return ""
        file = real(Path(where.file))
        for name, folder in self._packages.items():
            if file.is_relative_to(folder):
                return f"{name}/{file.relative_to(folder).as_posix()}:{where.line}"
        return self.shown(where.by_line)

    @cached_property
    def _packages(self) -> Mapping[str, Path]:
        return packages_of(self.project.loaded)


def is_run(name: str) -> bool:
    """Return whether a name is a run's id and no file."""
    return bool(_RUN.match(name)) and not Path(name).exists()


@contextmanager
def side(name: str, given: Given) -> Iterator[Side]:
    """Give a recipe as it is now, or a run, by its name.

    Raises:
        EngineError: there is none such, or it cannot be read.
    """
    if is_run(name):
        with of_run(stored_run(given.state, name), given) as found:
            yield found
    else:
        yield Side(name, Project.open(name, given.state, given.vars, given.limit, given.settings))


@contextmanager
def version(recipe: str, revision: str, given: Given) -> Iterator[Side]:
    """Give a recipe as it was in a commit; data that is not in the commit is as it is now.

    Raises:
        EngineError: there is no such version, or the recipe cannot be read there.
    """
    place = _place(recipe)
    if (package := package_around(place.absolute().resolve())) is not None:
        raise EngineError(
            f"{recipe} is a recipe of the package {package.parent.name}, which is not kept in this repository",
            "compare with a run of it (r0003), or in a clone of the package's repository",
        )
    files = files_at(place, revision)
    with laid_out(files.contents) as tree:
        base = (tree / files.recipe).parent
        now = (files.root / files.recipe).parent
        project = gate.project_of(base)
        _bring_packages(project, files.root / project.relative_to(tree))
        opened = _opened(tree / files.recipe, given, revision, tree)
        link_what_is_missing(opened.loaded.document.data, tree, base, now)
        notes = [
            f"{path}: as it is now, not as in {revision}"
            for path, size in files.left.items()
            if (tree / path).is_symlink() and (files.root / path).stat().st_size != size
        ]
        yield Side(revision, opened, tree, notes=tuple(notes))


def _bring_packages(project: Path, now: Path) -> None:
    """Put the packages into a project of another time that its lock has: from where it is now, or from git's clones.

    Those in folders outside of its repository are as they are now. What is not to be had is said by who needs it.
    """
    with suppress(EngineError):
        if (found := project_file(project)) is None:
            return
        for asked in found[1].packages:
            there = project / asked.path
            if asked.path and not there.exists() and (now / asked.path).is_dir():
                there.parent.mkdir(parents=True, exist_ok=True)
                there.symlink_to(now / asked.path)
        whole = repository(project)
        for package in whole.locked if whole is not None else ():
            place = INSTALLED / package.name / package.commit
            if (now / place / PROJECT).is_file():
                shutil.copytree(now / place, project / place, symlinks=True)
        if whole is not None and whole.locked:
            install(project, lambda _: None, offline=True)


@contextmanager
def of_run(run: StoredRun, given: Given) -> Iterator[Side]:
    """Give the recipe of a run, with its files as they were then, and data as it is now."""
    recipe = recipe_in(run)
    with laid_out(tree_of(run)) as tree:
        base = (tree / recipe).parent
        gate.allow(*run.about["places"])
        its = replace(given, vars={}, settings=run.about["settings"], limit=run.limit)
        # Before it is read: what is named in a package must be there.
        said = parse(run.resolved, tree / recipe).data
        link_what_is_missing(said, tree, base, run.base, run.package_places)
        opened = _opened(tree / recipe, its, run.id, tree)
        yield Side(run.id, opened, tree, run)


def _place(recipe: str) -> Path:
    """Return where a recipe is, or was: one that is gone now may be there in a commit."""
    path = Path(recipe)
    try:
        return find_recipe(path)
    except RecipeError:
        return path


def _opened(recipe: Path, given: Given, label: str, tree: Path | None = None) -> Project:
    try:
        return Project.open(recipe, given.state, given.vars, given.limit, given.settings)
    except EngineError as error:
        raise said_of(label, error, tree) from None


def has_store(state: Path) -> bool:
    """Return whether there is a store to look into."""
    return (state / FILE).is_file()
