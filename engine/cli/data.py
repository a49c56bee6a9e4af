"""The data profile as a short table, for `pada validate` and at the start of `pada run`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from engine.data.labels import visible
from engine.data.profile import ColumnProfile, DataProfile, SplitProfile

_COLUMNS_SHOWN = 12


def print_profile(console: Console, profile: DataProfile) -> None:
    """Print what the rows are like; nothing where none were read."""
    if profile.splits:
        console.print(Group(_table(profile.splits), *_lines(profile)), highlight=False)


def _table(splits: Sequence[SplitProfile]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("data")
    for name in ("rows", "labels", "repeated", "blank", "left out"):
        table.add_column(name, justify="right")
    table.add_column("also in")
    for split in splits:
        labels = "" if split.labels is None else f"{len(split.labels):,}"
        counts = (split.repeated, split.blank, split.left_out)
        table.add_row(
            split.split, f"{split.rows:,}", labels, *(f"{n:,}" for n in counts), _overlaps(split)
        )
    return table


def _overlaps(profile: SplitProfile) -> str:
    def of(other: str, same: int, near: int | None) -> str:
        return f"{other}: {same:,} same" + (f", {near:,} near" if near is not None else "")

    return "; ".join(of(overlap.other, overlap.same, overlap.near) for overlap in profile.overlaps)


def _lines(profile: DataProfile) -> Iterator[RenderableType]:
    shown = [_column(column) for column in profile.columns[:_COLUMNS_SHOWN]]
    more = len(profile.columns) - len(shown)
    yield Text(f"columns: {', '.join(shown)}" + (f" and {more} more" if more else ""))
    train = next((split for split in profile.splits if split.split == "train"), None)
    if train and train.labels:
        counts = list(train.labels.items())
        (most, high), (least, low) = counts[0], counts[-1]
        counted = f"{low:,} each" if low == high else f"from {low:,} ({least}) to {high:,} ({most})"
        yield Text(f"training rows per label: {counted}")
        yield Text(_per_label([split for split in profile.splits if split.labels is not None]))


def _per_label(splits: Sequence[SplitProfile]) -> str:
    """Return every label with its rows, split by split, the most frequent first."""
    counted = [split.labels or {} for split in splits]
    every = dict.fromkeys(label for labels in counted for label in labels)
    parts = [
        f"{visible(label)} {'/'.join(f'{labels.get(label, 0):,}' for labels in counted)}"
        for label in every
    ]
    return f"rows per label ({'/'.join(split.split for split in splits)}): {', '.join(parts)}"


def _column(column: ColumnProfile) -> str:
    empty = f", {column.empty:,} empty" if column.empty else ""
    lacking = f", not in {' and '.join(column.lacking)}" if column.lacking else ""
    return f"{column.name} ({column.types}{empty}{lacking})"
