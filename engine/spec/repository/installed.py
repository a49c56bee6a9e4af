"""Packages as they lie here: which names lead where from a folder, and whether what is there is what was locked."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from engine.errors import EngineError, Location, Problem, RecipeError, boundary
from engine.fingerprint import content_digest
from engine.gate import passed
from engine.gate.packages import INSTALLED, enclosing
from engine.gate.roots import PROJECT, real
from engine.spec.repository.lock_file import (
    LOCK,
    ROOT,
    Asked,
    Locked,
    LockFile,
    disagreements,
    lock_location,
    read_lock,
)
from engine.spec.repository.project_file import location, project_document, shown
from engine.spec.yaml import Document
from engine.system.places import expanded

_MOST = 100


class Folder(NamedTuple):
    """A `pada.yaml` of this machine: the project's own, or that of a package in a folder."""

    who: str
    """Its name; `.` for the project."""
    folder: Path
    asked_by: str
    """Who asks for it, likewise."""
    asked_at: Location


class Repository(NamedTuple):
    """A project with all its packages."""

    root: Path
    folders: Mapping[str, Folder]
    """The project and its packages in folders, by who they are."""
    asked: Sequence[Asked]
    """What these ask for in git."""
    places: Sequence[Location]
    """Where, for each of it."""
    links: frozenset[tuple[str, str]]
    """Who asks for which package in a folder."""
    lock: LockFile | None
    closed: Sequence[Problem]
    """Packages in folders outside of the project, of which nobody said that they may be read.

    What they are called is known all the same; their files have to pass the gate.
    """

    @property
    def locked(self) -> Sequence[Locked]:
        """What is locked."""
        return () if self.lock is None else self.lock.packages

    def place(self, package: Locked) -> Path:
        """Return where a package in git lies, or would."""
        return self.root / INSTALLED / package.name / package.commit

    def names(self, who: str) -> dict[str, Path]:
        """Return name -> folder of what one of them may name files of."""
        live = {name: self.folders[name].folder for by, name in self.links if by == who}
        return live | {p.name: self.place(p) for p in self.locked if who in p.requested}


_owners: dict[Path, Path] = {}
"""Folder of a package that lies in one -> the project of this process that has it."""


def repository(root: Path) -> Repository | None:
    """Return the project in a folder, with its packages; None where there is no `pada.yaml`.

    Raises:
        RecipeError: a `pada.yaml` or the lock is wrong, a package in a folder is not there or may not be read, two have
            one name, or they ask for each other in a circle.
    """
    found = project_document(root)
    if found is None:
        return None
    top = found[0].parent
    folders: dict[str, Folder] = {}
    asked: list[Asked] = []
    places: list[Location] = []
    links: set[tuple[str, str]] = set()
    closed: list[Problem] = []
    _walk(Folder(ROOT, top, "", Location.at(found[0])), (), folders, asked, places, links, closed)
    lock = read_lock(top)
    for package in () if lock is None else lock.packages:
        if (other := folders.get(package.name)) is not None:
            raise _same_name(package.name, shown(other.folder), package.git, other.asked_at)
    _owners.update({each.folder: top for each in folders.values() if each.who != ROOT})
    return Repository(top, folders, asked, places, frozenset(links), lock, closed)


def _walk(
    here: Folder,
    chain: tuple[str, ...],
    folders: dict[str, Folder],
    asked: list[Asked],
    places: list[Location],
    links: set[tuple[str, str]],
    closed: list[Problem],
) -> None:
    """Gather what a `pada.yaml` asks for, and those of the folders that it asks for."""
    found = project_document(here.folder)
    assert found is not None
    _, project, document = found
    folders[here.who] = here
    for index, each in enumerate(project.packages):
        where = location(document, index)
        if each.git:
            asked.append(
                Asked(
                    who=here.who,
                    git=each.git,
                    revision=each.revision,
                    subdirectory=each.subdirectory,
                )
            )
            places.append(where)
            continue
        around = (*chain, here.who)
        target = real(here.folder / expanded(each.path))
        if circle := [who for who in around if folders[who].folder == target]:
            hops = " → ".join(_said(who) for who in (*around[around.index(circle[0]) :], circle[0]))
            raise _refused(
                where, f"these packages ask for each other: {hops}", "take one of them out"
            )
        try:
            _passed(here, each.path, document, index)
        except RecipeError as error:
            # It is told to who reads a file of it, and not to every recipe.
            closed += error.problems
        inner = _of_folder(here, each.path, target, document, index)
        links.add((here.who, inner.who))
        known = folders.get(inner.who)
        if known is not None and known.folder != inner.folder:
            raise _same_name(inner.who, shown(known.folder), str(shown(inner.folder)), where)
        if known is None:
            if len(folders) > _MOST:
                raise _refused(where, f"there are more than {_MOST} packages", "use fewer")
            _walk(inner, around, folders, asked, places, links, closed)


