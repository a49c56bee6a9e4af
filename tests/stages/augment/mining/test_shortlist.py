"""shortlist: a pool is looked at in parts, its rows accounted for, and no more of them held than may be kept."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from engine.data.pool import Pool, PoolBatch
from engine.data.records import Record
from engine.errors import RunError
from engine.rows import Pattern, PoolRow
from engine.spec.recipe import LabelBy, LeakLimits
from engine.stages.augment.mining.outputs import Shortlisted
from engine.stages.augment.mining.shortlist import SHORTLIST, ShortlistInputs, ShortlistParams
from engine.stages.load import SplitSource
from engine.stages.outputs import NamedPatterns
from tests.stages.scripted_context import ScriptedContext, embed_words
from tests.stages.small_task import (
    BROKEN,
    LATE,
    LOADED,
    TEST,
    TRAIN,
    VALIDATION,
    adds_up,
    member,
    task_view,
)


class FakePool:
    """A pool of these texts, two batches of them; with labels where they are given."""

    def __init__(self, texts: Sequence[str], labels: Sequence[str | None] = ()) -> None:
        given = labels or [None] * len(texts)
        self._rows = [
            Record(n, {"text": text, "intent": label, "channel": "mail"})
            for n, (text, label) in enumerate(zip(texts, given, strict=True), 1)
        ]

    def batches(self, *, labelled: bool) -> Iterator[PoolBatch]:
        rows = self._rows
        if not labelled:
            rows = [row._replace(values=row.values | {"intent": None}) for row in rows]
        half = len(rows) // 2
        yield PoolBatch(rows[:half], ["pool.jsonl:99:1: no text"])
        yield PoolBatch(rows[half:], [])


class Watching(ScriptedContext):
    """Counts the texts that are asked to be kept."""

    kept: int = 0

    def embed(self, texts: Sequence[str], *, keep: bool = True) -> npt.NDArray[np.float32]:
        self.kept += keep * len(texts)
        return embed_words(texts)


def run(
    texts: Sequence[str],
    labels: Sequence[str | None] = (),
    *,
    label: LabelBy = "column",
    size: int = 100,
    patterns: NamedPatterns | None = None,
    ctx: ScriptedContext | None = None,
    sure: float = 0.0,
) -> Shortlisted:
    params = ShortlistParams(
        task=task_view(),
        input=("text",),
        source=SplitSource(name="pool.jsonl", digest="d"),
        pool=cast(Pool, FakePool(texts, labels)),
        guard=LeakLimits(ngram=5, quantile=1.0),
        patterns=patterns is not None,
        label=label,
        sure=sure,
        size=size,
    )
    inputs = ShortlistInputs(LOADED, patterns)
    output = SHORTLIST.run(params, inputs, ctx or ScriptedContext())
    adds_up(SHORTLIST, params, inputs, output)
    return output


def counts(output: Shortlisted) -> dict[str, int]:
    return {count.reason: count.rows for count in output.counts}


def only(output: Shortlisted) -> PoolRow:
    (row,) = output.pool
    return row


def test_rows_that_are_known_resemble_evaluation_rows_or_say_nothing_are_left_out_and_counted() -> (
    None
):
    output = run(
        [
            TRAIN[0].inputs["text"].upper(),
            TEST[0].inputs["text"],
            VALIDATION[1].inputs["text"] + " again",
            "the box is broken again",
            "The box is broken, again!",
            "...",
        ]
    )
    assert counts(output) == {
        "read": 7, "bad-row": 1, "training": 1, "evaluation": 2, "duplicate": 1, "empty": 1,
    }  # fmt: skip
    assert only(output).inputs == {"text": "the box is broken again"}
    assert only(output).columns == {"channel": "mail"}


def test_a_row_says_where_it_is_and_which_training_row_is_nearest_to_it() -> None:
    row = only(run(["half of my eggs are cracked open"]))
    assert (row.source, row.line, row.guess) == ("pool.jsonl", 1, BROKEN)
    assert row.parent == TRAIN[3].id


def test_labels_that_the_task_does_not_have_are_left_out() -> None:
    output = run(["where is it", "it is in pieces"], ["lost", BROKEN])
    assert counts(output)["unknown_label"] == 1
    assert only(output).target == BROKEN
    # What was not asked for is not there.
    assert {row.target for row in run(["it is in pieces"], [BROKEN], label="neighbours").pool} == {
        ""
    }


def test_by_neighbours_a_row_is_kept_only_where_its_label_is_sure() -> None:
    texts = ["the parcel has not come yet today", "zebra quagga okapi"]
    assert run(texts, label="neighbours").pool[0].guess == LATE
    # Six training rows make nothing sure.
    unsure = run(texts, label="neighbours", sure=0.95)
    assert (len(unsure.pool), counts(unsure)["unsure"]) == (0, 2)
    # Whom the recipe has label them is told of these rows, too.
    assert len(run(texts, sure=0.95).pool) == 2


def test_of_too_many_rows_those_most_like_what_failed_are_kept() -> None:
    texts = [f"parcel number {n} has not come" for n in range(40)] + [
        "the bell, and no parcel",
        "bell rang for a parcel",
    ]
    centroid = tuple(float(x) for x in embed_words(["parcel"])[0])
    pattern = Pattern("p", "bell", "", None, 1, centroid, None, None, None)
    named = NamedPatterns((pattern, member("p", VALIDATION[0])))
    output = run(texts, size=6, patterns=named)
    assert counts(output)["not_shortlisted"] >= 36
    assert {row.inputs["text"] for row in output.pool} >= set(texts[-2:])
    assert {row.pattern for row in output.pool} == {"p"}


def test_what_the_pool_holds_is_not_kept_in_memory() -> None:
    ctx = Watching()
    before = len(LOADED.examples)
    run([f"parcel {n} did not come" for n in range(300)], size=10, ctx=ctx)
    # Rows of the splits alone, some of them for more than one purpose.
    assert ctx.kept <= 4 * before


def test_a_pool_without_rows_ends_the_run() -> None:
    class Empty:
        def batches(self, *, labelled: bool) -> Iterator[PoolBatch]:
            yield from ()

    params = ShortlistParams(
        task=task_view(), input=("text",), source=SplitSource(name="pool.jsonl", digest="d"),
        pool=cast(Any, Empty()), guard=LeakLimits(), patterns=False, label="column", sure=0, size=10,
    )  # fmt: skip
    with pytest.raises(RunError, match="has no rows"):
        SHORTLIST.run(params, ShortlistInputs(LOADED), ScriptedContext())
