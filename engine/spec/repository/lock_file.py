"""`pada.lock`: the exact commit and content of every package in git, and who asks for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator

from engine.errors import Location, Problem, RecipeError
from engine.spec.error_messages import problems_of
from engine.spec.named_files import passed_file, read_document
from engine.spec.parts import Name, Spec
from engine.spec.repository.project_file import below, git_address

LOCK = "pada.lock"
FORMAT = 1
ROOT = "."
"""Who asks, where it is the project itself."""
_HEAD = """\
# Written by `pada deps`, and to be committed with pada.yaml: which commit of each package is used here.
# It is not for editing: `pada deps --upgrade [NAME]` changes it.
"""


_MEND = "the lock is not for editing: take it back from git, or delete it and run `pada deps`"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_CONTENT = re.compile(r"sha256:[0-9a-f]{64}")


class Locked(Spec):
    """A package as it was resolved."""

    name: Name
    """As its `pada.yaml` says."""
    version: str = ""
    """That of its `pada.yaml`."""
    git: str
    """Address of its repository."""
    subdirectory: str = ""
    """Folder in it."""
    tag: str = ""
    """That led to the commit; empty where a branch or the commit itself was asked for."""
    branch: str = ""
    """That led to the commit, at that time."""
    commit: str
    """In full."""
    content: str
    """Hash over its files: names, contents, which ones can be run, links."""
    requested: dict[str, str] = Field(min_length=1)
    """Who asks for it (`.` is the project) -> which revision."""

    @field_validator("git")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return git_address(value)

    @field_validator("subdirectory")
    @classmethod
    def _is_below(cls, value: str) -> str:
        return below(value) if value else value

    @field_validator("commit")
    @classmethod
    def _is_commit(cls, value: str) -> str:
        if not _COMMIT.fullmatch(value):
            raise ValueError(f"this is no full commit; {_MEND}")
        return value

    @field_validator("content")
    @classmethod
    def _is_hash(cls, value: str) -> str:
        if not _CONTENT.fullmatch(value):
            raise ValueError(f"this is no hash; {_MEND}")
        return value

    @property
    def revision(self) -> str:
        """What led to it, for people."""
        return self.tag or self.branch or self.commit[:12]


class LockFile(Spec):
    """What stands in `pada.lock`."""

    lock: Literal[1]
    """Format version."""
    packages: list[Locked] = Field(default_factory=list)


def read_lock(folder: Path) -> LockFile | None:
    """Return the lock beside a `pada.yaml`; None without one. Raises RecipeError for a wrong one."""
    file = folder / LOCK
    if not (file.exists() or file.is_symlink()):
        return None
    document = read_document(passed_file(file, folder, "lock"), "lock")
    number = document.data.get("lock")
    if isinstance(number, int) and not isinstance(number, bool) and number > FORMAT:
        message = (
            f"this lock has the format {number}, from a later PaDA Engine; this one reads {FORMAT}"
        )
        hint = "update PaDA Engine (pip install --upgrade pada-engine)"
        raise RecipeError([Problem(document.at(("lock",)), message, hint, code="lock")])
    try:
        lock = LockFile.model_validate(document.data)
    except ValidationError as error:
        found = [
            Problem(p.where, p.message, p.hint or _MEND, code="lock")
            for p in problems_of(error, document, LockFile)
        ]
        raise RecipeError(found) from None
    names = [each.name for each in lock.packages]
    for index, name in enumerate(names):
        if name in names[:index]:
            message = f"the package '{name}' is locked twice"
            raise RecipeError(
                [Problem(document.at(("packages", index)), message, _MEND, code="lock")]
            )
    return lock


def lock_text(packages: Iterable[Locked]) -> str:
    """Return a lock as it stands in its file: equal packages, equal bytes."""
    ordered = sorted(packages, key=lambda each: each.name)
    lines = [f"{_HEAD}lock: {FORMAT}", "packages:" if ordered else "packages: []"]
    for each in ordered:
        known = [
            (key, value) for key, value in each.model_dump().items() if value and key != "requested"
        ]
        # Quoted: a commit such as 12e45… would be a number.
        fields = [f"{key}: {value if key == 'name' else json.dumps(value)}" for key, value in known]
        asked = [
            f"  {json.dumps(who)}: {json.dumps(each.requested[who])}"
            for who in sorted(each.requested)
        ]
        lines += [
            ("- " if index == 0 else "  ") + line
            for index, line in enumerate([*fields, "requested:", *asked])
        ]
    return "\n".join(lines) + "\n"


class Asked(Spec):
    """A package in git that a `pada.yaml` of this machine asks for: the project's, or one of a package in a folder."""

    who: str
    git: str
    revision: str
    subdirectory: str


def disagreements(asked: Sequence[Asked], lock: LockFile | None) -> list[tuple[str, str]]:
    """Return what differs between what is asked for and a lock: what is wrong, and what to name to `--upgrade`.

    What packages in git ask for themselves was locked with them.
    """
    packages = [] if lock is None else lock.packages
    found: list[tuple[str, str]] = []
    callers = {ROOT, *(each.who for each in asked)}
    in_git = {each.name for each in packages}
    for one in asked:
        locked = next((p for p in packages if _is(p, one)), None)
        if locked is None:
            found.append((f"{one.git} is asked for{_by(one.who)} and not locked", one.git))
        elif (before := locked.requested.get(one.who)) != one.revision:
            message = (
                f"{locked.name} is asked for as '{one.revision}'{_by(one.who)}, and locked for "
            )
            found.append(
                (message + (f"'{before}'" if before is not None else "others"), locked.name)
            )
    for locked in packages:
        for who in locked.requested:
            is_asked = any(_is(locked, one) and one.who == who for one in asked)
            if not is_asked and (who in callers or who not in in_git):
                found.append(
                    (f"{locked.name} is locked, and not asked for{_by(who)} any more", locked.name)
                )
    return found


def _is(locked: Locked, asked: Asked) -> bool:
    return (locked.git, locked.subdirectory) == (asked.git, asked.subdirectory)


def _by(who: str) -> str:
    return "" if who == ROOT else f" by {who}"


def lock_location(folder: Path) -> Location:
    """Return where a project's lock is, for messages."""
    return Location.at(folder / LOCK)
