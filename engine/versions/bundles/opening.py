"""Opening the archive of a run: unpacked with distrust, and run with its replies in place of models."""

from __future__ import annotations

import json
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from engine.errors import EngineError, reason_of
from engine.fingerprint import file_digest
from engine.project import Project
from engine.rows import Call, Review
from engine.run.execute import Outcome
from engine.run.progress import Reporter
from engine.run.repeated import Recorded, Repeated
from engine.spec.yaml import LARGEST
from engine.store import FILE, Store, add_reviews, reader
from engine.system.files import private, replacing
from engine.version import versions
from engine.versions.bundles.form import (
    CALLS,
    FILES,
    FORMAT,
    MANIFEST,
    MODELS,
    MOST_BYTES,
    MOST_FILES,
    MOST_LINE,
    REVIEWS,
    is_known,
)
from engine.versions.trees import checked_path

STATE = "state"
"""Folder, beside what was unpacked, of the store in which it is run."""
_MARK = "bundle.sha256"
"""Beside it, says of which file it is."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    sha256: str
    bytes: int
    included: bool


class Manifest(BaseModel):
    """What a bundle says of itself."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    bundle: int
    engine: str
    run: str
    name: str
    recipe: str
    limit: int | None
    settings: dict[str, Any]
    plan: str
    versions: dict[str, str]
    models: dict[str, dict[str, Any]]
    data: dict[str, _Data]
    nodes: dict[str, tuple[str, str]]
    scores: list[dict[str, Any]]


@dataclass(frozen=True)
class Opened:
    """A bundle that was unpacked."""

    folder: Path
    manifest: Manifest
    new: bool
    """Whether it was unpacked now, and was not there before."""
    missing: tuple[str, ...]
    """Data files to be put into the folder, with what they must be, a line each."""


@dataclass(frozen=True)
class Replayed:
    """What a bundle's run came to."""

    outcome: Outcome
    same: int
    """Steps whose rows are those of the run that was bundled."""
    others: tuple[str, ...]
    """Names of steps whose rows are others, or that were not reached."""
    scores: tuple[str, ...]
    """Scores that are others, a line each."""


def open_bundle(file: Path, to: Path) -> Opened:
    """Unpack a bundle into a folder that is not there yet, or go on with the one into which it was unpacked.

    Raises:
        EngineError: it is no bundle, holds what none may, or the folder is something else.
    """
    try:
        digest = file_digest(file)
    except OSError as error:
        raise EngineError(f"{file} cannot be read: {error.strerror}", "check the name") from None
    if to.exists() or to.is_symlink():
        mark = to / _MARK
        if to.is_symlink() or not mark.is_file() or mark.read_text("utf-8").strip() != digest:
            raise EngineError(
                f"{to} is there already, and is not what was unpacked from {file.name}",
                "choose a folder that is not there yet with --to",
            )
        new = False
    else:
        if not to.absolute().parent.is_dir():
            raise EngineError(f"there is no folder {to.parent}", "make it, or choose another place")
        new = True
        try:
            with private(), replacing(to) as part:
                part.mkdir()
                unpack(file, part)
                _manifest(part)
                (part / _MARK).write_text(f"{digest}\n", "utf-8")
        except OSError as error:
            raise EngineError(
                f"{to} cannot be written: {error.strerror or error}", "check the place and its room"
            ) from error
    manifest = _manifest(to)
    return Opened(to, manifest, new, tuple(_missing(to, manifest)))


def unpack(file: Path, to: Path) -> None:
    """Write the files of an archive below a folder: only such as a bundle has, no links, and no more than may be.

    Raises:
        EngineError: it holds something else, or is damaged.
    """
    try:
        with tarfile.open(file, "r:gz") as archive:
            for entry, name in _checked(archive, file, to):
                source = archive.extractfile(entry)
                if source is None:
                    raise _refused(file, f"{name[:200]!r} cannot be read")
                target = to / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with source, target.open("xb") as written:
                    shutil.copyfileobj(source, written, 1 << 20)
    except (tarfile.TarError, EOFError, zlib.error, UnicodeError, ValueError) as error:
        raise _refused(file, f"it is damaged or no .tar.gz: {reason_of(error)}") from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise _refused(file, "a file and a folder in it have one name") from None
    except OSError as error:
        # What gzip says of a file that is none has no number.
        if error.errno is None:
            raise _refused(file, f"it is damaged or no .tar.gz: {error}") from None
        raise


