"""What a reviewer types: a key at a time in a terminal, else a line at a time, for pipes and screen readers."""

from __future__ import annotations

import io
import sys
from typing import NamedTuple, Protocol

import click

from engine.cli.terminal.streams import echo, write

COMMANDS = {
    "a": "accept",
    "r": "reject",
    "e": "edit",
    "l": "relabel",
    "s": "skip",
    "u": "undo",
    "n": "note",
    "m": "more",
    "?": "help",
    "q": "quit",
}
_WORDS = {word: key for key, word in COMMANDS.items()} | {key: key for key in COMMANDS}


class Typed(NamedTuple):
    """A key, and what follows it on its line."""

    key: str
    rest: str = ""


class Keys(Protocol):
    """Where keys and texts come from; both raise EOFError at the end."""

    def key(self, prompt: str) -> Typed:
        """Return the next key."""
        ...

    def text(self, prompt: str, before: str = "") -> str:
        """Return a line; `before` is what stands there to be changed, where the terminal can do that."""
        ...


class TerminalKeys:
    """A terminal: one key each, texts edited in place."""

    def key(self, prompt: str) -> Typed:
        """Show the prompt and return the key that is pressed."""
        write(sys.stdout, prompt)
        pressed = click.getchar()
        if pressed in ("\x03", "\x04"):
            raise EOFError
        # Arrows and other keys that send several characters are no command.
        key = pressed.lower() if len(pressed) == 1 and pressed.isprintable() else ""
        echo(key)
        return Typed(key)

    def text(self, prompt: str, before: str = "") -> str:
        """Return a line that is typed."""
        try:
            import readline
        except ImportError:
            return input(prompt) or before
        readline.set_startup_hook(lambda: readline.insert_text(before))
        try:
            return input(prompt)
        finally:
            readline.set_startup_hook()


class LineKeys:
    """A pipe, a file or a screen reader: a command per line, by its key or its word, with what belongs to it."""

    def __init__(self) -> None:
        """Read the process's input; what is no text of its encoding is no reason to end."""
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="replace")

    def key(self, prompt: str) -> Typed:
        """Return the next line's key, and the rest of the line."""
        word, _, rest = self._line(prompt).strip().partition(" ")
        return Typed(_WORDS.get(word.lower(), word.lower()), rest.strip())

    def text(self, prompt: str, before: str = "") -> str:
        """Return the next line; an empty one leaves what stood there."""
        return self._line(prompt) or before

    def _line(self, prompt: str) -> str:
        write(sys.stdout, prompt)
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        if not sys.stdin.isatty():
            echo()
        return line.rstrip("\r\n")
