"""draw: which failures are diagnosed, held out, left to chance or left to the part that stops and chooses."""

from collections.abc import Sequence

import pytest

from engine.rows import DrawnFailure, Example, Failure
from engine.stages.analyse.draw import DRAW, DrawInputs, DrawParams, diagnosed_of
from engine.stages.division import selection_part
from engine.stages.forecast import Range
from engine.stages.outputs import Drawn, Loaded, Logged, Scored
from tests.stages.scripted_context import ScriptedContext
from tests.stages.small_task import adds_up

ROWS = [
    Example(f"e{i}", "validation", {"text": f"t{i}"}, "right", {}, "f.jsonl", i) for i in range(400)
]


def run(
    failing: Sequence[int],
    *,
    rows: int = 200,
    earlier: tuple[Drawn, ...] = (),
    limit: int = 1000,
    hold_out: float = 0.3,
    seed: int = 0,
) -> Drawn:
    scored = Scored(
        (
            Failure("train", "train", "wrong", "right", "accuracy < 1"),
            *(Failure(f"e{i}", "validation", "wrong", "right", "accuracy < 1") for i in failing),
        )
    )
    params = DrawParams(limit=limit, hold_out=hold_out)
    inputs = DrawInputs(Loaded(tuple(ROWS[:rows])), scored, earlier)
    output = DRAW.run(params, inputs, ScriptedContext(seed=seed))
    adds_up(DRAW, params, inputs, output)
    return output


def of(output: Drawn, part: str) -> set[str]:
    return {d.example for d in output.drawn if d.part == part}


def test_a_share_of_the_failures_is_held_out_and_the_rest_diagnosed() -> None:
    output = run(range(100))
    assert len(output.held_out) == 30
    assert len(output.failures) == 70
    assert not of(output, "diagnose") & of(output, "held_out")
    assert output.failures[0] == Failure(
        output.failures[0].example, "validation", "wrong", "right", "accuracy < 1"
    )
    assert run(range(100)) == output
    assert of(run(range(100), seed=1), "held_out") != of(output, "held_out")


@pytest.mark.parametrize(("failing", "held_out"), [(66, 0), (67, 20)])
def test_too_few_failures_are_all_diagnosed(failing: int, held_out: int) -> None:
    assert len(run(range(failing)).held_out) == held_out
    assert not run(range(failing), hold_out=0).held_out


def test_without_failures_nothing_is_drawn() -> None:
    assert run([]).rows == ()


def test_of_more_failures_than_wanted_a_seeded_sample_is_diagnosed() -> None:
    samples = set()
    for seed in range(8):
        output = run(range(10), limit=1, seed=seed)
        assert len(output.failures) == 1
        assert len(of(output, "not_sampled")) == 9
        assert run(range(10), limit=1, seed=seed) == output
        samples.add(output.failures[0].example)
    assert len(samples) > 1


def test_what_was_held_out_stays_so_and_what_was_diagnosed_is_never_held_out() -> None:
    first = run(range(100))
    # Half of them still fail, and as many fail that did not.
    second = run(range(50, 150), earlier=(first,))
    failing = {f"e{i}" for i in range(50, 150)}
    assert of(second, "held_out") >= of(first, "held_out") & failing
    assert not of(second, "held_out") & of(first, "diagnose")
    assert len(second.held_out) == 30
    few = run(range(50), earlier=(first,))
    assert of(few, "held_out") == of(first, "held_out") & {f"e{i}" for i in range(50)}


def test_of_divided_validation_one_part_is_left_alone() -> None:
    output = run(range(400), rows=400)
    part = selection_part(Loaded(tuple(ROWS)), "auto")
    assert of(output, "selection") == part
    assert len(part) == 200
    assert len(output.held_out) == 60
    assert not (of(output, "diagnose") | of(output, "held_out")) & part


def test_a_forecast_knows_how_many_are_left() -> None:
    params = DrawParams(limit=100)
    assert diagnosed_of(params, Range(100, 100), 200) == Range(70, 70)
    assert diagnosed_of(params, Range(100, 100), 400) == Range(50, 50)
    assert diagnosed_of(params, Range(0, 1000), 200) == Range(0, 100)
    assert diagnosed_of(params, Range(66, 67), 200) == Range(47, 66)


def test_a_drawn_failure_says_what_it_was_drawn_for() -> None:
    assert run([3]).rows == (DrawnFailure("e3", "wrong", "right", "accuracy < 1", "diagnose"),)


def test_of_a_log_later_rounds_draw_what_their_student_still_gets_wrong() -> None:
    def failure(name: str, target: str = "right", answer: str = "logged") -> Failure:
        return Failure(name, "logged", answer, target, "")

    log = Logged(
        (failure("mended"), failure("wrong"), failure("rejected", ""), failure("later", ""))
    )
    params = DrawParams(limit=1000, sources=("logged",))

    def drawn(now: Sequence[Failure], earlier: tuple[Drawn, ...]) -> list[DrawnFailure]:
        inputs = DrawInputs(Loaded(()), Scored(tuple(now)), earlier, log)
        output = DRAW.run(params, inputs, ScriptedContext())
        adds_up(DRAW, params, inputs, output)
        return list(output.drawn)

    now = [failure("wrong", answer="said now"), failure("broken", answer="said now")]
    first = drawn(now, ())
    assert [(d.example, d.answer) for d in first] == [
        (name, "logged") for name in ("mended", "wrong", "rejected", "later")
    ]
    seen = Drawn(tuple(d for d in first if d.example != "later"))
    assert [(d.example, d.answer) for d in drawn(now, (seen,))] == [
        ("later", "logged"),
        ("wrong", "said now"),
        ("broken", "said now"),
    ]
