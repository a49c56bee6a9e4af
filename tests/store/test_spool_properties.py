"""Any sequence of writes, kills, power cuts and ingests: what was said to be safe is in the store, and exactly once."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine import rows as r
from engine.store import spool as spool_module
from engine.store.columns import NodeRow, line, values_of
from engine.store.ingest import finished_nodes, ingest, not_ingested, records
from engine.store.migrate import create
from engine.store.reading import outputs, row_of
from engine.store.spool import Spool, remove, segments
from tests.store.small import AT, call
from tests.store.small import example as example_row

pytestmark = pytest.mark.runs

FEW = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


# What can happen to a spool.


class Calls(NamedTuple):
    """So many replies are written."""

    replies: int


class Node(NamedTuple):
    """A node's rows and its mark are written in one piece; a node may be done again."""

    name: str
    rows: int


class Flush(NamedTuple):
    """Everything written so far is made durable."""


class Kill(NamedTuple):
    """The process is killed and another goes on, in the same run's folder or in the next one's."""

    next_run: bool


class PowerCut(NamedTuple):
    """Of what was not flushed a part is lost, from `kept` (of 1) on."""

    kept: float
    hole: float
    """How much of the rest (of 1) reads as zeros, with what follows in its place; 0: the rest is cut off."""


class Ingest(NamedTuple):
    """All is ingested, so many segments at a time; killed in the n-th transaction (before or after its commit)."""

    at_once: int
    killed_in: int
    """0: not killed."""
    committed: bool
    removed: int
    """Segments whose files are removed after that commit, before the kill."""


Step = Calls | Node | Flush | Kill | PowerCut | Ingest
WHOLE_INGEST = Ingest(4, 0, True, 0)
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(Calls, st.integers(1, 3)),
    st.builds(Node, st.sampled_from("abc"), st.integers(0, 3)),
    st.builds(Flush),
    st.builds(Kill, st.booleans()),
    st.builds(PowerCut, st.floats(0, 1), st.just(0.0) | st.floats(0, 1)),
    st.builds(Ingest, st.integers(1, 3), st.integers(0, 2), st.booleans(), st.integers(0, 2)),
)


class Written(NamedTuple):
    """A line of a segment as the test knows it: where it ends, and what it is."""

    end: int
    call: str
    """Id of the reply, empty for a line of a node."""
    node: str
    """Node whose mark it is; empty for other lines."""
    rows: tuple[str, ...]
    """Examples of that node."""


class _KilledError(Exception):
    pass


