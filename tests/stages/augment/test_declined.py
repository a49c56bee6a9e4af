"""What a writer leaves out, and what calls of several rows are given: rows to mix, personas, wishes."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from typing import Any

import pytest

from engine.backends.protocol import Request
from engine.rows import Example, LabelSuspect, Strategy
from engine.stages.augment.wishes import deal_apart
from engine.stages.outputs import Drafted, Loaded
from tests.stages.augment.test_generate import (
    answer,
    asked_items,
    inputs,
    judged,
    params,
    run,
    used,
)
from tests.stages.small_task import BROKEN, LATE, RUDE, TRAIN, VALIDATION, example

FIRST, SECOND = TRAIN[0], TRAIN[3]


def leaving_out(row: Example, reason: str) -> Any:
    def reply(role: str, request: Request) -> Any:
        written = answer(role, request)["rows"]
        items = asked_items(request)
        out = {name for name, line in items.items() if row.inputs["text"] in line}
        return {
            "rows": [one for one in written if one["id"] not in out],
            "skipped": [{"id": name, "reason": reason, "why": "It is so."} for name in sorted(out)],
        }

    return reply


@pytest.mark.parametrize("reason", ["wrong_target", "not_possible"])
def test_a_row_that_is_left_out_is_a_drop_and_not_started_from_again_in_the_round(
    reason: str,
) -> None:
    """Of a wrong target no operator starts again, and its label is suspect; else the one that left it out."""
    settings = params(used("paraphrase"), used("entity_swap"))
    first, _ = run(settings, inputs(), leaving_out(FIRST, reason))
    out = [d for d in first.drops if d.reason == "declined"]
    assert {d.item for d in out} == {FIRST.id}
    assert len(out) + len(first.candidates) == 12
    assert all(d.detail.endswith(": It is so.") for d in out)
    suspects = first.of(LabelSuspect)
    wrong = reason == "wrong_target"
    assert len(suspects) == (len(out) if wrong else 0)
    assert {(s.example, s.split, s.target) for s in suspects} <= {(FIRST.id, "train", LATE)}
    attempts = (judged(first, 1, {LATE: ("leak", ""), BROKEN: ("leak", "")}),)
    second, _ = run(settings, inputs(attempts=attempts))
    barred = {d.detail.partition(":")[0] for d in out}
    again = {c.operator for c in second.candidates if c.parent == FIRST.id}
    assert second.candidates
    assert not again if wrong else not again & barred


def test_a_call_to_mix_shows_two_rows_of_each_target_and_says_where_there_are_none() -> None:
    single = [row for row in TRAIN if row != SECOND]
    for train, lacking in ((TRAIN, set()), (single, {BROKEN})):
        load = Loaded((*train, *VALIDATION))
        _, ctx = run(params(used("mix")), inputs(load=load))
        for prompt in ctx.prompts:
            shown = prompt.split("Training rows to mix", 1)[1].split("\nWrite ", 1)[0]
            for target, line in re.findall(r'^- r\d+: target "(\w+)"(.*)$', prompt, re.M):
                assert shown.count(f'"target": "{target}"') >= (1 if target in lacking else 2)
                assert ("no two rows above" in line) == (target in lacking)


def test_no_value_comes_twice_for_a_target_while_there_are_others() -> None:
    values = [f"v{i}" for i in range(5)]
    targets = [LATE, RUDE] * 3 + [BROKEN] * 4 + [LATE] * 4
    for seed in range(5):
        rows: list[dict[str, str]] = [{} for _ in targets]
        deal_apart(rows, targets, "persona", values, random.Random(seed))
        given = defaultdict(list)
        for row, target in zip(rows, targets, strict=True):
            given[target].append(row["persona"])
        for mine in given.values():
            assert all(len(set(mine[i : i + 5])) == len(mine[i : i + 5]) for i in range(len(mine)))
        times = Counter(row["persona"] for row in rows)
        assert max(times.values()) - min(times.values()) <= 2
    alone: list[dict[str, str]] = [{}, {}]
    deal_apart(alone, [None, None], "persona", ["v"], random.Random(0))
    assert alone == [{"persona": "v"}] * 2


@pytest.mark.parametrize(("rows", "repeated"), [(18, 0), (20, 2)])
def test_no_row_is_asked_for_twice_in_one_call_while_there_are_others(
    rows: int, repeated: int
) -> None:
    """Three training rows of a label in six registers are eighteen that differ."""
    late = [example(f"late {i}", LATE) for i in range(3)]
    load = Loaded((*late, *VALIDATION))
    only = Strategy("s", "p", "Late ones.", (LATE,), None, None)
    one_call = params(used("register_shift"), rows_per_round=rows, rows_per_call=rows)
    for seed in range(3):
        _, ctx = run(one_call, inputs(load=load, strategy=Drafted((only,))), seed=seed)
        (prompt,) = ctx.prompts
        asked = re.findall(r"^- r\d+: (.*)$", prompt, re.M)
        assert (len(asked), len(asked) - len(set(asked))) == (rows, repeated)


@pytest.mark.parametrize("name", ["boundary", "register_shift", "evolve", "persona", "paraphrase"])
def test_wishes_are_spoken_of_where_a_row_has_some(name: str) -> None:
    _, ctx = run(params(used(name)), inputs())
    assert ctx.prompts
    assert not any("wish" in prompt or "semicolon" in prompt for prompt in ctx.prompts)
