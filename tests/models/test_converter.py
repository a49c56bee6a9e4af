"""llama.cpp's converter: downloaded once, nothing of another file is run, and what it says is passed on."""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from engine.errors import ModelError
from engine.fingerprint import file_digest
from engine.models import converter

HOOKS = """
from pathlib import Path
Path({marker!r}).touch()
def prepare_metadata_for_build_wheel(folder, settings=None):
    info = Path(folder, "llama_cpp_python-0.3.36.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: llama-cpp-python\\nVersion: 0.3.36\\n")
    return info.name
def build_wheel(folder, settings=None, metadata=None):
    raise SystemExit
"""
CONVERTS = """
import pathlib, sys
model, _, to = sys.argv[1:]
if not pathlib.Path(model, "config.json").is_file():
    print("loading")
    sys.exit("Model Ghost is not supported")
pathlib.Path(to).write_bytes(b"GGUF")
"""


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Offer a source package whose build leaves a mark through a local index; return the mark's path."""
    marker, index = tmp_path / "ran", tmp_path / "index"
    index.mkdir()
    archive = index / f"llama_cpp_python-{converter.VERSION}.tar.gz"
    files = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "hooks"\nbackend-path = ["."]\n',
        "hooks.py": HOOKS.format(marker=str(marker)),
        "PKG-INFO": "Metadata-Version: 2.1\nName: llama-cpp-python\nVersion: 0.3.36\n",
        f"vendor/llama.cpp/{converter.SCRIPT}": CONVERTS,
        "vendor/llama.cpp/conversion/models.py": "",
        "vendor/llama.cpp/other.py": "",
    }
    with tarfile.open(archive, "w:gz") as written:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"llama_cpp_python-{converter.VERSION}/{name}")
            entry.size = len(text.encode())
            written.addfile(entry, io.BytesIO(text.encode()))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: name == converter._NEEDS or found(name)
    )
    monkeypatch.setattr(converter, "SHA256", file_digest(archive))
    return marker


@pytest.mark.runs
def test_nothing_of_another_file_runs(
    marker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converter, "SHA256", "0" * 64)
    with pytest.raises(ModelError, match="serves another file as llama-cpp-python"):
        converter.convert(tmp_path, tmp_path / "model.gguf")
    assert not marker.exists()
    assert not list((tmp_path / "cache").rglob("*.py"))


@pytest.mark.runs
def test_the_converter_is_kept_and_what_it_says_is_passed_on(marker: Path, tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(
        ModelError, match="cannot write this model as GGUF: Model Ghost is not supported"
    ):
        converter.convert(tmp_path, tmp_path / "model.gguf", said.append)
    (tmp_path / "config.json").write_text("{}", "utf-8")
    converter.convert(tmp_path, tmp_path / "model.gguf", said.append)
    assert (tmp_path / "model.gguf").read_bytes() == b"GGUF"
    assert [line.split()[0] for line in said] == ["downloading", "converting", "converting"]
    kept = {path.name for path in (tmp_path / "cache").rglob("*.py")}
    assert kept == {converter.SCRIPT, "models.py"}


def test_without_the_library_that_it_needs_nothing_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="needs the library sentencepiece"):
        converter.convert(tmp_path, tmp_path / "model.gguf")


@pytest.mark.long
def test_the_real_converter_knows_architectures(tmp_path: Path) -> None:
    # Needs the package index, and `pip install sentencepiece`.
    converter.require_converter()
    script = converter._fetched(lambda _: None) / converter.SCRIPT
    command = [sys.executable, str(script), "--print-supported-models"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "LlamaForCausalLM" in done.stdout + done.stderr
