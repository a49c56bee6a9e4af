"""The files that make a recipe's rows what they are, without those that come with the engine, and its data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from engine.errors import EngineError
from engine.fingerprint import file_digest
from engine.gate import passed, project_of
from engine.gate.roots import PROJECT, real
from engine.plan.resources import Resources
from engine.spec.loader import LoadedRecipe
from engine.spec.method import find_methods
from engine.spec.pack import find_packs
from engine.spec.package_data import is_ours, shipped
from engine.spec.reply_schemas import SchemaLibrary
from engine.spec.repository import LOCK, every_package
from engine.spec.yaml import LARGEST

_MOST = 500
"""Files of one operator's folder."""


class KeptFile(NamedTuple):
    """One file, as it is now."""

    file: Path
    """Where it is, resolved."""
    kind: str
    """recipe, taxonomy, method, pack, prompt, schema, operator, replies, project, lock or data."""
    path: str
    """From the project's folder or the package's; whole where it lies in neither."""
    package: str
    """Name of the package that it is from; empty for others."""
    digest: str
    """SHA-256."""
    size: int
    """Bytes."""
    text: str | None
    """None for data, and for what is no text or large."""


def own_files(loaded: LoadedRecipe, resources: Resources) -> Iterator[tuple[str, Path]]:
    """Yield kind and place of each file of a recipe that says what is done; some may come twice."""
    yield "recipe", loaded.path.absolute()
    project = project_of(loaded.base)
    yield "project", project / PROJECT
    yield "lock", project / LOCK
    if loaded.taxonomy_file is not None:
        yield "taxonomy", loaded.taxonomy_file.path.absolute()
    methods = find_methods(loaded.base, loaded.further)
    if resources.method.name in methods:
        yield "method", methods[resources.method.name]
    packs = find_packs(loaded.base, loaded.further)
    names = dict.fromkeys(pack.name for pack in resources.packs.values())
    yield from (("pack", packs[name]) for name in names if name in packs)
    for operator in resources.operators.values():
        if operator.own:
            inside = sorted(file for file in operator.folder.rglob("*") if file.is_file())
            yield from (("operator", file) for file in inside[:_MOST])
    yield from (("prompt", prompt.path) for prompt in resources.prompts.values())
    library = SchemaLibrary(loaded.base, loaded.further)
    found = (library.find_own(name, pack) for name in resources.schemas for pack in names)
    yield from (("schema", file) for file in found if file is not None)
    for model in resources.models.values():
        if isinstance(replies := model.settings.get("replies"), str):
            yield "replies", loaded.base / replies
    yield from (("recipe", file) for file in loaded.bases)


def packages_of(loaded: LoadedRecipe) -> Mapping[str, Path]:
    """Return name -> folder, resolved, of all packages of a recipe's project; none where they cannot be told."""
    try:
        return every_package(loaded.base)
    except EngineError:
        return {}


def files_of(loaded: LoadedRecipe, resources: Resources) -> list[KeptFile]:
    """Return the files of a recipe and its data files, each once; those that cannot be read are left out."""
    project = project_of(loaded.base)
    packages = packages_of(loaded)
    found: dict[Path, str] = {}
    for kind, path in own_files(loaded, resources):
        try:
            file = passed(path, loaded.base, EngineError)
        except EngineError:
            # Such as a link in an operator's folder: nothing that is read leads there.
            continue
        if file.is_file() and not _ships(file):
            found.setdefault(file, kind)
    # Where the data is not here, the rest is told all the same.
    with suppress(EngineError):
        for files in resources.splits.files().values():
            found.update((real(file), "data") for file in files if file.is_file())
    kept = []
    for file, kind in found.items():
        package, place = _placed(file, project, packages)
        try:
            digest, size, text = _read(file, kind)
        except OSError:
            continue
        kept.append(KeptFile(file, kind, place, package, digest, size, text))
        if package:
            # What makes the folder a package: without it nothing in it can be named.
            own = packages[package] / PROJECT
            if own not in found and own.is_file():
                kept.append(KeptFile(own, "project", PROJECT, package, *_read(own, "project")))
    return list(dict.fromkeys(kept))


def _ships(file: Path) -> bool:
    """Return whether a file comes with the engine, so that its version says what it holds."""
    return is_ours(file) or file.is_relative_to(shipped("recipes").resolve() / "methods")


def _placed(file: Path, project: Path, packages: Mapping[str, Path]) -> tuple[str, str]:
    for name, folder in packages.items():
        if file.is_relative_to(folder):
            return name, file.relative_to(folder).as_posix()
    inside = file.is_relative_to(project)
    return "", (file.relative_to(project) if inside else file).as_posix()


def _read(file: Path, kind: str) -> tuple[str, int, str | None]:
    size = file.stat().st_size
    if kind == "data" or size > LARGEST:
        return file_digest(file), size, None
    content = file.read_bytes()
    try:
        text: str | None = content.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    if text is not None and "\0" in text:
        text = None
    return hashlib.sha256(content).hexdigest(), len(content), text
