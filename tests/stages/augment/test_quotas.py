"""quotas: what a plan makes of them, which rows join, and what is said of those that cannot be met."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from engine.errors import RunError
from engine.rows import Candidate, Pattern, QuotaStatus, Strategy
from engine.stages.augment.planning import (
    COVERAGE,
    History,
    RowPlan,
    Slot,
    Sources,
    missing,
    quotas,
)
from engine.stages.augment.select import SELECT, SelectInputs, SelectParams
from engine.stages.augment.selection.quotas import UsedQuota
from engine.stages.outputs import Clustered, Drafted, Loaded, NamedPatterns, Scored, SelectedRows
from tests.stages.augment.test_select import LARGE, PAIR, SMALL, attempt, candidate
from tests.stages.scripted_context import ScriptedContext
from tests.stages.small_task import BROKEN, LATE, RUDE, TRAIN, adds_up, task_view


def by_label(*of: str, least: int = 0, most: int | None = None) -> UsedQuota:
    return UsedQuota(by="label", of=of, at_least=least, at_most=most)


def by_sql(sql: str, *of: Any, least: int = 0, most: int | None = None) -> UsedQuota:
    return UsedQuota(by="sql", sql=sql, of=of, at_least=least, at_most=most)


def planned(
    *bounds: UsedQuota, wanted: int = 12, patterns: Sequence[Pattern] = (LARGE, SMALL)
) -> Any:
    plan = RowPlan(task=task_view(), rows_per_round=wanted, coverage=0.25, quotas=bounds)
    strategies = [
        Strategy(f"s {p.id}", p.id, "", (LATE,), None, None, pairs=(PAIR,)) for p in patterns
    ]
    sources = Sources(
        Loaded(tuple(TRAIN)), Scored(), Clustered(), NamedPatterns(tuple(patterns)), Drafted(tuple(strategies))
    )  # fmt: skip
    return quotas(plan, sources, [0, 0])


def per_label(plan: Any) -> Counter[str]:
    return Counter(
        {label: sum(n for slots in plan.values() for s, n in slots.items() if s.target == label)
         for label in (LATE, BROKEN, RUDE)}
    )  # fmt: skip


def test_a_plan_without_bounds_in_the_way_stays_as_it_is() -> None:
    assert planned(by_label(most=12, least=1)) == planned()
    assert planned(by_sql("length(text)", most=1)) == planned(), "writers cannot be told"


def test_what_is_too_much_goes_to_what_is_open_and_what_is_missing_comes_first() -> None:
    assert per_label(planned()) == {LATE: 7, BROKEN: 3, RUDE: 2}
    capped = per_label(planned(by_label(LATE, most=4)))
    assert (capped[LATE], capped.total()) == (4, 12)
    raised = planned(by_label(RUDE, least=6))
    assert per_label(raised)[RUDE] == 6
    assert per_label(raised).total() == 12
    assert raised[COVERAGE] == {Slot(RUDE, None): 6}, "against no pattern"
    both = per_label(planned(by_label(LATE, most=2), by_label(RUDE, least=9)))
    assert both == {LATE: 2, BROKEN: 1, RUDE: 9}
    assert per_label(planned(by_label(most=3))).total() == 9, "no label may have more"


def test_lower_bounds_do_not_take_from_one_another() -> None:
    found = per_label(planned(by_label(least=4)))
    assert found == {LATE: 4, BROKEN: 4, RUDE: 4}


def select(
    rows: Sequence[Candidate],
    *bounds: UsedQuota,
    wanted: int = 4,
    rejected: Sequence[Candidate] = (),
    embeds: bool = True,
) -> SelectedRows:
    params = SelectParams(task=task_view(), rows_per_round=wanted, coverage=0.0, quotas=bounds)
    inputs = SelectInputs(
        load=Loaded(tuple(TRAIN)),
        score=Scored(),
        name=NamedPatterns((LARGE,)),
        strategy=Drafted((Strategy("s", "large", "", (LATE,), None, None, pairs=(PAIR,)),)),
        attempts=(attempt(1, rows, rejected=rejected),),
    )
    ctx = ScriptedContext() if embeds else ScriptedContext(embed=_never)
    output = SELECT.run(params, inputs, ctx)
    adds_up(SELECT, params, inputs, output)
    return output


def _never(texts: Sequence[str]) -> Any:
    raise AssertionError("texts are embedded")


def labels(output: SelectedRows) -> Counter[str]:
    return Counter(e.target for e in output.examples)


ROWS = [
    *(candidate(f"it came late on day{n} by bus{n}") for n in range(6)),
    *(candidate(f"a jar{n} broke in box{n}", target=BROKEN, near=LATE) for n in range(2)),
    candidate("he shouted at us all", target=RUDE, near=""),
]


def test_no_more_rows_join_than_an_upper_bound_allows() -> None:
    output = select(ROWS, by_label(LATE, most=1))
    assert labels(output) == {LATE: 1, BROKEN: 2, RUDE: 1}
    # Also where a round is full: a row of a full group would not have joined a larger one.
    assert {d.reason for d in output.drops} == {"at_most"}
    assert [s.held_back for s in output.of(QuotaStatus)] == [5]
    # Fewer than a round wants are no reason to let more of it join.
    output = select(ROWS, by_label(LATE, most=1), wanted=8)
    assert labels(output) == {LATE: 1, BROKEN: 2, RUDE: 1}
    assert {d.detail for d in output.drops} == {
        "augment.quotas[0]: at most 1 rows of label 'late' join"
    }
    (status,) = output.of(QuotaStatus)
    assert (status.joined, status.held_back, status.missing) == (1, 5, 0)


def test_what_must_join_is_taken_before_what_was_planned() -> None:
    assert labels(select(ROWS))[RUDE] == 0
    output = select(ROWS, by_label(RUDE, least=1), by_label(BROKEN, least=2))
    assert labels(output) == {RUDE: 1, BROKEN: 2, LATE: 1}
    assert "quotas" not in output.decision.reason
    assert [(s.value, s.joined, s.missing) for s in output.of(QuotaStatus)] == [
        (RUDE, 1, 0),
        (BROKEN, 2, 0),
    ]


def test_rows_that_serve_two_lower_bounds_come_before_rows_that_serve_one() -> None:
    rows = [
        *(candidate(f"it came late on day{n}") for n in range(4)),
        candidate("late at night"),
        *(candidate(f"at night {n} a jar broke", target=BROKEN, near=LATE) for n in range(4)),
    ]
    at_night = by_sql("contains(text, 'night')", True, least=1)
    late = by_label(LATE, least=1)
    for bounds in ((late, at_night), (at_night, late)):
        output = select(rows, *bounds, wanted=1)
        assert [e.inputs["text"] for e in output.examples] == ["late at night"]
        assert [s.missing for s in output.of(QuotaStatus)] == [0, 0]
    both = select(rows, by_label(BROKEN, least=2), late, at_night, wanted=3)
    assert [s.missing for s in both.of(QuotaStatus)] == [0, 0, 0]


def test_no_text_is_embedded_where_no_upper_bound_can_be_exceeded() -> None:
    select(ROWS, by_label(most=9), wanted=9)
    with pytest.raises(AssertionError, match="embed"):
        select(ROWS, by_label(most=3), wanted=9, embeds=False)
    select(ROWS, by_label(most=9), wanted=9, embeds=False)


def test_what_one_label_has_too_many_of_is_not_there_for_another() -> None:
    plan = RowPlan(
        task=task_view(), rows_per_round=6, coverage=0.0, quotas=(by_label(BROKEN, least=3),)
    )
    late, broken = Slot(LATE, BROKEN), Slot(BROKEN, LATE)
    wanted = {"large": {late: 3, broken: 3}}
    done = attempt(1, [*ROWS[:6], candidate("a mined one", target=BROKEN, near="")])
    assert missing(wanted, History(plan, [done])) == {"large": {broken: 2}}
    without = RowPlan(task=task_view(), rows_per_round=6, coverage=0.0)
    assert missing(wanted, History(without, [done])) == {}, "writers mix the labels of a pattern up"


def test_a_bound_that_is_not_reached_says_what_came_of_its_rows() -> None:
    bad = candidate("she swore", target=RUDE, near="")
    output = select(ROWS, by_label(RUDE, BROKEN, least=3), rejected=[bad])
    found = {s.value: s for s in output.of(QuotaStatus)}
    assert found[RUDE].reason == "2 written, 1 accepted; rejected: 1 leak"
    assert (found[RUDE].written, found[RUDE].accepted, found[RUDE].missing) == (2, 1, 2)
    assert output.decision.reason.endswith(
        "quotas not met: label 'rude' 1 of 3 (2 written, 1 accepted; rejected: 1 leak), "
        "label 'broken' 2 of 3 (2 written, 2 accepted)"
    )
    (nothing,) = select(ROWS[:6], by_label(RUDE, least=1)).of(QuotaStatus)
    assert nothing.reason == "no such row was written"


def test_groups_are_values_of_sql_with_their_types() -> None:
    wide = by_sql("length(text) > 20", True, least=2)
    assert sum(len(e.inputs["text"]) > 20 for e in select(ROWS, wide).examples) >= 2
    none = by_sql("length(text) > 20", 1, most=0)
    assert len(select(ROWS, none, wanted=9).examples) == 9, "true is not 1"
    each = by_sql("regexp_extract(text, 'day([0-9])', 1)", most=1)
    assert len(select(ROWS, each, wanted=9).examples) == 7, "the empty text is a group too"
    odd = by_sql("TRY_CAST(regexp_extract(text, 'day([0-9])', 1) AS INT) % 2", 1.0, most=1)
    assert len(select(ROWS, odd, wanted=9).examples) == 7, "1 is 1.0, and no value is no group"
    by_target = by_sql("target = 'late'", True, most=2)
    assert labels(select(ROWS, by_target, wanted=9))[LATE] == 2


def test_sql_that_fails_on_one_row_leaves_the_others_in_their_groups() -> None:
    rows = [candidate("12"), candidate("13"), candidate("not a number")]
    output = select(rows, by_sql("CAST(text AS INT) > 5", True, most=1))
    assert sorted(e.inputs["text"] for e in output.examples) == ["12", "not a number"]
    with pytest.raises(RunError, match=r"augment.quotas\[0\]: the SQL `nowhere`"):
        select(rows, by_sql("nowhere", most=1))


@pytest.mark.runs
def test_a_plan_for_several_labels_is_the_same_in_every_process() -> None:
    """Groups of one target come in the order of their names, not in the order of Python's hashes."""
    plans = set()
    for seed in ("1", "2"):
        ran = subprocess.run(
            [sys.executable, "-c", SEVERAL_LABELS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        plans.add(ran.stdout)
    assert len(plans) == 1


SEVERAL_LABELS = """
import json

from engine.stages.augment.selection.planned import planned
from engine.stages.augment.selection.quotas import UsedQuota
from tests.stages.views import view

names = {"bf": 6, "adef": 3, "abce": 5, "bcdf": 5, "f": 1, "de": 5, "abcd": 1}
rows = {json.dumps(list(name)): n for name, n in names.items()}
most = dict(zip("abcdef", (6, 1, 4, 5, 6, 5), strict=True))
bounds = [UsedQuota(by="label", of=(label,), at_most=n) for label, n in most.items()]
task = view("classification", labels="abcdef", many=True)
print(planned(bounds, {"p": rows}, str, task, list(rows), "coverage", str))
"""
