"""`pada deps` and `pada list packages`: what is done with packages, told in a line each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.cli.terminal.streams import echo
from engine.errors import EngineError, RecipeError
from engine.packages.installing import Done, check, install, project_here, upgrade
from engine.packages.listing import package_records
from engine.spec.repository.lock_file import LOCK
from engine.spec.repository.project_file import shown


def deps_command(names: Sequence[str], *, upgrade: bool, check: bool, offline: bool) -> None:
    """Install, upgrade or check the packages of the project around the current folder; raises EngineError."""
    if check and (upgrade or names):
        raise EngineError("--check changes nothing", "leave --upgrade and the names out")
    if names and not upgrade:
        raise EngineError(
            f"names of packages are for --upgrade: {' '.join(names)}",
            "pada deps installs all of them; pada deps --upgrade NAME takes a newer one",
        )
    here = Path.cwd()
    if check:
        _check(here)
        return
    done = _upgraded(here, names, offline) if upgrade else install(here, _say, offline=offline)
    _tell(done, here)


def _upgraded(here: Path, names: Sequence[str], offline: bool) -> Done:
    return upgrade(here, names, _say, offline=offline)


def _check(here: Path) -> None:
    if problems := check(here):
        raise RecipeError(problems)
    whole = project_here(here)
    number = len(whole.locked)
    echo(f"{shown(whole.root / LOCK)} fits pada.yaml, and {_counted(number)} installed as locked")


def _tell(done: Done, here: Path) -> None:
    for change in done.changes:
        match change.what:
            case "new":
                echo(f"{change.name}: {change.after}, new")
            case "gone":
                echo(f"{change.name}: {change.before} is not asked for any more")
            case "changed":
                echo(f"{change.name}: {change.before} -> {change.after}")
            case _:
                echo(f"{change.name}: {change.after}, unchanged")
    told = {change.name for change in done.changes}
    for package in done.installed:
        if package.name not in told:
            echo(f"{package.name}: {package.revision} installed")
    for folder in done.folders:
        echo(f"{folder}: read where it lies")
    number = len(done.packages)
    if not number:
        echo("this project has no packages in git")
    elif not done.changes and not done.installed:
        echo(f"{_counted(number)} installed already, as locked")


def _counted(number: int) -> str:
    return "1 package is" if number == 1 else f"{number} packages are"


def _say(text: str) -> None:
    echo(text, error=True)


def package_lines(here: Path) -> list[tuple[str, str]]:
    """Return the packages of the project around a folder, by name, each with what it is."""
    lines = []
    for one in package_records(here):
        asked = ", ".join(f"{who} {revision}".strip() for who, revision in one["requested"].items())
        what = f"{one['revision']} of {one['git']}" if one["git"] else f"in {one['folder']}"
        missing = "" if one["installed"] else "; not installed: pada deps"
        lines.append((str(one["name"]), f"{what} (for {asked}){missing}"))
    return lines
