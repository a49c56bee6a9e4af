"""The identity of local weights: SHA-256 over the weight files, read once per change."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from engine.errors import ModelError
from engine.fingerprint import digest, file_digest, short
from engine.models.gguf import parts
from engine.system.files import write_text
from engine.system.places import cache_root

WEIGHT_FILES = ("*.safetensors", "*.bin", "*.gguf")

_State = list[tuple[str, int, int]]


def weights_digest(model: Path) -> str:
    """Return the SHA-256 (64 hexadecimal digits) over a model's weight files.

    Of a folder, names and contents count; of a GGUF file (or a set of them) the contents alone.
    They are read once: the digest is remembered in the cache under the files' sizes and times of
    change (not beside the weights, which may be read-only or under version control).

    Raises:
        ModelError: the folder has no weight files, or they cannot be read.
    """
    model = model.resolve()
    alone = model.is_file()
    paths = parts(model) if alone else _weights_in(model)
    try:
        state: _State = [
            (path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in paths
        ]
        cache_file = cache_root() / "digests" / f"{short(str(model))}.json"
        if (remembered := _recall(cache_file, state)) is not None:
            return remembered
        computed = digest([["" if alone else path.name, file_digest(path)] for path in paths])
    except OSError as problem:
        raise ModelError(f"cannot read the model weights in {model}: {problem}") from problem
    _remember(cache_file, state, computed)
    return computed


def _weights_in(folder: Path) -> list[Path]:
    paths = sorted({path for ending in WEIGHT_FILES for path in folder.glob(ending)})
    if not paths:
        raise ModelError(
            f"no model weights in {folder}",
            f"a model folder holds config.json, a tokenizer and {' or '.join(WEIGHT_FILES)}",
        )
    return paths


def _recall(cache_file: Path, state: _State) -> str | None:
    try:
        entry = json.loads(cache_file.read_text(encoding="utf-8"))
        return str(entry["digest"]) if entry["state"] == [list(file) for file in state] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(cache_file: Path, state: _State, weights: str) -> None:
    # A cache that cannot be written only costs time: the digest is computed again.
    with contextlib.suppress(OSError):
        cache_file.parent.mkdir(parents=True, exist_ok=True)
        write_text(cache_file, json.dumps({"state": state, "digest": weights}))
