from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from engine.system import platforms
from engine.system.files import replacing, sync_all, sync_folder, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "a.json", "old")
    with replacing(tmp_path / "a.json") as part:
        part.write_text("new", "utf-8")
        assert (tmp_path / "a.json").read_text("utf-8") == "old"
    assert (tmp_path / "a.json").read_text("utf-8") == "new"
    assert names(tmp_path) == ["a.json"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with replacing(tmp_path / "a") as part:
            part.mkdir()
            (part / content).touch()
            (part / "below").mkdir()
            (part / "below" / "file").touch()
        assert names(tmp_path / "a") == sorted([content, "below"])
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_was_there_stays_when_writing_fails(tmp_path: Path, kind: str) -> None:
    write_text(tmp_path / "a", "old")
    with pytest.raises(RuntimeError), replacing(tmp_path / "a") as part:  # noqa: PT012
        if kind == "folder":
            part.mkdir()
            part /= "inner"
        part.write_text("half", "utf-8")
        raise RuntimeError
    assert (tmp_path / "a").read_text("utf-8") == "old"
    assert names(tmp_path) == ["a"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write_text(tmp_path / "a", "old")
    monkeypatch.setattr(platforms, "sync", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text("utf-8") == "old"
    assert names(tmp_path) == ["a"]


def test_contents_are_on_disk_before_the_name_and_the_name_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, list[str]]] = []

    def sync(handle: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        seen.append((kind, [name.partition(".")[0] for name in names(tmp_path)]))

    monkeypatch.setattr(platforms, "sync", sync)
    with replacing(tmp_path / "new") as part:
        part.write_text("x", "utf-8")
        (tmp_path / "old").touch()
        part_name = part.name
    assert part_name != "new"
    assert [kind for kind, _ in seen] == ["file", "folder"]
    assert "new" in names(tmp_path)


def test_a_folders_files_are_all_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for file in ("a/one", "a/b/two"):
        (tmp_path / file).touch()
    inodes = {path.stat().st_ino for path in [tmp_path / "a", *(tmp_path / "a").rglob("*")]}
    synced: set[int] = set()
    monkeypatch.setattr(platforms, "sync", lambda handle: synced.add(os.fstat(handle).st_ino))
    sync_all(tmp_path / "a")
    assert synced == inodes


@pytest.mark.parametrize(
    ("code", "passes"), [(errno.EINVAL, True), (errno.EBADF, True), (errno.EIO, False)]
)
def test_file_systems_that_cannot_flush_folders_are_borne(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, passes: bool
) -> None:
    def refuse(_: int) -> None:
        raise OSError(code, "no")

    monkeypatch.setattr(platforms, "sync", refuse)
    if passes:
        sync_folder(tmp_path)
    else:
        with pytest.raises(OSError, match="no"):
            sync_folder(tmp_path)
