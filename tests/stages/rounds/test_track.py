"""track: a pattern is credited with what the control does not do as well, over all rows that fall under it."""

import random
from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest

from engine.rows import (
    Decision,
    DrawnFailure,
    Drop,
    Example,
    Failure,
    PatternLink,
    PatternMember,
    PatternStatus,
)
from engine.stages.outputs import (
    Clustered,
    Decided,
    DecidedRound,
    Drawn,
    Loaded,
    Logged,
    NamedPatterns,
    Scored,
    Tracked,
)
from engine.stages.rounds.track import TRACK, TrackInputs, TrackParams
from tests.stages.scripted_context import ScriptedContext
from tests.stages.small_task import adds_up
from tests.stages.views import view

TOPICS = ("late parcel street", "broken jar glass", "rude driver door", "refund money bank")
PARAMS = TrackParams(task=view("classification"))
ROWS = [
    Example(f"e{i}", "validation", {"text": f"{TOPICS[i % 4]} number{i}"}, "x", {}, "f", i)
    for i in range(240)
]


def topic(number: int) -> str:
    return f"p{number % 4}"


def scored(failing: Container[int]) -> Scored:
    return Scored(
        tuple(Failure(f"e{i}", "validation", "y", "x", "p") for i in range(240) if i in failing)
    )


def drawn(failing: Container[int], held_out: Container[int] = ()) -> Drawn:
    return Drawn(
        tuple(
            DrawnFailure(f"e{i}", "y", "x", "p", "held_out" if i in held_out else "diagnose")
            for i in range(240)
            if i in failing
        )
    )


def clustered(failing: Container[int], held_out: Container[int] = ()) -> Clustered:
    return Clustered(
        tuple(
            PatternMember(topic(i), f"e{i}", f"d{i}", 0.1, None)
            for i in range(240)
            if i in failing and i not in held_out
        )
    )


def run(
    first: Container[int],
    now: Container[int],
    control: Container[int] | None,
    held_out: Container[int] = (),
) -> Tracked:
    inputs = TrackInputs(
        Loaded(tuple(ROWS)),
        scored(now),
        (clustered(first, held_out),),
        (drawn(first, held_out),),
        None if control is None else scored(control),
    )
    output = TRACK.run(PARAMS, inputs, ScriptedContext(round_=1))
    adds_up(TRACK, PARAMS, inputs, output)
    return output


def status(output: Tracked, pattern: str = "p0") -> PatternStatus:
    return next(s for s in output.statuses if s.pattern == pattern)


def fails(seed: str, share: float = 0.4) -> set[int]:
    """Return the rows at which a student fails whose answers are random."""
    draw = random.Random(seed)
    return {i for i in range(240) if draw.random() < share}


def test_every_row_falls_under_the_pattern_that_it_is_near_to() -> None:
    first = fails("first")
    held_out = set(sorted(first)[::3])
    output = run(first, fails("now"), fails("control"), held_out)
    assert len(output.assigned) > 200
    for row in output.assigned:
        number = int(row.example[1:])
        assert row.pattern == topic(number)
        assert row.failed == (number in first)
        assert (row.part == "member") == (number in first - held_out)
        assert (row.part == "held_out") == (number in held_out)
        assert row.fails == (number in fails("now"))
        assert row.control_fails == (number in fails("control"))


@pytest.mark.parametrize("seed", range(12))
def test_a_student_whose_answers_are_random_mends_no_pattern(seed: int) -> None:
    output = run(fails(f"first {seed}"), fails(f"now {seed}"), fails(f"control {seed}"))
    for one in output.statuses:
        # Most of the members are right now, for they were chosen because they failed.
        assert one.after < 0.65 * one.before
        assert one.status == "unclear"
        assert one.life in {"unclear", "open"}, "that less than half was mended is true"
        assert one.rows >= 40
        assert one.effect is not None


