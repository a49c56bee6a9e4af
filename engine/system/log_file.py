"""A log file: what the engine does, one JSON object per line, appended, whole tracebacks included.

Modules tell `logging` what happens, by loggers named after them; programs take it from there as they do of any library
(docs/logging.md). This is what lines say besides, and what they may not; `log_writing` writes them.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any

HIDDEN = "***"

_FIELDS: ContextVar[dict[str, Any] | None] = ContextVar("fields", default=None)
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
"""In the names of environment variables that hold what no log may hold."""
_SHORTEST = 6
"""Characters of what is taken for a key: replacing shorter values would garble the words of every line."""
_USER = re.compile(r"(?<=://)[^/\s@\"']+(?=@)")
"""User and password in an address, such as a proxy's."""
_named: set[str] = set()
"""Further variables that hold keys."""


def hide(variables: Iterable[str]) -> None:
    """Have what these environment variables hold replaced in every line, whatever their names are."""
    _named.update(variables)


@contextlib.contextmanager
def about(**fields: Any) -> Iterator[None]:
    """Add fields, such as `stage`, to everything that is logged by this thread in the block."""
    before = _FIELDS.set({**known_fields(), **fields})
    try:
        yield
    finally:
        _FIELDS.reset(before)


def known_fields() -> dict[str, Any]:
    """Return what `about` adds at this place."""
    return _FIELDS.get() or {}


def without_keys(value: Any) -> Any:
    """Return a text, or texts in lists and mappings, with the keys that the environment holds replaced."""
    keys = {
        held
        for name, text in os.environ.items()
        if (name in _named or _SECRET.search(name)) and len(held := text.strip()) >= _SHORTEST
    }
    return _replaced(value, sorted(keys, key=len, reverse=True))


def _replaced(value: Any, keys: list[str]) -> Any:
    if isinstance(value, dict):
        return {name: _replaced(inner, keys) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(inner, keys) for inner in value]
    if not isinstance(value, str):
        return value
    for key in keys:
        value = value.replace(key, HIDDEN)
    return _USER.sub(HIDDEN, value)
