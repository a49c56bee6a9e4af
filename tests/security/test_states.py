"""A state folder that came from somebody else is neither read nor written, and no link in one is followed."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine import gate
from engine.cli.app import app
from engine.errors import StoreError
from engine.gate import states
from engine.store import Store
from engine.store.file import FILE
from engine.store.query import rows
from engine.system.files import replacing, write_private, write_text


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own settings."""
    folder = tmp_path / "settings" / "pada"
    monkeypatch.setenv("PADA_CONFIG", str(folder))
    return folder


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    file = tmp_path / "victim"
    file.write_text("mine", "utf-8")
    return file


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_one_that_is_new_is_the_users_and_nobody_elses_to_read(
    tmp_path: Path, settings: Path
) -> None:
    state = tmp_path / "deep" / ".pada"
    gate.own_state(state)
    gate.own_state(state)
    gate.check_state(state)
    assert mode(state) == 0o700
    assert mode(state / "id") == 0o600
    assert mode(settings) == 0o700
    [entry] = (settings / "states").iterdir()
    assert mode(entry) == 0o600
    known = json.loads(entry.read_text("utf-8"))
    assert known == {"path": str(state), "id": (state / "id").read_text("utf-8").strip()}


def test_a_folder_of_other_things_may_be_one_too(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "venv").symlink_to(victim)
    gate.own_state(tmp_path)
    gate.own_state(tmp_path)
    assert victim.read_text("utf-8") == "mine"


@pytest.mark.parametrize(
    "name",
    [
        "run.lock",
        "store.duckdb",
        "store.duckdb.wal",
        "reports",
        "reports/r0001.html",
        "reports/r0001.html.part",
        "models",
        "models/0123456789abcdef",
        "models/0123456789abcdef/checkpoints",
        "models/0123456789abcdef/training.log",
        "spool",
        "spool/r0001",
        "spool/r0001/000001-x.jsonl",
        "batch/r0001",
        "benchmark",
        "sql_history",
        "id",
    ],
)
@pytest.mark.parametrize("known", [False, True])
def test_a_link_in_it_is_refused(name: str, known: bool, tmp_path: Path, victim: Path) -> None:
    state = tmp_path / ".pada"
    if known:
        gate.own_state(state)
    link = state / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(victim)
    for open_it in (Store.open, lambda place: rows(place, "SELECT 1")):
        with pytest.raises(StoreError) as error:
            open_it(state)
        assert error.value.message == (f"{link} is a link: what a run writes would go to {victim}")
        assert f"rm {link}" in error.value.hint
        assert error.value.exit_code == 2
    assert victim.read_text("utf-8") == "mine"


def test_one_that_is_a_link_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    state = tmp_path / ".pada"
    state.symlink_to(tmp_path / "other")
    with pytest.raises(StoreError, match="is a link to") as error:
        Store.open(state)
    assert f"--state {tmp_path / 'other'}" in error.value.hint
    assert not list((tmp_path / "other").iterdir())


@pytest.mark.parametrize("name", [FILE, "models/x/checkpoints/1", "spool/r0001", "run.lock", "id"])
def test_one_that_came_with_a_repository_is_refused(name: str, tmp_path: Path) -> None:
    state = tmp_path / ".pada"
    (state / name).parent.mkdir(parents=True)
    (state / name).write_text("x", "utf-8")
    before = sorted(state.rglob("*"))
    for open_it in (Store.open, lambda place: rows(place, "SELECT 1")):
        with pytest.raises(StoreError, match="was not made here by you") as error:
            open_it(state)
        assert f"pada trust --state {state}" in error.value.hint
        assert "made with another home" in error.value.hint
    assert sorted(state.rglob("*")) == before


def test_one_with_an_id_that_somebody_copied_is_refused(tmp_path: Path) -> None:
    own = tmp_path / "own" / ".pada"
    Store.open(own)
    other = tmp_path / "other" / ".pada"
    shutil.copytree(own, other)
    with pytest.raises(StoreError, match="was not made here by you"):
        Store.open(other)


