from pathlib import Path

import pytest

from engine.errors import ModelError
from engine.models import locate, weights_digest


def written(path: Path, rest: bytes = b"weights") -> Path:
    path.write_bytes(b"GGUF" + rest)
    return path


def test_a_file_or_a_folder_with_one_is_found(tmp_path: Path) -> None:
    file = written(tmp_path / "small.gguf")
    assert locate(str(file), None, "gguf") == file
    assert locate("small.gguf", tmp_path, "gguf") == file
    assert locate(".", tmp_path, "gguf") == file


def test_a_set_of_files_is_one_model(tmp_path: Path) -> None:
    files = [written(tmp_path / f"m-0000{n}-of-00002.gguf", b"%d" % n) for n in (1, 2)]
    assert locate(".", tmp_path, "gguf") == files[0]
    assert locate(files[1].name, tmp_path, "gguf") == files[0]
    before = weights_digest(files[0])
    written(files[1], b"other")
    assert weights_digest(files[0]) != before
    files[1].unlink()
    with pytest.raises(ModelError, match=r"lacks m-00002-of-00002\.gguf of 2 parts"):
        locate(".", tmp_path, "gguf")


def test_the_digest_is_that_of_the_contents(tmp_path: Path) -> None:
    file = written(tmp_path / "a.gguf")
    before = weights_digest(file)
    assert weights_digest(file.rename(tmp_path / "b.gguf")) == before
    assert weights_digest(written(tmp_path / "b.gguf", b"others")) != before


def test_what_is_no_gguf_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.gguf").write_text("<html>not found</html>")
    with pytest.raises(ModelError, match=r"page\.gguf is not a GGUF file"):
        locate("page.gguf", tmp_path, "gguf")
    with pytest.raises(ModelError, match="no GGUF file") as caught:
        locate("embedded/smollm2-135m-instruct", tmp_path, "gguf")
    assert "backend: transformers" in caught.value.hint


def test_a_folder_must_hold_one_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no GGUF file in"):
        locate(".", tmp_path, "gguf")
    for name in ("q4.gguf", "q8.gguf"):
        written(tmp_path / name)
    with pytest.raises(ModelError, match=r"holds several models: q4\.gguf, q8\.gguf"):
        locate(".", tmp_path, "gguf")


def test_a_gguf_file_for_another_backend_is_sent_to_the_right_one(tmp_path: Path) -> None:
    written(tmp_path / "small.gguf")
    with pytest.raises(ModelError, match="is a GGUF file") as caught:
        locate("small.gguf", tmp_path)
    assert caught.value.hint == "run it with `backend: llamacpp`"