def _passed(here: Folder, path: str, document: Document, index: int) -> None:
    """Raise RecipeError where the folder of a package may not be read."""
    where = document.at(("packages", index, "path"))

    def refuse(message: str, hint: str) -> RecipeError:
        return _refused(where, f"the package in {path}: {message}", hint)

    passed(here.folder / expanded(path), here.folder, refuse)


def _of_folder(here: Folder, path: str, found: Path, document: Document, index: int) -> Folder:
    where = document.at(("packages", index, "path"))
    if not found.is_dir():
        raise _refused(
            where,
            f"there is no folder {path}",
            "paths of packages count from the folder of pada.yaml",
        )
    if not (found / PROJECT).is_file():
        hint = "write one in it: `project: 1` and `name: …` are enough"
        raise _refused(where, f"the package {path} has no pada.yaml", hint)
    inner = project_document(found)
    assert inner is not None
    return Folder(inner[1].name, found, here.who, where)


def owner(base: Path) -> tuple[Repository, str] | None:
    """Return the project whose packages hold for a folder, and who the folder belongs to; None without one."""
    found = project_document(base)
    if found is None:
        return None
    here = found[0].parent
    around = enclosing(base)
    if around is None and not (here / LOCK).exists():
        around = _owners.get(here)
    if around is not None and (whole := repository(around)) is not None:
        for who, folder in whole.folders.items():
            if folder.folder == here:
                return whole, who
        for package in whole.locked:
            if real(whole.place(package)) == here:
                return whole, package.name
    own = repository(here)
    return None if own is None else (own, ROOT)


def package_folders(base: Path) -> Mapping[str, Path]:
    """Return name -> folder of the packages that recipes in `base` may name files of, as they are installed.

    Raises:
        RecipeError: `pada.yaml`, the lock or a package is wrong, or one is not installed: `pada deps` does that.
    """
    found = owner(base)
    if found is None:
        return {}
    whole, who = found
    if wrong := unlocked(whole):
        raise RecipeError(wrong)
    names = whole.names(who)
    for name, folder in names.items():
        require_installed(whole, name, folder)
    return names


def every_package(base: Path) -> Mapping[str, Path]:
    """Return name -> folder, resolved, of all packages of the project of `base`, those of packages too.

    The package in which `base` itself lies is none of them.

    Raises:
        RecipeError: `pada.yaml`, the lock or a package is wrong.
    """
    found = owner(base)
    if found is None:
        return {}
    whole, who = found
    folders = {each.who: each.folder for each in whole.folders.values() if each.who != ROOT}
    folders |= {each.name: real(whole.place(each)) for each in whole.locked}
    here = real(base)
    return {
        name: folder
        for name, folder in folders.items()
        if name != who and not here.is_relative_to(folder)
    }


def packaged(reference: str, base: Path) -> Path | None:
    """Return the place in a package that `package/path` names; None where the first part names no package.

    Args:
        reference: As it is written.
        base: The folder of the file in which it stands.

    Raises:
        RecipeError: the package is not locked or installed, a folder in `base` has its name too, the path leads out of
            it, or `pada.yaml` or the lock is wrong.
    """
    name, _, rest = PurePosixPath(reference).as_posix().partition("/")
    if not rest or name in ("", ".", "..", "~") or "://" in reference or "\0" in reference:
        return None
    found = owner(base)
    if found is None:
        return None
    whole, who = found
    folder = whole.names(who).get(name)
    beside = base / name
    if folder is None:
        asked = any(_may_be(name, each.git, each.subdirectory) for each in whole.asked)
        if asked and not beside.exists() and (wrong := unlocked(whole)):
            raise RecipeError(wrong)
        return None
    if beside.is_dir() and real(beside) != real(folder):
        raise _refused(
            Location.at(base),
            f"'{name}' is the package in {shown(folder)} and the folder {shown(beside)}",
            "rename the folder, or write ./ before it where that is meant",
        )
    if wrong := unlocked(whole):
        raise RecipeError(wrong)
    require_installed(whole, name, folder)
    if ".." in PurePosixPath(rest).parts:
        message, hint = f"'{reference}' leaves the package '{name}'", f"name a file of it: {name}/…"
        raise _refused(Location.at(base), message, hint)
    return folder / rest


