"""select: which accepted candidates join, in which order, and what becomes of the others."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from engine.rows import Candidate, Pattern, Strategy, Verdict
from engine.stages.augment.planning import COVERAGE
from engine.stages.augment.select import SELECT, SelectInputs, SelectParams
from engine.stages.load import example_id
from engine.stages.outputs import (
    Attempt,
    Drafted,
    Generated,
    Judged,
    Loaded,
    NamedPatterns,
    Scored,
    SelectedRows,
)
from tests.stages.scripted_context import ScriptedContext
from tests.stages.small_task import BROKEN, LATE, RUDE, TRAIN, adds_up, example, task_view

LARGE = Pattern("large", "Large", "", None, 6, (1.0,), None, None, None)
SMALL = Pattern("small", "Small", "", None, 2, (1.0,), None, None, None)


PAIR = {"right": LATE, "wrong": BROKEN, "share": 1.0}


def candidate(
    text: str, pattern: str = "large", attempt: int = 1, target: str = LATE, near: str = BROKEN
) -> Candidate:
    return Candidate(
        f"c {text}", TRAIN[0].id, pattern, "s", "paraphrase", attempt, {"text": text}, target, "", "", "",
        attributes={"near": near} if near else {},
    )  # fmt: skip


def verdict(row: Candidate, reason: str = "accepted") -> Verdict:
    return Verdict(
        row.id, reason == "accepted", reason, "", "", None, None, None, None, None, None, None
    )


def attempt(
    number: int, rows: Sequence[Candidate], *, rejected: Sequence[Candidate] = ()
) -> Attempt:
    verdicts = [verdict(row) for row in rows] + [verdict(row, "leak") for row in rejected]
    return Attempt(number, Generated((*rows, *rejected)), Judged(tuple(verdicts)))


def run(
    attempts: Sequence[Attempt],
    wanted: int = 4,
    patterns: Sequence[Pattern] = (LARGE, SMALL),
    earlier: Sequence[SelectedRows] = (),
    coverage: float = 0.0,
    replacing: tuple[str, ...] = (),
) -> SelectedRows:
    params = SelectParams(
        task=task_view(), rows_per_round=wanted, coverage=coverage, replacing=replacing
    )
    strategies = [
        Strategy(f"s {p.id}", p.id, "", (LATE,), None, None, pairs=(PAIR,)) for p in patterns
    ]
    inputs = SelectInputs(
        load=Loaded(tuple(TRAIN)),
        score=Scored(),
        name=NamedPatterns(tuple(patterns)),
        strategy=Drafted(tuple(strategies)),
        attempts=tuple(attempts),
        earlier=tuple(earlier),
    )
    output = SELECT.run(params, inputs, ScriptedContext(embed=by_number))
    adds_up(SELECT, params, inputs, output)
    return output


def by_number(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Embed texts that end in a number on a circle, by that number in degrees; others far from one another."""
    angles = [
        int(t.split()[-1]) if t.split()[-1].isdigit() else 90 + 7 * i for i, t in enumerate(texts)
    ]
    radians = np.radians(np.asarray(angles, dtype=np.float32))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def joined(output: SelectedRows) -> list[str]:
    return [e.inputs["text"] for e in output.examples]


def test_accepted_rows_join_as_training_rows_that_name_their_candidate() -> None:
    good, bad = candidate("it is late"), candidate("it leaks")
    output = run([attempt(1, [good], rejected=[bad])])
    (row,) = output.examples
    assert row.id == example_id({"text": "it is late"}, LATE)
    assert (row.split, row.target, row.source, row.columns) == (
        "train",
        LATE,
        "generated",
        {"candidate": good.id},
    )
    assert [(s.candidate, s.example) for s in output.selected] == [(good.id, row.id)]
    assert output.decision.go_on
    assert output.decision.reason == (
        "1 of 4 rows wanted join the training set; 3 missing, by pattern: 'Large' 2, 'Small' 1"
    )


def test_each_pattern_has_its_share_first_and_what_is_left_fills_up() -> None:
    large = [candidate(f"large {n}") for n in range(6)]
    small = [candidate(f"small {n}", "small") for n in range(2)]
    output = run([attempt(1, [*large, *small])])
    # The first, then the one farthest from what is there.
    assert joined(output) == ["large 0", "large 2", "large 5", "small 0"]
    assert output.decision.reason == "4 rows join the training set"
    assert {(d.item, d.reason) for d in output.drops} == {
        (row.id, "over_quota") for row in (large[1], *large[3:5], small[1])
    }
    # Where a pattern has fewer than its share, the others' rows take its place.
    few = run([attempt(1, [*large[:1], *small])])
    assert joined(few) == ["large 0", "small 0", "small 1"]


