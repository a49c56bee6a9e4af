"""The consoles of `pada`, which nothing that is printed can steer.

Whatever a console here prints is clean (`engine.system.plain_text`), by whatever it is rendered, and no markup in it is
read: no caller has to think of it. Lines without a console go through `streams.echo`, and `tests/security/printing.py`
lists the few places that write past both.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from engine.system.plain_text import clean, is_plain, replaced


class _CleanConsole(Console):
    """Rich's console, in which texts are cleaned before they are laid out, and once more as they are written."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text as Rich has it; clean before its width is measured."""
        return super().render_str(clean(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render a renderable; its own control codes, such as a progress bar's, are no text and stay."""
        if isinstance(renderable, str):
            renderable = clean(renderable)
        elif isinstance(renderable, Text):
            renderable = _clean_text(renderable)
        for segment in super().render(renderable, options):
            if segment.control or is_plain(segment.text):
                yield segment
            else:
                yield Segment(clean(segment.text), segment.style)


def make_console(
    *, stderr: bool = False, file: IO[str] | None = None, width: int | None = None
) -> Console:
    """Return a console that prints clean text and reads no markup, emoji codes or numbers in it.

    Args:
        stderr: Print to standard error.
        file: Print there, in place of standard output.
        width: Characters of a line; the terminal's when left out.
    """
    return _CleanConsole(
        stderr=stderr, file=file, width=width, markup=False, emoji=False, highlight=False
    )


def roomy(console: Console, width: int) -> Console:
    """Return a console for a table: in files and pipes, which have no width to keep to, one of `width` characters.

    Where the environment says how wide lines may be (COLUMNS), that holds there too.
    """
    if console.is_terminal or os.environ.get("COLUMNS", "").isdigit():
        return console
    return make_console(file=console.file, width=width)


def say(console: Console, text: str, style: str | None = None) -> None:
    """Print a text as it is, one line or several, wrapped by the terminal alone."""
    console.print(
        clean(text), style=style, highlight=False, markup=False, emoji=False, soft_wrap=True
    )


def _clean_text(text: Text) -> Text:
    """Return a text with its styles, clean."""
    if is_plain(text.plain):
        return text
    cleaned, done = text.blank_copy(), 0
    for start, end, shown in replaced(text.plain):
        cleaned.append_text(text[done:start])
        cleaned.append(shown, text[start:end].spans[0].style if text[start:end].spans else None)
        done = end
    return cleaned.append_text(text[done:])
