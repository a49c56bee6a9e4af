"""`pada deps` over real repositories: installed, locked, upgraded, checked, and everything that is wrong said."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine import gate
from engine.cli.app import app
from engine.errors import EngineError
from engine.gate import KeyUse, packages, roots
from engine.packages import content, installing
from engine.packages.repositories import clone_place, fetch
from engine.spec.repository import check_packages, package_folders, packaged, used_packages
from engine.spec.repository.lock_file import read_lock
from tests.packages.made import Commit, commit_of, make_project, make_repository, package

Pada = Callable[..., str]


class Made:
    """Repositories that several tests look at, and none changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        texts = make_repository(
            folder / "texts.git",
            Commit(package("texts", "1.0.0", **{"prompts/a.j2": "a"}), ["v1.0.0"]),
            Commit(package("texts", "1.4.0", **{"prompts/a.j2": "b"}), ["v1.4.0"]),
            Commit(package("texts", "2.0.0", **{"prompts/a.j2": "c"}), ["v2.0.0"]),
        )
        asks = f"packages: [{{git: '{texts}', revision: '>=1,<2'}}]\n"
        self.texts = texts
        self.support = make_repository(
            folder / "support.git",
            Commit(
                package("support", "1.2.0", asks, **{"recipes/base.yaml": "recipe: 1\n"}),
                ["v1.2.0"],
            ),
        )
        self.mono = make_repository(
            folder / "mono.git",
            Commit(
                {f"packs/one/{name}": text for name, text in package("one", "1.0.0").items()}
                | {f"packs/two/{name}": text for name, text in package("two", "1.0.0").items()},
                ["v1.0.0"],
            ),
        )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("git"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project that is not there yet; the cache is the test's own."""
    folder = tmp_path / "app"
    folder.mkdir()
    monkeypatch.setenv("PADA_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def known(made: Made, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A project that is installed, and the cache of it: copied for each test that changes something."""
    folder = tmp_path_factory.mktemp("known")
    cache = folder / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PADA_CACHE", str(cache))
        project = make_project(folder / "app", f"{{git: '{made.support}', revision: v1.2.0}}")
        installing.install(project, lambda _: None)
    return project, cache


@pytest.fixture
def installed(here: Path, known: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    project, cache = known
    shutil.copytree(project, here, dirs_exist_ok=True)
    monkeypatch.setenv("PADA_CACHE", str(cache))
    return here


def pada(*words: str, code: int = 0) -> str:
    """Return what a command prints; raises where it ends otherwise than it should."""
    done = CliRunner().invoke(app, list(words))
    said = done.output
    if isinstance(done.exception, EngineError):
        said, ended = f"{said}{done.exception}", done.exception.exit_code
    else:
        ended = done.exit_code
    assert ended == code, said
    return said


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("lock",)
    }


def test_packages_of_packages_are_installed_and_locked(here: Path, made: Made) -> None:
    make_project(here, f"{{git: '{made.support}', revision: v1.2.0}}")
    (here / "recipes").mkdir()
    said = pada("deps")
    assert "support: v1.2.0" in said
    lock = read_lock(here)
    assert lock is not None
    support, texts = lock.packages
    assert (support.commit, support.requested) == (
        commit_of(made.support, "v1.2.0"),
        {".": "v1.2.0"},
    )
    assert (texts.tag, texts.requested, texts.version) == ("v1.4.0", {"support": ">=1,<2"}, "1.4.0")
    folders = package_folders(here / "recipes")
    assert list(folders) == ["support"]
    assert not list(folders["support"].rglob(".git"))
    # What a package asks for, its own files may name; and nobody else's.
    inner = packaged("texts/prompts/a.j2", folders["support"] / "recipes")
    assert inner is not None
    assert inner.read_text("utf-8") == "b"
    assert packaged("texts/prompts/a.j2", here) is None
    before = files_of(here)
    assert "2 packages are installed already" in pada("deps")
    assert "2 packages are installed as locked" in pada("deps", "--check")
    assert '"support"' in pada("list", "packages", "--json")
    assert "v1.4.0 of file://" in pada("list", "packages")
    assert files_of(here) == before


def test_without_network_a_full_cache_is_enough(
    installed: Path, made: Made, tmp_path: Path
) -> None:
    lock = (installed / "pada.lock").read_bytes()
    shutil.rmtree(installed / ".pada")
    assert "not installed" in pada("deps", "--check", code=2)
    with pytest.raises(EngineError, match="not installed"):
        package_folders(installed)
    moved = made.folder.with_name("away")
    made.folder.rename(moved)
    try:
        said = pada("deps")
        assert "whether tags were moved was not looked at" in said
        assert "support: v1.2.0 installed" in said
        pada("deps", "--check")
    finally:
        moved.rename(made.folder)
    assert (installed / "pada.lock").read_bytes() == lock


def test_without_network_and_cache_it_is_said(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(installed / ".pada")
    monkeypatch.setenv("PADA_CACHE", str(tmp_path / "empty"))
    assert "was never fetched on this machine" in pada("deps", "--offline", code=2)


def test_upgrades_are_asked_for_and_told(here: Path, tmp_path: Path) -> None:
    first = make_repository(
        tmp_path / "first", Commit(package("first", "1.0.0", **{"a": "1"}), ["v1.0.0"])
    )
    second = make_repository(tmp_path / "second", Commit(package("second", "1.0.0"), ["1.0.0"]))
    make_project(here, *(f"{{git: '{each}', revision: '>=1,<2'}}" for each in (first, second)))
    pada("deps")
    lock = (here / "pada.lock").read_text("utf-8")
    make_repository(tmp_path / "first", Commit(package("first", "1.1.0", **{"a": "2"}), ["v1.1.0"]))
    make_repository(tmp_path / "second", Commit(package("second", "1.1.0"), ["1.1.0"]))
    pada("deps")
    assert (here / "pada.lock").read_text("utf-8") == lock
    said = pada("deps", "--upgrade", "first")
    assert "first: v1.0.0 (" in said
    assert "-> v1.1.0 (" in said
    assert "second: 1.0.0 (" in said
    assert "unchanged" in said
    assert package_folders(here)["first"].joinpath("a").read_text("utf-8") == "2"
    assert "-> 1.1.0 (" in pada("deps", "--upgrade")
    # Back again: the lock is the whole truth.
    (here / "pada.lock").write_text(lock, "utf-8")
    pada("deps")
    assert package_folders(here)["first"].joinpath("a").read_text("utf-8") == "1"
    assert "did you mean 'first'?" in pada("deps", "--upgrade", "frist", code=2)
    assert "for --upgrade" in pada("deps", "first", code=2)


def test_a_tag_that_was_moved_is_an_error_with_both_commits(here: Path, tmp_path: Path) -> None:
    place = tmp_path / "pack"
    address = make_repository(place, Commit(package("pack", "1.0.0"), ["v1.0.0"]))
    make_project(here, f"{{git: '{address}', revision: v1.0.0}}")
    pada("deps")
    old = commit_of(address, "v1.0.0")
    make_repository(place, Commit(package("pack", "1.0.0", **{"new": "x"}), ["v1.0.0"]))
    new = commit_of(address, "v1.0.0")
    assert old != new
    before = files_of(here)
    for words in (["deps"], ["deps", "--upgrade"], ["deps", "--upgrade", "pack"]):
        said = pada(*words, code=2)
        assert "pada.lock: error: the tag v1.0.0 of pack" in said
        assert old in said
        assert new in said
    assert files_of(here) == before
    text = (here / "pada.yaml").read_text("utf-8").replace("v1.0.0", new)
    (here / "pada.yaml").write_text(text, "utf-8")
    assert f"{old[:12]}) -> {new[:12]}" in pada("deps", "--upgrade", "pack")


def test_a_commit_that_is_gone_is_said(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "pack"
    address = make_repository(place, Commit(package("pack", "1.0.0")))
    make_project(here, f"{{git: '{address}', revision: main}}")
    pada("deps")
    old = commit_of(address, "main")
    shutil.rmtree(place)
    make_repository(place, Commit(package("pack", "2.0.0")))
    shutil.rmtree(here / ".pada")
    monkeypatch.setenv("PADA_CACHE", str(tmp_path / "another"))
    said = pada("deps", code=2)
    assert f"the commit {old} (was main) of pack" in said
    assert "gone" in said


def edited(text: str, before: str, after: str) -> str:
    assert before in text
    return text.replace(before, after)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("lock: 1", "lock: 2", ["pada.lock:3:", "format 2, from a later PaDA Engine", "update"]),
        ("lock: 1", "lok: 1", ["unknown key 'lok'", "did you mean 'lock'?"]),
        ('content: "sha256:', 'content: "sha256:0', ["no hash", "not for editing"]),
        ('commit: "', 'commit: "x', ["no full commit", "not for editing"]),
        ("- name: texts", "- name: support", ["the package 'support' is locked twice"]),
        ('".": "v1.2.0"', '".": "v1.1.0"', ["is asked for as 'v1.2.0', and locked for 'v1.1.0'"]),
        ('git: "file:', 'git: "ext::sh -c file:', ["packages[0].git", "not ASCII"]),
        ('git: "file:///', 'git: "https://me:hunter2@host/', ["a password or a token"]),
        ("- name: texts", "- name: ../texts", ["cannot be '../texts'"]),
        ('"support": ">=1,<2"', '"other": ">=1,<2"', ["not asked for by other any more"]),
    ],
)
def test_a_lock_that_was_edited_is_told(
    installed: Path, before: str, after: str, words: list[str]
) -> None:
    file = installed / "pada.lock"
    file.write_text(edited(file.read_text("utf-8"), before, after), "utf-8")
    written = files_of(installed)
    for command in (["deps"], ["deps", "--check"]):
        said = pada(*command, code=2)
        assert "hunter2" not in said
        for word in words:
            assert word in said
    assert files_of(installed) == written


def test_a_commit_that_was_edited_in_the_lock_does_not_pass_for_another(
    installed: Path, made: Made
) -> None:
    file = installed / "pada.lock"
    other = commit_of(made.texts, "v1.0.0")
    text = file.read_text("utf-8").replace(commit_of(made.texts, "v1.4.0"), other)
    file.write_text(text, "utf-8")
    said = pada("deps", "--offline", code=2)
    assert "the content of texts v1.4.0 is" in said
    assert not list((installed / ".pada" / "packages" / "texts").glob(f"{other}*"))


def test_files_that_were_edited_are_told(installed: Path) -> None:
    place = package_folders(installed)["support"]
    (place / "recipes" / "base.yaml").write_text("recipe: 1\n# mine\n", "utf-8")
    for command in (["deps"], ["deps", "--check"], ["deps", "--upgrade"]):
        said = pada(*command, code=2)
        assert "the files of the package support are not those of v1.2.0" in said
        assert f"rm -r .pada/packages/support/{place.name} && pada deps" in said
    shutil.rmtree(place)
    pada("deps")
    (place / "pada.yaml").chmod(0o755)
    assert "are not those" in pada("deps", "--check", code=2)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("{git: 'https://me:hunter2@host/x', revision: v1}", ["credential helper", "pada.yaml:5:"]),
        ("{git: 'https://host/x?token=hunter2', revision: v1}", ["credential helper"]),
        ("{git: 'ext::sh -c hunter2', revision: v1}", ["packages[0].git"]),
        ("{git: '--upload-pack=hunter2', revision: v1}", ["https, ssh and file addresses alone"]),
        ("{git: 'https://host/x'}", ["`revision:` is missing"]),
        ("{git: 'https://host/x', revision: v1, path: ../x}", ["either `git:`"]),
        ("{path: ../x, revision: v1}", ["a folder is read as it is"]),
        ("{git: 'https://host/x', revision: v1, subdirectory: ../y}", ["no `..`"]),
        ("{git: 'https://host/x', revison: v1}", ["did you mean 'revision'?"]),
        ("https://host/x", ["packages[0]", "must be a mapping"]),
        ("{path: nowhere}", ["there is no folder nowhere"]),
    ],
)
def test_a_project_file_that_is_wrong_is_told(here: Path, asked: str, words: list[str]) -> None:
    make_project(here, asked)
    before = files_of(here)
    said = pada("deps", code=2)
    assert "hunter2" not in said
    for word in words:
        assert word in said
    assert files_of(here) == before