def test_a_row_that_is_there_already_is_a_drop() -> None:
    text = "it was late last week"
    row = replace(example(text, LATE), id=example_id({"text": text}, LATE))
    before = SelectedRows((row,))
    twice = [candidate("it is late"), candidate(text)]
    again = replace(candidate("it is late", "small", attempt=2), id="other")
    output = run([attempt(1, twice), attempt(2, [again])], earlier=[before])
    assert joined(output) == ["it is late"]
    assert {(d.item, d.reason) for d in output.drops} == {
        (twice[1].id, "duplicate"),
        ("other", "duplicate"),
    }


def test_all_attempts_are_looked_at() -> None:
    output = run([attempt(1, [candidate("one")]), attempt(2, [candidate("two", attempt=2)])])
    assert joined(output) == ["one", "two"]


def test_without_an_accepted_row_the_loop_ends_and_says_why() -> None:
    output = run([attempt(1, [], rejected=[candidate("a"), candidate("b")])])
    assert not output.decision.go_on
    assert output.decision.reason == (
        "no candidate was accepted: 2 generated (2 leak); the previous model stays"
    )
    nothing = run([attempt(1, [])], patterns=[])
    assert not nothing.decision.go_on
    assert "0 generated (none)" in nothing.decision.reason


def test_both_sides_of_a_confusion_get_what_was_planned() -> None:
    failing = [candidate(f"late {n}") for n in (1, 2, 3, 4, 5, 6)]
    other = [candidate(f"broken {n}", target=BROKEN, near=LATE) for n in (50, 80, 100)]
    output = run([attempt(1, [*failing, *other])], wanted=6, patterns=[LARGE])
    assert [e.target for e in output.examples].count(LATE) == 4
    assert [e.target for e in output.examples].count(BROKEN) == 2
    # Where one side has too few, the other takes its place.
    few = run([attempt(1, [*failing, *other[:1]])], wanted=6, patterns=[LARGE])
    assert [e.target for e in few.examples].count(LATE) == 5


def test_rows_are_spread_out_and_the_better_verified_come_first() -> None:
    alike = [candidate(f"row {n}") for n in (10, 11, 12, 60)]
    output = run([attempt(1, alike)], wanted=2, patterns=[LARGE])
    assert joined(output) == ["row 10", "row 60"]
    unsure = attempt(1, alike)
    verdicts = [
        replace(v, agreement=0.1) if v.candidate == alike[0].id else v for v in unsure.judge.verdicts
    ]  # fmt: skip
    output = run([replace(unsure, judge=Judged(tuple(verdicts)))], wanted=2, patterns=[LARGE])
    assert joined(output) == ["row 11", "row 60"]


def test_rows_against_no_pattern_have_their_share() -> None:
    large = [candidate(f"large {n}") for n in range(6)]
    covering = [candidate(f"covering {n}", COVERAGE, near="") for n in range(3)]
    output = run([attempt(1, [*large, *covering])], wanted=5, patterns=[LARGE], coverage=0.2)
    assert sum(text.startswith("covering") for text in joined(output)) == 1
    few = run([attempt(1, [*large[:2], *covering])], wanted=5, patterns=[LARGE], coverage=0.2)
    assert len(joined(few)) == 5


def test_a_dry_pattern_is_named_where_rows_are_missing() -> None:
    tries = [attempt(n, [], rejected=[candidate(f"bad {n}", "small", n)]) for n in (1, 2)]
    good = attempt(3, [candidate(f"large {n}") for n in range(3)])
    output = run([*tries, good])
    assert output.decision.reason == (
        "3 of 4 rows wanted join the training set; 1 missing, by pattern: 'Small' 1 (dry)"
    )


def test_a_training_row_is_replaced_once_whatever_round_and_attempt() -> None:
    """Both of two rows that replaced one were trained on, with two targets for the same inputs."""
    text = TRAIN[0].inputs["text"]

    def relabelled(number: int, target: str) -> Candidate:
        return replace(candidate(text, target=target), id=f"c{number}", operator="relabel")

    both = [relabelled(1, BROKEN), relabelled(2, RUDE)]
    first = run([attempt(1, both)], replacing=("relabel",))
    assert [e.target for e in first.examples] == [BROKEN]
    again = [relabelled(3, RUDE), candidate("another 1")]
    second = run([attempt(1, again)], earlier=[first], replacing=("relabel",))
    assert joined(second) == ["another 1"]
    assert [(d.item, d.reason) for d in (*first.drops, *second.drops)] == [
        ("c2", "duplicate"),
        ("c3", "duplicate"),
    ]