def test_a_pattern_whose_rows_really_are_right_now_is_mended_and_no_other() -> None:
    now = {i for i in fails("now") if i % 4}
    output = run(fails("first"), now, fails("control"))
    assert [s.status for s in output.statuses if s.pattern == "p0"] == ["mended"]
    assert {s.status for s in output.statuses if s.pattern != "p0"} == {"unclear"}
    assert status(output).life == "fixed"
    assert not {"fixed", "shrinking"} & {s.life for s in output.statuses if s.pattern != "p0"}
    mended = status(output)
    rows = [row for row in output.assigned if row.pattern == "p0"]
    assert mended.rows == len(rows)
    assert mended.effect == pytest.approx(sum(bool(r.control_fails) for r in rows) / len(rows))
    assert (mended.broken, mended.after) == (0, 0)
    assert mended.mended == sum(row.failed for row in rows)
    assert mended.control_mended == sum(row.failed and not row.control_fails for row in rows)
    assert mended.control_broken == sum(bool(row.control_fails) and not row.failed for row in rows)
    assert mended.p is not None
    assert mended.p < 0.05


def test_mending_the_members_and_breaking_as_many_others_is_no_gain() -> None:
    first = {i for i in range(240) if i % 8 < 4}
    broken = {i for i in range(240) if i % 8 >= 4}
    one = status(run(first, broken, first))
    assert (one.after, one.status) == (0, "unclear")
    assert one.mended == one.broken
    assert one.effect == 0


def test_a_pattern_whose_rows_break_is_worse() -> None:
    first = {i for i in range(240) if i % 8 < 4}
    now = first | {i for i in range(240) if i % 4 == 0}
    output = run(first, now, first)
    assert status(output).status == "worse"
    assert status(output, "p1").status == "unclear"
    # Of rows that fail again alone nothing is said: the control has another training seed.
    again = run(first, first, {i for i in first if i % 4})
    assert (status(again).status, status(again).broken) == ("unclear", 0)


def test_without_a_control_there_is_no_number() -> None:
    one = status(run(fails("first"), set(), None))
    assert (one.status, one.effect, one.p) == ("unclear", None, None)
    assert (one.control_mended, one.control_broken) == (None, None)
    assert (one.after, one.broken) == (0, 0)


def test_under_twenty_rows_there_is_no_number() -> None:
    first = {0, 4, 8}
    inputs = TrackInputs(
        Loaded(tuple(ROWS[:72])), scored(()), (clustered(first),), (drawn(first),), scored(first)
    )
    few = TRACK.run(PARAMS, inputs, ScriptedContext(round_=1))
    assert 3 <= status(few).rows < 20
    assert (status(few).status, status(few).effect) == ("unclear", None)


def test_held_out_failures_fall_under_patterns_like_any_other_row() -> None:
    first = {i for i in range(240) if i % 8 < 4}
    held_out = {i for i in first if i % 16 < 4}
    output = run(first, fails("now"), first, held_out)
    found = [row for row in output.assigned if row.part == "held_out" and row.pattern == "p0"]
    assert {row.example for row in found} == {f"e{i}" for i in range(0, 240, 16)}
    assert all(row.failed for row in found)


def test_patterns_found_after_round_0_get_no_number_for_the_control_is_round_0s() -> None:
    first, second = {i for i in range(240) if i % 8 < 2}, {i for i in range(240) if i % 4 >= 2}
    inputs = TrackInputs(
        Loaded(tuple(ROWS)),
        scored(()),
        (clustered(first), clustered(second)),
        (drawn(first), drawn(second)),
        scored(set(range(240))),
    )
    output = TRACK.run(PARAMS, inputs, ScriptedContext(round_=2))
    adds_up(TRACK, PARAMS, inputs, output)
    words = {s.pattern: (s.status, s.effect is None) for s in output.statuses}
    assert words["p0"] == words["p1"] == ("mended", False)
    assert words["p2"] == words["p3"] == ("unclear", True)


def test_a_pattern_found_again_keeps_its_first_rows() -> None:
    first = {i for i in range(240) if i % 8 == 0}
    again = {i for i in range(240) if i % 8 == 4}
    inputs = TrackInputs(
        Loaded(tuple(ROWS)),
        scored(()),
        (clustered(first), clustered(again)),
        (drawn(first), drawn(again)),
        scored(first),
    )
    output = TRACK.run(PARAMS, inputs, ScriptedContext(round_=2))
    assert status(output).before == 60
    assert {row.example for row in output.assigned if row.part == "member"} == {
        f"e{i}" for i in first
    }
    assert len({row.example for row in output.assigned}) == len(output.assigned)


