"""Named entries with a helpful answer for an unknown name; filled by explicit lists, never by import side effects."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Named(Protocol):
    """Anything with a unique name."""

    @property
    def name(self) -> str:
        """The name a recipe uses."""
        ...


T = TypeVar("T", bound=Named)


_LONGEST, _MOST = 100, 500
"""Characters of a name that is compared, and names."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return `"did you mean 'x'?"` for the closest choice, or the list of choices when none is close."""
    known = sorted(set(choices))
    # The time that this takes grows with the product of the lengths.
    near = [name for name in known if len(name) <= _LONGEST][:_MOST]
    close = difflib.get_close_matches(word, near, n=1, cutoff=0.6) if len(word) <= _LONGEST else ()
    if close:
        return f"did you mean '{close[0]}'?"
    more = f" and {len(known) - _MOST} more" if len(known) > _MOST else ""
    return f"choose one of: {', '.join(known[:_MOST])}{more}" if known else ""


@dataclass(frozen=True, slots=True)
class Later(Generic[T]):
    """An entry that is made when it is first asked for: what a recipe does not name costs nothing then."""

    name: str
    make: Callable[[], T]
    """Returns the entry, which has that name; what it raises is raised by whoever asks."""


class Registry(Mapping[str, T]):
    """An immutable mapping from name to entry; a duplicate name is a programming error (ValueError)."""

    def __init__(self, kind: str, entries: Iterable[T | Later[T]]) -> None:
        """Take what the entries are called in messages (`kind`) and the entries themselves."""
        self.kind = kind
        self._entries: dict[str, T | Later[T]] = {}
        for entry in entries:
            if entry.name in self._entries:
                raise ValueError(f"two {kind}s are called '{entry.name}'")
            self._entries[entry.name] = entry

    def __getitem__(self, name: str) -> T:
        entry = self._entries[name]
        if isinstance(entry, Later):
            entry = self._entries[name] = entry.make()
        return entry

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def unknown(self, name: str) -> tuple[str, str]:
        """Return the message and the hint for a name that is not here."""
        return f"no {self.kind} '{name}'", did_you_mean(name, self)
