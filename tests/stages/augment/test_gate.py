"""gate: what the gates say of each candidate, with all that it is compared with."""

from collections.abc import Sequence

import pytest

from engine.judging import Gating
from engine.rows import Candidate, Verdict
from engine.spec.recipe import Quality
from engine.stages.augment.gate import GATE, GateInputs, GateParams, UsedGate
from engine.stages.outputs import Attempt, Generated, Judged, SelectedRows
from engine.stages.quality import GATES, SeedRule
from tests.stages.scripted_context import ScriptedContext
from tests.stages.small_task import LATE, LOADED, TRAIN, adds_up, example, task_view

QUALITY = Quality()
ADVISING = ("similarity", "neighbours", "near_duplicate")
"""Gates that find something in any of these few rows: they only advise here."""


def candidate(text: str, target: str = LATE) -> Candidate:
    return Candidate(
        f"c {text}", TRAIN[0].id, "p", "s", "paraphrase", 1, {"text": text}, target, "", "", ""
    )


FIRST = candidate("my box is two days late again")
SECOND = candidate("the parcel has not come, two days")
BELL = candidate("my box \x07 is late")


def run(
    rows: Sequence[Candidate] = (FIRST, SECOND, BELL),
    attempts: Sequence[Attempt] = (),
    earlier: Sequence[SelectedRows] = (),
) -> Sequence[Gating]:
    gates = tuple(
        UsedGate(
            name=gate.name,
            version=gate.version,
            settings=gate.settings(QUALITY),
            mode="advise" if gate.name in ADVISING else "reject",
        )
        for gate in GATES.values()
    )
    params = GateParams(
        task=task_view(), gates=gates, seed_rules=(SeedRule(name="paraphrase", keeps=True),)
    )
    inputs = GateInputs(LOADED, Generated(tuple(rows)), tuple(attempts), tuple(earlier))
    output = GATE.run(params, inputs, ScriptedContext())
    adds_up(GATE, params, inputs, output)
    return output.gatings


def test_no_candidates_are_said_nothing_of() -> None:
    assert run([]) == []


def test_every_candidate_has_one_finding_with_its_reason_and_feedback() -> None:
    found = run()
    assert [(g.candidate, g.reason) for g in found] == [
        (FIRST.id, ""),
        (SECOND.id, ""),
        (BELL.id, "malformed"),
    ]
    assert found[2].feedback == "The row is not usable: it has control characters."
    assert found[2].detail == "it has control characters"


def test_what_gates_measured_is_kept_whatever_they_say() -> None:
    found = run()
    # Six of seven words are the seed row's.
    assert found[0].numbers["similarity"] == pytest.approx(6 / 42**0.5, abs=1e-6)
    assert all(g.numbers.keys() >= {"similarity", "neighbour"} for g in found)


def test_what_a_gate_only_advises_is_kept_and_rejects_nothing() -> None:
    (found,) = run([candidate("my box is two days too late")])
    assert found.reason == ""
    assert {"similarity", "near_duplicate"} <= set(found.advice)
    assert "wanted" in found.advice["similarity"]


def test_a_row_repeats_neither_an_earlier_round_nor_an_earlier_attempt() -> None:
    refused = Attempt(1, Generated((SECOND,)), Judged((_verdict(SECOND, "leak"),)))
    taken = Attempt(1, Generated((FIRST,)), Judged((_verdict(FIRST, "accepted"),)))
    found = run([FIRST, SECOND], attempts=[taken, refused])
    assert [g.reason for g in found] == ["duplicate", ""]
    before = SelectedRows((example(SECOND.inputs["text"], LATE),))
    assert [g.reason for g in run([FIRST, SECOND], earlier=[before])] == ["", "duplicate"]


def _verdict(row: Candidate, reason: str) -> Verdict:
    return Verdict(
        row.id, reason == "accepted", reason, "", "", None, None, None, None, None, None, None
    )
