"""Files that `pada fmt` and `pada migrate` write: which they are, byte by byte, all of them or none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.authoring import files
from engine.authoring.files import rewritten, write
from engine.authoring.formatting import formatted
from engine.cli.app import app
from engine.errors import EngineError, RecipeError

UNTIDY = "name:   x\nrecipe: 1\n"
TIDY = "recipe: 1\nname: x\n"
RUN = CliRunner()


def pada(*words: object) -> tuple[int, str, str]:
    ended = RUN.invoke(app, [str(word) for word in words])
    if isinstance(ended.exception, EngineError):
        return ended.exception.exit_code, ended.stdout, str(ended.exception)
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
    return ended.exit_code, ended.stdout, ended.stderr


def test_a_tree_of_files(tmp_path: Path) -> None:
    wanted = ["recipe.yaml", "a/recipe.yaml", "a/operators/o/operator.yaml", "pada.yaml", "b/t.yml"]
    texts = {
        **dict.fromkeys(wanted[:2], UNTIDY),
        wanted[2]: "name: o\noperator: 1\n",
        wanted[3]: "name: p\nproject: 1\n",
        wanted[4]: "mode: open\ntaxonomy: 1\n",
    }
    left = {
        "workflow.yaml": "on: !reference [push]\n",
        ".pada/packages/p/recipe.yaml": UNTIDY,
        ".hidden.yaml": UNTIDY,
        "node_modules/x/recipe.yaml": UNTIDY,
        "notes.txt": UNTIDY,
    }
    for name, text in {**texts, **left}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "link.yaml").symlink_to(tmp_path / "notes.txt")
    code, out, said = pada("fmt", tmp_path, "--check")
    assert (code, out, said.count(": not formatted")) == (1, "", 5)
    code, out, _ = pada("fmt", tmp_path, "--diff")
    assert code == 0
    assert "-name:   x\n recipe: 1\n+name: x\n" in out
    assert (tmp_path / "recipe.yaml").read_text() == UNTIDY
    code, out, _ = pada("fmt", tmp_path)
    assert (code, out.count(": formatted")) == (0, 5)
    assert {name: (tmp_path / name).read_text() for name in left} == left
    assert (tmp_path / "a/recipe.yaml").read_text() == TIDY
    assert pada("fmt", tmp_path, "--check") == (0, "", "5 files are formatted already\n")
    assert pada("migrate", tmp_path, "--check") == (0, "", "5 files are migrated already\n")


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (b"name: x\r\n# a\r\nrecipe: 1\r\n", b"# a\r\nrecipe: 1\r\nname: x\r\n"),
        (b"\xef\xbb\xbfname: x\nrecipe: 1", TIDY.encode()),
        ("recipe: 1\nname: é😀\n".encode(), "recipe: 1\nname: é😀\n".encode()),
    ],
)
def test_bytes(tmp_path: Path, raw: bytes, wanted: bytes) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_bytes(raw)
    file.chmod(0o640)
    pada("fmt", file)
    assert file.read_bytes() == (wanted if wanted != raw else raw)
    assert file.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in tmp_path.iterdir()] == ["recipe.yaml"]


def test_crlf_keeps_what_blocks_of_text_say(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_bytes(b"recipe: 1\r\nvars: {a: x}\r\ndescription: |\r\n  one\r\n  two\r\n")
    pada("fmt", file)
    assert file.read_bytes() == b"recipe: 1\r\ndescription: |\r\n  one\r\n  two\r\nvars: {a: x}\r\n"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"recipe: 1\nname: \xe9\n", "2:7: error: this is not UTF-8"),
        (b"recipe: 1\n#" + b"x" * 1_000_000, "larger than 1 MB"),
        (b"recipe: 1\na: b: c\n", "2:5: error: a second ':'"),
        (b"a: 1\n", "this file does not say what it is"),
        (b"recipe: 1\nname: a\n\tb: 1\n", "3:1: error: a tab stands here"),
    ],
)
def test_a_file_that_cannot_be_read_keeps_all_as_they_are(
    tmp_path: Path, raw: bytes, said: str
) -> None:
    good, bad = tmp_path / "a.yaml", tmp_path / "recipe.yaml"
    good.write_text(UNTIDY)
    bad.write_bytes(raw)
    for command in ("fmt", "migrate"):
        code, out, error = pada(command, tmp_path)
        assert (code, out) == (2, "")
        assert f"{said}" in error
    assert good.read_text() == UNTIDY
    assert bad.read_bytes() == raw


def test_all_problems_of_all_files_are_told(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("recipe: 2\n")
    with pytest.raises(RecipeError) as caught:
        rewritten([tmp_path], formatted)
    assert len(caught.value.problems) == 2


def test_where_one_cannot_be_written_none_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(UNTIDY)
    replace = files._replace

    def full(path: Path, content: bytes) -> None:
        if path.name == "b.yaml":
            raise OSError(28, "No space left on device")
        replace(path, content)

    monkeypatch.setattr(files, "_replace", full)
    with pytest.raises(EngineError, match="No space left on device; no file was changed"):
        write(rewritten([tmp_path], formatted))
    assert {(tmp_path / f"{name}.yaml").read_text() for name in ("a", "b")} == {UNTIDY}


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(UNTIDY)
    planned = rewritten([file], formatted)
    file.write_text("recipe: 1\nname: mine\n")
    with pytest.raises(EngineError, match="was changed meanwhile"):
        write(planned)
    assert file.read_text() == "recipe: 1\nname: mine\n"


def test_of_a_link_that_is_named_its_file_is_written(tmp_path: Path) -> None:
    file, link = tmp_path / "a.yaml", tmp_path / "link.yaml"
    file.write_text(UNTIDY)
    link.symlink_to(file)
    pada("fmt", link, file)
    assert link.is_symlink()
    assert file.read_text() == TIDY


def test_what_is_named_must_be_there(tmp_path: Path) -> None:
    code, _, error = pada("fmt", tmp_path / "none.yaml")
    assert (code, "there is no file or folder" in error) == (2, True)
    code, _, error = pada("fmt", tmp_path)
    assert (code, error) == (0, "no recipe and no file of one is here\n")
    pipe = tmp_path / "recipe.yaml"
    os.mkfifo(pipe)
    code, _, error = pada("fmt", pipe)
    assert (code, "this is not a file" in error) == (2, True)
