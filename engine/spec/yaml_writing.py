"""Writing into people's YAML: items are appended to a list, and every other byte stays as it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from engine.errors import RecipeError
from engine.spec.yaml import parse

Item = Mapping[str, str]


def block(items: Iterable[Item], indent: int = 0) -> str:
    """Return a block list of mappings, one key a line; `indent` is the column of its dashes."""
    margin = " " * indent
    lines = []
    for item in items:
        for number, (key, value) in enumerate(item.items()):
            lines.append(f"{margin}{'  ' if number else '- '}{key}: {scalar(value)}")
    return "\n".join(lines)


def flow(items: Iterable[Item]) -> str:
    """Return mappings as they stand between the brackets of a flow list."""
    return ", ".join(
        "{" + ", ".join(f"{key}: {_quoted(value)}" for key, value in item.items()) + "}"
        for item in items
    )


def scalar(text: str) -> str:
    """Return a text as a value on one line: plain where it is read back as it is, else in double quotes."""
    if text and "\n" not in text and _reads_back(text):
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    # What JSON writes, YAML reads; beyond ASCII it needs no escapes but for what no file can hold.
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _reads_back(text: str) -> bool:
    try:
        return parse(f"text: {text}\n", Path("text")).data == {"text": text}
    except RecipeError:
        return False


def listed(items: Sequence[Item]) -> str:
    """Return a document that is a list under `categories`."""
    return f"categories:\n{block(items, 2)}" if items else "categories: []"
