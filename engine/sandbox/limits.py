"""How much what a recipe says may take, and what is raised where it takes more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from engine.errors import EngineError

_SHOWN = 80
Kind = Literal["seconds", "memory", "rows"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one step may take: a query's next rows, an expression over a batch of rows, a template."""

    seconds: float = 10
    """Of computing; waiting for a disk, or for other programs, does not count."""
    memory: float = 1.5
    """Gigabytes beside what the step was given."""
    rows: int = 10_000_000
    """That a query gives, in all."""


_current = Limits()


def use(limits: Limits) -> None:
    """Let limits hold in this process from now on: those of the recipe that is at work."""
    global _current
    _current = limits


def current() -> Limits:
    """Return the limits of the recipe that is at work."""
    return _current


class Overrun(EngineError):
    """Something that a recipe says takes more than its limits let it."""

    def __init__(self, kind: Kind, text: str = "") -> None:
        """Take which limit it is, and what ran into it: the SQL or the pattern, as the recipe has it."""
        self.kind, self.text, self.limits = kind, text, _current
        shown = " ".join(text.split())
        shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
        super().__init__(f"`{shown}` {self.why}" if shown else f"this {self.why}", self.advice)

    @property
    def why(self) -> str:
        """What is wrong with it, as the rest of a sentence."""
        match self.kind:
            case "seconds":
                return f"takes more than {self.limits.seconds:g} seconds of computing"
            case "memory":
                return f"takes more than {self.limits.memory:g} GB of memory"
            case "rows":
                return f"gives more than {self.limits.rows:,} rows"

    @property
    def advice(self) -> str:
        """What to do about it."""
        return f"let it do less; where it must do so much, raise `limits: {{{self.kind}: …}}`"

    def __reduce__(self) -> tuple[Any, ...]:
        """Go from process to process: the limits are the same in both."""
        return Overrun, (self.kind, self.text)
