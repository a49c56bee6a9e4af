"""Where a new recipe and its `pada.yaml` lie, how they name data, and how they are written: all files or none."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from engine.authoring.start.yaml_text import Written, inline
from engine.data.sources.hub import is_hub
from engine.errors import EngineError, Location, reason_of
from engine.gate import project_of
from engine.gate.roots import PROJECT, real
from engine.spec.parts import NAME
from engine.system.files import sync_all
from engine.system.places import expanded

RECIPE = "recipe.yaml"
VERSION = "0.1.0"


def recipe_name(text: str) -> str:
    """Return a text as the name of a recipe: small letters, digits, `-` and `_`."""
    folded = unicodedata.normalize("NFKD", text.replace("ß", "ss").casefold())
    plain = "".join(c for c in folded if not unicodedata.combining(c))
    name = re.sub(r"[^a-z0-9_]+", "-", plain).strip("-_")[:64].rstrip("-_")
    return name if re.fullmatch(NAME, name) else "recipe"


@dataclass(frozen=True, slots=True)
class Sources:
    """How a recipe names its data."""

    paths: Mapping[str, Written]
    """Split -> its `path`."""
    vars: Mapping[str, str] = field(default_factory=dict)
    """Vars of the recipe, for what lies outside of its project."""
    given: Mapping[str, str] = field(default_factory=dict)
    """The same as the command line has to name them: var -> place."""


def project_root(folder: Path, places: Iterable[str]) -> Path:
    """Return where the `pada.yaml` of a recipe's project is, or will be.

    Where there is none above the recipe's folder, it is put beside the recipe, or into the current folder if that holds
    both the recipe and its data.
    """
    found = project_of(folder)
    if (found / PROJECT).is_file():
        return found
    here = Path.cwd()
    inside = (folder, *(Path(place) for place in places if not is_hub(place)))
    if not _is_home(here) and all(
        real(each.absolute()).is_relative_to(real(here)) for each in inside
    ):
        return Path()
    return folder


def _is_home(folder: Path) -> bool:
    """Tell whether a folder is the user's home or above it, where no project is looked for."""
    return real(expanded("~")).is_relative_to(real(folder))


def sources(places: Mapping[str, str], folder: Path, root: Path) -> Sources:
    """Return how the recipe in a folder names the data of its splits: relative inside its project, else by vars."""
    outside = {
        split: Path(place).absolute()
        for split, place in places.items()
        if not is_hub(place) and not real(Path(place).absolute()).is_relative_to(real(root))
    }
    paths = {
        split: Written(_escaped(place if is_hub(place) else relative(Path(place), folder)))
        for split, place in places.items()
        if split not in outside
    }
    folders = {place.parent for place in outside.values()}
    if len(outside) > 1 and len(folders) == 1:
        above = folders.pop()
        paths |= {s: Written("${data}/" + _escaped(place.name)) for s, place in outside.items()}
        return Sources(paths, {"data": relative(above, folder)}, {"data": _shown(above)})
    names = {split: "data" if len(outside) == 1 else split for split in outside}
    paths |= {split: Written(f"${{{names[split]}}}") for split in outside}
    return Sources(
        paths,
        {names[split]: relative(place, folder) for split, place in outside.items()},
        {names[split]: _shown(place) for split, place in outside.items()},
    )


def _escaped(path: str) -> str:
    return path.replace("${", "$${")


def _shown(place: Path) -> str:
    return Location.at(place).file


def relative(place: Path, folder: Path) -> str:
    """Return a path as it is written in a folder's recipe."""
    return Path(os.path.relpath(place.absolute(), folder.absolute())).as_posix()


def command(verb: str, recipe: Path, given: Mapping[str, str]) -> str:
    """Return a command on a recipe as it can be pasted into a shell."""
    file = Location.at(recipe).file
    words = ["pada", verb, f"./{file}" if file.startswith("-") else file]
    for name, place in given.items():
        words += ["--var", f"{name}={place}"]
    return shlex.join(words)


def project_text(folder: Path, name: str) -> str | None:
    """Return the `pada.yaml` of a new project; None where the folder is in one, or cannot be one."""
    if (project_of(folder) / PROJECT).is_file() or _is_home(folder):
        return None
    return (
        "# Makes this folder a project: the recipes below it may read what lies in it, and share it.\n"
        f"project: 1\nname: {inline(recipe_name(real(folder).name) if real(folder).name else name)}\n"
        f"version: {VERSION}\n"
    )


def refuse_existing(files: Mapping[Path, str]) -> None:
    """Raise EngineError where one of the files is there already."""
    for file in files:
        if os.path.lexists(file):
            raise EngineError(
                f"{Location.at(file).file} is there already, and nothing is overwritten: nothing was written",
                "write into another folder with --to FOLDER, or move that file away",
            )


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Have what the system refuses while files are written be said of the folder; a file that is there stays one."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        message = f"{Location.at(folder).file} cannot be written: {reason_of(error)}"
        hint = "name another folder with --to, or check its permissions and the free space"
        raise EngineError(message, hint) from error


@contextmanager
def made(folder: Path) -> Iterator[None]:
    """Make a folder, and those above it, for as long as the block succeeds: else those that are new are removed."""
    new = [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
    if os.path.lexists(folder) and not folder.is_dir():
        raise EngineError(
            f"{Location.at(folder).file} is a file, not a folder", "name a folder with --to"
        )
    try:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for each in new:
            with suppress(OSError):
                each.rmdir()
        raise


@contextmanager
def added(file: Path, text: str | None) -> Iterator[None]:
    """Write a file, where there is a text for it, for as long as the block succeeds: else it is removed again."""
    if text is None:
        yield
        return
    write_all({file: text})
    try:
        yield
    except BaseException:
        file.unlink(missing_ok=True)
        raise


@contextmanager
def put(part: Path, file: Path) -> Iterator[None]:
    """Give a file a second place, where nothing is yet, for as long as the block succeeds: else it is removed there.

    Raises:
        EngineError: something is there, or it cannot be written.
    """
    refuse_existing({file: ""})
    try:
        with writing(file.parent):
            _put(part, file)
    except FileExistsError:
        refuse_existing({file: ""})
        raise
    try:
        yield
    except BaseException:
        file.unlink(missing_ok=True)
        raise


@contextmanager
def staged(folder: Path, text: str) -> Iterator[Path]:
    """Yield a file with a text in a folder, under a name of its own, which is gone afterwards."""
    file = folder / f".{RECIPE.removesuffix('.yaml')}-{secrets.token_hex(8)}.yaml"
    try:
        with writing(folder):
            file.write_text(text, "utf-8")
        yield file
    finally:
        file.unlink(missing_ok=True)


def write_all(files: Mapping[Path, str]) -> None:
    """Write files that are not there yet, all or none; raises EngineError where one is, or cannot be written."""
    refuse_existing(files)
    done: list[Path] = []
    try:
        for file, text in files.items():
            with staged(file.parent, text) as part:
                with writing(file.parent):
                    sync_all(part)
                    _put(part, file)
                done.append(file)
    except BaseException as error:
        for file in done:
            file.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            refuse_existing(files)
        raise


def _put(part: Path, file: Path) -> None:
    """Give a file its name, unless something has it: what somebody else wrote since then stays. Raises OSError."""
    try:
        os.link(part, file)
    except FileExistsError:
        raise
    except OSError:
        # Some file systems know no links.
        with part.open("rb") as whole, file.open("xb") as stream:
            try:
                shutil.copyfileobj(whole, stream)
            except BaseException:
                # It is nobody else's: `x` opens no file that is there.
                file.unlink(missing_ok=True)
                raise
