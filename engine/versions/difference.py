"""What differs between two recipes by meaning, which steps that makes pending, and what a run would cost."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from engine.errors import EngineError
from engine.plan.explain import states
from engine.run.expected import Expected
from engine.spec.repository import used_packages
from engine.versions.settings import Change, Placed, changes
from engine.versions.sides import Side
from engine.versions.texts import TextChange, text_changes

_HASHES = re.compile(r"([\w./-]+): [0-9a-f]{21}\.\.\. -> [0-9a-f]{21}\.\.\.")
"""Two digests, which tell people nothing."""


class Pending(NamedTuple):
    """A node that the first recipe's results do not serve for."""

    node: str
    stage: str
    state: str
    """changed, or pending: the first has none of that name."""
    because: str


class Other(NamedTuple):
    """Something with a name that is another one: a package, rows, a library."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Difference:
    """All that differs between two recipes."""

    before: str
    """How the sides are called."""
    after: str
    settings: tuple[Change, ...]
    files: tuple[TextChange, ...]
    packages: tuple[Other, ...]
    data: tuple[Other, ...]
    """Splits whose rows are others, by digest."""
    libraries: tuple[Other, ...]
    """Of the engine, Python and the libraries, where a run is compared."""
    nodes: int | None
    """Nodes of the second recipe; None where it cannot be told what a run would do."""
    pending: tuple[Pending, ...]
    expected: Expected | None
    """What a run of the second recipe would take now; what the store has is not done again."""
    notes: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether nothing differs that the recipes say, or that decides rows."""
        return not (self.settings or self.files or self.packages or self.data or self.pending)

    def as_json(self) -> dict[str, Any]:
        """Return it for programs; keys as docs/versions.md has them."""
        estimate = self.expected.estimate.stored(self.expected.minutes) if self.expected else None
        return {
            "before": self.before,
            "after": self.after,
            "same": self.same,
            "settings": [asdict(change) for change in self.settings],
            "files": [asdict(change) for change in self.files],
            "packages": [other._asdict() for other in self.packages],
            "data": [other._asdict() for other in self.data],
            "libraries": [other._asdict() for other in self.libraries],
            "nodes": self.nodes,
            "pending": [node._asdict() for node in self.pending],
            "estimate": estimate,
            "notes": list(self.notes),
        }


def difference(before: Side, after: Side) -> Difference:
    """Return what differs from one recipe to another; whatever cannot be told is a note."""
    notes = [*before.notes, *after.notes]
    said = changes(Placed(before.project.loaded, before.at), Placed(after.project.loaded, after.at))
    files: tuple[TextChange, ...] = ()
    try:
        files = tuple(text_changes(before.files, after.files))
    except EngineError as error:
        notes.append(f"files are not compared: {after.shown(before.shown(str(error)))}")
    for one in (before, after):
        if one.planned is None:
            notes.append(f"{one.label}: what a run would do is not known: {one.why_not}")
    pending: list[Pending] = []
    if before.nodes is not None and after.plan is not None:
        finished = {identity for identity, _ in before.nodes.values()}
        last = {name: identity for name, (_, identity) in before.nodes.items()}
        pending = [
            Pending(
                one.node.name, one.node.stage, one.state, _HASHES.sub(r"\1 changed", one.because)
            )
            for one in states(after.plan, finished, last)
            if one.state != "cached"
        ]
    with_run = before.run is not None or after.run is not None
    libraries = _others(before.versions, after.versions) if with_run else ()
    return Difference(
        before=before.label,
        after=after.label,
        settings=tuple(said),
        files=files,
        packages=_others(_packages(before), _packages(after)),
        data=_others(_digests(before), _digests(after)),
        libraries=libraries,
        nodes=len(after.plan.nodes) if after.plan is not None else None,
        pending=tuple(pending),
        expected=after.planned.expected if after.planned else None,
        notes=tuple(dict.fromkeys(notes)),
    )


def _digests(one: Side) -> Mapping[str, str]:
    """Return the digest of each split's rows: of a run as it was then."""
    if one.run is not None:
        return {str(split): str(digest) for split, digest in one.run.about["data"].items()}
    return one.planned.resources.data if one.planned else {}


def _packages(one: Side) -> Mapping[str, str]:
    """Return the packages by name, each as its revision and commit; one in a folder as its hash."""
    entries: Sequence[Mapping[str, Any]]
    if one.run is not None:
        entries = one.run.about["packages"]
    else:
        try:
            entries = [used._asdict() for used in used_packages(one.project.loaded.base)]
        except EngineError:
            entries = []
    return {str(entry["name"]): _package(entry) for entry in entries}


def _package(entry: Mapping[str, Any]) -> str:
    revision, commit = str(entry["revision"]), str(entry["commit"])
    if not commit:
        return str(entry["content"])
    return commit if revision == commit else f"{revision} ({commit[:12]})"


def _others(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Other, ...]:
    return tuple(
        Other(name, before.get(name), after.get(name))
        for name in dict.fromkeys([*after, *before])
        if before.get(name) != after.get(name)
    )