def _may_be(name: str, git: str, subdirectory: str) -> bool:
    """Return whether what is not locked yet may have a name: it is usually that of its repository or its folder."""
    last = (subdirectory or git).rstrip("/").rpartition("/")[2].rpartition(":")[2]
    return last.removesuffix(".git").lower().replace("_", "-") == name.replace("_", "-")


def unlocked(whole: Repository) -> list[Problem]:
    """Return what is asked for and not locked like that, or locked and not asked for."""
    wrong = disagreements(whole.asked, whole.lock)
    if not wrong:
        return []
    if whole.lock is None:
        message = f"there is no {LOCK}: {len(whole.asked)} package(s) were never resolved"
        return [Problem(whole.places[0], message, "pada deps", code="lock")]
    names = " ".join(dict.fromkeys(shlex.quote(name) for _, name in wrong))
    hint = f"pada deps --upgrade {names}"
    where = lock_location(whole.root)
    return [
        Problem(where, f"{LOCK} and {PROJECT} disagree: {text}", hint, code="lock")
        for text, _ in wrong
    ]


def require_installed(whole: Repository, name: str, folder: Path) -> None:
    """Raise RecipeError where a package is not there."""
    if not is_installed(folder):
        version = next((p.revision for p in whole.locked if p.name == name), "")
        raise _refused(
            lock_location(whole.root), f"the package {name} {version} is not installed", "pada deps"
        )


def is_installed(folder: Path) -> bool:
    """Return whether a package is there, cheaply: it comes as a whole or not at all."""
    return not folder.is_symlink() and (folder / PROJECT).is_file()


def changed(whole: Repository) -> list[Problem]:
    """Return the packages whose files are not those that were locked; reads all of them."""
    return [
        problem
        for package in whole.locked
        if is_installed(folder := whole.place(package))
        and (problem := _changed(whole, package, folder)) is not None
    ]


def _changed(whole: Repository, package: Locked, folder: Path) -> Problem | None:
    found = _digest(folder)
    if found == package.content:
        return None
    at = shown(folder)
    return Problem(
        Location.at(folder),
        f"the files of the package {package.name} are not those of {package.revision}: "
        f"the lock has {package.content[:19]}…, here is {found[:19]}…",
        f"if they were edited there: rm -r {shlex.quote(str(at))} && pada deps. To work on a package, clone it and "
        f"use `path:`. If {LOCK} was edited, take it back from git",
        code="lock",
    )


def _digest(folder: Path, live: bool = False) -> str:
    with boundary(lambda reason: EngineError(f"{shown(folder)} cannot be read: {reason}")):
        return content_digest(folder, live)


def check_packages(base: Path) -> None:
    """Raise RecipeError where a package of the recipe in `base` is not there, or is not what was locked."""
    found = owner(base)
    if found is None or not (found[0].asked or found[0].locked):
        return
    package_folders(base)
    if wrong := changed(found[0]):
        raise RecipeError(wrong)


def trustable(name: str, base: Path) -> Locked | None:
    """Return a package in git of the project of `base`, which is there as it was locked; None where none has the name.

    Raises:
        RecipeError: it is not installed, or its files were changed.
    """
    found = owner(base)
    package = None if found is None else next((p for p in found[0].locked if p.name == name), None)
    if found is None or package is None:
        return None
    whole = found[0]
    require_installed(whole, name, whole.place(package))
    if (problem := _changed(whole, package, whole.place(package))) is not None:
        raise RecipeError([problem])
    return package


class Used(NamedTuple):
    """A package as a run finds it."""

    name: str
    git: str
    """Empty for one in a folder."""
    revision: str
    commit: str
    content: str


def used_packages(base: Path) -> list[Used]:
    """Return all packages of the project of `base`, for a run to note; those in folders are hashed as they are now."""
    found = owner(base)
    if found is None:
        return []
    whole = found[0]
    return sorted(
        [
            *(Used(p.name, p.git, p.revision, p.commit, p.content) for p in whole.locked),
            *(
                Used(f.who, "", "", "", _digest(f.folder, live=True))
                for f in whole.folders.values()
                if f.who != ROOT
            ),
        ]
    )


def _said(who: str) -> str:
    return PROJECT if who == ROOT else who


def _same_name(name: str, one: object, other: object, where: Location) -> RecipeError:
    message = f"two packages are called '{name}': {one} and {other}"
    return _refused(where, message, "leave one out, or rename one in its pada.yaml")


def _refused(where: Location, message: str, hint: str) -> RecipeError:
    return RecipeError([Problem(where, message, hint, code="package")])
