"""What a page asks: the words of its address and the values behind `?` or in its body, each looked at before use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.bounds import LARGEST
from engine.errors import EngineError


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of a page."""

    path: Mapping[str, str]
    """Words of the address, by name: run, pattern, …"""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    """A JSON object; empty where the question has no body."""
    file: Path | None = None
    """Of an upload: what was sent, whole, which is removed again unless it is moved elsewhere."""

    def text(self, name: str, default: str = "") -> str:
        """Return a text; raises EngineError where the body has something else in its place."""
        value = self.body.get(name, self.query.get(name, default))
        if not isinstance(value, str):
            raise EngineError(f"{name}: a text is needed")
        return value

    def number(self, name: str, default: int, most: int = LARGEST, least: int = 0) -> int:
        """Return a whole number, `most` where it is larger; raises EngineError for what is none or below `least`."""
        value = self.maybe_number(name)
        if value is None:
            return default
        if value < least:
            raise EngineError(f"{name}: {value} is below {least}")
        return min(value, most)

    def maybe_number(self, name: str) -> int | None:
        """Return a whole number that may be negative, None where none is said; raises EngineError for what is none."""
        value = self.body.get(name, self.query.get(name))
        if value in (None, ""):
            return None
        try:
            number = int(str(value))
        except ValueError:
            raise EngineError(f"{name}: '{value}' is not a whole number") from None
        if abs(number) > LARGEST:
            raise EngineError(f"{name}: {number} is too large", f"at most {LARGEST:,}")
        return number

    def one_of(self, name: str, known: tuple[str, ...], default: str) -> str:
        """Return one of the known words; raises EngineError for another."""
        value = self.text(name, default)
        if value not in known:
            raise EngineError(
                f"{name}: '{value}' is not known", f"choose one of: {', '.join(known)}"
            )
        return value
