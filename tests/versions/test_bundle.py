"""Runs as archives: what is in them, that others get the same from them, and that no archive can do harm."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.backends.protocol import Message, Request
from engine.errors import EngineError, RunError
from engine.run.repeated import Recorded, RecordedGenerator
from engine.versions.bundles import open_bundle, write_bundle
from engine.versions.bundles.portable import moved_places, place_in_bundle, with_moved
from engine.versions.stored import stored_run
from tests.e2e.runs import pada_here, results
from tests.store.small import call

pytestmark = pytest.mark.runs


@pytest.fixture(scope="session")
def bundle(ran: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle without its data."""
    to = tmp_path_factory.mktemp("bundle") / "run.tar.gz"
    write_bundle(stored_run(ran / ".pada", "r0001"), ran / ".pada", to)
    return to


def contents(bundle: Path) -> dict[str, bytes]:
    with tarfile.open(bundle) as archive:
        files = {entry.name: archive.extractfile(entry) for entry in archive}
        return {name: file.read() for name, file in files.items() if file is not None}


@pytest.mark.long
def test_others_get_the_same_rows_and_scores_without_asking_a_model(
    ran: Path, tmp_path: Path
) -> None:
    file = tmp_path / "run.tar.gz"
    made = pada_here("bundle", "r0001", "--to", file, "--with-data", "--state", ran / ".pada")
    assert made.code == 0, made.errors
    assert "data files in it: 3" in made.out
    to = tmp_path / "colleague"
    done = pada_here("rerun", file, "--to", to, "--quiet")
    assert "the same: all 23 steps have the rows of run r0001, and all scores are equal" in done.out
    assert results(to / "state") == results(ran / ".pada")
    # Nothing is left to do the second time, and a reply that is not there is not asked for.
    assert "the same: all 23 steps" in pada_here("rerun", file, "--to", to, "--quiet").out
    lines = contents(file)["calls.jsonl"].splitlines(keepends=True)
    short = tmp_path / "short.tar.gz"
    repacked(file, short, {"calls.jsonl": b"".join(lines[:-20])})
    done = pada_here("rerun", short, "--to", tmp_path / "short", "--quiet")
    assert done.code == 2
    assert "were not asked before" in done.errors


def repacked(source: Path, target: Path, changed: dict[str, bytes]) -> Path:
    with tarfile.open(target, "w:gz") as archive:
        for name, content in (contents(source) | changed).items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return target


def test_a_bundle_holds_what_is_needed_and_nothing_of_this_machine(ran: Path, bundle: Path) -> None:
    found = contents(bundle)
    assert set(found) == {
        "bundle.json", "README.txt", "calls.jsonl", "files/recipe.yaml", "files/pada.yaml", "files/replies.jsonl",
        "files/verdicts.jsonl", "sources/recipe.yaml",
    }  # fmt: skip
    everything = b"".join(found.values())
    assert str(ran.parent).encode() not in everything
    assert b"secret-token" not in everything
    manifest = json.loads(found["bundle.json"])
    assert manifest["repository"] == "https://example.org/team/recipes.git"
    assert len(manifest["nodes"]) == 23
    assert manifest["data"]["train.jsonl"]["included"] is False
    call = json.loads(found["calls.jsonl"].splitlines()[0])
    assert not {"messages", "server", "tries"} & call.keys()


def test_without_its_data_it_is_said_which_files_belong_where(bundle: Path, tmp_path: Path) -> None:
    to = tmp_path / "colleague"
    done = pada_here("rerun", bundle, "--to", to)
    assert done.code == 2
    for name in ("train", "validation", "test"):
        assert f"{to}/files/{name}.jsonl: not there (SHA-256 " in done.errors
    (to / "files" / "train.jsonl").write_text("{}", "utf-8")
    assert "train.jsonl: another file (SHA-256 " in pada_here("rerun", bundle, "--to", to).errors
    assert not (to / "state").exists()


def test_redacted_rows_do_not_leave_with_the_data(ran: Path, tmp_path: Path) -> None:
    run = stored_run(ran / ".pada")
    redacting = run.resolved + "privacy: {redact: [{pattern: secret, replacement: x}]}\n"
    run = replace(run, about={**run.about, "resolved": redacting})
    with pytest.raises(EngineError, match="redacts rows"):
        write_bundle(run, ran / ".pada", tmp_path / "a.tar.gz", with_data=True)
    assert not list(tmp_path.iterdir())


def test_a_bundle_is_written_whole_and_over_nothing(ran: Path, tmp_path: Path) -> None:
    run, state = stored_run(ran / ".pada"), ran / ".pada"
    there = tmp_path / "there.tar.gz"
    there.write_text("mine", "utf-8")
    for to, said in (
        (there, "is there already"),
        (tmp_path / "no" / "a.tar.gz", "there is no folder"),
        (tmp_path / "a.zip", r"is a \.tar\.gz file"),
    ):
        with pytest.raises(EngineError, match=said):
            write_bundle(run, state, to)
    with pytest.raises(EngineError, match="is waiting"):
        write_bundle(replace(run, status="waiting"), state, tmp_path / "a.tar.gz")
    assert there.read_text("utf-8") == "mine"
    assert [file.name for file in tmp_path.iterdir()] == ["there.tar.gz"]


