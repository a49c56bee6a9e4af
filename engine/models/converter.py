"""The converter from safetensors to GGUF: llama.cpp's own, which travels in the source package of llama-cpp-python.

Neither the installed llama-cpp-python nor the package `gguf` hold it, so that source package (77 MB) is downloaded once
with pip, and the converter alone is kept in the cache. Of a source package pip runs the build's own code to learn its
metadata; it is told the pinned SHA-256, so that it looks at the file before anything of it runs.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from engine.errors import ModelError
from engine.fingerprint import file_digest
from engine.models.cache import Say, filling, write_manifest
from engine.system.places import cache_root

PACKAGE, VERSION = "llama-cpp-python", "0.3.36"
SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
SCRIPT = "convert_hf_to_gguf.py"
_INSIDE = f"llama_cpp_python-{VERSION}/vendor/llama.cpp/"
_KEPT = (SCRIPT, "LICENSE", "conversion/", "gguf-py/gguf/")
_NEEDS = "sentencepiece"
"""Imported by the converter, whatever the tokenizer."""


def require_converter() -> None:
    """Raise ModelError where the converter could not run; downloads nothing."""
    if importlib.util.find_spec(_NEEDS) is None:
        raise ModelError(
            f"no GGUF can be written: llama.cpp's converter needs the library {_NEEDS}",
            f"pip install {_NEEDS}; or export --as merged, and convert that folder elsewhere",
        )


def convert(model: Path, to: Path, say: Say = lambda _: None) -> None:
    """Write a model's folder as a GGUF file, its weights in the format that they have.

    Raises:
        ModelError: the converter cannot be had, or does not know the model's architecture.
    """
    require_converter()
    script = _fetched(say) / SCRIPT
    say("converting to GGUF")
    done = subprocess.run(
        [sys.executable, str(script), str(model), "--outfile", str(to)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    if done.returncode or not to.is_file():
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise ModelError(
            f"llama.cpp's converter ({PACKAGE} {VERSION}) cannot write this model as GGUF: "
            + (said or ["it gave no reason"])[-1][:400],
            "export --as merged: Ollama and vLLM read safetensors of many architectures",
        )


def _fetched(say: Say) -> Path:
    target = cache_root() / "tools" / f"llama.cpp-{VERSION}"
    with filling(target, say) as fresh:
        if fresh is not None:
            say(f"downloading {PACKAGE} {VERSION} for its converter (77 MB, once)")
            with tempfile.TemporaryDirectory(dir=fresh) as scratch:
                _unpack(_download(Path(scratch)), fresh)
            write_manifest(fresh, f"{PACKAGE}=={VERSION} sha256:{SHA256}")
    return target


def _download(folder: Path) -> Path:
    requirement = f"{PACKAGE}=={VERSION}"
    # Hashes can be said in a file of requirements alone.
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{requirement} --hash=sha256:{SHA256}\n", encoding="utf-8")
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", f"--no-binary={PACKAGE}", "--no-cache-dir",
        "--disable-pip-version-check", "--quiet", "--require-hashes", "--dest", str(folder), "-r", str(wanted),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = list(folder.glob("*.tar.gz"))
    if "DO NOT MATCH THE HASHES" in done.stderr or (found and file_digest(found[0]) != SHA256):
        raise ModelError(
            f"the package index serves another file as {requirement} than the one that this version of the engine was"
            f" made with (SHA-256 {SHA256})",
            "look at the package index, or a proxy on the way; nothing of the file was run or kept",
        )
    if done.returncode or len(found) != 1:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise ModelError(
            f"cannot fetch llama.cpp's converter: pip could not download {requirement}: "
            + (said or ["pip gave no reason"])[-1][:400],
            "the package index must be reachable once; or export --as merged",
        )
    return found[0]


def _unpack(archive: Path, target: Path) -> None:
    with tarfile.open(archive) as source:
        for member in source:
            inner = member.name.removeprefix(_INSIDE)
            if not member.isfile() or inner == member.name or not inner.startswith(_KEPT):
                continue
            content = source.extractfile(member)
            assert content is not None
            path = target / inner
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())
