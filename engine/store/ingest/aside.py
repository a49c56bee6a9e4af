"""Lines of the spool that no table takes: put into a file beside the spool, said, and the rest goes on.

`.pada/aside/<run>/<segment>-aside.jsonl` has them byte for byte, so that a mended file can be moved back into the
spool; `….why.txt` beside it says of each what is wrong. A row that cannot be ingested takes its whole node with it: a
node with fewer rows than it wrote is none, and the next run does it again, from the replies that are in the ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.rows import Call
from engine.store.columns import is_stage_table
from engine.store.file import translated
from engine.store.ingest.faults import Checked, ColumnType, Types, checked, counts_of
from engine.store.ingest.inserting import ingest, insert
from engine.store.spool import BrokenLine, Segment, disk_error, is_torn
from engine.system.files import write_private
from engine.system.plain_text import on_one_line

if TYPE_CHECKING:
    import duckdb

ASIDE = "aside"
"""The folder beside the spool."""
_MOST_TRIED = 100
"""Lines of a table that DuckDB refuses one by one; where there are more, those that are left go with them."""
_SAID = 3
"""Reasons that a message gives; the file has all."""
_WITH_IT = "it is of a node that is not whole without a line that cannot be stored"
_CALL = f'["{Call.table}",'.encode()
Faults = dict[int, str]
"""Line of a segment, from 1 -> why it cannot be ingested."""


class SetAside(NamedTuple):
    """What was set aside of one segment."""

    segment: Path
    file: Path
    faults: Mapping[int, str]

    def __str__(self) -> str:
        reasons = [(line, why) for line, why in sorted(self.faults.items()) if why != _WITH_IT]
        more = len(self.faults) - len(reasons[:_SAID])
        said = "; ".join(f"line {line}: {on_one_line(why)}" for line, why in reasons[:_SAID])
        return (
            f"{self.segment} has what cannot be stored: {said}{f'; and {more} lines more' if more else ''}\n"
            f"    nothing is lost: these lines are in {self.file}, and why is in {_why(self.file).name} beside it; all "
            f"else is stored. Mend that file and move it back into {self.segment.parent}, or delete it: the next run "
            "makes anew what it had"
        )


class _Lines(NamedTuple):
    """What a segment holds."""

    texts: list[bytes]
    """Its whole lines."""
    behind: list[bytes]
    """From the first line on that a crash tore."""


def ingest_or_set_aside(
    connection: duckdb.DuckDBPyConnection,
    segments: Sequence[Segment],
    present: Sequence[Segment],
    state: Path,
) -> list[SetAside]:
    """Ingest as `ingest` does; where a line stands in the way, set it aside and go on without it.

    Raises:
        StoreError: a file cannot be written, or nothing that a line holds is the reason.
    """
    found = [aside for segment in segments for aside in _behind_a_hole(segment, state)]
    try:
        ingest(connection, segments, present)
    except _broken():
        for segment in segments:
            found += _one_by_one(connection, segment, present, state)
    return found


def _broken() -> tuple[type[Exception], ...]:
    """Return the errors that may be a line's fault, and not the disk's or the file's."""
    import duckdb

    return (
        BrokenLine,
        duckdb.DataError,
        duckdb.IntegrityError,
        duckdb.InvalidInputException,
        duckdb.NotSupportedError,
    )


def _one_by_one(
    connection: duckdb.DuckDBPyConnection,
    segment: Segment,
    present: Sequence[Segment],
    state: Path,
) -> Iterator[SetAside]:
    """Ingest one segment, and yield what must be set aside for that: as little as will do."""
    types = _types(connection)
    ways: tuple[Callable[[str], Faults], ...] = (
        lambda _: {},
        lambda _: _wrong(segment, types),
        lambda _: _refused(connection, segment, types),
        # No line alone is the reason: replies are paid for, and all else can be made again.
        lambda why: _all(segment, why, lambda text: not text.startswith(_CALL)),
        lambda why: _all(segment, why, lambda text: True),
    )
    error: Exception = RuntimeError()
    for way in ways:
        faults = way(_first_line(error))
        if faults:
            yield _set_aside(segment, faults, types, state)
        try:
            ingest(connection, [segment], present)
            return
        except _broken() as problem:
            error = problem
    raise translated(error, segment.path) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def _types(connection: duckdb.DuckDBPyConnection) -> Types:
    found = connection.execute(
        "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() WHERE NOT internal"
    ).fetchall()
    return {
        (table, column): ColumnType(data_type, nullable)
        for table, column, data_type, nullable in found
    }


def _read(segment: Segment) -> _Lines:
    with segment.path.open("rb") as stream:
        texts = stream.readlines()
    torn = next((at for at, text in enumerate(texts) if is_torn(text)), len(texts))
    return _Lines(texts[:torn], texts[torn:])


