"""What `pada deps` does: packages are resolved, fetched, written under `.pada/packages`, and locked.

Everything is written before the lock is: what fails leaves the lock and what was installed as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from engine.errors import EngineError, Problem, RecipeError
from engine.fingerprint import content_digest
from engine.gate.packages import INSTALLED
from engine.gate.roots import PROJECT
from engine.packages import repositories
from engine.packages.choosing import Choice, Refs, Request, Source
from engine.packages.content import write_content
from engine.packages.resolving import Manifest, Resolved, resolve
from engine.registry import did_you_mean
from engine.spec.repository.installed import (
    Repository,
    changed,
    is_installed,
    repository,
    unlocked,
)
from engine.spec.repository.lock_file import LOCK, ROOT, Locked, lock_location, lock_text
from engine.spec.repository.project_file import checked_project, location, project_file, shown
from engine.spec.yaml import LARGEST, decode, parse
from engine.system import locks
from engine.system.files import replacing, write_text

Say = Callable[[str], None]
_WAIT = 60.0
_UNCHANGED = "unchanged"


class Change(NamedTuple):
    """What became of a package in the lock."""

    name: str
    what: str
    """new, changed, unchanged or gone."""
    before: str
    after: str


class Done(NamedTuple):
    """What `pada deps` did."""

    changes: Sequence[Change]
    """Of the lock; empty where it was not written."""
    installed: Sequence[Locked]
    """What was not there before."""
    packages: Sequence[Locked]
    """All that are locked."""
    folders: Sequence[str]
    """Packages that are read where they lie."""


def project_here(here: Path) -> Repository:
    """Return the project around a folder; raises EngineError where there is none, or it is wrong."""
    found = repository(here)
    if found is None:
        raise EngineError(
            f"there is no {PROJECT} in {here} or above it, or nothing stands in it",
            "write one: `project: 1`, `name: …` and `packages:` (docs/packages.md), or go to its folder",
        )
    if found.closed:
        raise RecipeError(found.closed)
    return found


def install(here: Path, say: Say, *, offline: bool = False) -> Done:
    """Install what the lock says, and never change it; without a lock everything is resolved and one is written.

    Args:
        here: A folder of the project.
        say: Is told what is being done.
        offline: Whether nothing is asked of any server.

    Raises:
        EngineError: the lock and `pada.yaml` disagree, a tag was moved, a commit is gone, files of a package were
            changed, or something cannot be fetched or written.
    """
    whole = project_here(here)
    if whole.lock is None and whole.asked:
        return _resolved(whole, {}, say, offline=offline)
    if wrong := [*unlocked(whole), *changed(whole)]:
        raise RecipeError(wrong)
    with _held(whole.root):
        if not offline:
            _check_tags(whole, say)
        missing = [each for each in whole.locked if not is_installed(whole.place(each))]
        for each in missing:
            _bring(whole, each, say, offline=offline)
        for each in missing:
            _put(whole.root, each, say)
    return Done((), missing, whole.locked, _folders(whole))


def upgrade(here: Path, names: Sequence[str], say: Say, *, offline: bool = False) -> Done:
    """Resolve packages anew, install them, and write the lock; the others stay as they are locked.

    Args:
        here: A folder of the project.
        names: Packages, by name or address; all where none is named.
        say: Is told what is being done.
        offline: Whether nothing is asked of any server.

    Raises:
        EngineError: as `install`, and where packages cannot agree.
    """
    whole = project_here(here)
    known = {each.name: each for each in whole.locked}
    addresses = {*(one.git for one in whole.asked), *(one.git for one in whole.locked)}
    for name in names:
        if name not in known and name not in addresses:
            hint = did_you_mean(name, [*known, *addresses]) or "pada list packages"
            raise EngineError(f"this project has no package '{name}'", hint)
    if wrong := changed(whole):
        raise RecipeError(wrong)
    kept = [each for each in whole.locked if names and not {each.name, each.git} & set(names)]
    before = {Source(each.git, each.subdirectory).key: each for each in kept}
    return _resolved(whole, before, say, offline=offline)


def check(here: Path) -> list[Problem]:
    """Return what is wrong with the packages here: not locked, not installed, changed; asks nobody."""
    whole = project_here(here)
    missing = [
        Problem(
            lock_location(whole.root),
            f"the package {each.name} {each.revision} is not installed",
            "pada deps",
            code="lock",
        )
        for each in whole.locked
        if not is_installed(whole.place(each))
    ]
    return [*unlocked(whole), *missing, *changed(whole)]


def _resolved(
    whole: Repository, before: Mapping[tuple[str, str], Locked], say: Say, *, offline: bool
) -> Done:
    look = _Git(say, offline=offline)
    asked = [
        Request(
            one.who,
            () if one.who == ROOT else (one.who,),
            Source(one.git, one.subdirectory),
            one.revision,
            where,
        )
        for one, where in zip(whole.asked, whole.places, strict=True)
    ]
    top = project_file(whole.root)
    assert top is not None
    taken = {top[1].name: "this project"} | {
        f.who: str(shown(f.folder)) for f in whole.folders.values() if f.who != ROOT
    }
    with _held(whole.root):
        found = resolve(asked, look, before, taken)
        old = {each.name: each for each in whole.locked}
        _check_moved(found, whole)
        packages = [_locked(each, old) for each in found]
        installed = [each for each in packages if not is_installed(whole.place(each))]
        packages = [_put(whole.root, each, say) for each in packages]
        text, file = lock_text(packages), whole.root / LOCK
        if whole.lock is None or file.read_text("utf-8") != text:
            with _written(file):
                write_text(file, text)
    return Done(_changes(old, packages), installed, packages, _folders(whole))


class _Git:
    """What clones say, each fetched once."""

    def __init__(self, say: Say, *, offline: bool) -> None:
        self._say = say
        self._offline = offline
        self._refs: dict[str, Refs] = {}
        self._manifests: dict[tuple[Source, str], Manifest] = {}

    def refs(self, source: Source) -> Refs:
        if source.git not in self._refs:
            if not self._offline:
                self._say(f"fetching {source.git}")
                repositories.fetch(source.git)
            elif not repositories.clone_place(source.git).is_dir():
                raise _not_cached(source.git)
            self._refs[source.git] = repositories.refs_of(source.git)
        return self._refs[source.git]

    def manifest(self, source: Source, choice: Choice) -> Manifest:
        key = (source, choice.commit)
        if key not in self._manifests:
            self._manifests[key] = _manifest(source, choice)
        return self._manifests[key]


def _manifest(source: Source, choice: Choice) -> Manifest:
    """Return what the `pada.yaml` of a commit says; raises EngineError where there is none, or it is wrong."""
    if not repositories.has_commit(source.git, choice.commit):
        raise _gone(str(source), choice.commit, choice.tag or choice.branch)
    listed = repositories.entries(source.git, choice.commit, source.subdirectory)
    at = f"{source} at {choice.revision}"
    entry = next((each for each in listed if each.path == PROJECT.encode()), None)
    if entry is None or entry.mode not in ("100644", "100755"):
        inner = [
            e.path.decode("utf-8", "replace") for e in listed if e.path.endswith(b"/pada.yaml")
        ]
        hint = "tell those who publish it: `project: 1` and `name: …` are enough"
        if inner:
            places = ", ".join(sorted(each.removesuffix("/pada.yaml") for each in inner)[:8])
            hint = f"name the folder that is meant as `subdirectory:`: {places}"
        raise EngineError(f"{at} has no {PROJECT}, and is no package", hint)
    if entry.size > LARGEST:
        raise EngineError(f"{PROJECT} of {at} is larger than {LARGEST / 1e6:g} MB")
    (raw,) = repositories.blobs(source.git, [entry.blob])
    last = source.git.rstrip("/").removesuffix(".git").rpartition("/")[2]
    file = Path(f"{last}@{choice.revision}", source.subdirectory, PROJECT)
    document = parse(decode(raw, file), file, "project: 1")
    project = checked_project(document)
    for index, each in enumerate(project.packages):
        if each.path:
            message = (
                f"the package {project.name} asks for a folder, {each.path}, which nobody else has"
            )
            hint = (
                f"tell those who publish {source.git}: a package names others by their git address"
            )
            raise RecipeError([Problem(location(document, index), message, hint, code="package")])
    requests = [
        Request(
            project.name,
            (),
            Source(each.git, each.subdirectory),
            each.revision,
            location(document, i),
        )
        for i, each in enumerate(project.packages)
    ]
    return Manifest(project.name, project.version, requests)


def _locked(found: Resolved, old: Mapping[str, Locked]) -> Locked:
    """Return the entry of the lock for a package; its content is not known yet where it is a new commit."""
    source, choice, manifest = found.source, found.choice, found.manifest
    before = old.get(manifest.name)
    is_same = before is not None and (before.git, before.subdirectory, before.commit) == (
        source.git,
        source.subdirectory,
        choice.commit,
    )
    return Locked.model_construct(
        name=manifest.name,
        version=manifest.version,
        git=source.git,
        subdirectory=source.subdirectory,
        tag=choice.tag,
        branch=choice.branch,
        commit=choice.commit,
        content=before.content if before is not None and is_same else "",
        requested={request.who: request.revision for request in found.requests},
    )


def _bring(whole: Repository, package: Locked, say: Say, *, offline: bool) -> None:
    """Have a clone with a package's commit; raises EngineError where there is none any more."""
    if repositories.has_commit(package.git, package.commit):
        return
    if offline:
        raise _not_cached(f"{package.name} {package.revision}")
    say(f"fetching {package.git}")
    repositories.fetch(package.git)
    if not repositories.has_commit(package.git, package.commit):
        now = repositories.refs_of(package.git).tags.get(package.tag)
        if now is not None:
            raise _moved(package, now, whole.root)
        if not repositories.fetch_commit(package.git, package.commit):
            raise _gone(
                f"{package.name} ({package.git})", package.commit, package.tag or package.branch
            )


