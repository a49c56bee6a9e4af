"""The check that `make check` runs finds circles wherever an import hides."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.import_cycles import cycles, main

PLANTED = {
    "__init__.py": "",
    "first.py": "from planted import second\n",
    "second.py": "def late() -> None:\n    from planted import third\n",
    "third.py": (
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from planted import first\n"
    ),
    "leaf.py": "import planted.first\n",
    "room/__init__.py": "from planted.room.inside import NAME\n",
    "room/inside.py": "import planted.room\n\nNAME = planted.room.__name__\n",
}


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a package with a circle of three modules, and one of a package with its own module."""
    package = tmp_path / "planted"
    for name, text in PLANTED.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "planted", raising=False)
    return package


def test_planted_circles_are_printed_import_by_import(
    planted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main("planted") == 1
    printed = capsys.readouterr().out.splitlines()
    assert {line for line in printed if line.startswith("  ")} == {
        "  planted.first (line 1) imports planted.second",
        "  planted.second (line 2) imports planted.third",
        "  planted.third (line 4) imports planted.first",
        "  planted.room (line 1) imports planted.room.inside",
        "  planted.room.inside (line 1) imports planted.room",
    }
    assert "leaf" not in "".join(printed), "what imports a circle is no part of it"


def test_a_package_without_circles_passes(
    planted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (planted / "third.py").write_text("", encoding="utf-8")
    (planted / "room" / "inside.py").write_text("NAME = 'room'\n", encoding="utf-8")
    assert main("planted") == 0
    assert "No module of planted imports itself" in capsys.readouterr().out


def test_circles_that_share_a_module_are_all_found() -> None:
    graph = {"a": {"b", "c"}, "b": {"a"}, "c": {"d"}, "d": {"a"}, "e": {"a"}, "f": set[str]()}
    assert sorted(map(sorted, cycles(graph))) == [["a", "b"], ["a", "c", "d"]]