def test_a_row_that_a_student_could_not_be_asked_counts_nowhere() -> None:
    first = {i for i in range(240) if i % 8 < 4}
    lost = Scored(
        (*scored(()).rows, Drop("score", "e0", "unscored", ""), Drop("score", "e4", "unscored", ""))
    )
    inputs = TrackInputs(
        Loaded(tuple(ROWS)), lost, (clustered(first),), (drawn(first),), scored(first)
    )
    output = TRACK.run(PARAMS, inputs, ScriptedContext(round_=1))
    assert not {"e0", "e4"} & {row.example for row in output.assigned}


# Four rows in ten fail before anything is done, and nine in ten of the first topic.
BEFORE = fails("before") | {i for i in range(0, 240, 4) if i % 40 != 36}
CONTROL = fails("control") | {i for i in range(0, 240, 4) if i % 40 != 4}


def history(
    *failing: set[int],
    links: Iterable[PatternLink] = (),
    before: set[int] = BEFORE,
    control: set[int] = CONTROL,
    back: Mapping[int, int] = MappingProxyType({}),
) -> list[Tracked]:
    """Return what is said of the patterns after each later fine-tune, whose failures are given in order.

    `back` has the rounds that were rolled back, and to which.
    """
    done: list[Tracked] = []
    found = clustered(before)
    for number, now in enumerate(failing, 1):
        linked = Clustered(tuple(links)) if number == len(failing) and number > 1 else Clustered()
        inputs = TrackInputs(
            Loaded(tuple(ROWS)),
            scored(now),
            (found, *[Clustered()] * (number - 1)),
            (drawn(before), *[Drawn()] * (number - 1)),
            scored(control),
            tuple(done),
            (Clustered(), *[linked] * (number > 1)),
            decided=tuple(
                DecidedRound(r, Decided((Decision(True, "", "m", 0.5, back.get(r, r), r in back),)))
                for r in range(1, number)
            ),
        )
        output = TRACK.run(PARAMS, inputs, ScriptedContext(round_=number))
        adds_up(TRACK, PARAMS, inputs, output)
        done.append(output)
    return done


def rounds(*failing: set[int], links: Iterable[PatternLink] = ()) -> list[dict[str, str]]:
    """Return the lives of the patterns after each of these fine-tunes."""
    done = history(*failing, links=links)
    return [{one.pattern: one.life for one in output.statuses} for output in done]


def without(topic_number: int, keep: int) -> set[int]:
    """Return the control's failures, of one topic only every `keep`th."""
    mine = sorted(i for i in CONTROL if i % 4 == topic_number)
    return (CONTROL - set(mine)) | set(mine[::keep])


def test_a_pattern_shrinks_is_fixed_and_comes_back() -> None:
    lives = rounds(without(0, 3), without(0, 20), CONTROL, without(0, 20))
    assert [life["p0"] for life in lives] == ["shrinking", "fixed", "regressed", "fixed"]
    assert not {"fixed", "shrinking", "regressed"} & {life["p1"] for life in lives}


def test_what_a_round_mended_that_was_rolled_back_does_not_come_back() -> None:
    def lives(*failing: set[int], back: Mapping[int, int]) -> list[str]:
        return [status(output).life for output in history(*failing, back=back)]

    assert lives(without(0, 20), CONTROL, back={}) == ["fixed", "regressed"]
    assert lives(without(0, 20), CONTROL, back={1: 0}) == ["fixed", "open"]
    # Back to round 1: the rows that round 2 came with, which no rule rolled back, are gone too.
    assert lives(CONTROL, without(0, 20), CONTROL, CONTROL, back={3: 1})[-1] == "open"
    assert lives(without(0, 20), CONTROL, CONTROL, back={2: 1})[-1] == "regressed"


