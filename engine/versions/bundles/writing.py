"""Writing the archive of a run: what it was made of, the replies that it used, and what it came to."""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from engine.errors import EngineError
from engine.spec.loader import secrets_in
from engine.spec.yaml import parse
from engine.store import reader
from engine.system.files import replacing
from engine.version import __version__
from engine.versions.bundles.form import (
    CALLS,
    FILES,
    FORMAT,
    MANIFEST,
    MODELS,
    REVIEWS,
    SOURCES,
)
from engine.versions.bundles.portable import moved_places, place_in_bundle, rewritten, with_moved
from engine.versions.repeating import place_of, refuse_changed
from engine.versions.stored import StoredFile, StoredRun
from engine.versions.trees import place_in, recipe_in, tree_of

_CALLS = """
WITH n AS (SELECT node FROM run_node WHERE run = ? AND status <> 'skipped'),
u AS (
  SELECT DISTINCT id FROM llm_call WHERE node IN (SELECT node FROM n)
  UNION SELECT call FROM call_use WHERE node IN (SELECT node FROM n)
)
SELECT c.* EXCLUDE (run, node, server, tries, messages) FROM llm_call c SEMI JOIN u USING (id) ORDER BY c.created, c.id
"""
_SCORES = """
SELECT seed, round, split, metric, value FROM all_leaderboard WHERE run = ? ORDER BY ALL
"""
_ADAPTERS = """
SELECT DISTINCT m.path FROM model m JOIN all_run_rows r USING (node) WHERE r.run = ? ORDER BY ALL
"""
_README = """\
A run of PaDA Engine. To get its rows and scores:

    pada rerun THIS_FILE.tar.gz --to FOLDER

No model is asked: the replies in calls.jsonl answer. bundle.json says what is in here, and which data files with which
digests belong under files/ where they are not.
"""


@dataclass(frozen=True)
class Bundled:
    """What was written."""

    file: Path
    bytes: int
    calls: int
    data: tuple[str, ...]
    """Data files in it."""
    missing: tuple[str, ...]
    """What whoever opens it must have or bring: data files and models."""
    models: int
    """Adapters in it."""


