"""A run as the store keeps it: what it was made of, and what it came to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import EngineError
from engine.gate import project_of
from engine.gate.packages import INSTALLED, enclosing
from engine.spec.repository import every_package
from engine.store import Store, choose_run, reader


class StoredFile(NamedTuple):
    """A file that a run was made of."""

    path: str
    """From the project's folder or the package's; whole where it lies in neither."""
    package: str
    kind: str
    digest: str
    bytes: int
    text: str | None
    """None where it is not kept: data, and what is large or no text."""


class StoredNode(NamedTuple):
    """A node that a run reached."""

    name: str
    id: str
    content: str | None
    """Hash of its rows; None, as `identity`, where the store has it no more."""
    identity: Mapping[str, Any] | None


@dataclass(frozen=True)
class StoredRun:
    """One run, with what it was made of."""

    id: str
    recipe: str
    """The recipe's name."""
    status: str
    limit: int | None
    versions: Mapping[str, str]
    plan: str
    """Hash of the recipe's name and the plan's nodes."""
    project: Path
    file: str
    """The recipe's file, from the project's folder."""
    about: Mapping[str, Any]
    """The row of `provenance`, JSON as values."""
    files: tuple[StoredFile, ...]
    nodes: Mapping[str, StoredNode]
    """By name."""

    @property
    def path(self) -> Path:
        """Where the recipe was."""
        return self.project / self.file

    @property
    def base(self) -> Path:
        """The recipe's folder."""
        return self.path.parent

    @cached_property
    def package_places(self) -> Mapping[str, Path]:
        """Name -> folder of its packages today: those in git in the version that it had, which need not be here."""
        root = enclosing(self.project) or self.project
        try:
            known = every_package(self.base) if self.base.is_dir() else {}
        except EngineError:
            known = {}
        places = {}
        for entry in self.about["packages"]:
            name = str(entry["name"])
            installed = root / INSTALLED / name
            places[name] = (
                installed / entry["commit"] if entry["commit"] else known.get(name, installed)
            )
        return places

    @property
    def resolved(self) -> str:
        """The recipe as it was run."""
        return str(self.about["resolved"])


def _project(project: Path, file: str, state: Path) -> Path:
    """Return the project's folder: where it is now, if it was moved with its state folder."""
    moved = project_of(state.absolute().parent)
    return moved if not project.is_dir() and (moved / file).is_file() else project


_JSON = ("vars", "settings", "packages", "models", "data", "hardware")


def stored_run(state: Path, run: str | None = None, recipe: str | None = None) -> StoredRun:
    """Return a run; the last one, or that of a recipe, where none is named.

    Raises:
        StoreError: there is no store, or no such run.
        EngineError: the run kept nothing: it is of an earlier engine.
    """
    # Brings a store of an earlier engine up to date.
    Store.open(state, create_missing=False)
    with reader(state) as query:
        identity, _ = choose_run(query, run, recipe)
        (row,) = query(
            "SELECT u.*, c.name FROM run u LEFT JOIN recipe c ON c.id = u.recipe WHERE u.id = ?",
            [identity],
        )
        about = query("SELECT * FROM provenance WHERE run = ?", [identity])
        files = query(
            "SELECT f.*, t.text FROM run_file f LEFT JOIN file_text t USING (digest) WHERE run = ?"
            " ORDER BY kind, package, path",
            [identity],
        )
        nodes = query(
            "SELECT r.name, r.node AS id, n.content, n.identity FROM run_node r LEFT JOIN node n ON n.id = r.node"
            " WHERE r.run = ? AND r.status <> 'skipped' ORDER BY r.position",
            [identity],
        )
    if not about:
        raise EngineError(
            f"run {identity} did not keep what it was made of: an earlier engine made it",
            "run the recipe again with this engine; what is still valid is taken over",
        )
    kept = about[0]
    kept["project"] = _project(Path(kept["project"]), kept["file"], state)
    kept |= {name: json.loads(kept[name]) for name in _JSON}
    return StoredRun(
        id=identity,
        recipe=row["name"] or "",
        status=row["status"],
        limit=row["row_limit"],
        versions=json.loads(row["versions"]),
        plan=row["plan"],
        project=kept["project"],
        file=kept["file"],
        about=kept,
        files=tuple(
            StoredFile(f["path"], f["package"], f["kind"], f["digest"], f["bytes"], f["text"])
            for f in files
        ),
        nodes={
            n["name"]: StoredNode(
                n["name"],
                n["id"],
                n["content"],
                json.loads(n["identity"]) if n["identity"] else None,
            )
            for n in nodes
        },
    )
