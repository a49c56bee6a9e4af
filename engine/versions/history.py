"""The versions of a recipe in git, and what the runs of each came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from engine.errors import EngineError
from engine.run.kept.repository import NOWHERE, Commit, commit_of
from engine.spec.yaml import LARGEST, parse
from engine.store import Store, reader
from engine.system.git import GitError, git_bytes, run_git
from engine.versions.commits import names_of, repository_of
from engine.versions.sides import Given, Side, has_store, side

_FOLDERS = ("prompts", "schemas", "operators", "methods")
"""Folders beside a recipe in which files of its own lie, also such as it no longer uses."""
_MOST_TAGS = 50


class Score(NamedTuple):
    """A score on the test rows: the mean over seeds."""

    value: float
    low: float | None
    """Of its 95 % interval, where one seed was run."""
    high: float | None


@dataclass(frozen=True, slots=True)
class RunScores:
    """A run, and how it scored on test by the metric that its loop stops by."""

    run: str
    status: str
    started: datetime
    """UTC."""
    limit: int | None
    metric: str
    untuned: Score | None
    plain: Score | None
    """Of round 0."""
    chosen: Score | None
    rounds: list[int]
    """Rounds of the students that the stop rule chose, one or one for each seed."""
    changed: list[str] | None
    """Files that were not as in the commit; None where it is not known."""


@dataclass(frozen=True, slots=True)
class Version:
    """A commit that changed a recipe or what it uses, with the runs of it."""

    commit: str
    """Empty for runs that no commit is known of."""
    date: str
    """When it was committed, as ISO 8601."""
    subject: str
    tags: list[str]
    version: str
    """As the recipe says itself."""
    file: str = ""
    """What the recipe was called then, from the repository's folder; empty where it had none."""
    runs: list[RunScores] = field(default_factory=list)


class History(NamedTuple):
    """The versions of a recipe, and how its files are now."""

    versions: list[Version]
    now: Commit
    """What is checked out, and which of the recipe's files are not as in it; nothing is known of it without git."""


def history(recipe: str, given: Given, most: int = 20) -> list[Version]:
    """Return the versions of `look`."""
    return look(recipe, given, most).versions


def look(recipe: str, given: Given, most: int = 20) -> History:
    """Return the versions of a recipe, the newest first, and last the runs that no version is known of.

    Args:
        recipe: File, folder or name.
        given: What a command says besides: the state folder with its runs, values of vars, settings.
        most: So many versions at most.

    Raises:
        EngineError: the recipe or the store cannot be read.
    """
    with side(recipe, given) as now:
        runs = _runs(given.state, now.project.loaded.recipe.name)
        try:
            root = repository_of(now.project.loaded.base)
            files = _files(now, root)
        except EngineError:
            alone = Version("", "", "", [], "", runs=[run for _, run in runs])
            return History([alone] if runs else [], NOWHERE)
        names = names_of(root, files[0])
        files = [*files, *_of_old(names[1:])]
        versions = _versions(root, files, most)
        known = {version.commit: version for version in versions}
        then = _then(root, [v.commit for v in versions], names)
        for version, (name, text) in zip(versions, then, strict=True):
            known[version.commit] = Version(
                version.commit, version.date, version.subject, version.tags, _said(text), name
            )
        rest = Version("", "", "", [], "")
        last = {commit: _last_change(root, commit, files) for commit in {c for c, _ in runs if c}}
        for commit, run in runs:
            known.get(last.get(commit, ""), rest).runs.append(run)
        _tag(root, known, files)
        now_files = [root / file for file in files if (root / file).is_file()]
        return History(
            [*known.values(), *([rest] if rest.runs else [])], commit_of(root, now_files)
        )


def _of_old(names: Sequence[str]) -> list[str]:
    """Return what changed a recipe under names that it had: itself, and the folders beside it."""
    found = []
    for name in names:
        beside = name.rpartition("/")[0]
        found += [name, *(f"{beside}/{folder}" if beside else folder for folder in _FOLDERS)]
    return found


def _files(now: Side, root: Path) -> list[str]:
    """Return what changes a recipe, from the repository's folder: its files, and the folders of such; itself first."""
    base = now.project.loaded.base.resolve()
    own = [now.project.loaded.path.absolute().resolve()]
    with suppress(EngineError):
        own += [file.file for file in now.files if file.kind != "data"]
    own += [base / folder for folder in _FOLDERS]
    inside = [path.relative_to(root).as_posix() for path in own if path.is_relative_to(root)]
    if not inside or not own[0].is_relative_to(root):
        raise EngineError("the recipe is in no repository")
    return list(dict.fromkeys(inside))


def _log(root: Path, *arguments: str, files: Sequence[str]) -> str:
    return run_git(
        ["--literal-pathspecs", "-c", "log.showSignature=false", "log", *arguments, "--", *files],
        root,
    )


def _versions(root: Path, files: Sequence[str], most: int) -> list[Version]:
    try:
        listed = _log(root, f"--max-count={most}", "--format=%H%x1f%cI%x1f%s", files=files)
    except GitError as error:
        if "does not have any commits yet" in error.said:
            return []
        raise
    lines = [line.split("\x1f") for line in listed.splitlines()]
    return [Version(line[0], line[1], line[2], [], "") for line in lines if len(line) == 3]