class _DyingConnection:
    """A connection whose process is killed when it commits."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Any = None) -> Any:
        if sql == "COMMIT":
            raise _KilledError
        return self._connection.execute(sql, parameters)


@dataclass
class World:
    """A spool and a store, and beside them what must be in the store."""

    state: Path
    run: int = 1
    written: list[Written] = field(default_factory=list)
    """Lines of the open segment that are not flushed yet."""
    calls: set[str] = field(default_factory=set)
    """Replies that are safe."""
    nodes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Nodes that are safe, with their rows as last written."""
    count: int = 0

    def __post_init__(self) -> None:
        self.spool = self._spool()

    def _spool(self) -> Spool:
        return Spool(self.state / "spool" / f"r{self.run:04d}")

    def do(self, step: Step) -> None:
        match step:
            case Calls(count):
                self.write_calls(count)
            case Node(name, count):
                self.write_node(name, count)
            case Flush():
                self.spool.flush()
                self.keep(self.written)
            case Kill(next_run):
                self.keep(self.written)
                self.start_again(next_run)
            case PowerCut(kept, hole):
                self.cut(kept, hole)
                self.start_again(next_run=False)
            case Ingest():
                self.ingest(step)

    def number(self) -> int:
        self.count += 1
        return self.count

    def write_calls(self, count: int) -> None:
        asked = [call(self.number(), f"r{self.run:04d}") for _ in range(count)]
        lines = [line("llm_call", values_of(each)) for each in asked]
        self.append(lines, "", [Written(0, each.id, "", ()) for each in asked])

    def write_node(self, name: str, count: int) -> None:
        examples = [example_row(self.number()) for _ in range(count)]
        place = [name, f"r{self.run:04d}", 0, -1]
        lines = [
            line("example", [*place, position, *values_of(each)])
            for position, each in enumerate(examples)
        ]
        content = str(self.number())
        mark = NodeRow(
            name, name, "load", 0, -1, 0, {}, f"r{self.run:04d}", AT, AT, content,
            {"example": count} if count else {},
        )  # fmt: skip
        lines.append(line("node", values_of(mark)))
        ids = tuple(each.id for each in examples)
        self.append(lines, name, [*[Written(0, "", "", ())] * count, Written(0, "", name, ids)])

    def append(self, lines: list[bytes], node: str, written: Sequence[Written]) -> None:
        before = self.open_segment()
        self.spool.append(lines, node=node)
        path = self.open_segment()
        assert path is not None
        if path != before:
            # The one before was closed, which flushes it.
            self.keep(self.written)
        end = path.stat().st_size - sum(map(len, lines))
        for text, each in zip(lines, written, strict=True):
            end += len(text)
            self.written.append(each._replace(end=end))

    def open_segment(self) -> Path | None:
        if not self.spool.waiting:
            return None
        return max(self.spool.folder.glob("*.jsonl"))

    def keep(self, written: Sequence[Written]) -> None:
        self.calls |= {each.call for each in written if each.call}
        self.nodes |= {each.node: each.rows for each in written if each.node}
        self.written = []

    def cut(self, kept: float, hole: float) -> None:
        path = self.open_segment()
        if path is None or not self.written:
            return
        content = path.read_bytes()
        first = len(content) - self.unflushed_bytes(content)
        at = first + round(kept * (len(content) - first))
        zeros = math.ceil(hole * (len(content) - at))
        survivors = [each for each in self.written if each.end <= at]
        path.write_bytes(content[:at] + (b"\0" * zeros + content[at + zeros :] if hole else b""))
        self.keep(survivors)

    def unflushed_bytes(self, content: bytes) -> int:
        return sum(map(len, content.splitlines(keepends=True)[-len(self.written) :]))

    def start_again(self, next_run: bool) -> None:
        self.run += next_run
        self.spool = self._spool()

    def ingest(self, step: Ingest) -> None:
        closed = self.spool.closed()
        self.keep(self.written)
        for turn, first in enumerate(range(0, len(closed), step.at_once), 1):
            part = closed[first : first + step.at_once]
            with duckdb.connect(str(self.state / "store.duckdb")) as connection:
                if turn == step.killed_in and not step.committed:
                    with pytest.raises(_KilledError):
                        ingest(_DyingConnection(connection), part, present=closed)  # type: ignore[arg-type]
                else:
                    ingest(connection, part, present=closed)
            if turn == step.killed_in:
                remove(part[: step.removed * step.committed])
                self.start_again(next_run=False)
                return
            remove(part, in_use=self.spool.folder)

    def check(self) -> None:
        """Compare the store, and what is still in the spool, with what was said to be safe."""
        with duckdb.connect(str(self.state / "store.duckdb")) as connection:
            calls = [id for (id,) in connection.execute("SELECT id FROM llm_call").fetchall()]
            nodes = [id for (id,) in connection.execute("SELECT id FROM node").fetchall()]
            rows = connection.execute("SELECT node, id FROM example ORDER BY node, position")
            stored = rows.fetchall()
        assert sorted(calls) == sorted(self.calls)
        assert sorted(nodes) == sorted(self.nodes)
        assert stored == [(node, id) for node in sorted(self.nodes) for id in self.nodes[node]]


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "store.duckdb"
    create(path)
    return path


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 1500)
    # What a power cut keeps is up to the test, and not to wait for the disk makes it quick.
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.mark.runs
@FEW
@given(steps=st.lists(STEPS, max_size=14))
@example(steps=[Node("a", 2), Flush(), Node("a", 1), PowerCut(0.99, 0.0)])
@example(steps=[Node("a", 1), Node("b", 3), PowerCut(0.99, 0.0)])
@example(steps=[Node("a", 2), Ingest(1, 1, True, 0), Node("a", 1), Kill(True)])
@example(steps=[Calls(2), Ingest(1, 1, True, 0), Calls(1), Ingest(1, 1, False, 0)])
@example(steps=[Calls(1), Ingest(1, 1, True, 0), Ingest(1, 1, True, 0)])
def test_what_was_safe_is_in_the_store_exactly_once(
    empty_store: Path, small_segments: None, steps: list[Step]
) -> None:
    with TemporaryDirectory() as folder:
        shutil.copy(empty_store, Path(folder) / "store.duckdb")
        world = World(Path(folder))
        for step in steps:
            world.do(step)
        world.do(WHOLE_INGEST)
        world.check()
        assert segments(world.state / "spool") == []


