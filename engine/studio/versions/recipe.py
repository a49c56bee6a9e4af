"""One recipe's versions and runs, and what differs between any two: what `pada history` and `pada diff` say."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import Any

from engine.errors import EngineError
from engine.report.facts.scores import is_share
from engine.report.foreseen import foreseen
from engine.store import Stop
from engine.studio.answers import short
from engine.studio.asked import Asked
from engine.studio.recipes import recipe_file
from engine.studio.settings import Settings
from engine.versions.comparing import compare_versions
from engine.versions.difference import Difference
from engine.versions.history import History, Version, look
from engine.versions.history import as_json as record
from engine.versions.settings import Change
from engine.versions.sides import Given
from engine.versions.telling import besides, causes, counted, grouped, sentence, where

SHOWN = 50
"""Versions that are listed at first."""
MOST = 500
_NAME = re.compile(r"(r\d{4,}|[0-9a-f]{7,64})?")
"""What a page may compare: a run, a commit, or the files as they are now. Names of tags stay in the terminal."""


def versions(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return the versions of a recipe with their runs, the newest first, and whether its files are committed."""
    file = recipe_file(settings, asked.text("recipe"))
    most = asked.number("most", SHOWN, MOST, least=1)
    found = look(str(file), Given(settings.state), most)
    return {
        "versions": [_version(one) for one in found.versions],
        "more": sum(1 for one in found.versions if one.commit) >= most,
        "most": most,
        "now": _now(found, settings),
        "command": _command("history", asked.text("recipe")),
    }


def _version(one: Version) -> dict[str, Any]:
    told = record(one)
    return {
        **told,
        "subject": short(one.subject),
        "percent": [run.run for run in one.runs if is_share(run.metric)],
    }


def _now(found: History, settings: Settings) -> dict[str, Any]:
    now = found.now
    return {
        "in_git": now.hash is not None,
        "commit": now.hash,
        "branch": now.branch,
        "tags": now.tags or (),
        "repository": now.repository,
        # None: git did not say.
        "changed": None
        if now.changed is None or now.root is None
        else [path.relative_to(now.root).as_posix() for path in now.changed],
    }


def diff(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return what differs between two states of a recipe: commits, runs, or the files as they are now."""
    name = asked.text("recipe")
    file = recipe_file(settings, name)
    before, after = asked.text("before"), asked.text("after")
    for one in (before, after):
        if not _NAME.fullmatch(one):
            raise EngineError(
                f"'{one[:80]}' is no run and no commit", "choose one of the versions of this recipe"
            )
    if before == after:
        raise EngineError("these are the same version", "choose two")
    found = compare_versions(file, before, after, Given(settings.state))
    return {
        "before": _called(before),
        "after": _called(after),
        "same": found.same and not found.libraries,
        "settings": [
            {
                "title": title,
                "changes": [
                    {"how": one.how, "text": sentence(one), "where": _where(one, settings)}
                    for one in changes
                ],
            }
            for title, changes in grouped(found)
        ],
        "files": [
            {"how": one.how, "kind": one.kind, "path": one.path, "lines": list(one.lines)}
            for one in found.files
        ],
        "others": [
            {"title": title, "lines": [other._asdict() for other in others]}
            for title, others in besides(found)
        ],
        "nodes": found.nodes,
        "pending": len(found.pending),
        "steps": None if found.nodes is None else counted(found),
        "causes": list(causes(found.pending)),
        "estimate": _estimate(found),
        "notes": [_inside(note, settings) for note in found.notes],
        "command": _compared(name, before, after),
    }


def _called(name: str) -> str:
    return name or "the files as they are now"


def _where(change: Change, settings: Settings) -> str:
    return where(
        replace(
            change,
            before_at=_inside(change.before_at, settings),
            after_at=_inside(change.after_at, settings),
        )
    )


def _inside(text: str, settings: Settings) -> str:
    """Return a text with paths from the project's folder, as the page calls them."""
    folder = str(settings.folder)
    return text if folder in ("", ".") else text.replace(f"{folder}/", "")


def _estimate(found: Difference) -> list[str]:
    if found.expected is None or not found.pending:
        return []
    one = found.expected
    return foreseen(one.estimate, one.minutes, evaluated=one.evaluated)


def _command(verb: str, *words: str) -> str:
    return " ".join(["pada", verb, *map(shlex.quote, words)])


def _compared(name: str, before: str, after: str) -> str:
    """Return the command that says the same; empty where there is none: a run and a version of another time."""
    runs = [one.startswith("r") for one in (before, after)]
    if not any(runs):
        return _command("diff", name, f"{before[:12]}..{after[:12]}") if before else ""
    if all(run or not one for run, one in zip(runs, (before, after), strict=True)):
        return _command("diff", before or name, after or name)
    return ""
