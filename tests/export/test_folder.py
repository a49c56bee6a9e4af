"""The folder of an export: whole or not there, and never over what no export wrote."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from engine.errors import EngineError
from engine.export.folder import MARK, check_room, check_target, writing


def write(to: Path, text: str = "a") -> Path:
    with writing(to, {"what": "data"}) as part:
        (part / "data").mkdir()
        (part / "data" / "rows.jsonl").write_text(text, "utf-8")
    return to


def test_the_mark_says_what_belongs_to_the_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "new" / "export")
    told = json.loads((folder / MARK).read_text("utf-8"))
    assert told["what"] == "data"
    assert told["files"] == ["data/rows.jsonl"]


def test_what_fails_half_way_leaves_nothing_and_what_was_there_stays(tmp_path: Path) -> None:
    folder = write(tmp_path / "export", "before")

    def fails() -> None:
        with writing(folder, {}) as part:
            (part / "half").write_text("x", "utf-8")
            raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        fails()
    assert [path.name for path in tmp_path.iterdir()] == ["export"]
    assert (folder / "data" / "rows.jsonl").read_text("utf-8") == "before"


def test_an_export_is_replaced_where_that_is_asked_for(tmp_path: Path) -> None:
    folder = write(tmp_path / "export")
    with pytest.raises(EngineError, match="an export already") as refused:
        check_target(folder, replace=False)
    assert "--replace" in refused.value.hint
    check_target(folder, replace=True)
    assert (write(folder, "b") / "data" / "rows.jsonl").read_text("utf-8") == "b"


def test_what_python_leaves_when_it_is_used_is_replaced_with_it(tmp_path: Path) -> None:
    folder = write(tmp_path / "export")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "use.cpython-312.pyc").write_bytes(b"x")
    check_target(folder, replace=True)
    assert not (write(folder, "b") / "__pycache__").exists()


@pytest.mark.parametrize(
    ("there", "says"),
    [
        (lambda to: (to.mkdir(), (to / "thesis.txt").write_text("x")), "no export wrote it"),
        (lambda to: (write(to), (to / "mine.txt").write_text("x")), "holds what no export wrote: mine.txt"),
        (lambda to: (write(to), (to / MARK).write_text("{")), "holds what no export wrote"),
        (lambda to: to.write_text("x"), "is not a folder"),
        (lambda to: to.symlink_to(write(to.with_name("other"))), "is not a folder"),
    ],
    ids=["a folder of somebody's", "a file put in", "a broken mark", "a file", "a link"],
)  # fmt: skip
def test_nothing_else_is_ever_replaced(
    tmp_path: Path, there: Callable[[Path], object], says: str
) -> None:
    there(tmp_path / "export")
    with pytest.raises(EngineError, match=says):
        check_target(tmp_path / "export", replace=True)


def test_a_new_place_and_an_empty_folder_are_taken(tmp_path: Path) -> None:
    check_target(tmp_path / "new", replace=False)
    (tmp_path / "empty").mkdir()
    check_target(tmp_path / "empty", replace=False)
    assert write(tmp_path / "empty").is_dir()


class Usage(NamedTuple):
    free: int


def test_room_is_looked_for_where_the_folder_will_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(500 * (place == tmp_path)))
    check_room(tmp_path / "not" / "there", 500)
    with pytest.raises(EngineError, match="no room for the model"):
        check_room(tmp_path / "not" / "there", 501)


def test_a_place_that_cannot_be_written_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", "utf-8")
    with pytest.raises(EngineError, match="cannot be written"):
        write(tmp_path / "file" / "export")


def test_what_cannot_be_read_is_not_called_a_failure_to_write(tmp_path: Path) -> None:
    def reads(problem: OSError | None) -> None:
        with writing(tmp_path / "out" / "export", {}):
            if problem:
                raise problem
            (tmp_path / "adapter.safetensors").read_bytes()

    with pytest.raises(EngineError, match=r"adapter\.safetensors cannot be read: No such file"):
        reads(None)
    with pytest.raises(EngineError, match="cannot be read: no file named model"):
        reads(OSError("no file named model.safetensors"))
    with pytest.raises(EngineError, match=r"cannot be written to .*: No space left"):
        reads(OSError(errno.ENOSPC, "No space left on device"))


def test_every_file_may_be_read_by_those_who_may_read_files_here(tmp_path: Path) -> None:
    with writing(tmp_path / "export", {}) as part:
        (part / "model.safetensors").write_bytes(b"x")
        (part / "model.safetensors").chmod(0o600)
    usual = (tmp_path / "export" / MARK).stat().st_mode
    assert (tmp_path / "export" / "model.safetensors").stat().st_mode == usual