def _checked(
    archive: tarfile.TarFile, file: Path, to: Path
) -> Iterator[tuple[tarfile.TarInfo, str]]:
    """Yield the entries of an archive, each once it is known that it may be written."""
    total, seen = 0, set[str]()
    for entry in archive:
        name = str(checked_path(entry.name))
        if not entry.isreg() or entry.sparse is not None or not is_known(name):
            raise _refused(file, f"{name[:200]!r} is nothing that a bundle has")
        if name.casefold() in seen:
            raise _refused(file, f"{name[:200]!r} is in it twice")
        seen.add(name.casefold())
        total += entry.size
        if len(seen) > MOST_FILES or total > MOST_BYTES:
            raise _refused(
                file, f"it holds more than {MOST_FILES:,} files or {MOST_BYTES / 1e9:g} GB"
            )
        if total > shutil.disk_usage(to).free:
            raise EngineError(f"no room to unpack {file.name}", "free some disk space")
        yield entry, name


def _refused(file: Path, why: str) -> EngineError:
    return EngineError(
        f"{file} is no bundle of this engine: {why}",
        "nothing was written; ask whoever made it for another one",
    )


def _manifest(folder: Path) -> Manifest:
    file = folder / MANIFEST
    try:
        if file.stat().st_size > MOST_LINE:
            raise EngineError(
                f"{file} is larger than {MOST_LINE >> 20} MB", "ask whoever made it for another one"
            )
        said = json.loads(file.read_text("utf-8"))
        form = said.get("bundle") if isinstance(said, dict) else None
        if isinstance(form, int) and form > FORMAT:
            raise EngineError(
                f"this bundle has the format {form}, and this engine knows {FORMAT}",
                "update pada-engine",
            )
        manifest = Manifest.model_validate_json(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else reason_of(error)
        raise EngineError(
            f"{MANIFEST} of the bundle cannot be read: {why}", "ask whoever made it for another one"
        ) from None
    for path in (manifest.recipe, *manifest.data):
        checked_path(path)
    return manifest


def _missing(folder: Path, manifest: Manifest) -> Iterator[str]:
    for path, data in manifest.data.items():
        place = folder / FILES / path
        about = f"SHA-256 {data.sha256}, {data.bytes:,} bytes"
        if not place.is_file():
            yield f"{place}: not there ({about})"
        elif file_digest(place) != data.sha256:
            yield f"{place}: another file ({about})"


@contextmanager
def replay(opened: Opened) -> Iterator[tuple[Project, list[str]]]:
    """Give the project of a bundle, whose run asks no model, and what may make its rows others.

    Raises:
        EngineError: data is missing, or the recipe would do something else here than it did.
    """
    manifest, folder = opened.manifest, opened.folder
    if opened.missing:
        lines = "\n  ".join(opened.missing)
        raise EngineError(
            f"the data is not in the bundle, and belongs to it:\n  {lines}",
            "put these files there, then give the same command again",
        )
    state = folder / STATE
    identities: dict[str, str] = {
        role: str(manifest.models[role].get("identity", ""))
        for role in ("teacher", "judge")
        if role in manifest.models
    }
    recorded = Recorded(_calls(folder / CALLS), identities)
    project = Project.open(
        folder / FILES / manifest.recipe, state, None, manifest.limit, manifest.settings
    )
    # How fast a student is served is another thing on each machine, and an endpoint would be asked.
    recipe = project.loaded.recipe.model_copy(update={"benchmark": None})
    project = replace(project, loaded=replace(project.loaded, recipe=recipe))
    if not (state / FILE).exists():
        with private():
            Store.open(state)
            if reviews := _reviews(folder / REVIEWS):
                add_reviews(state, reviews)
            _put_models(folder / MODELS, state / "models")
    project = replace(project, repeated=Repeated(recorded=recorded))
    project.validate()
    nodes = {node.name: node for node in project.plan().plan.nodes.values()}
    others = [
        name
        for name, (identity, _) in manifest.nodes.items()
        if "benchmark" not in name.split("/")[-1]
        and (name not in nodes or nodes[name].id != identity)
    ]
    if others:
        raise EngineError(
            f"here something else would be done than in the bundle, first at {others[0]} ({len(others)} steps)",
            _why(manifest),
        )
    warnings = [
        f"{name}: {manifest.versions.get(name) or 'none'} then, {version} here"
        for name, version in versions().items()
        if manifest.versions.get(name) != version
    ]
    yield project, warnings


def _why(manifest: Manifest) -> str:
    here = versions()["pada-engine"]
    if manifest.versions.get("pada-engine") != here:
        return (
            f"it was made with pada-engine {manifest.versions.get('pada-engine')}; this is {here}"
        )
    return "the student's or the embedder's weights, a prompt or the data are others: pada plan on its recipe says more"


def run_replayed(project: Project, manifest: Manifest, reporter: Reporter) -> Replayed:
    """Run a bundle, and hold what it came to against what it had come to."""
    outcome = project.run(reporter=reporter)
    with reader(project.state) as query:
        rows = query(
            "SELECT r.name, n.content FROM run_node r JOIN node n ON n.id = r.node WHERE r.run = ?"
            " AND r.status <> 'skipped'", [outcome.run],
        )  # fmt: skip
        scores = query(
            "SELECT seed, round, split, metric, value FROM all_leaderboard WHERE run = ?",
            [outcome.run],
        )
    contents = {row["name"]: row["content"] for row in rows}
    wanted = {n: c for n, (_, c) in manifest.nodes.items() if "benchmark" not in n.split("/")[-1]}
    others = tuple(name for name, content in wanted.items() if contents.get(name) != content)
    now = {_key(score): score["value"] for score in scores}
    differ = tuple(
        f"{score['metric']} on {score['split']}, seed {score['seed']}, round {score['round']}: "
        f"{score['value']} then, {now.get(_key(score))} here"
        for score in manifest.scores
        if score.get("value") != now.get(_key(score))
    )
    return Replayed(outcome, len(wanted) - len(others), others, differ)


def _key(score: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(score.get(name) for name in ("seed", "round", "split", "metric"))


def _records(file: Path, kind: type[Any], filled: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the records of a file of lines, each checked; raises EngineError with the line of what is none."""
    names = {field.name for field in fields(kind)}
    adapter = TypeAdapter(kind)
    with file.open("rb") as lines:
        number = 0
        while line := lines.readline(MOST_LINE + 1):
            number += 1
            try:
                if len(line) > MOST_LINE:
                    raise ValueError(f"longer than {MOST_LINE >> 20} MB")
                said = json.loads(line)
                # JSON columns come as texts.
                row = {name: _value(name, said[name]) for name in names & said.keys()}
                yield adapter.validate_python({**filled, **row})
            except (ValueError, TypeError, AttributeError, RecursionError) as error:
                why = (
                    error.errors()[0]["msg"]
                    if isinstance(error, ValidationError)
                    else reason_of(error)
                )
                raise EngineError(
                    f"{file.name}:{number} of the bundle is no {kind.table}: {why}",
                    "it is damaged: ask whoever made it for another one",
                ) from None


_JSON = {"schema", "inputs", "new_inputs", "places"}
_TIMES = {"created", "made"}


def _value(name: str, value: Any) -> Any:
    if name in _JSON and isinstance(value, str):
        return json.loads(value)
    return datetime.fromisoformat(value) if name in _TIMES and isinstance(value, str) else value


def _calls(file: Path) -> dict[str, list[Call]]:
    if not file.is_file():
        return {}
    found: dict[str, list[Call]] = {}
    empty: dict[str, Any] = {"run": "", "node": "", "messages": [], "tries": [], "server": None}
    for call in _records(file, Call, empty):
        found.setdefault(call.id, []).append(cast(Call, call))
    # The first usable reply of a request is the one that is served.
    return {
        request: calls[: next((n for n, c in enumerate(calls, 1) if c.error is None), len(calls))]
        for request, calls in found.items()
    }


def _reviews(file: Path) -> list[Review]:
    return list(_records(file, Review, {})) if file.is_file() else []


def _put_models(source: Path, target: Path) -> None:
    if not source.is_dir():
        return
    for folder in sorted(source.iterdir()):
        training = folder / "training.json"
        if training.is_file() and training.stat().st_size <= LARGEST:
            shutil.copytree(folder, target / folder.name)