def _put(root: Path, package: Locked, say: Say) -> Locked:
    """Write a package to its place where it is not there, and return it with the hash of its content."""
    folder = root / INSTALLED / package.name
    place = folder / package.commit
    if is_installed(place) and package.content:
        return package
    if folder.is_symlink() or place.is_symlink():
        raise _link(folder if folder.is_symlink() else place)
    with _written(place):
        folder.mkdir(exist_ok=True)
        with replacing(place) as part:
            for note in write_content(
                package.git, package.commit, package.subdirectory, part, package.name
            ):
                say(f"note: {note}")
            found = content_digest(part)
            if package.content and found != package.content:
                raise EngineError(
                    f"{shown(root / LOCK)}: the content of {package.name} {package.revision} is {found[:19]}…, and "
                    f"the lock has {package.content[:19]}…: one of the two was changed",
                    f"take {LOCK} back from git, or resolve it anew: pada deps --upgrade {package.name}",
                )
    return package.model_copy(update={"content": found})


def _check_tags(whole: Repository, say: Say) -> None:
    """Raise RecipeError where a tag leads to another commit than when it was locked, as far as that can be asked."""
    tagged = [each for each in whole.locked if each.tag]
    for address in dict.fromkeys(each.git for each in tagged):
        try:
            tags = repositories.tags_there(address)
        except EngineError as error:
            say(f"note: whether tags were moved was not looked at: {error.message}")
            continue
        for each in tagged:
            now = tags.get(each.tag)
            if each.git == address and now is not None and now != each.commit:
                raise _moved(each, now, whole.root)


