"""An operator that is asked several times: the target that most replies come to holds, and replaces the row's own."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from engine.backends.protocol import Request
from engine.rows import RowCall
from engine.stages.augment.judging.votes import agree
from engine.stages.augment.select import SELECT, SelectInputs, SelectParams
from engine.stages.outputs import REPLACES, Drafted, Loaded, Scored
from tests.stages.augment.test_generate import STRATEGY, inputs, judged, params, run, used
from tests.stages.augment.test_writers_prompts import many_labels
from tests.stages.small_task import BROKEN, LATE, LOADED, SCORED, example, failure, task_view
from tests.stages.small_task import TRAIN as ROWS


def relabelling(targets: list[str], samples: int = 5, **changes: Any) -> Any:
    """Run `relabel` for one row, whose replies say these targets in turn; None is no usable reply."""
    numbers = count()

    def reply(_: str, request: Request) -> Any:
        said = targets[next(numbers) % len(targets)]
        return {"rows": [{"id": "r1", "plan": "p", "target": said}]} if said else None

    settings = params(used("relabel", params={"samples": samples}), rows_per_round=1, **changes)
    return run(settings, inputs(), reply)


def test_what_most_replies_say_is_the_target() -> None:
    output, ctx = relabelling([LATE, BROKEN, BROKEN, "", BROKEN])
    assert len(ctx.asked) == 5
    assert len({request.id for request in ctx.asked}) == 5
    (row,) = output.candidates
    seed = next(e for e in ROWS if e.id == row.parent)
    assert row.inputs == seed.inputs
    assert (row.target, row.attributes["votes"]) == (BROKEN, "3 of 5")
    assert row.call == ctx.asked[1].id
    calls = output.of(RowCall)
    assert [(one.call, one.rows) for one in calls] == [(request.id, 1) for request in ctx.asked]
    assert {(one.pattern, one.strategy, one.operator) for one in calls} == {
        (row.pattern, row.strategy, "relabel")
    }


def test_without_a_majority_of_all_replies_there_is_no_row() -> None:
    output, _ = relabelling([LATE, BROKEN, BROKEN, "", LATE])
    assert not output.candidates
    (drop,) = output.drops
    assert drop.reason == "no_majority"
    assert drop.detail.startswith("row r1: 2 of 5 replies come to the same target: ")
    silent, _ = relabelling([""])
    assert silent.drops[0].detail == "row r1: 0 of 5 replies come to the same target"


@pytest.mark.parametrize("pack", ["small", "frontier"])
def test_the_target_that_a_row_has_is_not_told(pack: str) -> None:
    settings = params(used("relabel", pack), rows_per_round=1)
    _, ctx = run(settings, inputs())
    prompt = ctx.prompts[0]
    asked = re.findall(r'^(?:- r1: )?(\{"text": "[^"]*"\})$', prompt, re.M)
    (seed,) = (row for row in ROWS if json.dumps(row.inputs) == asked[-1])
    assert prompt.count(seed.inputs["text"]) == 1


def test_each_row_is_asked_for_once_while_there_are_others() -> None:
    """One answer replaces a row, so others to the same row would be paid for and left out."""
    many = tuple(example(f"the box number {i} has not come", LATE) for i in range(60))
    load = Loaded((*many, *LOADED.examples))

    def reply(_: str, request: Request) -> Any:
        lines = re.findall(r"^- (r\d+): ", request.messages[-1].content, re.M)
        return {"rows": [{"id": row, "plan": "p", "target": BROKEN} for row in lines]}

    wanted = 40
    settings = params(used("relabel", params={"samples": 2}), rows_per_round=wanted, oversample=1.0)
    pair = {"right": LATE, "wrong": None, "share": 1.0}
    given = inputs(load=load, strategy=Drafted((replace(STRATEGY, pairs=(pair,)),)))
    output, _ = run(settings, given, reply)
    parents = [row.parent for row in output.candidates]
    assert len(parents) >= wanted * 3 // 4
    assert len(set(parents)) == len(parents)


@pytest.mark.parametrize("labels", [20, 60])
@pytest.mark.parametrize("pack", ["small", "frontier"])
def test_nothing_in_the_prompt_depends_on_the_target_that_a_row_has(pack: str, labels: int) -> None:
    """Its labels were chosen by that target, which stood first; an equal row stood among the examples."""
    rows = many_labels(labels=labels).examples
    twin = replace(rows[1], id="twin", inputs={"text": rows[0].inputs["text"].upper() + "!"})

    def prompts(target: str) -> list[str]:
        first, equal = (replace(row, target=target) for row in (rows[0], twin))
        load = Loaded((first, equal, example("w0 w1 sort three", "label00"), *rows[2:]))
        pair = {"right": target, "wrong": None, "share": 1.0}
        given = inputs(
            load=load,
            score=Scored((failure(first, "label01"),)),
            strategy=Drafted((replace(STRATEGY, pairs=(pair,)),)),
        )
        _, ctx = run(params(used("relabel", pack), rows_per_round=1, seeds_shown=500), given)
        assert ctx.prompts[0].count(first.inputs["text"]) == 1
        assert equal.inputs["text"] not in ctx.prompts[0]
        return ctx.prompts

    assert prompts("label00") == prompts("label07")


def test_a_row_with_another_target_joins_in_place_of_the_one_it_was_made_from() -> None:
    output, _ = relabelling([BROKEN])
    (row,) = output.candidates
    selected = SELECT.run(
        SelectParams(
            task=task_view(),
            rows_per_round=1,
            coverage=0.0,
            repeating=("relabel",),
            replacing=("relabel",),
        ),
        SelectInputs(LOADED, SCORED, (judged(output, 1),)),
        run(params(), inputs())[1],
    )
    (example,) = selected.examples
    assert example.columns == {"candidate": row.id, REPLACES: row.parent}


@pytest.mark.parametrize(
    ("count", "asked", "share", "enough"),
    [(11, 20, 0.55, True), (10, 20, 0.55, False), (2, 3, 2 / 3, True), (0, 3, 0.0, False)],
)
def test_a_share_of_the_answers_is_enough_where_it_is_reached(
    count: int, asked: int, share: float, enough: bool
) -> None:
    assert agree(count, asked, share) is enough
