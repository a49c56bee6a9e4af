"""confirm: which rows a pattern is tested on, what is asked of them, and in which word it ends."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from engine.backends.protocol import Request
from engine.rows import DrawnFailure, Example, Failure, Pattern, PatternTest, PatternTestRow
from engine.spec.recipe import Patterns
from engine.stages import schemas
from engine.stages.analyse.confirm import CONFIRM, KEY, ConfirmInputs, ConfirmParams, _pools
from engine.stages.analyse.verdicts import LEAST, outcome, too_few, words
from engine.stages.blocks import Briefing
from engine.stages.forecast import Range, Situation
from engine.stages.outputs import Confirmed, Drawn, Loaded, NamedPatterns, Scored
from tests.plan.fake_resources import reply_schema_of
from tests.stages.analyse.kinds import KINDS
from tests.stages.scripted_context import Reply, ScriptedContext, no_reply
from tests.stages.small_task import adds_up, task_view

TRAIN = [Example("t", "train", {"text": "hello"}, "late", {}, "rows.jsonl", 1)]
ROW = re.compile(r"^(?:## (r\d+)|text: (.+))$", re.M)
Fails = Callable[[int], bool]


def pattern(name: str = "p-1", size: int = 20, guard: str | None = None) -> Pattern:
    return Pattern(
        name, f"Kind {name}", f"Rows of {name}.", None, size, (1.0,), None, "call", guard
    )


class World:
    """Validation rows of which a part fails; of the failures a part is held out, and the rest diagnosed."""

    def __init__(self, rows: int, fails: Fails, held_out: int = 60, not_sampled: int = 0) -> None:
        self.rows = [
            Example(f"v{i}", "validation", {"text": f"row number {i}"}, "late", {}, "rows.jsonl", i)
            for i in range(rows)
        ]
        self.failing = [row for i, row in enumerate(self.rows) if fails(i)]
        order = self.failing.copy()
        random.Random(1).shuffle(order)
        parts = ["held_out"] * held_out + ["not_sampled"] * not_sampled + ["diagnose"] * len(order)
        self.drawn = [
            DrawnFailure(row.id, "rude", "late", "", part)  # type: ignore[arg-type]
            for row, part in zip(order, parts, strict=False)
        ]

    def inputs(
        self, patterns: Sequence[Pattern], earlier: Confirmed | None = None
    ) -> ConfirmInputs:
        failures = [Failure(r.id, "validation", "rude", "late", "") for r in self.failing]
        return ConfirmInputs(
            load=Loaded((*TRAIN, *self.rows)),
            score=Scored(tuple(failures)),
            draw=Drawn(tuple(self.drawn)),
            name=NamedPatterns(tuple(patterns)),
            earlier=(earlier,) if earlier else (),
        )


def params(pack: str = "frontier", **changes: Any) -> ConfirmParams:
    return ConfirmParams(
        task=task_view(),
        briefing=Briefing(),
        schema=reply_schema_of("membership", pack),
        **{"rows": 100, "rows_per_call": 20, "divide": False, **changes},
    )


def by(rule: Callable[[str, int], bool]) -> Reply:
    """Return a judge that goes by a rule: (prompt, number of the row) -> whether it falls under."""

    def reply(role: str, request: Request) -> Any:
        assert role == "judge"
        text = request.messages[-1].content
        said, name = [], ""
        for found in ROW.finditer(text):
            name = found[1] or name
            if found[2]:
                number = int(found[2].rsplit(" ", 1)[1])
                said.append({"id": name, "falls_under": rule(text, number)})
        return {KEY: said}

    return reply


def confirmed(
    world: World,
    reply: Reply,
    patterns: Sequence[Pattern] = (pattern(),),
    *,
    seed: int = 0,
    earlier: Confirmed | None = None,
    context: type[ScriptedContext] = ScriptedContext,
    **changes: Any,
) -> tuple[Confirmed, ScriptedContext]:
    given, inputs = params(**changes), world.inputs(patterns, earlier)
    ctx = context(reply, pack="frontier", seed=seed)
    output = CONFIRM.run(given, inputs, ctx)
    adds_up(CONFIRM, given, inputs, output)
    return output, ctx


class Warned(ScriptedContext):
    """Keeps what it is told."""

    def warn(self, text: str) -> None:
        self.told = text


def caused(i: int) -> bool:
    """Two rows of ten fail for a cause that a description names."""
    return i % 10 < 2


def failing(i: int) -> bool:
    """Another of ten fails for none."""
    return caused(i) or i % 10 == 5


def test_a_planted_pattern_is_confirmed_and_a_spurious_one_refuted() -> None:
    world = World(400, failing)
    rule = by(lambda prompt, i: caused(i) if "Rows of real" in prompt else i % 3 == 0)
    output, ctx = confirmed(
        world, rule, [pattern("real", 40), pattern("spurious", 20)], context=Warned
    )
    real, spurious = output.tests
    assert (real.verdict, real.funded) == ("confirmed", True)
    assert (spurious.verdict, spurious.funded) == ("refuted", False)
    assert (real.lift or 0) > 4
    assert (real.lift_low or 0) > 1
    assert (real.failing, real.diagnosed) == (0.3, 0)
    # All of its rows fail, and two failures of three are its.
    assert (real.precision or 0) > 0.9
    assert real.recall == pytest.approx(2 / 3, abs=0.15)
    assert "odds" in spurious.detail
    assert not hasattr(ctx, "told")
    assert output.funded(world.inputs([pattern("real"), pattern("spurious")]).name.patterns) == [
        pattern("real")
    ]


def test_a_name_under_which_no_failed_row_falls_is_refuted() -> None:
    output, ctx = confirmed(
        World(400, failing), by(lambda *_: False), [pattern(size=40)], context=Warned
    )
    (one,) = output.tests
    assert (one.verdict, one.failed_under, one.passed_under) == ("refuted", 0, 0)
    assert "were counted to it" in one.detail
    assert "1 refuted" in ctx.told  # type: ignore[attr-defined]


def test_the_rows_are_ones_that_nobody_diagnosed_held_out_first_and_half_of_them_failed() -> None:
    world = World(400, failing, held_out=30, not_sampled=30)
    output, _ = confirmed(world, by(lambda *_: True), context=Warned)
    parts = [row.part for row in output.answers]
    assert {part: parts.count(part) for part in set(parts)} == {
        "held_out": 30, "not_sampled": 20, "passed": 50,
    }  # fmt: skip
    assert output.tests[0].diagnosed == 0
    again, _ = confirmed(world, by(lambda *_: True), context=Warned)
    assert again == output
    other, _ = confirmed(world, by(lambda *_: True), seed=1, context=Warned)
    assert {row.example for row in other.answers} != {row.example for row in output.answers}


def test_diagnosed_failures_are_used_where_others_are_too_few_and_it_is_said() -> None:
    output, _ = confirmed(
        World(200, failing, held_out=0), by(lambda _, i: caused(i)), [pattern(size=40)]
    )
    (one,) = output.tests
    assert (one.failed, one.diagnosed, one.passed) == (LEAST, LEAST, 80)
    assert one.verdict == "confirmed"
    assert {row.part for row in output.answers} == {"diagnosed", "passed"}


def test_where_patterns_are_of_a_log_what_the_student_fails_of_validation_is_no_passed_row() -> (
    None
):
    world = World(400, failing)
    world.drawn = [
        DrawnFailure(f"l{i}", "rude", "late", "", "diagnose", split="logged") for i in range(60)
    ]
    output, _ = confirmed(world, by(lambda _, i: caused(i)), [pattern(size=40)])
    (one,) = output.tests
    assert (one.failed, one.passed, one.diagnosed) == (50, 50, 0)
    assert (one.verdict, one.failing) == ("confirmed", 0.3)
    failed = {row.id for row in world.failing}
    assert {row.part for row in output.answers if row.example in failed} == {"not_sampled"}


def test_no_row_that_stops_the_loop_is_looked_at() -> None:
    world = World(400, failing)
    world.drawn = [
        DrawnFailure(d.example, d.answer, d.target, "", "selection") if n % 2 else d
        for n, d in enumerate(world.drawn)
    ]
    output, _ = confirmed(world, by(lambda *_: True), divide=True, context=Warned)
    apart = {d.example for d in world.drawn if d.part == "selection"}
    assert not apart & {row.example for row in output.answers}
    assert len({row.example for row in output.answers if row.part == "passed"}) == 70


def test_nothing_in_a_call_tells_which_rows_failed() -> None:
    world = World(400, failing)
    _, ctx = confirmed(world, by(lambda *_: True), context=Warned)
    failed = {row.inputs["text"] for row in world.failing}
    shares = []
    for request in ctx.asked:
        text = request.messages[-1].content
        shown = [found[2] for found in ROW.finditer(text) if found[2]]
        shares.append([row in failed for row in shown])
        assert re.findall(r"^## (.+)$", text, re.M) == [f"r{i}" for i in range(1, 21)]
        assert "rude" not in text, "what the student said is not shown"
    assert sum(map(sum, shares)) == 50
    assert all(2 <= sum(call) <= 18 for call in shares), "they are mixed"


@pytest.mark.parametrize(
    ("world", "patterns", "told"),
    [
        (World(400, lambda i: i < 19, held_out=0), [pattern()], "19 failed rows are at hand, 20 are needed"),
        (World(60, lambda i: i < 45, held_out=20), [pattern()], "15 passed rows are at hand, 20 are needed"),
        (World(400, failing), [pattern(size=4)], "50 failed rows are at hand, 75 are needed for a pattern of its size"),
        (World(400, failing), [pattern(guard="replaced: name: …")], "its description was replaced by a neutral one"),
    ],
)  # fmt: skip
def test_with_too_few_rows_nobody_is_asked_and_the_pattern_gets_its_rows(
    world: World, patterns: list[Pattern], told: str
) -> None:
    output, ctx = confirmed(world, no_reply, patterns)
    (one,) = output.tests
    assert (one.verdict, one.funded, one.detail) == ("untested", True, told)
    assert ctx.asked == []


def test_what_is_enough_follows_from_the_patterns_share() -> None:
    assert too_few(0.25, 20, 20) == ""
    assert too_few(0.24, 20, 20) != ""
    assert too_few(0.0, 50, 50) != ""


def test_rows_that_a_reply_leaves_out_doubles_or_invents_are_drops() -> None:
    honest = by(lambda _, i: caused(i))

    def reply(role: str, request: Request) -> Any:
        value = honest(role, request)
        rows = value[KEY]
        rows[1:3] = [rows[0], {"id": "r99", "falls_under": True}]
        return value

    output, ctx = confirmed(World(400, failing), reply, [pattern(size=40)])
    (one,) = output.tests
    calls = len(ctx.asked)
    reasons = [drop.reason for drop in output.drops]
    assert {r: reasons.count(r) for r in set(reasons)} == {
        "twice_in_reply": calls, "missing_in_reply": 2 * calls, "not_asked": calls,
    }  # fmt: skip
    assert (one.asked, len(output.answers)) == (100, 100 - 3 * calls)
    assert one.verdict == "confirmed"


def test_a_test_of_which_too_little_is_answered_says_nothing() -> None:
    left = iter([None] * 2)
    honest = by(lambda _, i: caused(i))
    output, _ = confirmed(
        World(400, failing), lambda *a: next(left, honest(*a)), [pattern(size=40)]
    )
    (one,) = output.tests
    assert (one.verdict, one.funded) == ("untested", True)
    assert one.detail == "60 of 100 rows were answered, 75 are needed"
    assert [drop.reason for drop in output.drops] == ["schema"] * 40


def test_a_pattern_that_goes_on_keeps_its_verdict_and_one_that_was_untested_is_tested() -> None:
    known = PatternTest("p-1", "refuted", False, "old", asked=100, failed=50, passed=50, p=0.9)
    open_ = PatternTest("p-2", "untested", True, "too few")
    output, ctx = confirmed(
        World(400, failing), by(lambda _, i: caused(i)), [pattern("p-1"), pattern("p-2", 40)],
        earlier=Confirmed((known, open_)),
    )  # fmt: skip
    first, second = output.tests
    assert (first.verdict, first.asked, first.p) == ("refuted", 0, 0.9)
    assert second.verdict == "confirmed"
    assert all("Rows of p-2" in prompt for prompt in ctx.prompts)


def test_the_recipe_says_which_verdicts_have_rows_written() -> None:
    spurious = by(lambda _, i: i % 3 == 0)
    output, _ = confirmed(
        World(400, failing), spurious, fund=("confirmed", "refuted", "untested", "weak")
    )
    assert [(one.verdict, one.funded) for one in output.tests] == [("refuted", True)]
    assert Patterns().fund == ["confirmed", "untested"]


def test_p_values_are_adjusted_for_the_patterns_that_were_tested() -> None:
    world = World(400, failing)
    one, _ = confirmed(world, by(lambda _, i: caused(i)), [pattern("p-1", 20)])
    rule = by(lambda prompt, i: caused(i) if "Rows of p-1" in prompt else i % 3 == 0)
    three, _ = confirmed(world, rule, [pattern(f"p-{i}", 20) for i in (1, 2, 3)], context=Warned)
    assert one.tests[0].p is not None
    assert three.tests[0].p == pytest.approx(3 * one.tests[0].p)


def answers(name: str, draw: random.Random, holds: float) -> list[PatternTestRow]:
    """Return what is said of 40 failed and 40 passed rows by a description that has nothing to do with failing."""
    return [
        PatternTestRow(name, str(i), "held_out" if i < 40 else "passed", draw.random() < holds, "")
        for i in range(80)
    ]


def test_of_a_student_that_fails_at_random_nothing_is_confirmed() -> None:
    """Four patterns a round, whatever their descriptions hold of: a false word in one round of twenty at most."""
    draw, rounds = random.Random(0), 100
    false = 0
    for _ in range(rounds):
        found = [
            outcome(name, 0.2, 0.4, 80, answers(name, draw, holds))
            for name, holds in (("a", 0.1), ("b", 0.25), ("c", 0.5), ("d", 0.8))
        ]
        false += any(test.verdict == "confirmed" for test in words(found))
    assert false / rounds <= 0.05


@pytest.mark.parametrize("pack", ["small", "standard", "frontier"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_reply_is_ids_and_yes_or_no_and_no_text_for_a_writer(kind: str, pack: str) -> None:
    schema = reply_schema_of("membership", pack)
    fields = schemas.per_row(schema, KEY, 3)["properties"]
    item = fields[KEY]["items"]["properties"] if KEY in fields else fields
    assert {name: part["type"] for name, part in item.items() if name != "id"} == {
        "falls_under": "boolean"
    }


def test_as_many_calls_are_expected_as_can_be_made() -> None:
    situation = Situation({"validation": 400}, Range(40, 240), Range(1, 36), 0, 20.0, False)
    expected = CONFIRM.expect(params(), situation)
    assert expected is not None
    # Fifty failed rows hold five of ten patterns at most, each of them asked about in five calls.
    assert expected.calls == Range(0, 50)


def test_where_failures_are_looked_for_elsewhere_those_of_validation_test_the_pattern() -> None:
    world = World(200, lambda i: i % 4 == 0, held_out=0)
    world.drawn = [DrawnFailure("logged", "rude", "late", "", "diagnose", "logged")]
    inputs = world.inputs([pattern(size=1)])
    pools = _pools(params(), inputs)
    assert (len(pools.fresh), len(pools.diagnosed), len(pools.passed)) == (50, 0, 150)
