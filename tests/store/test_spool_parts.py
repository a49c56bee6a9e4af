"""A node with more rows than a segment holds is written in parts: whole or not at all, and in little memory."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import StoreError
from engine.store import spool as spool_module
from engine.store.spool import Spool, segments


def lines(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield b'["score",%06d,"%s"]\n' % (number, b"x" * 100)


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spool:
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 50_000)
    return Spool(tmp_path / "spool" / "r0001")


def stored(spool: Spool) -> list[bytes]:
    return [s.path.read_bytes() for s in segments(spool.folder.parent)]


def test_all_lines_are_in_one_segment_in_their_order(spool: Spool) -> None:
    spool.append([b"before\n"])
    spool.append(lines(2_000), node="n")
    spool.append([b"after\n"])
    spool.close()
    assert stored(spool) == [b"before\n", b"".join(lines(2_000)), b"after\n"]


def test_few_lines_join_the_segment_that_is_open(spool: Spool) -> None:
    spool.append([b"before\n"])
    spool.append(lines(3), node="n")
    assert spool.waiting == 4
    spool.close()
    assert stored(spool) == [b"before\n" + b"".join(lines(3))]


def test_of_a_node_that_cannot_be_written_whole_nothing_stays(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.append(lines(10), node="first")
    write, calls = os.write, []

    def full(file: int, data: memoryview) -> int:
        calls.append(len(data))
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        return write(file, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreError, match="disk is full"):
        spool.append(lines(2_000), node="second")
    monkeypatch.setattr(os, "write", write)
    assert len(calls) == 3, "it was in the middle"
    spool.append(lines(2), node="third")
    spool.close()
    assert b"".join(stored(spool)) == b"".join(lines(10)) + b"".join(lines(2))


def test_a_node_takes_as_much_memory_however_many_rows_it_has(spool: Spool) -> None:
    peaks = []
    for count in (4_000, 16_000):
        tracemalloc.start()
        spool.append(lines(count), node=f"n{count}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    spool.close()
    assert peaks[1] < 1.5 * peaks[0] < 1_000_000, peaks
