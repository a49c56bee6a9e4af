"""judge: what reaches the judge, and how its scores and the gates make one verdict per candidate."""

from collections.abc import Sequence
from typing import Any, Literal

import pytest

from engine.rows import Candidate, Strategy, Verdict
from engine.spec.parts import GateMode
from engine.spec.recipe import Minimum, Quality
from engine.stages.augment.judge import JUDGE, JudgeInputs, JudgeParams, UsedGate
from engine.stages.outputs import Attempt, Drafted, Generated, Judged, SelectedRows
from engine.stages.quality import GATES
from tests.plan.fake_resources import reply_schema_of
from tests.stages.scripted_context import Reply, ScriptedContext, no_reply
from tests.stages.small_task import LATE, LOADED, TRAIN, adds_up, example, task_view

ADVISING = {"similarity", "near_duplicate"}
"""Gates that do not reject here: embeddings of words are too near for them."""
GOOD = {"adherence": 5, "utility": 4, "relevance": 5, "feedback": ""}


def candidate(text: str, target: str = LATE) -> Candidate:
    return Candidate(
        f"c {text}", TRAIN[0].id, "p", "s", "paraphrase", 1, {"text": text}, target, "", "", ""
    )


FIRST = candidate("my box is two days late again")
SECOND = candidate("the parcel has not come, two days")
BELL = candidate("my box \x07 is late")


def run(
    reply: Reply,
    rows: Sequence[Candidate] = (FIRST, SECOND, BELL),
    judge: Literal["decides", "advises", "off"] = "decides",
    attempts: Sequence[Attempt] = (),
    earlier: Sequence[SelectedRows] = (),
) -> tuple[Sequence[Verdict], ScriptedContext]:
    modes: dict[str, GateMode] = dict.fromkeys(ADVISING, "advise")
    gates = tuple(
        UsedGate(
            name=gate.name,
            version=gate.version,
            settings=gate.settings(Quality()),
            mode=gate.mode({}, modes),
        )
        for gate in GATES.values()
    )
    params = JudgeParams(
        task=task_view(),
        gates=gates,
        keeping=("paraphrase",),
        judge=judge,
        minimum=Minimum(),
        schema=reply_schema_of("verdict"),
    )
    strategy = Strategy("s", "p", "Write late rows.", (LATE,), None, None)
    inputs = JudgeInputs(
        load=LOADED,
        strategy=Drafted((strategy,)),
        generate=Generated(tuple(rows)),
        attempts=tuple(attempts),
        earlier=tuple(earlier),
    )
    context = ScriptedContext(reply)
    output = JUDGE.run(params, inputs, context)
    adds_up(JUDGE, params, inputs, output)
    return output.verdicts, context


def test_no_candidates_get_no_verdicts() -> None:
    assert run(no_reply, [])[0] == []


def test_what_a_gate_rejects_does_not_reach_the_judge() -> None:
    verdicts, context = run(lambda role, request: GOOD)
    assert [v.reason for v in verdicts] == ["accepted", "accepted", "malformed"]
    assert [v.accepted for v in verdicts] == [True, True, False]
    assert [v.call for v in verdicts] == [*(request.id for request in context.asked), None]
    assert verdicts[2].feedback == "The row is not usable: it has control characters."
    assert "Strategy: Write late rows." in context.prompts[0]
    assert FIRST.inputs["text"] in context.prompts[0]
    assert "Label: late" in context.prompts[0]


def test_what_gates_measured_is_kept_whatever_the_verdict() -> None:
    verdicts, _ = run(lambda role, request: GOOD)
    # Six of seven words are the seed row's.
    assert verdicts[0].similarity == pytest.approx(6 / 42**0.5, abs=1e-6)
    assert verdicts[2].similarity is not None
    assert [v.neighbour for v in verdicts[:2]] == pytest.approx([0.640, 0.520], abs=1e-3)
    assert verdicts[2].neighbour is not None


def test_what_a_gate_only_advises_is_kept_and_rejects_nothing() -> None:
    near = candidate("my box is two days too late")
    (verdict,), _ = run(no_reply, [near], judge="off")
    assert verdict.accepted
    assert set(verdict.advice) == {"similarity", "near_duplicate"}
    assert "wanted" in verdict.advice["similarity"]


def test_scores_below_the_minimum_reject_where_the_judge_decides() -> None:
    low = {**GOOD, "adherence": 3, "utility": 2, "feedback": " Say it in other words. "}

    def reply(role: str, request: Any) -> Any:
        return low if FIRST.inputs["text"] in request.messages[-1].content else GOOD

    (first, second, _), _ = run(reply)
    assert (first.reason, first.detail) == ("judge", "adherence 3 below 4, utility 2 below 3")
    assert first.feedback == "Say it in other words."
    assert (first.adherence, first.utility, first.relevance, first.judge_agrees) == (3, 2, 5, False)
    assert (second.accepted, second.judge_agrees) == (True, True)
    silent, _ = run(lambda role, request: {**low, "feedback": " "})
    assert silent[0].feedback == "Improve: adherence 3 below 4, utility 2 below 3."
    (advised, *_), _ = run(reply, judge="advises")
    assert (advised.accepted, advised.judge_agrees, advised.adherence) == (True, False, 3)


def test_an_unusable_reply_rejects_only_where_the_judge_decides() -> None:
    verdicts, context = run(lambda role, request: None)
    assert verdicts[0].reason == "judge_failed"
    assert verdicts[0].detail.startswith("schema")
    assert (verdicts[0].feedback, verdicts[0].judge_agrees) == ("", None)
    assert verdicts[0].call == context.asked[0].id
    advised, _ = run(lambda role, request: None, judge="advises")
    assert [v.accepted for v in advised] == [True, True, False]


def test_a_judge_that_is_off_is_not_asked() -> None:
    verdicts, context = run(no_reply, judge="off")
    assert [v.accepted for v in verdicts] == [True, True, False]
    assert context.asked == []
    assert {v.adherence for v in verdicts} == {None}


def test_a_row_repeats_neither_an_earlier_round_nor_an_earlier_attempt() -> None:
    refused = Attempt(1, Generated((SECOND,)), Judged((_verdict(SECOND, "leak"),)))
    taken = Attempt(1, Generated((FIRST,)), Judged((_verdict(FIRST, "accepted"),)))
    verdicts, _ = run(no_reply, [FIRST, SECOND], judge="off", attempts=[taken, refused])
    assert [v.reason for v in verdicts] == ["duplicate", "accepted"]
    before = SelectedRows((example(SECOND.inputs["text"], LATE),))
    verdicts, _ = run(no_reply, [FIRST, SECOND], judge="off", earlier=[before])
    assert [v.reason for v in verdicts] == ["accepted", "duplicate"]


def _verdict(row: Candidate, reason: str) -> Verdict:
    return Verdict(
        row.id, reason == "accepted", reason, "", "", None, None, None, None, None, None, None
    )
