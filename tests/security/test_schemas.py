"""A schema fetches nothing, whatever it refers to and however it hides that."""

from __future__ import annotations

import urllib.request
from typing import Any

import pytest

from engine.backends.structured import read_reply, unresolved

AWAY = ["http://127.0.0.1:9/x.json", "file:///etc/passwd", "https://example.com/#/a", "other.json"]
HIDING: dict[str, Any] = {
    "openly": lambda away: {"properties": {"a": {"$ref": away}}},
    "as a property called enum": lambda away: {"properties": {"enum": {"$ref": away}}},
    "as a property called const": lambda away: {"properties": {"const": {"$ref": away}}},
    "as a property called $defs": lambda away: {"properties": {"$defs": {"$ref": away}}},
    "as a property called definitions": lambda away: {
        "properties": {"definitions": {"$ref": away}}
    },
    "under such a property": lambda away: {
        "properties": {"enum": {"properties": {"const": {"$ref": away}}}}
    },
    "in a pattern of names": lambda away: {"patternProperties": {"enum": {"$ref": away}}},
    "in a definition": lambda away: {
        "properties": {"a": {"$ref": "#/$defs/enum"}},
        "$defs": {"enum": {"$ref": away}},
    },
    "as a dynamic one": lambda away: {"properties": {"enum": {"$dynamicRef": away}}},
}


@pytest.mark.parametrize("away", AWAY)
@pytest.mark.parametrize("how", HIDING)
def test_a_reference_that_leads_away_is_found_and_not_followed(
    how: str, away: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: Any, **__: Any) -> None:
        pytest.fail("something was fetched")

    monkeypatch.setattr(urllib.request, "urlopen", asked)
    schema = {"type": "object", **HIDING[how](away)}
    assert unresolved(schema) == [away]


def test_what_breaks_a_schema_is_said_without_fetching(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: pytest.fail("fetched"))
    reply = read_reply('{"a": 1}', {"type": "object", "properties": {"a": {"type": "string"}}})
    assert reply.error is not None
    assert "$.a" in reply.detail
