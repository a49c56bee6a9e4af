"""Which commit of a repository all that ask for it can have: a pure function of what they ask for and what is there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from engine.errors import Location, Problem, RecipeError
from engine.registry import did_you_mean
from engine.spec.repository.lock_file import ROOT, Locked

_TAG = re.compile(r"v?([0-9]+(?:\.[0-9]+){1,2}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)", re.ASCII)
"""Tags that are versions: three numbers, or two, with or without `v`."""
_RANGE = re.compile(r"\s*(?:[<>=!~^*]|[0-9.]+\s*,)")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_SHOWN = 8
"""Tags that a message lists."""


class Source(NamedTuple):
    """Where a package comes from."""

    git: str
    subdirectory: str

    @property
    def key(self) -> tuple[str, str]:
        """The same for addresses that name the same repository."""
        address = self.git.rstrip("/").removesuffix(".git")
        scheme, separator, rest = address.partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}{separator}{host.lower()}{slash}{path}", self.subdirectory.strip("/")

    def __str__(self) -> str:
        return f"{self.git} ({self.subdirectory})" if self.subdirectory else self.git


class Request(NamedTuple):
    """What somebody asks for."""

    who: str
    """A package; `.` for the project."""
    chain: tuple[str, ...]
    """Who asks for who asks, from the project on; empty for the project itself."""
    source: Source
    revision: str
    where: Location

    def __str__(self) -> str:
        return f"{' → '.join(self.chain) or 'pada.yaml'} asks for '{self.revision}'"


class Refs(NamedTuple):
    """What a repository has."""

    tags: Mapping[str, str]
    """Name -> full commit."""
    branches: Mapping[str, str]
    commit: Callable[[str], str | None]
    """Returns the full commit of one that begins so; None where there is none, or several."""


class Choice(NamedTuple):
    """A commit, and what led to it."""

    commit: str
    tag: str = ""
    branch: str = ""

    @property
    def revision(self) -> str:
        """What led to it, for people."""
        return self.tag or self.branch or self.commit[:12]


def choose(requests: Sequence[Request], refs: Refs, before: Locked | None = None) -> Choice:
    """Return the commit that all who ask for a package can have: the newest version, or the one they name.

    Args:
        requests: All for one source.
        refs: What its repository has.
        before: What is locked, which is kept where they can have it; None where a newer one is wanted.

    Raises:
        RecipeError: there is none; says who asks for what.
    """
    versions = _versions(refs.tags)
    ranges = {
        request.revision: _range(request) for request in requests if is_range(request.revision)
    }
    early = any(spec.prereleases for spec in ranges.values())
    each = [_possible(request, refs, versions, ranges, early, before) for request in requests]
    shared = set.intersection(*(set(possible) for possible in each))
    if not shared:
        raise _conflict(requests, each)
    if before is not None and before.commit in shared:
        return Choice(before.commit, before.tag, before.branch)
    of_versions = [(version, tag) for version, tag in versions.items() if refs.tags[tag] in shared]
    named = {choice for possible in each for commit, choice in possible.items() if commit in shared}
    # Who names a tag, a branch or a commit means that; of versions the newest.
    exact = [c for c in named if not c.tag or any(r.revision == c.tag for r in requests)]
    if exact:
        return max(exact, key=lambda c: (bool(c.tag), bool(c.branch), c))
    _, tag = max(of_versions)
    return Choice(refs.tags[tag], tag)


def is_range(revision: str) -> bool:
    """Return whether a revision is versions, and not a name."""
    return bool(_RANGE.match(revision))


def _versions(tags: Mapping[str, str]) -> dict[Version, str]:
    """Return version -> tag, of tags that are versions; of `1.2.0` and `v1.2.0` that with the `v`."""
    found: dict[Version, str] = {}
    for tag in sorted(tags):
        if (match := _TAG.fullmatch(tag)) is None:
            continue
        try:
            version = Version(match[1])
        except InvalidVersion:
            # A pre-release by a word that has no place among others.
            continue
        # `1.2.0-1` would be later than 1.2.0 by Python's rules, and is earlier by those of semver.org.
        if version.post is None:
            found[version] = tag
    return found


def _range(request: Request) -> SpecifierSet:
    try:
        return SpecifierSet(request.revision)
    except InvalidSpecifier:
        message = f"'{request.revision}' is neither versions nor a name"
        hint = (
            "write versions as '>=1.2,<2', '==1.4.*' or '~=1.4'; or the name of a tag or a branch"
        )
        raise RecipeError([Problem(request.where, message, hint, code="package")]) from None


def _possible(
    request: Request,
    refs: Refs,
    versions: Mapping[Version, str],
    ranges: Mapping[str, SpecifierSet],
    early: bool,
    before: Locked | None,
) -> dict[str, Choice]:
    """Return what a request can have, by commit; raises RecipeError where that is nothing at all."""
    spec = ranges.get(request.revision)
    if spec is not None:
        fitting = [tag for v, tag in versions.items() if spec.contains(v, prereleases=early)]
        if not fitting:
            raise _nothing(request, versions)
        return {refs.tags[tag]: Choice(refs.tags[tag], tag) for tag in fitting}
    name = request.revision
    if name in refs.tags:
        return {refs.tags[name]: Choice(refs.tags[name], name)}
    if name in refs.branches:
        found = {refs.branches[name]: Choice(refs.branches[name], branch=name)}
        if before is not None and before.branch == name:
            found[before.commit] = Choice(before.commit, branch=name)
        return found
    if _COMMIT.fullmatch(name) and (commit := refs.commit(name)) is not None:
        return {commit: Choice(commit)}
    raise _unknown(request, refs)


def _nothing(request: Request, versions: Mapping[Version, str]) -> RecipeError:
    tags = [versions[version] for version in sorted(versions, reverse=True)]
    message = f"no version of {request.source} is '{request.revision}'{_asked(request)}"
    early = [tag for version, tag in versions.items() if version.is_prerelease]
    listed = ", ".join(tags[:_SHOWN]) + (", …" if len(tags) > _SHOWN else "")
    hint = f"its versions: {listed}" if tags else "it has no tags that are versions, such as v1.2.0"
    if early:
        hint += "; a pre-release is taken only where one is named, as in '>=1.3.0rc1'"
    return RecipeError([Problem(request.where, message, hint, code="package")])


def _unknown(request: Request, refs: Refs) -> RecipeError:
    name, known = request.revision, [*refs.tags, *refs.branches]
    message = f"{request.source} has no tag, branch or commit '{name}'{_asked(request)}"
    other = name[1:] if name.startswith("v") else f"v{name}"
    hint = f"did you mean '{other}'?" if other in known else did_you_mean(name, known)
    if _COMMIT.fullmatch(name):
        hint = "the commit is gone, or was never pushed: name another"
    return RecipeError([Problem(request.where, message, hint, code="package")])


def _conflict(requests: Sequence[Request], each: Sequence[Mapping[str, Choice]]) -> RecipeError:
    lines = [
        f"{request}: {', '.join(choice.revision for choice in list(possible.values())[-3:])}"
        for request, possible in zip(requests, each, strict=True)
    ]
    message = (
        f"no commit of {requests[0].source} is what all ask for, and a project has one: "
        + "; ".join(lines)
    )
    hint = "widen one of them, or take another version of the package that asks"
    return RecipeError([Problem(requests[0].where, message, hint, code="package")])


def _asked(request: Request) -> str:
    return "" if request.who == ROOT else f", which {' → '.join(request.chain)} asks for"
