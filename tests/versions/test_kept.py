"""What a run keeps of what it was made of, and that nothing about git can harm it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import Location, Problem
from engine.project import Project
from engine.run.kept import Kept, commit_of, keep, meaning, resolved_text
from engine.run.kept.repository import NOWHERE
from engine.spec.loader import load
from engine.store import FileTextRow, ProvenanceRow, RunFileRow, Store, rows
from engine.store.cleaning import plan_removal, remove
from engine.versions.stored import stored_run
from tests.store.small import start
from tests.versions.made import commit, edit, git, repository

pytestmark = pytest.mark.runs
PROVENANCE = ProvenanceRow(
    "", "", "recipe: 1", "d", "/p", "r.yaml", {}, (), {}, None, None, None, None, None, None, (), {}, {}, {}
)  # fmt: skip


def test_a_run_keeps_its_recipe_files_commit_and_machine(ran: Path) -> None:
    run = stored_run(ran / ".pada", "r0001")
    about = run.about
    assert about["commit_hash"] == git(ran, "rev-parse", "HEAD")
    assert about["repository"] == "https://example.org/team/recipes.git"
    assert (about["branch"], about["tags"], about["changed"]) == ("main", ["v1.0"], [])
    assert run.project == ran
    assert run.file == "recipe.yaml"
    kinds = {file.path: file.kind for file in run.files}
    assert kinds == {
        "recipe.yaml": "recipe",
        "replies.jsonl": "replies",
        "verdicts.jsonl": "replies",
        "train.jsonl": "data",
        "validation.jsonl": "data",
        "test.jsonl": "data",
    }
    assert {file.path for file in run.files if file.text is None} == {
        "train.jsonl", "validation.jsonl", "test.jsonl",
    }  # fmt: skip
    assert {"cores", "memory", "platform", "threads"} <= about["hardware"].keys()
    assert set(about["data"]) == {"train", "validation", "test"}
    assert about["models"]["teacher"]["backend"] == "scripted"
    (warning,) = json.loads(about["warnings"])
    assert (warning["file"], warning["line"], warning["column"]) == ("recipe.yaml", 3, 1)
    assert "the task has no description" in warning["message"]
    assert "write task.description" in warning["hint"]


def test_a_warning_of_no_file_keeps_what_it_names(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    kept = Kept(replace(PROVENANCE, project=str(tmp_path)), [], [])
    (tmp_path / "rows.csv").touch()
    places = ["--set train.steps=3", str(tmp_path / "rows.csv"), "x" * 5_000, "a\0b", ""]
    with store.lock_run():
        run = start(store)
        keep(store, run, kept, [Problem(Location(one), "m", level="warning") for one in places])
    (row,) = rows(tmp_path, "SELECT warnings FROM provenance")
    shown = [one["file"] for one in json.loads(row["warnings"])]
    assert shown == [places[0], "rows.csv", *places[2:]]


def test_the_resolved_recipe_says_what_the_recipe_says(ran: Path, tmp_path: Path) -> None:
    run = stored_run(ran / ".pada")
    alone = tmp_path / "recipe.yaml"
    alone.write_text(run.resolved, "utf-8")
    assert load(alone).effective == load(ran / "recipe.yaml").effective


def test_vars_and_settings_stand_in_the_resolved_recipe_and_texts_like_vars_stay(
    ran: Path, tmp_path: Path
) -> None:
    text = (ran / "recipe.yaml").read_text("utf-8")
    file = tmp_path / "recipe.yaml"
    file.write_text(
        text.replace("name: estimated", 'name: estimated\nvars: {what: "1e-3"}').replace(
            "task: {", 'task: {description: "a $${b} $ ${what} ${ open", '
        ),
        "utf-8",
    )
    written = load(file, {"what": "no: x"}, {"augment.rows_per_round": 5})
    again = tmp_path / "again.yaml"
    again.write_text(resolved_text(written), "utf-8")
    read = load(again)
    assert read.recipe.task.description == "a ${b} $ no: x ${ open"
    assert read.recipe.augment.rows_per_round == 5
    assert meaning(resolved_text(written)) == meaning(resolved_text(read))


def test_what_a_run_keeps_is_in_no_fingerprint(ran: Path, copied: Path) -> None:
    (copied / "other.txt").write_text("x", "utf-8")
    commit(copied, "another commit")
    assert Project.open(copied / "recipe.yaml").nodes == Project.open(ran / "recipe.yaml").nodes


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://user:token@host/a.git", "https://host/a.git"),
        ("https://token@host:8443/a?private_token=x#y", "https://host:8443/a"),
        ("ssh://git:pw@host/a", "ssh://host/a"),
        ("git@host:team/a.git", "git@host:team/a.git"),
        ("https://[broken/a", None),
    ],
)
def test_addresses_are_kept_without_secrets(url: str, kept: str | None, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "x")
    git(tmp_path, "config", "remote.origin.url", url)
    assert commit_of(tmp_path, []).repository == kept


def _not_git(folder: Path) -> None:
    (folder / ".git").mkdir()


def _lost(folder: Path) -> None:
    (folder / ".git").write_text("gitdir: /nowhere/at/all\n", "utf-8")


def _bare(folder: Path) -> None:
    git(folder, "init", "-q", "--bare", ".git")


def _no_commit(folder: Path) -> None:
    git(folder, "init", "-q")


def _damaged(folder: Path) -> None:
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "x")
    (folder / ".git" / "HEAD").write_bytes(b"\xff\x00 nothing")


@pytest.mark.parametrize("make", [lambda _: None, _not_git, _lost, _bare, _no_commit, _damaged])
def test_without_a_usable_repository_nothing_is_noted(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(tmp_path)
    said: list[str] = []
    assert commit_of(tmp_path, [tmp_path / "recipe.yaml"], said.append) == NOWHERE
    assert len(said) <= 1
    assert not any("\n" in line for line in said)


def test_without_git_or_in_another_users_repository_nothing_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "x")
    said: list[str] = []
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    assert commit_of(tmp_path, [], said.append) == NOWHERE
    assert "another user's" in said[0]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_of(tmp_path, [], said.append) == NOWHERE
    assert "git is not installed" in said[1]


def test_changed_files_are_told_by_their_content_and_no_filter_is_started(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    for name in ("same", "ends", "edited"):
        (tmp_path / name).write_text("one\ntwo\n", "utf-8")
    commit(tmp_path, "x")
    trap = tmp_path / "started"
    (tmp_path / ".gitattributes").write_text("* filter=evil\n", "utf-8")
    for setting in ("filter.evil.clean", "filter.evil.smudge", "core.fsmonitor", "core.pager"):
        git(tmp_path, "config", setting, f"touch {trap}; cat")
    (tmp_path / "ends").write_bytes(b"one\r\ntwo\r\n")
    (tmp_path / "edited").write_text("one\n", "utf-8")
    (tmp_path / "new").write_text("", "utf-8")
    files = [tmp_path / name for name in ("same", "ends", "edited", "new")]
    found = commit_of(tmp_path, [*files, Path("/etc/hostname")])
    assert [file.name for file in found.changed or ()] == ["edited", "new"]
    assert not trap.exists()


def test_changes_that_are_not_committed_are_named(tmp_path: Path) -> None:
    recipe = repository(tmp_path / "p")
    edit(recipe, "rows_per_round: 12", "rows_per_round: 13")
    found = commit_of(recipe.parent, [recipe, recipe.parent / "replies.jsonl"])
    assert found.changed == (recipe,)


def test_clean_removes_it_with_its_run(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with store.lock_run():
        for name in ("a", "b"):
            run = start(store, name)
            row = replace(PROVENANCE, run=run)
            texts = [FileTextRow("shared", "s"), FileTextRow(name, name)]
            files = [
                RunFileRow(run, t.digest, "", "prompt", t.digest, 3_000_000_000) for t in texts
            ]
            store.note([row, *files, *texts])
            store.end_run(run, "done")
    remove(tmp_path, plan_removal(tmp_path, 1))
    assert rows(tmp_path, "SELECT run FROM provenance") == [{"run": "r0002"}]
    assert rows(tmp_path, "SELECT digest FROM file_text ORDER BY digest") == [
        {"digest": "b"}, {"digest": "shared"},
    ]  # fmt: skip
