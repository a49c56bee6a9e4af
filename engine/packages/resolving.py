"""Packages of packages: one version of each, for all that ask; a pure function of what asks and what is there.

There is no search over versions: each package gets the newest that all who ask for it can have, and what that one asks
for joins, until nothing changes. Where they cannot agree it says who asks for what.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from engine.errors import Problem, RecipeError
from engine.packages.choosing import Choice, Refs, Request, Source, choose
from engine.spec.repository.lock_file import ROOT, Locked

_MOST_ROUNDS = 30
_MOST_PACKAGES = 100


class Manifest(NamedTuple):
    """What a package's `pada.yaml` says."""

    name: str
    version: str
    requests: Sequence[Request]
    """What it asks for; `who` and `chain` are filled in by who knows them."""


class Look(Protocol):
    """What can be known of repositories."""

    def refs(self, source: Source) -> Refs:
        """Return what a repository has."""

    def manifest(self, source: Source, choice: Choice) -> Manifest:
        """Return what the `pada.yaml` of a commit says; raises EngineError where there is none."""


class Resolved(NamedTuple):
    """A package, its commit, and all who ask for it."""

    source: Source
    choice: Choice
    manifest: Manifest
    requests: tuple[Request, ...]


_Key = tuple[str, str]


def resolve(
    asked: Sequence[Request],
    look: Look,
    before: Mapping[_Key, Locked],
    taken: Mapping[str, str],
) -> list[Resolved]:
    """Return every package that is needed, by name.

    Args:
        asked: By the project and its packages in folders.
        look: What repositories have.
        before: What is locked and to be kept where all who ask can have it, by the source's key.
        taken: Names that are given away, to those who have them: packages in folders, the project.

    Raises:
        RecipeError: they cannot agree, ask for each other in a circle, or two have one name.
    """
    found: dict[_Key, Resolved] = {}
    for _ in range(_MOST_ROUNDS):
        new: dict[_Key, Resolved] = {}
        refused: RecipeError | None = None
        for key, requests in _requests(asked, found).items():
            try:
                choice = choose(requests, look.refs(requests[0].source), before.get(key))
            except RecipeError as error:
                # What asks may be of a version that is not taken in the end.
                refused = refused or error
                if key in found:
                    new[key] = found[key]._replace(requests=requests)
                continue
            source = requests[0].source
            new[key] = Resolved(source, choice, look.manifest(source, choice), requests)
        if len(new) > _MOST_PACKAGES:
            raise _error(
                asked[0], f"more than {_MOST_PACKAGES} packages are asked for", "use fewer"
            )
        if new == found:
            if refused is not None:
                raise refused
            break
        found = new
    else:
        raise _error(
            asked[0],
            "the packages never agree: each choice asks for another one",
            "name exact tags",
        )
    _check_circles(found)
    _check_names(found, taken)
    return sorted(found.values(), key=lambda one: one.manifest.name)


def _requests(
    asked: Sequence[Request], found: Mapping[_Key, Resolved]
) -> dict[_Key, tuple[Request, ...]]:
    """Return who asks for what, going on from the project through what was found before."""
    grouped: dict[_Key, list[Request]] = {}
    left = list(asked)
    while left:
        request = left.pop(0)
        key = request.source.key
        is_new = key not in grouped
        grouped.setdefault(key, []).append(request)
        if is_new and key in found:
            manifest = found[key].manifest
            chain = (*request.chain, f"{manifest.name} {found[key].choice.revision}")
            left += [r._replace(who=manifest.name, chain=chain) for r in manifest.requests]
    return {key: tuple(requests) for key, requests in grouped.items()}


def _check_circles(found: Mapping[_Key, Resolved]) -> None:
    done: set[_Key] = set()

    def follow(key: _Key, way: tuple[_Key, ...]) -> None:
        if key in way:
            names = [found[each].manifest.name for each in (*way[way.index(key) :], key)]
            first = next(r for r in found[key].requests if r.who == names[-2])
            hops = " → ".join(names)
            raise _error(
                first, f"these packages ask for each other: {hops}", "one of them must do without"
            )
        if key in done:
            return
        for request in found[key].manifest.requests:
            follow(request.source.key, (*way, key))
        done.add(key)

    for key in found:
        follow(key, ())


def _check_names(found: Mapping[_Key, Resolved], taken: Mapping[str, str]) -> None:
    sources: dict[str, str] = dict(taken)
    for one in found.values():
        name, request = one.manifest.name, one.requests[0]
        if name in sources:
            asked = "" if request.who == ROOT else f" (for {' → '.join(request.chain)})"
            message = f"two packages are called '{name}': {sources[name]} and {one.source}{asked}"
            hint = "if they are the same, use one address for it everywhere; else leave one out"
            raise _error(request, message, hint)
        sources[name] = str(one.source)


def _error(request: Request, message: str, hint: str) -> RecipeError:
    return RecipeError([Problem(request.where, message, hint, code="package")])