def write_bundle(
    run: StoredRun,
    state: Path,
    to: Path,
    *,
    with_data: bool = False,
    with_models: bool = False,
    replace: bool = False,
) -> Bundled:
    """Write the archive of a run; it is there whole or not at all.

    Raises:
        EngineError: the run is not done, data is missing or would bring what the recipe redacts, or the file cannot be
            written.
    """
    _check(run, to, with_data=with_data, replace=replace)
    resolved = parse(run.resolved, run.path).data
    moved = moved_places(resolved, run.base, run.project)
    data = {
        file: _data_place(file, run, resolved, moved) for file in run.files if file.text is None
    }
    if with_data:
        refuse_changed(run, {file: place_of(run, file) for file in data})
    with reader(state) as query:
        calls = query(_CALLS, [run.id])
        scores = query(_SCORES, [run.id])
        reviews = query("SELECT * FROM review WHERE recipe = ? ORDER BY made, id", [run.recipe])
        adapters = [str(row["path"]) for row in query(_ADAPTERS, [run.id])]
    trained = _trained(state, adapters) if with_models else {}
    manifest = _manifest(
        run, data, moved, with_data=with_data, scores=scores, models=sorted(adapters)
    )
    contents = {
        MANIFEST: json.dumps(manifest, ensure_ascii=False, indent=1).encode(),
        "README.txt": _README.encode(),
        CALLS: b"".join(map(_line, calls)),
        **({REVIEWS: b"".join(map(_line, _unnamed(reviews)))} if reviews else {}),
        **{f"{FILES}/{path}": content for path, content in _tree(run, moved).items()},
        **{f"{SOURCES}/{path}": content for path, content in _sources(run)},
        **{f"{MODELS}/{name}": content for name, content in trained.items()},
    }
    try:
        with (
            replacing(to) as part,
            part.open("xb") as raw,
            gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for name, content in contents.items():
                _add(archive, name, content)
            for file, path in data.items() if with_data else ():
                archive.add(place_of(run, file), f"{FILES}/{path}", recursive=False, filter=_plain)
    except OSError as error:
        raise EngineError(
            f"{to} cannot be written: {error.strerror or error}", "check the place and its room"
        ) from error
    return Bundled(
        file=to,
        bytes=to.stat().st_size,
        calls=len(calls),
        data=tuple(data.values()) if with_data else (),
        missing=() if with_data else tuple(data.values()),
        models=len(adapters) if with_models else 0,
    )


def _check(run: StoredRun, to: Path, *, with_data: bool, replace: bool) -> None:
    """Raise EngineError where no bundle of a run may be written, or not to this place."""
    if run.status != "done":
        raise EngineError(
            f"run {run.id} is {run.status}, and a bundle is of one that is done",
            "go on with it: pada run RECIPE",
        )
    if any(node.content is None for node in run.nodes.values()):
        raise EngineError(
            f"rows of run {run.id} were removed (`pada clean`)",
            f"make them again: pada rerun {run.id}",
        )
    if not to.name.endswith((".tar.gz", ".tgz")):
        raise EngineError(f"{to}: a bundle is a .tar.gz file", f"write --to {to.name}.tar.gz")
    if (to.exists() or to.is_symlink()) and not replace:
        raise EngineError(
            f"{to} is there already", "replace it with --replace, or choose another place"
        )
    if not to.absolute().parent.is_dir():
        raise EngineError(f"there is no folder {to.parent}", "make it, or choose another place")
    privacy = parse(run.resolved, run.path).data.get("privacy")
    redacts = bool((privacy or {}).get("redact"))
    if with_data and redacts:
        raise EngineError(
            f"the recipe of {run.id} redacts rows (privacy.redact), and its data files hold them as they were",
            "leave out --with-data: the bundle then says which files with which digests belong there",
        )


def _data_place(
    file: StoredFile, run: StoredRun, resolved: Mapping[str, Any], moved: Mapping[str, str]
) -> str:
    """Return where a file that is not kept belongs, from the folder of what is run."""
    if not PurePosixPath(file.path).is_absolute():
        return place_in(file)
    place = place_in_bundle(file.path, resolved, moved, run.base, run.project)
    if place is None:
        raise EngineError(
            f"{file.path} lies outside of the project, and the recipe does not name it in a way that can be rewritten",
            "move it below the folder of pada.yaml, and run again",
        )
    return place


def _manifest(
    run: StoredRun,
    data: Mapping[StoredFile, str],
    moved: Mapping[str, str],
    *,
    with_data: bool,
    scores: Sequence[Mapping[str, Any]],
    models: Sequence[str],
) -> dict[str, Any]:
    about = run.about
    address = about["repository"] or ""
    return {
        "bundle": FORMAT,
        "engine": __version__,
        "run": run.id,
        "name": run.recipe,
        "recipe": recipe_in(run),
        "version": about["version"],
        "digest": about["digest"],
        "limit": run.limit,
        "settings": with_moved(about["settings"], moved),
        "plan": run.plan,
        "versions": dict(run.versions),
        "hardware": about["hardware"],
        # A folder of this machine is nobody else's business.
        "repository": address
        if re.match(r"(https|ssh|http)://|[\w.-]+@[\w.-]+:", address)
        else None,
        "commit": about["commit_hash"],
        "tags": about["tags"],
        "changed": [p for p in about["changed"] or () if not PurePosixPath(p).is_absolute()],
        "lock": about["lock"],
        "packages": [
            {k: v for k, v in p.items() if k != "path" and not str(v).startswith("file:")}
            for p in about["packages"]
        ],
        "models": {
            role: {**of, "name": moved.get(of["name"], of["name"])}
            for role, of in about["models"].items()
        },
        "adapters": list(models),
        "data": {
            path: {"sha256": file.digest, "bytes": file.bytes, "included": with_data}
            for file, path in data.items()
        },
        "files": [
            {"path": f.path, "package": f.package, "kind": f.kind, "sha256": f.digest}
            for f in run.files
            if f.text is not None and not PurePosixPath(f.path).is_absolute()
        ],
        "nodes": {node.name: [node.id, node.content or ""] for node in run.nodes.values()},
        "scores": [dict(score) for score in scores],
    }


def _tree(run: StoredRun, moved: Mapping[str, str]) -> dict[str, bytes]:
    """Return what is run; a `pada.yaml` keeps it to its folder."""
    tree = tree_of(run)
    recipe = recipe_in(run)
    tree[recipe] = rewritten(tree[recipe].decode(), moved).encode()
    outside = [f for f in run.files if f.text is not None and PurePosixPath(f.path).is_absolute()
               and f.kind not in {"recipe", "project", "lock"}]  # fmt: skip
    if outside:
        raise EngineError(
            f"{outside[0].path} ({outside[0].kind}) lies outside of the project, and a bundle holds what is in it",
            "move it below the folder of pada.yaml, or into a package, and run again",
        )
    tree.setdefault("pada.yaml", f"project: 1\nname: {run.recipe}\n".encode())
    return tree


def _sources(run: StoredRun) -> Iterator[tuple[str, bytes]]:
    """Yield the recipe as it was written, what it extends, and the lock: for people; without what may be a secret."""
    for file in run.files:
        if file.kind not in {"recipe", "project", "lock"} or file.text is None:
            continue
        if PurePosixPath(file.path).is_absolute() or file.path.startswith("."):
            continue
        below = f"packages/{file.package}/" if file.package else ""
        # Addresses of folders are of this machine.
        if not secrets_in(file.text) and "file://" not in file.text:
            yield f"{below}{file.path}", file.text.encode()


def _trained(state: Path, adapters: Sequence[str]) -> dict[str, bytes]:
    """Return the files of trained adapters by their names in the bundle."""
    files: dict[str, bytes] = {}
    for adapter in adapters:
        folder = (state / adapter).parent
        if not (state / adapter).is_dir():
            raise EngineError(
                f"the adapter {adapter} was removed (`pada clean`)",
                "leave out --with-models: it is trained again",
            )
        names = [
            "training.json",
            *(f"adapter/{f.name}" for f in sorted((state / adapter).iterdir()) if f.is_file()),
        ]
        for name in names:
            if not (folder / name).is_file():
                continue
            content = (folder / name).read_bytes()
            if name == "adapter/adapter_config.json":
                content = _without_place(content)
            files[f"{folder.name}/{name}"] = content
    return files


def _without_place(content: bytes) -> bytes:
    """Return an adapter's settings without the folder of this machine in which its model lies."""
    config = json.loads(content)
    base = config.get("base_model_name_or_path")
    if isinstance(base, str) and PurePosixPath(base).is_absolute():
        config["base_model_name_or_path"] = PurePosixPath(base).name
    return json.dumps(config, indent=2, sort_keys=True).encode()


def _unnamed(reviews: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield what people said of rows, without their names and notes."""
    names = {
        name: f"reviewer-{n}"
        for n, name in enumerate(dict.fromkeys(r["reviewer"] for r in reviews), 1)
    }
    for review in reviews:
        yield {**review, "reviewer": names[review["reviewer"]], "note": ""}


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(row), ensure_ascii=False, default=str).encode("utf-8", "replace") + b"\n"


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o600
    archive.addfile(entry, io.BytesIO(content))


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return an entry without the user, the rights and the times of this machine."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode, entry.mtime = 0o600, 0
    return entry
