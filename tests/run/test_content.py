"""The hash of a node's rows is made in parts, and is that of all of them at once."""

from __future__ import annotations

import tracemalloc
from dataclasses import fields

from engine.fingerprint import canonical, digest, digest_parts
from engine.rows import Example, Row, Score
from engine.run.content import content_hash
from engine.stages.outputs import Output


def rows(count: int) -> tuple[Row, ...]:
    return tuple(
        Example(f"e{n}", "train", {"text": f"ä {n}"}, "x", {"n": [n, {"m": None}]}, "f", n)
        if n % 2
        else Score(f"e{n}", "test", "accuracy", n / 7)
        for n in range(count)
    )


def whole(made: tuple[Row, ...]) -> str:
    """Return the hash with all rows in memory as JSON."""
    plain = [[r.table, {f.name: _plain(getattr(r, f.name)) for f in fields(r)}] for r in made]
    return digest(plain)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def test_parts_have_the_hash_of_the_whole() -> None:
    for count in (0, 1, 999, 1000, 1001, 2500):
        made = rows(count)
        assert content_hash(Output(made)) == whole(made), count
    assert digest_parts(["[1", ",2]"]) == digest([1, 2])
    assert digest_parts([canonical({"a": "ü"})]) == digest({"a": "ü"})


def test_a_hash_takes_as_much_memory_for_many_rows_as_for_some() -> None:
    few, many = Output(rows(3_000)), Output(rows(12_000))
    peaks = []
    for output in (few, many):
        content_hash(output)
        tracemalloc.start()
        content_hash(output)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0], peaks
