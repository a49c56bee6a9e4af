"""Values as YAML that people read: plain words where these are read back as they are, quotes where they are not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.errors import RecipeError
from engine.spec.yaml import parse

_PLAIN = re.compile(r"\w(?:[\w ./<>=()@%+*-]*[\w./)%+*])?")
"""What stands without quotes, also between brackets, if it is read back as text."""


class Written(str):
    """A text of the recipe's own, in which `${name}` is a var; in other texts it is what stands there."""


def inline(value: Any) -> str:
    """Return a value on one line, in YAML's flow style."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(str(k))}: {inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, str):
        return _text(value if isinstance(value, Written) else value.replace("${", "$${"))
    return json.dumps(value)


def block(value: Any, indent: int) -> Iterator[str]:
    """Yield the lines of a mapping, one key a line, what is nested further in below it where it is long."""
    margin = " " * indent
    for key, part in value.items():
        line = f"{margin}{_text(str(key))}: {inline(part)}"
        if len(line) <= 100 or not isinstance(part, Mapping) or not part:
            yield line
        else:
            yield f"{margin}{_text(str(key))}:"
            yield from block(part, indent + 2)


@lru_cache(maxsize=4096)
def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and _reads_back(text):
        return text
    if '"' in text and text.isprintable() and "\\" not in text:
        return "'" + text.replace("'", "''") + "'"
    # What JSON writes, YAML reads; beyond ASCII it needs no escapes but for what nobody sees.
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _reads_back(text: str) -> bool:
    try:
        return bool(parse(f"text: [{text}]\n", Path("text")).data == {"text": [text]})
    except RecipeError:
        return False