def test_a_pattern_that_breaks_what_was_right_is_regressed_from_the_start() -> None:
    (lives,) = rounds(CONTROL | {i for i in range(240) if i % 4 == 1})
    assert lives["p1"] == "regressed"
    assert lives["p0"] == "open", "exactly what the control fails at"


def test_what_the_clustering_does_to_a_pattern_is_said_where_no_test_says_more() -> None:
    links = [
        PatternLink("p-new", "p1", "split", 5, 0.9, 0.8),
        PatternLink("p0", "p2", "merged", 5, None, 0.8),
        PatternLink("p-other", "p0", "split", 5, 0.9, 0.8),
    ]
    last = rounds(CONTROL, without(0, 20), links=links)[-1]
    assert last == {"p0": "fixed", "p1": "split", "p2": "merged", "p3": last["p3"]}
    assert last["p3"] in {"open", "unclear"}


def test_a_pattern_whose_rows_the_namer_splits_off_is_split() -> None:
    before = {i for i in range(240) if i % 8 < 4}
    link = PatternLink("p-part", "p1", "split", 5, 0.9, None)

    def lives(*later: Clustered) -> dict[str, str]:
        inputs = TrackInputs(
            Loaded(tuple(ROWS)),
            scored(before),
            (clustered(before), *later),
            (drawn(before), *[Drawn()] * len(later)),
        )
        output = TRACK.run(PARAMS, inputs, ScriptedContext(round_=1 + len(later)))
        return {one.pattern: one.life for one in output.statuses}

    named = NamedPatterns((link,))
    assert lives(named) == {"p0": "unclear", "p1": "split", "p2": "unclear", "p3": "unclear"}
    assert lives(named, NamedPatterns())["p1"] == "unclear", "only the latest naming says so"


@pytest.mark.parametrize("seed", range(8))
def test_answers_at_random_fix_nothing_over_three_rounds(seed: int) -> None:
    """Whoever is found by its failures is mended by chance, in every round anew; the control is mended as much."""
    done = history(
        *(fails(f"{number} {seed}") for number in range(1, 4)),
        before=fails(f"found {seed}"),
        control=fails(f"control {seed}"),
    )
    assert "fixed" not in {one.life for tracked in done for one in tracked.statuses}


def test_where_a_log_alone_is_looked_at_failures_of_validation_failed_at_first_too() -> None:
    of_log, of_validation = set(range(0, 80)), set(range(80, 240, 2))
    log = Logged(tuple(replace(row, split="logged") for row in ROWS[:80]))

    def run_with(found: tuple[Scored, ...], *back: DecidedRound) -> PatternStatus:
        empty = len(found) - 1
        inputs = TrackInputs(
            Loaded(tuple(ROWS[80:])),
            scored(of_validation),
            (*[Clustered()] * empty, clustered(of_log)),
            (*[Drawn()] * empty, drawn(of_log)),
            logged=log,
            found=found,
            decided=back,
        )
        return status(TRACK.run(PARAMS, inputs, ScriptedContext(round_=len(found))))

    first = run_with((scored(of_validation),))
    assert (first.rows, first.failed, first.failing, first.broken) == (60, 60, 40, 0)
    # Round 1 was rolled back: what was analysed after it are the failures of round 0.
    back = DecidedRound(1, Decided((Decision(True, "", "m", 0.5, 0, True),)))
    assert run_with((scored(of_validation), scored(())), back) == first


def test_each_round_has_its_rate_and_the_held_out_failures() -> None:
    first = {i for i in range(240) if i % 8 < 4}
    held_out = {i for i in first if i % 16 < 4}
    one = status(run(first, {i for i in first if i % 32 < 4}, first, held_out))
    rows = 60
    assert (one.rows, one.failed, one.failing, one.control_failing) == (rows, 30, 8, 30)
    assert (one.held_out, one.held_out_mended, one.control_held_out_mended) == (15, 7, 0)
    assert one.rate == pytest.approx(8 / rows)
    assert one.rate_low is not None
    assert one.rate_high is not None
    assert one.rate_low < 8 / rows < one.rate_high