def _check_moved(found: Sequence[Resolved], whole: Repository) -> None:
    for package in whole.locked:
        for one in found:
            is_it = one.source.key == Source(package.git, package.subdirectory).key
            if (
                is_it
                and one.choice.tag == package.tag != ""
                and one.choice.commit != package.commit
            ):
                raise _moved(package, one.choice.commit, whole.root)


def _moved(package: Locked, now: str, root: Path) -> RecipeError:
    message = (
        f"the tag {package.tag} of {package.name} ({package.git}) was moved: it was locked at {package.commit} and "
        f"is now at {now}"
    )
    hint = (
        f"ask those who publish it why. In pada.yaml, `revision: {package.commit}` keeps what you had and "
        f"`revision: {now}` takes what is there now; then: pada deps --upgrade {package.name}"
    )
    return RecipeError([Problem(lock_location(root), message, hint, code="lock")])


def _gone(what: str, commit: str, name: str) -> EngineError:
    by = f" (was {name})" if name else ""
    return EngineError(
        f"the commit {commit}{by} of {what} is gone: its repository does not have it any more",
        "ask those who publish it, or take another: pada deps --upgrade",
    )


def _not_cached(what: str) -> EngineError:
    return EngineError(f"{what} was never fetched on this machine", "run it once without --offline")


def _changes(old: Mapping[str, Locked], new: Sequence[Locked]) -> list[Change]:
    changes = []
    for each in new:
        before = old.get(each.name)
        if before is None:
            changes.append(Change(each.name, "new", "", _told(each)))
        else:
            same = (before.git, before.commit, before.tag) == (each.git, each.commit, each.tag)
            what = _UNCHANGED if same else "changed"
            changes.append(Change(each.name, what, _told(before), _told(each)))
    names = {each.name for each in new}
    return changes + [
        Change(n, "gone", _told(each), "") for n, each in old.items() if n not in names
    ]


def _told(package: Locked) -> str:
    """Return a version for people, with the commit where its name does not say it."""
    name = package.tag or package.branch
    return f"{name} ({package.commit[:12]})" if name else package.commit[:12]


def _folders(whole: Repository) -> list[str]:
    return [f"{f.who} ({shown(f.folder)})" for f in whole.folders.values() if f.who != ROOT]


@contextmanager
def _held(root: Path) -> Iterator[None]:
    """Have one process at a time change the packages of a project, in folders that are no links."""
    state, folder = (root / part for part in (INSTALLED.parent, INSTALLED))
    for each in (state, folder):
        if each.is_symlink():
            raise _link(each)
    with _written(folder):
        state.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(exist_ok=True)
        try:
            with locks.hold(folder / "lock", _WAIT):
                yield
        except locks.HeldError as held:
            raise EngineError(
                f"process {held.holder.pid} is at the packages of {root}", "wait until it is done"
            ) from None


def _link(place: Path) -> EngineError:
    return EngineError(
        f"{shown(place)} is a link: packages would be written where it leads",
        f"remove the link: rm {shown(place)}",
    )


@contextmanager
def _written(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EngineError(
            f"{error.filename or place} cannot be written: {error.strerror or error}",
            "check its permissions and the space on the disk",
        ) from error
