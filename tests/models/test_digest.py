import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import ModelError
from engine.models import digest, fetch, weights_digest

EMBEDDED_STUDENT = "22a9743499dc317e3efb73db4ea989c87fa8289ff42daa9d72a7bb2a66b6aeaf"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "model"
    place.mkdir()
    (place / "model.safetensors").write_bytes(b"one")
    return place


def test_the_digest_follows_the_weights_and_not_the_folder(folder: Path, tmp_path: Path) -> None:
    before = weights_digest(folder)
    (folder / "README.md").write_text("more")
    assert weights_digest(folder) == before
    moved = folder.rename(tmp_path / "moved")
    assert weights_digest(moved) == before
    (moved / "model.safetensors").write_bytes(b"two!")
    assert weights_digest(moved) != before


def test_a_second_digest_reads_no_weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = weights_digest(folder)
    monkeypatch.setattr(digest, "file_digest", lambda path: pytest.fail(f"read {path}"))
    assert weights_digest(folder) == before


def test_a_broken_memory_is_computed_again(folder: Path, cache: Path) -> None:
    before = weights_digest(folder)
    for file in (cache / "digests").iterdir():
        file.write_text("{")
    assert weights_digest(folder) == before


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model weights in"):
        weights_digest(tmp_path)


@pytest.mark.runs
def test_names_are_resolved_without_loading_torch() -> None:
    code = (
        "import sys, engine.models as m; m.locate(m.known()[0]); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.models
def test_the_embedded_student_is_the_same_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PADA_CACHE")
    assert weights_digest(fetch("embedded/smollm2-135m-instruct")) == EMBEDDED_STUDENT
