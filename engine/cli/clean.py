"""`pada clean`: shows what no kept run needs, with sizes, asks, removes it."""

from __future__ import annotations

import shutil
from pathlib import Path

from rich.console import Console

from engine.cli.terminal.output import make_console
from engine.errors import StoreError
from engine.store.cleaning import Removal, plan_removal, remove, size_of


def clean_command(
    state: Path,
    *,
    keep: int,
    yes: bool,
    models: bool,
    console: Console | None = None,
    cache: Path | None = None,
) -> bool:
    """Remove what the `keep` latest runs do not need, after a question unless `yes`; return whether it did.

    With `models` the cache of embedded models goes too (`cache`, by default the user's).

    Raises:
        RunError: a run is going on.
        StoreError: there is no store, it cannot be written, or it changed while the question was open.
    """
    console = console or make_console()
    removal = plan_removal(state, keep)
    place = _cache(cache) if models else None
    cached = size_of(place) if place is not None else 0
    if not removal and not cached:
        console.print("nothing to remove", highlight=False)
        return False
    _show(console, removal, place if cached else None, cached)
    if not yes and not _agreed(console):
        console.print("nothing was removed", highlight=False)
        return False
    remove(state, removal)
    if place is not None and cached:
        try:
            shutil.rmtree(place)
        except OSError as error:
            raise StoreError(
                f"{place}: {error.strerror}", "check its permissions, then clean again"
            ) from error
    console.print("removed", highlight=False)
    return True


def _cache(folder: Path | None) -> Path:
    from engine.system.places import cache_root

    return folder or cache_root()


def _show(console: Console, removal: Removal, cache: Path | None, cached: int) -> None:
    lines = []
    if removal.runs:
        lines.append(f"{_count(len(removal.runs), 'run')}: {', '.join(removal.runs)}")
    if removal.nodes:
        lines.append(
            f"{_count(removal.rows, 'row')} of {_count(len(removal.nodes), 'node')} that only they used"
        )
    lines += [
        f"{readable(leftover.size):>9}  {leftover.path}  ({leftover.why})"
        for leftover in removal.leftovers
    ]
    if cache is not None:
        lines.append(
            f"{readable(cached):>9}  {cache}  (embedded models; the next run downloads them again)"
        )
    total = sum(leftover.size for leftover in removal.leftovers) + cached
    lines.append(f"{readable(total):>9}  in all, besides the rows")
    if removal.going_on:
        lines.append(f"{removal.going_on} is not finished: what it needs to continue stays")
    if removal.kept_calls:
        kept = _count(removal.kept_calls, "reply", "replies")
        lines.append(f"{kept} of language models stay: they are never paid for twice")
    for text in lines:
        console.print(text, highlight=False, markup=False, soft_wrap=True)


def _agreed(console: Console) -> bool:
    try:
        return console.input("Remove this? [y/N] ", markup=False).strip().lower() in {"y", "yes"}
    except EOFError:
        return False


def _count(number: int, singular: str, plural: str = "") -> str:
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def readable(size: float) -> str:
    """Return a number of bytes for people: `3.1 MB`."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
