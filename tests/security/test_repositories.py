"""Recipes of a repository that are broken or hostile: one clear message with its place, and nothing else happens."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.runs import pada_here
from tests.security.repositories.places import Place
from tests.security.repositories.recipe_cases import Case, cases

_reached: list[Any] | None = None


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if _reached is not None and event in {"socket.connect", "socket.getaddrinfo", "os.system"}:
        _reached.append((event, arguments))


sys.addaudithook(_note)


@pytest.fixture
def nothing_is_sent() -> Iterator[None]:
    """Fail where an address is looked up or reached meanwhile."""
    global _reached
    _reached = []
    yield
    reached, _reached = _reached, None
    assert not reached


@pytest.mark.usefixtures("nothing_is_sent")
@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_one_clear_message(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path)
    case.build(place)
    monkeypatch.chdir(place.project)
    before = place.state()
    ended = pada_here("validate", "recipe.yaml")
    said = ended.errors
    assert ended.code == 2, ended
    assert "Traceback" not in said + ended.out
    assert re.search(case.says, said), said
    first = re.search(rf"^({case.at}): error: .*\n(.*)", said, re.MULTILINE)
    assert first, said
    assert first[first.re.groups].startswith("    ") or not case.hinted, said
    assert said.count("error: ") <= case.most, said
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", said)
    assert place.state() == before


def test_the_repository_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Place(tmp_path).project)
    assert pada_here("validate", "recipe.yaml").code == 0