def _behind_a_hole(segment: Segment, state: Path) -> Iterator[SetAside]:
    """Set aside what lies behind zeros that a power cut left, where replies are among it: none of it can be trusted."""
    if not _has_hole(segment.path):
        return
    texts, behind = _read(segment)
    if not any(text.startswith(_CALL) and not is_torn(text) for text in behind):
        return
    why = "the file has zeros before it, as a power cut leaves them"
    numbers = range(len(texts) + 1, len(texts) + len(behind) + 1)
    yield _written(segment, dict.fromkeys(numbers, why), [*texts, *behind], texts, state)


def _has_hole(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return any(b"\0" in block for block in iter(lambda: stream.read(1 << 20), b""))
    except FileNotFoundError:
        return False


def _wrong(segment: Segment, types: Types) -> Faults:
    """Return what is wrong with a segment's lines as they are read, and which nodes are not whole for that."""
    lines = [checked(text, types) for text in _read(segment).texts]
    faults = {at: each.fault for at, each in enumerate(lines, 1) if each.fault}
    return faults | _of_broken_nodes(lines, faults)


def _of_broken_nodes(lines: Sequence[Checked], faults: Faults) -> Faults:
    """Return the lines of nodes whose rows are not all there: a node is stored whole or not at all."""
    rows = Counter(
        (each.values[0], each.table)
        for at, each in enumerate(lines, 1)
        if at not in faults and is_stage_table(each.table)
    )
    broken = {
        node
        for at, each in enumerate(lines, 1)
        if at not in faults and each.is_mark
        for node in [each.values[0]]
        if any(rows[node, table] != count for table, count in counts_of(each).items())
    }
    return {
        at: _WITH_IT
        for at, each in enumerate(lines, 1)
        if at not in faults
        and (is_stage_table(each.table) or each.is_mark)
        and each.values[0] in broken
    }


def _refused(connection: duckdb.DuckDBPyConnection, segment: Segment, types: Types) -> Faults:
    """Return the lines that DuckDB refuses, found by trying."""
    lines = [checked(text, types) for text in _read(segment).texts]
    by_table: dict[str, list[tuple[int, Checked]]] = {}
    for at, each in enumerate(lines, 1):
        by_table.setdefault(each.table, []).append((at, each))
    faults: Faults = {}
    for table, some in by_table.items():
        _try(connection, segment, table, some, faults)
    return faults | _of_broken_nodes(lines, faults)


def _try(
    connection: duckdb.DuckDBPyConnection,
    segment: Segment,
    table: str,
    lines: Sequence[tuple[int, Checked]],
    faults: Faults,
) -> None:
    """Add to `faults` the lines that cannot be inserted, halving them until each stands alone."""
    nodes = {each.values[0] for _, each in lines}
    connection.execute("BEGIN")
    try:
        insert(connection, segment, table, [each.text for _, each in lines], nodes)
        return
    except _broken() as error:
        why = _first_line(error)
    finally:
        connection.execute("ROLLBACK")
    if len(lines) == 1 or len(faults) >= _MOST_TRIED:
        faults.update((at, why) for at, _ in lines)
        return
    half = len(lines) // 2
    _try(connection, segment, table, lines[:half], faults)
    _try(connection, segment, table, lines[half:], faults)


def _all(segment: Segment, why: str, chosen: Callable[[bytes], bool]) -> Faults:
    return {at: why for at, text in enumerate(_read(segment).texts, 1) if chosen(text)}


def _set_aside(segment: Segment, faults: Faults, types: Types, state: Path) -> SetAside:
    """Move lines out of a segment, and write the others as the store of today reads them."""
    texts, behind = _read(segment)
    kept = [checked(text, types).text for at, text in enumerate(texts, 1) if at not in faults]
    return _written(segment, faults, texts, [*kept, *behind], state)


def _written(
    segment: Segment, faults: Faults, texts: Sequence[bytes], kept: Sequence[bytes], state: Path
) -> SetAside:
    """Write what is set aside, then the segment without it: a kill in between loses nothing and doubles nothing."""
    folder = state / ASIDE / segment.path.parent.name
    # Another name than the segment's: moved back it is a new one for the store, which remembers what is in.
    file = folder / f"{segment.path.stem}-{ASIDE}.jsonl"
    taken = b"".join(texts[at - 1] for at in sorted(faults))
    reasons = "".join(f"line {at}: {why}\n" for at, why in sorted(faults.items()))
    try:
        for each in (state / ASIDE, folder):
            each.mkdir(mode=0o700, exist_ok=True)
        before = file.read_bytes() if file.exists() else b""
        # A segment may lose lines twice, each time for another reason.
        if not before.endswith(taken):
            write_private(file, before + taken)
            write_private(_why(file), _noted(file) + reasons)
        write_private(segment.path, b"".join(kept))
    except OSError as error:
        raise disk_error(error, file) from error
    return SetAside(segment.path, file, faults)


def _noted(file: Path) -> str:
    return _why(file).read_text("utf-8") if _why(file).exists() else ""


def _why(file: Path) -> Path:
    return file.with_suffix(".why.txt")
