"""The folder of an export: whole or not there, and never over what no export wrote."""

from __future__ import annotations

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


@pytest.mark.parametrize(
    ("there", "says"),
    [
        (lambda to: (to.mkdir(), (to / "thesis.txt").write_text("x")), "no export wrote it"),
        (lambda to: (write(to), (to / "mine.txt").write_text("x")), "holds what no export wrote: mine.txt"),
        (lambda to: (write(to), (to / MARK).write_text("{")), "holds what no export wrote"),
        (lambda to: to.write_text("x"), "is no folder"),
        (lambda to: to.symlink_to(write(to.with_name("other"))), "is no folder"),
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
