"""allot: rows go where failures are, less where they did not pay, and nowhere that the recipe excludes."""

import pytest
from pydantic import ValidationError

from engine.rows import Candidate, Life, Pattern, PatternShare, PatternStatus, PatternTest, Verdict
from engine.spec.recipe import Augment
from engine.stages.augment.allot import ALLOT, AllotInputs, AllotParams, NamedShare
from engine.stages.augment.planning import COVERAGE, RowPlan, Sources, quotas
from engine.stages.outputs import (
    Allotted,
    Attempt,
    Confirmed,
    Generated,
    Judged,
    Loaded,
    NamedPatterns,
    Scored,
    Tracked,
)
from tests.stages.scripted_context import ScriptedContext
from tests.stages.small_task import TRAIN, adds_up, task_view

PATTERNS = (
    Pattern("p-1", "Negated wish", "", "negation", 12, (1.0,), None, None, None),
    Pattern("p-2", "Slang", "", "style", 6, (1.0,), None, None, None),
    Pattern("p-3", "Typos", "", "style", 2, (1.0,), None, None, None),
)


class Context(ScriptedContext):
    """Keeps what is warned of."""

    def __init__(self) -> None:
        super().__init__()
        self.warned: list[str] = []

    def warn(self, text: str) -> None:
        self.warned.append(text)


def run(
    params: AllotParams | None = None,
    *,
    track: Tracked | None = None,
    attempts: tuple[Attempt, ...] = (),
    confirm: Confirmed | None = None,
    earlier: tuple[NamedPatterns, ...] = (),
    warned: list[str] | None = None,
) -> Allotted:
    params = params or AllotParams()
    inputs = AllotInputs(NamedPatterns(PATTERNS), earlier, track, confirm, attempts)
    ctx = Context()
    output = ALLOT.run(params, inputs, ctx)
    adds_up(ALLOT, params, inputs, output)
    assert ctx.warned == (warned or [])
    return output


def shares(output: Allotted) -> dict[str, float]:
    return {row.pattern: row.share for row in output.of(PatternShare)}


def status(pattern: str, life: Life, failed: int, failing: int) -> PatternStatus:
    return PatternStatus(
        pattern, "unclear", failed, failing, life=life, failed=failed, failing=failing
    )


def written(pattern: str, *, accepted: int, rejected: int) -> Attempt:
    rows = [
        Candidate(f"{pattern} {i}", "seed", pattern, "s", "paraphrase", 1, {}, "x", "", "", "")
        for i in range(accepted + rejected)
    ]
    verdicts = [
        Verdict(row.id, i < accepted, "", "", "", None, None, None, None, None, None, None)
        for i, row in enumerate(rows)
    ]
    return Attempt(1, Generated(tuple(rows)), Judged(tuple(verdicts)))


def test_new_patterns_go_by_their_failures() -> None:
    assert shares(run()) == {"p-1": 0.6, "p-2": 0.3, "p-3": 0.1}
    assert run().weights == {"p-1": 12.0, "p-2": 6.0, "p-3": 2.0}


def test_what_is_nearly_mended_gets_fewer_rows() -> None:
    track = Tracked((status("p-1", "shrinking", 20, 5), status("p-2", "unclear", 10, 10)))
    assert run(track=track).weights == {"p-1": 3.0, "p-2": 6.0, "p-3": 2.0}


@pytest.mark.parametrize("life", ["open", "regressed"])
def test_a_pattern_that_did_not_pay_loses_half_of_its_budget(life: Life) -> None:
    track = Tracked((status("p-1", life, 20, 20),))
    paid = run(track=track, attempts=(written("p-1", accepted=4, rejected=1),))
    assert paid.weights["p-1"] == 6.0
    (row,) = (row for row in paid.of(PatternShare) if row.pattern == "p-1")
    assert (
        row.reason
        == f"12 failures; 20 rows fail of 20 at first; {life} though 4 rows were accepted"
    )
    # Nothing was written against it: that it stands as it stood is no fault of any row.
    assert run(track=track).weights["p-1"] == 12.0


