"""select: which accepted candidates join, in which order, and what becomes of the others."""

from collections.abc import Sequence
from dataclasses import replace

from engine.rows import Candidate, Pattern, Verdict
from engine.stages.augment.select import SELECT, SelectInputs, SelectParams
from engine.stages.load import example_id
from engine.stages.outputs import Attempt, Generated, Judged, Loaded, NamedPatterns, SelectedRows
from tests.stages.scripted_context import ScriptedContext
from tests.stages.small_task import LATE, TRAIN, adds_up, example

LARGE = Pattern("large", "Large", "", None, 6, (1.0,), None, None, None)
SMALL = Pattern("small", "Small", "", None, 2, (1.0,), None, None, None)


def candidate(text: str, pattern: str = "large", attempt: int = 1) -> Candidate:
    return Candidate(
        f"c {text}", TRAIN[0].id, pattern, "s", "paraphrase", attempt, {"text": text}, LATE, "", "", ""
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
) -> SelectedRows:
    params = SelectParams(rows_per_round=wanted)
    inputs = SelectInputs(
        load=Loaded(tuple(TRAIN)),
        name=NamedPatterns(tuple(patterns)),
        attempts=tuple(attempts),
        earlier=tuple(earlier),
    )
    output = SELECT.run(params, inputs, ScriptedContext())
    adds_up(SELECT, params, inputs, output)
    return output


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
    assert output.decision.reason == "1 rows join the training set"


def test_each_pattern_has_its_share_first_and_what_is_left_fills_up() -> None:
    large = [candidate(f"large {n}") for n in range(6)]
    small = [candidate(f"small {n}", "small") for n in range(2)]
    output = run([attempt(1, [*large, *small])])
    assert joined(output) == ["large 0", "large 1", "large 2", "small 0"]
    assert {(d.item, d.reason) for d in output.drops} == {
        (row.id, "over_quota") for row in (*large[3:], small[1])
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