def _spooled(state: Path) -> World:
    world = World(state)
    for step in (Calls(2), Node("a", 2), Flush(), Calls(1), Node("b", 1), Node("c", 0)):
        world.do(step)
    return world


def test_a_segment_cut_at_any_byte_gives_its_whole_lines(empty_store: Path, tmp_path: Path) -> None:
    (segment,) = segments(_spooled(tmp_path).spool.folder.parent)
    content = segment.path.read_bytes()
    ends = [at + 1 for at, byte in enumerate(content) if byte == ord("\n")]
    # Each of the bytes of its last lines, not a sample: the reader's rule is about single bytes.
    for at in range(len(content) - 700, len(content) + 1):
        segment.path.write_bytes(content[:at])
        lines = list(spool_module.read_lines(segment.path))
        assert b"".join(lines) == content[: max((end for end in ends if end <= at), default=0)]
        segment.path.write_bytes(content[:at] + b"\0" + content[at + 1 :])
        assert list(spool_module.read_lines(segment.path)) == lines


@pytest.mark.runs
@FEW
@given(data=st.data())
def test_what_the_spool_shows_before_it_is_ingested_is_what_is_ingested(
    empty_store: Path, small_segments: None, data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        state = Path(folder)
        shutil.copy(empty_store, state / "store.duckdb")
        world = _spooled(state)
        world.do(PowerCut(data.draw(st.floats(0, 1)), data.draw(st.floats(0, 1))))
        found = segments(state / "spool")
        shown: dict[str, list[r.Row]] = {}
        calls: list[str] = []
        for segment in found:
            whole = finished_nodes(segment)
            shown |= {node: [] for node in whole}
            for table, values in records(segment, whole):
                if table == "llm_call":
                    calls.append(values[0])
                elif table == "example":
                    shown[values[0]].append(row_of(table, values))
        with duckdb.connect(str(state / "store.duckdb")) as connection:
            assert not_ingested(connection, found) == found
            ingest(connection, found, present=found)
            assert not_ingested(connection, found) == []
            assert outputs(connection, sorted(shown)) == shown
        assert (sorted(calls), sorted(shown)) == (sorted(world.calls), sorted(world.nodes))


# What a row holds.

TEXT = st.text(st.characters(exclude_categories=())) | st.sampled_from(
    ["", "\0", "a\\", '"', "'", "\u2028", "{}", "null", "\ud800", "\udfff\ud800", "]\n"]
)
NUMBERS = st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def connection(empty_store: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(empty_store)) as opened:
        yield opened


def _clean(value: Any) -> Any:
    """Return a value as UTF-8 can hold it: half surrogate pairs become U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {_clean(name): _clean(inner) for name, inner in value.items()}
    return [_clean(inner) for inner in value] if isinstance(value, list) else value


@FEW
@given(
    text=TEXT, columns=st.dictionaries(TEXT, VALUES, max_size=3), number=st.integers(0, 2**31 - 1)
)
def test_a_row_comes_back_as_it_was(
    connection: duckdb.DuckDBPyConnection,
    tmp_path_factory: pytest.TempPathFactory,
    text: str,
    columns: dict[str, Any],
    number: int,
) -> None:
    row = r.Example("e1", "train", {"text": text}, text, columns, "f", number)
    mark = NodeRow("n", "n", "load", 0, 0, 0, {}, "r0001", AT, AT, "c", {"example": 1})
    with TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "spool" / "r0001")
        spool.append(
            [
                line("example", ["n", "r0001", 0, 0, 0, *values_of(row)]),
                line("node", values_of(mark)),
            ]
        )
        spool.rotate()
        (segment,) = segments(Path(folder) / "spool")
        spooled = [values for table, values in records(segment, {"n"}) if table == "example"]
        ingest(connection, [segment], present=[segment])
    expected = r.Example(
        "e1", "train", {"text": _clean(text)}, _clean(text), _clean(columns), "f", number
    )
    assert row_of("example", spooled[0]) == expected
    assert outputs(connection, ["n"]) == {"n": [expected]}