def test_places_elsewhere_come_into_the_bundle(tmp_path: Path) -> None:
    project, base, shared = tmp_path / "p", tmp_path / "p" / "recipes", tmp_path / "shared"
    for folder in (base, shared):
        folder.mkdir(parents=True)
    for name in ("a.csv", "b.csv"):
        (shared / name).write_text("x", "utf-8")
    recipe = {
        "data": {
            "train": {"path": "../../shared/*.csv"},
            "validation": {"path": str(shared / "a.csv")},
            "test": {"sql": f"SELECT * FROM '{shared}/b.csv'"},
        },
        "models": {"student": {"model": "owner/name"}},
    }
    moved = moved_places(recipe, base, project)
    written = with_moved(recipe, moved)
    assert str(tmp_path) not in json.dumps(written)
    assert ".." not in json.dumps(written)
    assert written["models"]["student"]["model"] == "owner/name"
    place = place_in_bundle(str(shared / "a.csv"), recipe, moved, base, project)
    assert place == "recipes/outside/a.csv"
    assert place_in_bundle("/elsewhere/c.csv", recipe, moved, base, project) is None


def _entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return entry


HOSTILE: dict[str, list[tarfile.TarInfo]] = {
    "a path that leads out": [_entry("files/../../x")],
    "a whole path": [_entry("/tmp/x")],
    "a link": [_entry("files/x", tarfile.SYMTYPE, "/etc/passwd")],
    "a hard link": [_entry("files/x", tarfile.LNKTYPE, "/etc/passwd")],
    "a device": [_entry("files/x", tarfile.CHRTYPE)],
    "a folder": [_entry("files", tarfile.DIRTYPE)],
    "a state folder": [_entry("files/.pada/store.duckdb")],
    "a repository": [_entry("files/.git/config")],
    "a state beside it": [_entry("state/store.duckdb")],
    "a program": [_entry("models/a/adapter/run.py")],
    "a pickle": [_entry("models/a/adapter/adapter_model.bin")],
    "one name twice": [_entry("files/a"), _entry("files/A")],
    "a file that is a folder": [_entry("files/a"), _entry("files/a/b")],
    "a control character": [_entry("files/a\x1b[2J")],
    "a backslash": [_entry("files\\..\\x")],
    "no manifest": [_entry("files/a")],
}


@pytest.mark.parametrize("what", HOSTILE)
def test_an_archive_that_is_no_bundle_writes_nothing(what: str, tmp_path: Path) -> None:
    file = tmp_path / "a.tar.gz"
    with tarfile.open(file, "w:gz") as archive:
        for entry in HOSTILE[what]:
            archive.addfile(entry)
    with pytest.raises(EngineError):
        open_bundle(file, tmp_path / "to")
    assert [each.name for each in tmp_path.iterdir()] == ["a.tar.gz"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: {**m, "bundle": 2}, "format 2"),
        (lambda m: {**m, "recipe": "../recipe.yaml"}, "no path below a folder"),
        (lambda m: {**m, "data": {"/etc/passwd": m["data"]["train.jsonl"]}}, "no path below"),
        (lambda m: {**m, "nodes": 3}, "cannot be read"),
        (lambda m: [m], "cannot be read"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(
    bundle: Path, tmp_path: Path, change: Callable[[object], object], said: str
) -> None:
    manifest = json.loads(contents(bundle)["bundle.json"])
    file = repacked(
        bundle, tmp_path / "a.tar.gz", {"bundle.json": json.dumps(change(manifest)).encode()}
    )
    with pytest.raises(EngineError, match=said):
        open_bundle(file, tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_what_is_no_archive_or_cut_off_is_refused(bundle: Path, tmp_path: Path) -> None:
    whole = bundle.read_bytes()
    for name, content in {"text": b"hello", "cut": whole[: len(whole) // 2], "empty": b""}.items():
        file = tmp_path / f"{name}.tar.gz"
        file.write_bytes(content)
        done = pada_here("rerun", file, "--to", tmp_path / "to")
        assert (done.code, "is no bundle" in done.errors) == (2, True), done.errors
    assert not (tmp_path / "to").exists()
    (tmp_path / "to").mkdir()
    with pytest.raises(EngineError, match="is there already"):
        open_bundle(bundle, tmp_path / "to")


def test_recorded_replies_are_held_against_what_was_asked() -> None:
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}
    request = Request((Message("user", "?"),), schema, 10, 0.0, "m")
    failed = replace(call(1, error="schema"), id=request.id, final=False)
    good = replace(call(1), id=request.id, reply='{"a": 1}', schema=schema)
    asked = [request]
    replies = RecordedGenerator(Recorded({request.id: [failed, good]}), "teacher")
    ((first, second),) = replies.complete_many(asked, frozenset())
    assert (first.final, first.error, second.final, second.value) == (
        False,
        "schema",
        True,
        {"a": 1},
    )
    wrong = replace(good, reply='{"a": "no"}')
    ((only,),) = RecordedGenerator(Recorded({request.id: [wrong]}), "teacher").complete_many(
        asked, frozenset()
    )
    assert (only.final, only.error, only.value) == (True, "schema", None)
    with pytest.raises(RunError, match="were not asked before"):
        list(RecordedGenerator(Recorded({}), "judge").complete_many(asked, frozenset()))
