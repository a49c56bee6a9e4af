"""Rows without a model: made in `generate`, with their lineage, and nobody is asked for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.operators import Operator, find_operators
from engine.rows import Failure
from engine.stages.augment.calls import UsedOperator
from engine.stages.augment.generate import GENERATE, GenerateInputs
from engine.stages.outputs import Drafted, Generated, Loaded, NamedPatterns, Predicted, Scored
from tests.stages.augment.test_generate import PATTERN, STRATEGY, inputs, judged, params, run, used
from tests.stages.augment.test_kinds import KINDS, loaded
from tests.stages.small_task import BROKEN, LATE, TRAIN

MAKING = [operator for operator in find_operators(None).values() if operator.make]


def making(operator: Operator) -> UsedOperator:
    return UsedOperator(
        operator=operator, prompt=None, name=operator.name, digest="d", settings=operator.params()
    )


def named(name: str) -> UsedOperator:
    return making(next(operator for operator in MAKING if operator.name == name))


def failures(*rows: Any) -> Scored:
    return Scored(tuple(Failure(row.id, "train", "wrong", row.target, "") for row in rows))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operator", MAKING, ids=lambda operator: operator.name)
def test_each_makes_rows_of_every_kind_that_it_serves(operator: Operator, kind: str) -> None:
    task, train = loaded(kind)
    if task.entry.name not in operator.kinds:
        assert operator.definition.tasks == "labelled"
        return
    targets = sorted({e.target for e in train})
    pair = {"right": targets[0], "wrong": targets[-1], "share": 1.0}
    strategy = replace(STRATEGY, pairs=(pair,) if task.labelled else ())
    given = GenerateInputs(
        Loaded(tuple(train)), Predicted(), failures(*train), None, NamedPatterns((PATTERN,)), Drafted((strategy,))
    )  # fmt: skip
    settings = params(making(operator), task=task, rows_per_round=5)
    output, ctx = run(settings, given)
    assert not ctx.asked
    rows = output.candidates
    assert len(rows) + len(output.drops) == 5
    assert rows
    by_id = {e.id: e for e in train}
    for row in rows:
        seed = by_id[row.parent]
        assert row.target == seed.target
        assert (row.inputs == seed.inputs) == (operator.copies == "exact")
        assert task.entry.malformed(row.inputs, row.target, task.task(train)) is None
        assert row.model.startswith("row function ")
        assert (row.call, row.prompt, row.seeds) == ("", "d", (row.parent,))
    assert len({row.id for row in rows}) == len(rows)


def test_the_same_run_makes_the_same_rows_and_another_attempt_others() -> None:
    settings = params(named("typos"))
    first, again = run(settings, inputs())[0], run(settings, inputs())[0]
    assert first.candidates == again.candidates
    other = run(settings, inputs(), attempt=2)[0]
    assert {c.inputs["text"] for c in other.candidates} != {
        c.inputs["text"] for c in first.candidates
    }


def test_only_failing_rows_are_repeated_and_in_the_first_attempt_alone() -> None:
    late = next(row for row in TRAIN if row.target == LATE)
    settings = params(named("oversample"), rows_per_round=6)
    output, _ = run(settings, inputs(score=failures(late)))
    assert {row.parent for row in output.candidates} == {late.id}
    assert {row.target for row in output.candidates} == {LATE}
    missing = [drop for drop in output.drops if drop.reason == "no_seed"]
    assert len(missing) == 6 - len(output.candidates)
    assert all("no operator of the recipe" in drop.detail for drop in missing)
    later, _ = run(
        settings, inputs(score=failures(late), attempts=(judged(output, 1, {LATE: ("judge", "")}),))
    )
    assert not later.candidates
    assert {drop.detail.split(", or ")[-1] for drop in later.drops} == {
        "takes part in this attempt"
    }


def test_a_row_that_cannot_be_made_is_a_drop_that_says_why() -> None:
    rows = tuple(replace(row, inputs={"text": "is it so"}) for row in TRAIN)
    output, _ = run(params(named("typos"), rows_per_round=4), inputs(load=Loaded(rows)))
    assert not output.candidates
    assert {drop.reason for drop in output.drops} == {"not_made"}
    assert "typos: the row has no word of 4 letters" in output.drops[0].detail


def test_models_and_programs_share_the_rows() -> None:
    settings = params(used(), named("typos"))
    output, ctx = run(settings, inputs())
    by_operator = {row.operator for row in output.candidates}
    assert by_operator == {"new_situation", "typos"}
    assert ctx.asked
    assert isinstance(output, Generated)
    assert GENERATE.skips(settings) == frozenset()
    assert GENERATE.skips(params(named("typos"))) == {"teacher"}
    assert BROKEN in {row.target for row in output.candidates}
