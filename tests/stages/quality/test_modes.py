"""Who decides whether a gate rejects, advises or is off, and what becomes of what it finds."""

import pytest

from engine.stages.quality import GATES, GateResult
from tests.stages.quality.rows import BY_WORDS, candidate, judged, small_task
from tests.stages.scripted_context import embed_words

WRONG = candidate(
    "please cancel the subscription at once", "late_delivery", "my parcel has not arrived yet"
)


def result(**modes: str) -> GateResult:
    return judged([WRONG], small_task(), embed_words, quality=BY_WORDS, modes=modes)[0]


def test_a_gate_rejects_unless_told_otherwise() -> None:
    rejected = result()
    assert (rejected.reason, rejected.advice) == ("similarity", {})


def test_a_gate_that_advises_rejects_nothing_and_says_what_it_found() -> None:
    advised = result(similarity="advise", neighbours="advise")
    assert (advised.reason, advised.detail, advised.feedback) == ("", "", "")
    assert list(advised.advice) == ["similarity", "neighbours"]
    assert advised.advice["similarity"] == result().detail
    assert "a training row that is cancel_subscription" in advised.advice["neighbours"]
    assert set(advised.numbers) == {"similarity", "neighbour"}
    # The next one that rejects gives the reason, and its feedback.
    mixed = result(similarity="advise")
    assert (mixed.reason, list(mixed.advice)) == ("neighbours", ["similarity"])
    assert mixed.feedback == "It reads like cancel_subscription: make it clearly late_delivery."


def test_a_gate_that_is_off_says_and_measures_nothing() -> None:
    assert result(similarity="off", neighbours="off") == GateResult()


def test_advice_keeps_a_candidate_standing() -> None:
    rows = [WRONG, WRONG]
    modes = {"similarity": "advise", "neighbours": "advise", "near_duplicate": "off"}
    first, second = judged(rows, small_task(), embed_words, quality=BY_WORDS, modes=modes)
    assert (first.reason, second.reason) == ("", "duplicate")


def test_the_recipe_overrides_the_pack_and_the_pack_the_default() -> None:
    gate = GATES["neighbours"]
    assert gate.mode({}, {}) == "reject"
    assert gate.mode({"neighbours": "advise"}, {}) == "advise"
    assert gate.mode({"neighbours": "advise"}, {"neighbours": "off"}) == "off"
    assert gate.mode({"similarity": "advise"}, {"similarity": "off"}) == "reject"


@pytest.mark.parametrize("name", ["malformed", "leak", "duplicate"])
def test_what_is_broken_leaked_or_repeated_is_rejected_in_any_case(name: str) -> None:
    assert GATES[name].mode({name: "advise"}, {name: "off"}) == "reject"


def test_all_other_gates_can_be_turned_off() -> None:
    assert {name for name, gate in GATES.items() if not gate.always} == {
        "similarity", "neighbours", "near_duplicate",
    }  # fmt: skip
