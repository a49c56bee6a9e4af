"""A run made again: exactly what was run, or what is missing or another now; never something else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from engine import gate
from engine.errors import EngineError, RecipeError
from engine.fingerprint import file_digest
from engine.plan.explain import states
from engine.project import Project
from engine.run.kept import Kept
from engine.run.repeated import Repeated
from engine.store import FileTextRow, ProvenanceRow, RunFileRow
from engine.version import versions
from engine.versions.sides import Given, of_run
from engine.versions.stored import StoredFile, StoredRun

_MOST = 8
"""Differences that a message names."""


@dataclass(frozen=True)
class Again:
    """A run that can be made again."""

    project: Project
    run: StoredRun
    left: int
    """Nodes that the store does not have any more."""
    nodes: int
    warnings: tuple[str, ...]
    """Versions of libraries that are others now."""


@contextmanager
def again(run: StoredRun, state: Path) -> Iterator[Again]:
    """Give what makes a run again in its own state folder; nothing is run yet.

    Raises:
        EngineError: something that decides its rows is missing or is another now; the message says what.
    """
    refuse_changed(run, {f: place_of(run, f) for f in run.files if f.text is None})
    with of_run(run, Given(state)) as side:
        project = replace(side.project, repeated=Repeated(kept_by(run)))
        planned = check_same(project, run, side.shown)
        left = sum(one != "cached" for one in planned.values())
        reached = [state for name, state in planned.items() if name in run.nodes]
        if run.status == "done" and all(state == "cached" for state in reached):
            left = 0
        _consent(project, run)
        yield Again(project, run, left, len(reached) or len(planned), tuple(changed_versions(run)))


def kept_by(run: StoredRun) -> Kept:
    """Return what a run is made of, for the run that makes it again."""
    about = run.about
    row = ProvenanceRow(
        run="",
        version=about["version"],
        resolved=run.resolved,
        digest=about["digest"],
        project=str(run.project),
        file=run.file,
        vars=about["vars"],
        places=tuple(about["places"]),
        settings=about["settings"],
        repository=about["repository"],
        commit_hash=about["commit_hash"],
        branch=about["branch"],
        tags=None if about["tags"] is None else tuple(about["tags"]),
        changed=None if about["changed"] is None else tuple(about["changed"]),
        lock=about["lock"],
        packages=tuple(about["packages"]),
        models=about["models"],
        data=about["data"],
        hardware={},
    )
    return Kept(
        row,
        [RunFileRow("", f.path, f.package, f.kind, f.digest, f.bytes) for f in run.files],
        [FileTextRow(f.digest, f.text) for f in run.files if f.text is not None],
    )


def place_of(run: StoredRun, file: StoredFile) -> Path:
    """Return where a file of a run was, its own or a package's."""
    return (run.package_places[file.package] if file.package else run.project) / file.path


def refuse_changed(run: StoredRun, places: Mapping[StoredFile, Path]) -> None:
    """Raise EngineError where files that are not kept are not there, or are others than the run had."""
    wrong = []
    for file, place in places.items():
        try:
            digest = file_digest(place)
        except OSError:
            wrong.append(f"{file.path}: not there (SHA-256 {file.digest}, {file.bytes:,} bytes)")
            continue
        if digest != file.digest:
            wrong.append(
                f"{file.path}: another file now (SHA-256 {digest[:12]}…; the run had {file.digest[:12]}…,"
                f" {file.bytes:,} bytes)"
            )
    if wrong:
        raise EngineError(
            f"run {run.id} cannot be made again as it was:\n  " + "\n  ".join(wrong[:_MOST])
            + (f"\n  … and {len(wrong) - _MOST} more" if len(wrong) > _MOST else ""),
            "put these files back where they were; a run of what is there now: pada run RECIPE",
        )  # fmt: skip


def check_same(project: Project, run: StoredRun, shown: object = str) -> dict[str, str]:
    """Return the state of each node of the plan, where it is the run's own plan.

    Raises:
        EngineError: it is another: something that decides rows differs.
    """
    say = shown if callable(shown) else str
    try:
        project.validate()
        planned = project.plan()
    except EngineError as error:
        lines = error.problems if isinstance(error, RecipeError) else [error.message]
        said = "\n  ".join(say(str(line)) for line in lines[:_MOST])
        raise EngineError(
            f"run {run.id} cannot be made again as it was:\n  {said}", "" if lines else error.hint
        ) from None
    nodes = {node.name: node for node in planned.plan.nodes.values()}
    others = [n for name, n in run.nodes.items() if name not in nodes or nodes[name].id != n.id]
    if others:
        last = {n.name: n.identity for n in run.nodes.values() if n.identity is not None}
        finished = {node.id for node in run.nodes.values()}
        why = [
            f"{one.node.name}: {one.because}"
            for one in states(planned.plan, finished, last)
            if one.state != "cached"
            and one.node.name in run.nodes
            and not one.because.startswith("input changed")
        ]
        why += [f"{n.name}: there is no such step any more" for n in others if n.name not in nodes]
        engine = run.versions.get("pada-engine", "")
        if engine != versions()["pada-engine"]:
            why.append(f"the engine was {engine} then, and is {versions()['pada-engine']}")
        raise EngineError(
            f"run {run.id} cannot be made again as it was, {len(others)} of {len(run.nodes)} steps would be others:"
            "\n  " + "\n  ".join(say(line) for line in why[:_MOST] or ["what they rest on"]),
            "put back what changed; a run of what is there now: pada run RECIPE",
        )
    return {one.node.name: one.state for one in planned.states}


def changed_versions(run: StoredRun) -> Iterator[str]:
    """Yield the libraries whose versions are others than the run's: what is done anew may come out otherwise."""
    now = versions()
    for name in dict.fromkeys([*run.versions, *now]):
        before = run.versions.get(name)
        if before != now.get(name):
            yield f"{name}: {before or 'none'} then, {now.get(name) or 'none'} now"


def _consent(project: Project, run: StoredRun) -> None:
    """Let keys go where they may for the recipe itself; raises EngineError for others."""
    sent = [use for use in project.keys if use.is_set]
    missing = [use for use in sent if not gate.has_consent(use, run.base)]
    if missing:
        raise EngineError(*gate.refusal(missing, run.path))
    gate.grant_keys(sent, project.loaded.base)