def test_one_that_was_moved_is_the_users_again_when_they_say_so(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    Store.open(before / ".pada")
    before.rename(after)
    state = after / ".pada"
    words = ["runs", "--state", str(state)]
    refused = CliRunner().invoke(app, words)
    assert isinstance(refused.exception, StoreError)
    said = CliRunner().invoke(app, ["trust", "--state", str(state)], catch_exceptions=False)
    assert said.output.endswith("is yours\n")
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0


def test_what_is_trusted_must_be_there_and_hold_no_link(tmp_path: Path, victim: Path) -> None:
    with pytest.raises(StoreError, match="there is no state folder"):
        gate.trust_state(tmp_path / "none")
    state = tmp_path / ".pada"
    (state / "models").mkdir(parents=True)
    (state / "models" / "x").symlink_to(victim)
    with pytest.raises(StoreError, match="is a link"):
        gate.trust_state(state)


def test_one_of_a_preview_is_forgotten(tmp_path: Path, settings: Path) -> None:
    gate.own_state(tmp_path / "state")
    gate.disown(tmp_path / "state")
    assert not list((settings / "states").iterdir())


@pytest.mark.skipif(os.getuid() == 0, reason="the administrator may write everywhere")
def test_settings_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    monkeypatch.setenv("PADA_CONFIG", str(tmp_path / "closed" / "pada"))
    with pytest.raises(StoreError, match="cannot be written") as error:
        gate.own_state(tmp_path / "state")
    assert "PADA_CONFIG" in error.value.hint


def test_settings_where_a_file_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PADA_CONFIG", str(tmp_path / "file" / "pada"))
    with pytest.raises(StoreError, match="cannot be written") as error:
        gate.own_state(tmp_path / "state")
    assert "PADA_CONFIG" in error.value.hint


@pytest.fixture
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which nothing can be written; returns the machine's folder of temporary ones."""
    monkeypatch.delenv("PADA_CONFIG")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "home").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(states, "_TEMPORARY", (tmp_path / "none", tmp_path / "temporary"))
    return tmp_path / "temporary"


def test_without_a_home_to_write_in_a_run_goes_on_as_ever(tmp_path: Path, no_home: Path) -> None:
    state = tmp_path / ".pada"
    Store.open(state).close()
    assert rows(state, "SELECT 1 AS one") == [{"one": 1}]
    [keeper] = no_home.iterdir()
    assert mode(keeper) == 0o700
    other = tmp_path / "other" / ".pada"
    shutil.copytree(state, other)
    with pytest.raises(StoreError, match="was not made here by you"):
        Store.open(other)
    gate.disown(state)
    with pytest.raises(StoreError, match="was not made here by you"):
        gate.check_state(state)


@pytest.mark.parametrize("others", ["open to others", "a link"])
def test_a_temporary_folder_that_others_may_have_made_is_not_believed(
    others: str, tmp_path: Path, no_home: Path
) -> None:
    state, place = tmp_path / ".pada", no_home / f"pada-{os.getuid()}"
    gate.own_state(state)
    if others == "a link":
        place.rename(no_home / "theirs")
        place.symlink_to(no_home / "theirs")
    else:
        place.chmod(0o755)
    with pytest.raises(StoreError, match="was not made here by you"):
        gate.check_state(state)
    with pytest.raises(StoreError, match="cannot be written"):
        gate.own_state(tmp_path / "new")


def test_a_half_written_file_has_a_name_that_no_link_can_wait_at(
    tmp_path: Path, victim: Path
) -> None:
    target = tmp_path / "r0001.html"
    names = set()
    for _ in range(2):
        with replacing(target) as part:
            names.add(part.name)
            part.write_text("x", "utf-8")
    assert len(names) == 2
    for old in (f"{target.name}.part", f"{target.name}.{os.getpid()}.part"):
        (tmp_path / old).symlink_to(victim)
    write_text(target, "report")
    assert (target.read_text("utf-8"), victim.read_text("utf-8")) == ("report", "mine")


def test_a_file_takes_the_place_of_a_link_and_does_not_go_through_it(
    tmp_path: Path, victim: Path
) -> None:
    for write, name in ((write_text, "a"), (write_private, "b")):
        (tmp_path / name).symlink_to(victim)
        write(tmp_path / name, "new")
        assert not (tmp_path / name).is_symlink()
    assert victim.read_text("utf-8") == "mine"
    assert mode(tmp_path / "b") == 0o600


def test_the_store_and_the_spool_are_the_users_alone(tmp_path: Path) -> None:
    from engine.store.spool import Spool

    state = tmp_path / ".pada"
    store = Store.open(state)
    store.close()
    assert mode(state / FILE) == 0o600
    spool = Spool(state / "spool" / "r0001")
    spool.append([b'["x"]\n']) if hasattr(spool, "append") else None
    assert mode(state / "spool" / "r0001") == 0o700
    assert all(mode(file) == 0o600 for file in (state / "spool").rglob("*.jsonl"))