def _last_change(root: Path, commit: str, files: Sequence[str]) -> str:
    """Return the commit up to another one that changed these files last; empty where it is not known any more."""
    try:
        return _log(
            root, "--max-count=1", "--format=%H", "--end-of-options", commit, files=files
        ).strip()
    except GitError:
        return ""


def _tag(root: Path, known: Mapping[str, Version], files: Sequence[str]) -> None:
    """Put each tag to the version that its commit has."""
    listed = run_git(
        ["for-each-ref", "--sort=creatordate", f"--count={_MOST_TAGS}", "--format=%(refname)", "refs/tags"], root
    ).split()  # fmt: skip
    for tag in listed:
        version = known.get(_last_change(root, tag, files))
        if version is not None:
            version.tags.append(tag.removeprefix("refs/tags/"))


def _texts(root: Path, commits: Sequence[str], file: str) -> list[str]:
    """Return the recipe of each commit; empty where it has none."""
    if not commits or "\n" in file:
        return [""] * len(commits)
    given = "".join(f"{commit}:{file}\n" for commit in commits).encode()
    raw, texts, at = git_bytes(["cat-file", "--batch"], root, given=given), [], 0
    for _ in commits:
        end = raw.index(b"\n", at)
        about = raw[at:end].split()
        size = int(about[-1]) if about[-1].isdigit() and about[-2] == b"blob" else None
        if size is None:
            texts.append("")
            at = end + 1
            continue
        texts.append(
            raw[end + 1 : end + 1 + size].decode("utf-8", "replace") if size <= LARGEST else ""
        )
        at = end + 1 + size + 1
    return texts


def _then(root: Path, commits: Sequence[str], names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the recipe of each commit, with what it was called; both empty where it has none."""
    found = [("", "")] * len(commits)
    for name in names:
        texts = _texts(root, commits, name)
        found = [
            old if old[0] or not text else (name, text)
            for old, text in zip(found, texts, strict=True)
        ]
    return found


def _said(text: str) -> str:
    try:
        version = parse(text, Path("recipe.yaml")).data.get("version", "") if text else ""
    except EngineError:
        return ""
    return version if isinstance(version, str) else ""


_RUNS = """
SELECT u.id, u.status, u.started, u.row_limit, p.commit_hash, p.changed,
  json_extract_string(c.effective, '$.loop.stop.metric') AS metric
FROM run u JOIN recipe c ON c.id = u.recipe LEFT JOIN provenance p ON p.run = u.id
WHERE c.name = ? ORDER BY u.id
"""
_SCORES = """
WITH d AS (
  SELECT r.run, r.seed, r.round, t.metric, t.best_round
  FROM decision t JOIN all_run_rows r USING (node) WHERE r.stage = 'decide'
), chosen AS (
  SELECT run, seed, metric, arg_max(best_round, round) AS round FROM d GROUP BY ALL
)
SELECT l.run, l.metric, l.seed, l.round, l.value, l.low, l.high, k.round AS chosen
FROM all_leaderboard l LEFT JOIN chosen k ON (k.run, k.seed, k.metric) = (l.run, l.seed, l.metric)
WHERE l.split = 'test' AND l.recipe = ? AND l.value IS NOT NULL ORDER BY l.run, l.seed
"""


def _runs(state: Path, recipe: str) -> list[tuple[str, RunScores]]:
    """Return the runs of a recipe with the commit of each, empty where none is known."""
    if not has_store(state):
        return []
    # Brings a store of an earlier engine up to date.
    Store.open(state, create_missing=False)
    with reader(state) as query:
        runs, scores = query(_RUNS, [recipe]), query(_SCORES, [recipe])
    found = []
    for run in runs:
        own = [s for s in scores if s["run"] == run["id"] and s["metric"] == run["metric"]]
        chosen = [s for s in own if s["round"] == s["chosen"]]
        found.append(
            (
                run["commit_hash"] or "",
                RunScores(
                    run=run["id"],
                    status=run["status"],
                    started=run["started"],
                    limit=run["row_limit"],
                    metric=run["metric"] or "",
                    untuned=_score([s for s in own if s["round"] == -1]),
                    plain=_score([s for s in own if s["round"] == 0]),
                    chosen=_score(chosen),
                    rounds=sorted({s["round"] for s in chosen}),
                    changed=run["changed"],
                ),
            )
        )
    return found


def _score(rows: Sequence[Mapping[str, Any]]) -> Score | None:
    if not rows:
        return None
    value = fmean(row["value"] for row in rows)
    # The mean over seeds has another interval than each of them.
    low, high = (rows[0]["low"], rows[0]["high"]) if len(rows) == 1 else (None, None)
    return Score(value, low, high)


def as_json(version: Version) -> dict[str, Any]:
    """Return a version for programs."""
    return {
        "commit": version.commit or None,
        "date": version.date or None,
        "subject": version.subject,
        "tags": version.tags,
        "version": version.version,
        "file": version.file or None,
        "runs": [
            {
                "run": run.run,
                "status": run.status,
                "started": run.started,
                "limit": run.limit,
                "metric": run.metric,
                **{
                    name: None if score is None else score._asdict()
                    for name, score in (
                        ("untuned", run.untuned),
                        ("plain", run.plain),
                        ("chosen", run.chosen),
                    )
                },
                "rounds": run.rounds,
                "changed": run.changed,
            }
            for run in version.runs
        ],
    }