def test_a_revision_that_is_an_option_is_none(here: Path, made: Made) -> None:
    make_project(here, f"{{git: '{made.texts}', revision: '--upload-pack=x'}}")
    assert "has no tag, branch or commit '--upload-pack=x'" in pada("deps", code=2)


def test_a_folder_of_a_repository_is_a_package(here: Path, made: Made) -> None:
    asked = f"{{git: '{made.mono}', revision: v1.0.0, subdirectory: packs/%s}}"
    make_project(here, asked % "one", asked % "two")
    pada("deps")
    assert sorted(package_folders(here)) == ["one", "two"]
    make_project(here, asked % "three")
    assert "has no folder packs/three at" in pada("deps", "--upgrade", code=2)
    make_project(here, f"{{git: '{made.mono}', revision: v1.0.0}}")
    said = pada("deps", "--upgrade", code=2)
    assert "has no pada.yaml, and is no package" in said
    assert "`subdirectory:`: packs/one, packs/two" in said


def test_what_was_not_locked_is_told_with_what_to_run(installed: Path, made: Made) -> None:
    make_project(
        installed,
        f"{{git: '{made.support}', revision: v1.2.0}}",
        f"{{git: '{made.mono}', revision: v1.0.0, subdirectory: packs/one}}",
    )
    said = pada("deps", code=2)
    assert f"{made.mono} is asked for and not locked" in said
    assert f"pada deps --upgrade {made.mono}" in said
    said = pada("deps", "--upgrade", made.mono)
    assert "one: v1.0.0 (" in said
    assert "new" in said
    make_project(installed, f"{{git: '{made.support}', revision: v1.2.0}}")
    assert "one is locked, and not asked for any more" in pada("deps", "--check", code=2)
    assert "one: v1.0.0" in pada("deps", "--upgrade", "one")
    pada("deps", "--check")