def test_unclear_is_no_reason_to_take_anything_away() -> None:
    track = Tracked((status("p-1", "unclear", 20, 20),))
    attempts = (written("p-1", accepted=4, rejected=1),)
    assert run(track=track, attempts=attempts).weights["p-1"] == 12.0


def test_a_pattern_none_of_whose_rows_was_accepted_loses_half_too() -> None:
    output = run(attempts=(written("p-2", accepted=0, rejected=8),))
    assert output.weights == {"p-1": 12.0, "p-2": 3.0, "p-3": 2.0}


def test_what_its_test_says_weighs_and_what_is_not_funded_gets_nothing() -> None:
    confirm = Confirmed(
        (
            PatternTest("p-1", "weak", False, "hardly"),
            PatternTest("p-2", "confirmed", True, "surely"),
            PatternTest("p-3", "untested", True, "few rows"),
        )
    )
    output = run(confirm=confirm)
    assert output.weights == {"p-2": 6.0, "p-3": 1.0}
    (drop,) = output.drops
    assert (drop.item, drop.reason, drop.detail) == ("p-1", "unfunded", "its test: weak")


def test_uniform_is_uniform() -> None:
    assert set(run(AllotParams(shares="uniform")).weights.values()) == {1.0}


def test_named_shares_leave_the_rest_to_the_others_by_evidence() -> None:
    given = AllotParams(shares="named", named=(NamedShare(name="style", share=0.4),))
    assert shares(run(given)) == {"p-1": 0.6, "p-2": 0.3, "p-3": 0.1}
    one = AllotParams(shares="named", named=(NamedShare(name="negated wish", share=0.2),))
    assert shares(run(one)) == {"p-1": 0.2, "p-2": 0.6, "p-3": 0.2}
    whole = AllotParams(shares="named", named=(NamedShare(name="p-3", share=1.0),))
    assert run(whole).weights == {"p-3": 1.0}


@pytest.mark.parametrize(
    ("name", "left"),
    [("p-1", {"p-2", "p-3"}), ("Negated wish", {"p-2", "p-3"}), ("style", {"p-1"})],
)
def test_an_ablation_is_one_line(name: str, left: set[str]) -> None:
    output = run(AllotParams(exclude=(name,)))
    assert output.weights.keys() == left
    assert {drop.reason for drop in output.drops} == {"excluded"}


def test_a_name_that_no_pattern_has_is_said_and_stored() -> None:
    warned = ["patterns.exclude: no pattern is called 'Slnag': did you mean 'Slang'?"]
    output = run(AllotParams(exclude=("Slnag",)), warned=warned)
    (drop,) = output.drops
    assert (drop.item, drop.reason, drop.detail) == ("Slnag", "unknown_pattern", warned[0])
    # A pattern of an earlier round that this one did not find is no mistake.
    old = NamedPatterns((Pattern("p-0", "Slnag", "", None, 1, (1.0,), None, None, None),))
    assert not run(AllotParams(exclude=("Slnag",)), earlier=(old,)).drops


def test_rows_are_planned_by_the_weights() -> None:
    def planned(allotted: Allotted | None) -> dict[str, int]:
        sources = Sources(
            Loaded(tuple(TRAIN)), Scored(), None, NamedPatterns(PATTERNS), None, None, allotted
        )
        plan = RowPlan(task=task_view("generation"), rows_per_round=20, coverage=0.0)
        found = quotas(plan, sources, [0])
        return {pattern: sum(slots.values()) for pattern, slots in found.items()}

    assert planned(None) == planned(run()) == {"p-1": 12, "p-2": 6, "p-3": 2}
    assert planned(run(AllotParams(exclude=("p-1",)))) == {"p-2": 15, "p-3": 5}
    assert planned(run(AllotParams(exclude=("negation", "style")))) == {COVERAGE: 20}


@pytest.mark.parametrize("shares", [{"a": 0.7, "b": 0.5}, {"a": -0.1}, {"a": 0.0}, {}], ids=str)
def test_shares_that_are_no_parts_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="shares"):
        Augment.model_validate({"shares": shares, "operators": [{"name": "paraphrase"}]})
