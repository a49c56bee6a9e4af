"""Output that is not UTF-8, as in a pipe on Windows: every command prints, and programs read what they are given."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest

from engine.cli import main
from engine.cli.terminal.streams import for_programs, print_anything
from engine.store import Store
from tests.e2e.tiny_project import write_project

TEXT = "→ · 中 é 😀 \udc80"


class Piped:
    """Standard output as a pipe of one encoding."""

    def __init__(self, encoding: str, patch: pytest.MonkeyPatch) -> None:
        self._bytes = io.BytesIO()
        self.stream = io.TextIOWrapper(self._bytes, encoding=encoding, errors="strict")
        patch.setattr(sys, "stdout", self.stream)

    def text(self, encoding: str) -> str:
        self.stream.flush()
        return self._bytes.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("encoding", "printed"),
    [
        ("ascii", r"-> - \u4e2d \xe9 \U0001f600 \udc80"),
        ("cp1252", r"-> · \u4e2d é \U0001f600 \udc80"),
        ("utf-8", r"→ · 中 é 😀 \udc80"),
    ],
)
def test_a_character_that_the_encoding_lacks_is_written_in_ascii(
    encoding: str, printed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = Piped(encoding, monkeypatch)
    print_anything()
    print(TEXT, end="")
    assert piped.text(encoding) == printed


def test_what_programs_read_is_utf_8_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    piped = Piped("cp1252", monkeypatch)
    print_anything()
    print("中", end="", file=for_programs(piped.stream))
    assert piped.text("utf-8") == "中"


@pytest.mark.runs
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_commands_print_whatever_the_encoding(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = str(write_project(tmp_path / "project", scripted=True))
    state = ["--state", str(tmp_path / "state")]
    Store.open(tmp_path / "state")
    for typed in (
        ["plan", recipe, *state],
        ["validate", recipe],
        ["list", "operators"],
        ["sql", "SELECT '中 →' AS \"é\"", *state],
        ["runs", *state],
        ["show", "prompt", "generate", "--recipe", recipe, *state],
        ["--help"],
    ):
        piped = Piped(encoding, monkeypatch)
        ended(typed, monkeypatch)
        assert piped.text(encoding)
    piped = Piped(encoding, monkeypatch)
    ended(["sql", "SELECT '中' AS \"é\"", "--json", *state], monkeypatch)
    assert json.loads(piped.text("utf-8")) == {"é": "中"}


def ended(typed: list[str], patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sys, "argv", ["pada", *typed])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code


@pytest.mark.parametrize("typed", ["list backends", "schema recipe"], ids=["short", "long"])
def test_a_reader_that_goes_away_is_no_mistake(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "argv", ["pada", *typed.split()])
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 0