def test_a_project_that_was_never_resolved_says_so(here: Path, made: Made) -> None:
    make_project(here, f"{{git: '{made.support}', revision: v1.2.0}}")
    with pytest.raises(EngineError, match=r"there is no pada\.lock"):
        packaged("support/recipes/base.yaml", here)
    assert packaged("recipes/base.yaml", here) is None
    assert "pada deps" in pada("deps", "--check", code=2)


def test_no_project_no_git_and_no_repository_are_said(
    here: Path, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "there is no pada.yaml" in pada("deps", code=2)
    make_project(here, f"{{git: '{made.folder.as_uri()}/nothing', revision: v1.2.0}}")
    assert "there is no such repository" in pada("deps", code=2)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git is not installed" in pada("deps", code=2)
    assert not (here / "pada.lock").exists()


LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"


HOSTILE: dict[str, tuple[dict[str, str | tuple[str, str]], str]] = {
    "absolute-link": ({"a": ("120000", "/etc/passwd")}, "a: it is a link to '/etc/passwd'"),
    "link": ({"a": ("120000", "../../b")}, "a: it is a link to '../../b'"),
    "link-by-link": (
        {"d/x": "1", "a": ("120000", "d"), "b": ("120000", "a/../../..")},
        "b: it is a link",
    ),
    "capitals": ({"Readme": "1", "README": "2"}, "same name on disks that ignore capitals"),
    "folders": ({"x/a": "1", "X/b": "2"}, "same name on disks that ignore capitals"),
    "backslash": ({"a\\b": "1"}, "a backslash"),
    "large": ({"large": "0" * 2000}, "large: it has 0 MB"),
    "many": ({f"f{n}": str(n) for n in range(11)}, "has 12 files"),
}
"""What a package may not hold, and what is said of it."""
MANIFESTS = {
    "future": (
        "project: 2\nname: pack\n",
        "pada.yaml:1:10: error: project must be 1, not the number 2",
    ),
    "nameless": ("project: 1\n", "name is missing"),
    "folder": (
        "project: 1\nname: pack\npackages: [{path: ../x}]\n",
        "pada.yaml:3:12: error: the package pack asks for a folder, ../x",
    ),
    "deep": ("[" * 100, "pada.yaml:1:"),
    "anchor": ("project: 1\nname: &a pack\ndescription: *a\n", "anchor"),
}
"""Project files that are wrong, and what is said of them."""


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A repository with a tag for each of both, and a cache in which it is."""
    folder = tmp_path_factory.mktemp("shelf")
    good = package("pack", "1.0.0")
    address = make_repository(
        folder / "pack",
        *(Commit(good | files, [tag]) for tag, (files, _) in HOSTILE.items()),
        *(Commit({"pada.yaml": text}, [tag]) for tag, (text, _) in MANIFESTS.items()),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PADA_CACHE", str(folder / "cache"))
        fetch(address)
    return address, folder / "cache"


@pytest.mark.parametrize("tag", [*HOSTILE, *MANIFESTS])
def test_what_a_package_may_not_hold_is_not_written(
    here: Path, shelf: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, tag: str
) -> None:
    monkeypatch.setattr(content, "LARGEST_FILE", 1000)
    monkeypatch.setattr(content, "MOST_FILES", 11)
    address, cache = shelf
    monkeypatch.setenv("PADA_CACHE", str(cache))
    make_project(here, f"{{git: '{address}', revision: {tag}}}")
    said = pada("deps", "--offline", code=2)
    if tag in MANIFESTS:
        assert f"pack@{tag}/pada.yaml" in said
        assert MANIFESTS[tag][1] in said
    else:
        assert HOSTILE[tag][1] in said
    assert not (here / "pada.lock").exists()
    assert files_of(here / ".pada") == {}


def test_submodules_and_pointers_are_said_and_links_inside_stay(here: Path, tmp_path: Path) -> None:
    files = package("pack", "1.0.0") | {
        "sub": ("160000", "1" * 40),
        "big.csv": LFS,
        "run.sh": ("100755", "x"),
        "inside": ("120000", "run.sh"),
        ".pada/store.duckdb": "x",
    }
    address = make_repository(tmp_path / "pack", Commit(files, ["v1"]))
    make_project(here, f"{{git: '{address}', revision: v1}}")
    said = pada("deps")
    assert "pack: the submodule sub is not fetched" in said
    assert "pack: big.csv is a pointer of Git LFS" in said
    place = package_folders(here)["pack"]
    assert os.readlink(place / "inside") == "run.sh"
    assert os.access(place / "run.sh", os.X_OK)
    assert not (place / ".pada").exists()


def test_what_is_interrupted_leaves_nothing_half(
    here: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(here, f"{{git: '{made.support}', revision: v1.2.0}}")

    def stop(folder: Path, *_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(installing, "content_digest", stop)
        with pytest.raises(KeyboardInterrupt):
            installing.install(here, lambda _: None)
    assert files_of(here / ".pada") == {}
    assert not (here / "pada.lock").exists()
    pada("deps")


def test_packages_are_not_written_through_links(here: Path, made: Made, tmp_path: Path) -> None:
    make_project(here, f"{{git: '{made.texts}', revision: v1.0.0}}")
    outside = tmp_path / "outside"
    outside.mkdir()
    for link in (
        here / ".pada",
        here / ".pada" / "packages",
        here / ".pada" / "packages" / "texts",
    ):
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(outside)
        assert f"{link.relative_to(here)} is a link" in pada("deps", code=2)
        link.unlink()
    assert list(outside.iterdir()) == []


def test_clones_lie_in_the_cache_and_not_in_the_project(installed: Path, made: Made) -> None:
    """One that came with a project could have settings by which git runs somebody's program."""
    assert clone_place(made.support).is_dir()
    assert not clone_place(made.support).is_relative_to(installed)


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(roots, "_allowed", {})
    folder = make_project(tmp_path / "shared")
    (folder / "pada.yaml").write_text("project: 1\nname: shared\n", "utf-8")
    (folder / "a.j2").write_text("x", "utf-8")
    return folder


def test_a_folder_outside_of_the_project_needs_its_user_s_word(here: Path, shared: Path) -> None:
    make_project(here, "{path: ../shared}")
    said = pada("deps", code=2)
    assert "pada.yaml:5:" in said
    assert f"pada trust {shared}" in said
    # Its name is known; its files have to pass the gate.
    place = packaged("shared/a.j2", here)
    assert place is not None
    with pytest.raises(EngineError, match="outside of what this recipe may read"):
        gate.passed(place, here, EngineError)
    gate.allow(shared)
    assert "shared (../shared): read where it lies" in pada("deps")
    assert packaged("shared/a.j2", here) == shared / "a.j2"
    assert not (here / "pada.lock").exists()


def test_a_folder_and_a_package_of_one_name_are_both_named(here: Path, shared: Path) -> None:
    gate.allow(shared)
    make_project(here, "{path: ../shared}")
    (here / "shared").mkdir()
    with pytest.raises(EngineError, match=r"the package in \.\./shared and the folder shared"):
        packaged("shared/a.j2", here)
    with pytest.raises(EngineError, match="leaves the package 'shared'"):
        packaged("shared/../app/pada.yaml", here / "recipes")


def test_packages_in_folders_ask_for_others(here: Path, shared: Path, made: Made) -> None:
    gate.allow(shared)
    make_project(here, "{path: ../shared}")
    text = f"project: 1\nname: shared\npackages: [{{git: '{made.texts}', revision: '<2'}}]\n"
    (shared / "pada.yaml").write_text(text, "utf-8")
    pada("deps")
    lock = read_lock(here)
    assert lock is not None
    assert lock.packages[0].requested == {"shared": "<2"}
    assert packaged("texts/prompts/a.j2", here) is None
    found = packaged("texts/prompts/a.j2", shared)
    assert found is not None
    assert found.is_relative_to(here)
    (shared / "pada.yaml").write_text(
        "project: 1\nname: shared\npackages: [{path: ../app}]\n", "utf-8"
    )
    assert "ask for each other: pada.yaml → shared → pada.yaml" in pada("deps", code=2)


def test_a_package_that_is_trusted_is_a_part_of_the_project_until_it_changes(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADA_CONFIG", str(tmp_path / "settings"))
    base = package_folders(installed)["support"] / "recipes"
    use = KeyUse("SOME_KEY", "https://one.example/v1")
    gate.remember_keys([use], installed)

    def refuse(message: str, hint: str) -> EngineError:
        return EngineError(message, hint)

    def may() -> tuple[bool, bool]:
        # As a process that looks for the first time.
        packages._digest.cache_clear()
        try:
            gate.passed(installed / "pada.yaml", base, refuse)
        except EngineError:
            return False, gate.has_consent(use, base)
        return True, gate.has_consent(use, base)

    assert may() == (False, False)
    said = pada("trust", "support")
    assert "support v1.2.0 counts as a part of the projects that install it" in said
    assert may() == (True, True)
    assert not gate.has_consent(use._replace(address="https://two.example/v1"), base)
    (base / "base.yaml").write_text("recipe: 1\n# another\n", "utf-8")
    assert may() == (False, False)
    assert "are not those of v1.2.0" in pada("trust", "support", code=2)
    assert "there is no file or folder nobody" in pada("trust", "nobody", code=2)


def test_what_a_run_finds_is_noted_and_what_was_changed_ends_it(
    installed: Path, shared: Path
) -> None:
    gate.allow(shared)
    names = [(used.name, used.revision) for used in used_packages(installed)]
    assert names == [("support", "v1.2.0"), ("texts", "v1.4.0")]
    check_packages(installed)
    text = (installed / "pada.yaml").read_text("utf-8")
    (installed / "pada.yaml").write_text(f"{text}- {{path: ../shared}}\n", "utf-8")
    before = used_packages(installed)[0]
    (shared / "a.j2").write_text("y", "utf-8")
    after = used_packages(installed)[0]
    assert (before.name, after.name) == ("shared", "shared")
    assert before.content != after.content
    (package_folders(installed)["support"] / "new").write_text("", "utf-8")
    with pytest.raises(EngineError, match="are not those of"):
        check_packages(installed)
