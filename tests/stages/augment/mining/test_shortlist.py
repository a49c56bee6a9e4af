"""shortlist: a pool is looked at in parts, its rows accounted for, and no more of them held than may be kept."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from engine.data.pool import Pool, PoolBatch
from engine.data.records import Record
from engine.errors import RunError
from engine.rows import Pattern, PoolRow
from engine.spec.recipe import Fold, LeakLimits
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
    own: bool = True,
    size: int = 100,
    patterns: NamedPatterns | None = None,
    ctx: ScriptedContext | None = None,
    sure: float | None = None,
    fold: Sequence[Fold] = (),
    kind: str = "classification",
) -> Shortlisted:
    params = ShortlistParams(
        task=task_view(kind),
        input=("text",),
        source=SplitSource(name="pool.jsonl", digest="d"),
        pool=cast(Pool, FakePool(texts, labels)),
        guard=LeakLimits(ngram=5, quantile=1.0),
        patterns=patterns is not None,
        own_labels=own,
        sure=sure,
        size=size,
        fold_labels=tuple(fold),
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
    assert {row.target for row in run(["it is in pieces"], [BROKEN], own=False).pool} == {""}


def test_by_neighbours_a_row_is_kept_only_where_its_label_is_sure() -> None:
    texts = ["the parcel has not come yet today", "zebra quagga okapi"]
    assert run(texts, own=False, sure=0.0).pool[0].guess == LATE
    # Six training rows make nothing sure.
    unsure = run(texts, own=False, sure=0.95)
    assert (len(unsure.pool), counts(unsure)["unsure"]) == (0, 2)
    # Whom the recipe has label them is told of these rows, too.
    assert len(run(texts).pool) == 2


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


def test_a_label_that_differs_from_the_tasks_in_its_spelling_alone_is_one_of_them_where_it_may() -> (
    None
):
    texts = ["where is it", "it is in pieces"]
    assert counts(run(texts, ["Late ", BROKEN]))["unknown_label"] == 1
    folded = run(texts, ["Late ", BROKEN], fold=["case", "space"])
    assert [row.target for row in folded.pool] == [LATE, BROKEN]


def test_no_more_rows_are_kept_than_may_be_and_a_rare_label_keeps_what_it_has() -> None:
    texts = [f"parcel number {n} has not come" for n in range(40)]
    output = run(texts, [BROKEN] * 2 + [LATE] * 38, size=10)
    assert Counter(row.target for row in output.pool) == {BROKEN: 2, LATE: 8}
    assert counts(output)["not_shortlisted"] == 30
    # A row goes by its own label, and hangs on a training row that has it.
    assert {row.parent for row in output.pool if row.target == BROKEN} <= {TRAIN[2].id, TRAIN[3].id}


def test_answers_that_are_no_labels_have_no_share_of_a_shortlist() -> None:
    texts = [f"parcel number {n} has not come" for n in range(30)] + ["the bell, and no parcel"]
    centroid = tuple(float(x) for x in embed_words(["bell"])[0])
    pattern = Pattern("p", "bell", "", None, 1, centroid, None, None, None)
    named = NamedPatterns((pattern, member("p", VALIDATION[0])))
    answers = [f"answer {n:02}" for n in range(31)]
    output = run(texts, answers, size=5, patterns=named, kind="generation")
    assert "the bell, and no parcel" in {row.inputs["text"] for row in output.pool}


def test_a_pattern_that_many_rows_are_like_leaves_room_for_those_like_another() -> None:
    texts = [f"the bell, and no parcel {n}" for n in range(30)] + [
        f"swore over a low fence {n}" for n in range(5)
    ]
    bell, swore = (tuple(float(x) for x in embed_words([w])[0]) for w in ("bell", "swore"))
    rows = (
        Pattern("p", "bell", "", None, 1, bell, None, None, None),
        Pattern("q", "swore", "", None, 1, swore, None, None, None),
        member("p", VALIDATION[0]),
        member("q", VALIDATION[2]),
    )
    output = run(texts, [LATE] * 35, size=10, patterns=NamedPatterns(rows))
    assert Counter(row.pattern for row in output.pool) == {"p": 5, "q": 5}


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
        pool=cast(Any, Empty()), guard=LeakLimits(), patterns=False, size=10,
    )  # fmt: skip
    with pytest.raises(RunError, match="has no rows"):
        SHORTLIST.run(params, ShortlistInputs(LOADED), ScriptedContext())
