"""judge: what reaches the judge, how it is calibrated, and how one verdict is made of all that is known of a row."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import pytest

from engine.backends.protocol import Request
from engine.judging import Gating, JudgeAnchor, JudgeCalibration, Verification
from engine.rows import Candidate, Convention, LabelSuspect, Verdict
from engine.spec.recipe import Calibration, Minimum
from engine.stages.augment.judging.calibration import anchors_of
from engine.stages.augment.judging.judge import JUDGE, JudgeInputs, JudgeParams
from engine.stages.augment.judging.questions import Promise
from engine.stages.blocks import Briefing
from engine.stages.forecast import Range, Situation
from engine.stages.outputs import Attempt, Gated, Generated, Judged, NamedPatterns, Verified
from engine.tasks import TASKS
from tests.plan.fake_resources import reply_schema_of
from tests.stages.augment.six_kinds import (
    KINDS,
    PATTERNS,
    STRATEGIES,
    SmallTask,
    candidate,
    shown_rows,
    small_task,
)
from tests.stages.scripted_context import ScriptedContext
from tests.stages.small_task import adds_up
from tests.stages.views import view

Opinion = Callable[[str], Mapping[str, Any] | None]
"""What the prompt shows of a row -> what the judge says of it; None for a row that is left out."""
LIKED: dict[str, Any] = {
    "own_answer": "late", "problems": [], "reason": "It is.", "label_correct": "yes",
    "relevance": 5, "naturalness": 5, "utility": 4, "verdict": "accept", "feedback": "",
}  # fmt: skip
FLAT = {"adherence": 4, "utility": 4, "relevance": 5, "feedback": ""}
REWORDING = Promise(name="paraphrase", label="keep")
NEW = Promise(name="similar", label="written")
ANCHORS = 20


class Warned(ScriptedContext):
    """Keeps what it is warned of."""

    def __init__(self, *args: Any, **others: Any) -> None:
        super().__init__(*args, **others)
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class Judging:
    """One judging: its verdicts, what it says of the judge, and what was asked."""

    def __init__(
        self,
        task: SmallTask,
        opinion: Opinion,
        rows: Sequence[Candidate] = (),
        *,
        pack: str = "standard",
        mode: Literal["decides", "advises", "off"] = "decides",
        answers: Sequence[Verification] | None = None,
        gatings: Mapping[str, Gating] | None = None,
        anchors: int = ANCHORS,
        known: bool = False,
        rows_per_call: int | None = None,
        ambiguous: Literal["verdict", "reject"] = "verdict",
        minimum: Minimum | None = None,
        agreement: float = 0.5,
        attempts: Sequence[Attempt] = (),
        extra: Sequence[Mapping[str, Any]] = (),
        adherence: Callable[[str], int | None] | None = None,
        name: NamedPatterns = PATTERNS,
    ) -> None:
        rows = tuple(rows or (task.row,))
        self.params = JudgeParams(
            task=task.view,
            briefing=Briefing(description="A small task."),
            operators=(REWORDING, NEW),
            judge=mode,
            rows_per_call=rows_per_call or (1 if pack == "small" else 4),
            calibration=Calibration(anchors=anchors),
            minimum=minimum or Minimum(),
            ambiguous=ambiguous,
            agreement=agreement,
            schema=reply_schema_of("verdict", pack),
            adherence=reply_schema_of("adherence", pack) if adherence else None,
        )
        found = gatings or {}
        inputs = JudgeInputs(
            load=task.load,
            name=name,
            strategy=STRATEGIES,
            generate=Generated(rows),
            gate=Gated(tuple(found.get(c.id, gating(c.id)) for c in rows)),
            verify=None if answers is None else Verified(tuple(answers)),
            attempts=tuple(attempts),
            first=Judged((TRUSTED,)) if known else None,
        )

        def reply(role: str, request: Request) -> Any:
            assert role == "judge"
            prompt = request.messages[-1].content
            if pack == "small":
                return opinion(prompt)
            if adherence is not None and "# Plan 1" in prompt:
                scores = {name: adherence(text) for name, text in shown_rows(prompt).items()}
                return {
                    "rows": [
                        {"id": name.split(",")[0], "adherence": score}
                        for name, score in scores.items()
                        if score is not None
                    ]
                }
            said = [
                {"id": name, **one}
                for name, text in shown_rows(prompt).items()
                if (one := opinion(text)) is not None
            ]
            return {"rows": [*said, *extra]}

        self.context = Warned(reply, pack=pack, attempt=1)
        self.output = JUDGE.run(self.params, inputs, self.context)
        adds_up(JUDGE, self.params, inputs, self.output)

    @property
    def first(self) -> Verdict:
        return self.output.verdicts[0]

    @property
    def prompts(self) -> list[str]:
        return self.context.prompts


TRUSTED = JudgeCalibration(20, 20, 1.0, 1.0, 1.0, 0.89, 1.0, 0.7, True, "known")


def gating(name: str, reason: str = "", **advice: str) -> Gating:
    return Gating(name, reason, "why" if reason else "", "", advice, {"similarity": 0.5})


def blind(*agrees: float, answer: str = "broken", name: str = "c") -> list[Verification]:
    return [
        Verification(name, i + 1, "late" if a == 1 else answer, None, a, "blind", "", "call")
        for i, a in enumerate(agrees)
    ]


def likes(**changes: Any) -> Opinion:
    return lambda text: {**LIKED, **changes}


def knows(task: SmallTask, **changes: Any) -> Opinion:
    """Return a judge that knows which training rows have a wrong answer; what it says of the others is given."""
    right = {e.inputs["text"]: e.target for e in task.train}

    def opinion(text: str) -> Mapping[str, Any]:
        known = next((row for row in right if f"text: {row}\n" in text), None)
        if known is None:
            return {**LIKED, **changes}
        answer = text.split("Proposed answer:\n<data>\nanswer: ")[1].split("\n</data>")[0]
        return {**LIKED, "label_correct": "yes" if answer == right[known] else "no"}

    return opinion


def test_no_candidates_get_no_verdicts() -> None:
    task = small_task("classification")
    params = Judging(task, likes(), known=True).params
    inputs = JudgeInputs(task.load, Generated(), Gated(), PATTERNS, STRATEGIES)
    assert JUDGE.run(params, inputs, ScriptedContext()).rows == ()


@pytest.mark.parametrize("pack", ["standard", "frontier"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_judge_that_knows_right_from_wrong_decides_in_every_kind(kind: str, pack: str) -> None:
    task = small_task(kind)
    liked = {} if TASKS[kind].chosen(task.view.settings) else {"own_answer": "something"}
    good = Judging(task, knows(task, **liked), pack=pack, rows_per_call=8)
    assert (good.first.accepted, good.first.reason, good.first.judge_agrees) == (
        True,
        "accepted",
        True,
    )
    (measured,) = good.output.of(JudgeCalibration)
    assert (measured.decides, measured.n_right, measured.n_wrong) == (True, ANCHORS, ANCHORS)
    assert good.context.warnings == []
    bad = Judging(task, knows(task, label_correct="no", feedback="Say more."), pack=pack)
    assert (bad.first.reason, bad.first.detail) == ("judge", "label_correct no")
    assert bad.first.label_correct == "no"


@pytest.mark.parametrize("kind", KINDS)
def test_small_judges_score_one_row_a_call_and_advise(kind: str) -> None:
    task = small_task(kind)
    found = Judging(task, lambda text: FLAT, pack="small", mode="advises")
    assert (found.first.accepted, found.first.judge_agrees, found.first.adherence) == (
        True,
        True,
        4,
    )
    assert (found.first.label_correct, found.first.naturalness) == (None, None)
    (prompt,) = found.prompts
    assert prompt.startswith("Strategy: Hide the day.\nRow: ")
    assert prompt.endswith(f"\nLabel: {task.row.target}")
    assert found.output.of(JudgeAnchor) == []
    low = Judging(task, lambda text: {**FLAT, "utility": 1}, pack="small", mode="advises")
    assert (low.first.accepted, low.first.judge_agrees) == (True, False)


def test_anchors_are_hidden_among_the_candidates() -> None:
    task = small_task("classification")
    rows = [replace(task.row, id=f"c{i}", inputs={"text": f"my number {i}"}) for i in range(40)]
    found = Judging(task, knows(task), rows, rows_per_call=8)
    assert len(found.prompts) == 10
    both = [p for p in found.prompts if "my number" in p and "text: box" in p]
    assert len(both) > 7
    for prompt in found.prompts:
        shown = shown_rows(prompt)
        assert len(shown) == 8
        looks = {re.sub(r"^r\d+|(?<=: ).*$", "", text, flags=re.M) for text in shown.values()}
        assert len({text.split("\nJudge")[0].strip() for text in looks}) == 1, (
            "an anchor looks like a candidate"
        )
        for row in shown.values():
            text = row.split("text: ")[1].split("\n")[0]
            assert f'"{text}"' not in prompt, "a row that is judged does not define its label"
    assert len(found.output.of(JudgeAnchor)) == 2 * ANCHORS
    assert {a.passed for a in found.output.of(JudgeAnchor) if a.is_right} == {True}
    assert {a.passed for a in found.output.of(JudgeAnchor) if not a.is_right} == {False}


def test_a_judge_that_says_yes_to_everything_only_advises() -> None:
    task = small_task("classification")
    found = Judging(task, likes())
    (measured,) = found.output.of(JudgeCalibration)
    assert (measured.sensitivity, measured.specificity, measured.decides) == (1.0, 0.0, False)
    (warning,) = found.context.warnings
    assert warning.startswith("the judge only advises: 20 of 20 training rows passed")
    assert found.first.accepted
    no = Judging(task, likes(label_correct="no"))
    assert (no.first.accepted, no.first.judge_agrees) == (True, False)


@pytest.mark.parametrize("is_right", [True, False])
def test_training_rows_whose_answer_a_judge_that_decides_takes_for_wrong_are_told(
    is_right: bool,
) -> None:
    task = small_task("classification")
    anchors = anchors_of(task.view, task.load.examples, ANCHORS, 0, ScriptedContext())
    example = next(a.example for a in anchors if a.is_right is is_right)
    known = knows(task)

    def opinion(text: str) -> Mapping[str, Any] | None:
        if f"text: {example.inputs['text']}\n" not in text:
            return known(text)
        return {**LIKED, "own_answer": None, "label_correct": "no", "reason": " No fault. "}

    found = Judging(task, opinion)
    (suspect,) = found.output.of(LabelSuspect)
    (anchor,) = [a for a in found.output.of(JudgeAnchor) if a.suspect]
    assert suspect == LabelSuspect(
        example.id, "train", example.target, None, "No fault.", None, anchor.call
    )
    assert anchor.example == example.id
    (measured,) = found.output.of(JudgeCalibration)
    assert (measured.n_right, measured.left_out) == (ANCHORS - is_right, int(is_right))
    assert measured.decides


def test_what_a_judge_says_of_training_rows_that_only_advises_is_not_told() -> None:
    task = small_task("classification")
    found = Judging(task, likes(label_correct="no", own_answer=None))
    assert any(anchor.suspect for anchor in found.output.of(JudgeAnchor))
    assert found.output.of(LabelSuspect) == []


def test_with_too_few_training_rows_no_anchor_is_asked_about_and_the_judge_advises() -> None:
    task = small_task("classification")
    found = Judging(replace(task, train=task.train[:8]), likes(label_correct="no"))
    assert len(found.prompts) == 1
    assert found.output.of(JudgeAnchor) == []
    assert found.first.accepted
    (warning,) = found.context.warnings
    assert "the training rows give 4 with a right answer and 4 with a wrong one" in warning
    (measured,) = found.output.of(JudgeCalibration)
    assert not measured.decides


def test_a_judge_is_calibrated_once() -> None:
    task = small_task("classification")
    bad = likes(label_correct="no")
    later = Judging(task, bad, known=True)
    assert (later.first.reason, len(later.prompts)) == ("judge", 1)
    assert later.output.of(JudgeCalibration) == []
    failed = replace(TRUSTED, decides=False)
    before = Attempt(1, Generated(), Judged((failed,)))
    again = Judging(task, bad, attempts=[before])
    assert (again.first.accepted, len(again.prompts)) == (True, 1)
    assert again.context.warnings == [], "it was told once"


def test_a_judge_that_advises_or_is_off_is_not_calibrated() -> None:
    task = small_task("classification")
    advised = Judging(task, likes(label_correct="no", utility=1), mode="advises")
    assert (advised.first.accepted, advised.first.judge_agrees, advised.first.utility) == (
        True,
        False,
        1,
    )
    assert len(advised.prompts) == 1
    off = Judging(task, likes(), mode="off")
    assert (off.first.accepted, off.first.judge_agrees, off.prompts) == (True, None, [])
    assert off.output.of(JudgeCalibration) == advised.output.of(JudgeCalibration) == []


def test_what_a_gate_rejects_does_not_reach_the_judge() -> None:
    task = small_task("classification")
    found = Judging(task, likes(), known=True, gatings={"c": gating("c", "leak")})
    assert (found.first.reason, found.first.detail, found.prompts) == ("leak", "why", [])
    assert found.first.similarity == 0.5


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"label_correct": "no"}, "label_correct no"),
        ({"label_correct": "ambiguous", "verdict": "reject"}, "label_correct ambiguous"),
        ({"relevance": 2}, "relevance 2 below 3"),
        ({"utility": 1, "naturalness": 1}, "utility 1 below 2, naturalness 1 below 2"),
    ],
)
def test_a_judge_that_decides_rejects(changes: dict[str, Any], detail: str) -> None:
    task = small_task("classification")
    found = Judging(task, likes(**changes, feedback=" Say which day. "), known=True)
    assert (found.first.reason, found.first.detail) == ("judge", detail)
    assert found.first.feedback == "Say which day."
    silent = Judging(task, likes(**changes), known=True)
    wrong = "label_correct" in changes
    assert silent.first.feedback == ("Make it clearly late." if wrong else f"Improve: {detail}.")


def test_a_good_row_needs_no_feedback_and_a_wrong_free_text_has_no_label_to_make_clear() -> None:
    task = small_task("generation")
    assert (Judging(task, likes(), known=True).first.feedback) == ""
    wrong = Judging(task, likes(label_correct="no"), known=True)
    assert wrong.first.feedback == (
        "Its answer is wrong: write a row and an answer that fit each other."
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "reject"},
        {"label_correct": "ambiguous"},
        {"relevance": 3, "utility": 2, "naturalness": 2},
    ],
)
def test_a_right_label_is_enough_unless_the_recipe_asks_for_more(changes: dict[str, Any]) -> None:
    task = small_task("classification")
    found = Judging(task, likes(**changes), known=True)
    assert (found.first.accepted, found.first.judge_agrees) == (True, True)
    strict = Judging(
        task, likes(**changes), known=True, ambiguous="reject",
        minimum=Minimum(utility=3, relevance=4, naturalness=3),
    )  # fmt: skip
    assert strict.first.accepted is (changes == {"verdict": "reject"})


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_tells_how_a_row_came_about(kind: str) -> None:
    """A judge told anchors by plans that did not fit them, and by hints that they lacked."""
    task = small_task(kind)
    rows = [
        replace(task.row, id="new"),
        replace(task.row, id="reworded", operator="paraphrase"),
        replace(task.row, id="covering", pattern="coverage", strategy="coverage"),
    ]
    doubted = {row.id: gating(row.id, neighbours="near others") for row in rows[:1]}
    found = Judging(task, likes(), rows, known=True, gatings=doubted)
    (prompt,) = found.prompts
    looks = {re.sub(r"^r\d", "", text) for text in shown_rows(prompt).values()}
    assert len({text.split("\nJudge")[0].strip() for text in looks}) == 1
    for word in ("Hide the day", "Hidden days", "near others", "plan", "reword"):
        assert word not in prompt


def test_a_small_judge_sees_anchors_with_a_strategy_that_fits_the_answer_that_they_have() -> None:
    task = small_task("classification")
    found = Judging(task, lambda text: FLAT, pack="small")
    shown = [p for p in found.prompts if "Row: box" in p]
    assert len(shown) == 2 * ANCHORS
    for prompt in shown:
        label = prompt.rsplit("Label: ", 1)[1]
        assert f"Strategy: Write rows that are clearly {label}.\n" in prompt


def test_adherence_is_asked_apart_of_rows_that_pass_otherwise() -> None:
    task = small_task("classification")
    rows = [
        replace(task.row, id="new", inputs={"text": "a new row"}),
        replace(task.row, id="bad", inputs={"text": "a bad row"}),
        replace(task.row, id="reworded", operator="paraphrase"),
        replace(task.row, id="covering", pattern="coverage", strategy="coverage"),
    ]

    def opinion(text: str) -> Mapping[str, Any]:
        return {**LIKED, "label_correct": "no" if "a bad row" in text else "yes"}

    def judged(score: int | None) -> Judging:
        return Judging(
            task, opinion, rows, known=True, minimum=Minimum(adherence=4), adherence=lambda _: score
        )

    low = judged(3)
    asked = low.prompts[1:]
    assert len(asked) == 1
    assert "# Plan 1, against this weakness of the model: Hidden days\nHide the day." in asked[0]
    assert len(shown_rows(asked[0])) == 1
    assert "a new row" in asked[0]
    reasons = {v.candidate: (v.reason, v.adherence) for v in low.output.verdicts}
    assert reasons == {
        "new": ("judge", 3), "bad": ("judge", None), "reworded": ("accepted", None), "covering": ("accepted", None),
    }  # fmt: skip
    calls = {v.candidate: v.adherence_call for v in low.output.verdicts}
    assert calls == {**dict.fromkeys(calls), "new": low.context.asked[1].id}
    assert judged(4).first.accepted
    silent = judged(None)
    assert silent.first.accepted, "a right label is enough where nothing else is known"
    assert silent.first.adherence_call == silent.context.asked[1].id, "it was paid for"


@pytest.mark.parametrize("kind", ["extraction", "structured", "generation"])
def test_rows_that_show_what_answers_are_like_give_no_answer_away(kind: str) -> None:
    found = Judging(small_task(kind), likes())
    for prompt in found.prompts:
        block, *rows = prompt.split("\nRow r")
        told = block.split("Rows with their right answers, which show what these are like:\n")[1]
        shown = [json.loads(line[2:])["text"] for line in told.strip().splitlines()]
        assert len(shown) == 4
        assert not [text for text in shown if f"text: {text}\n" in "".join(rows)]


def test_rules_of_annotation_are_told_the_judge() -> None:
    task = small_task("extraction")
    rule = Convention("v", 'The word "on" is no part of a day.', 2, "call")
    found = Judging(task, likes(), known=True, name=NamedPatterns((*PATTERNS.rows, rule)))
    assert f"show:\n- {rule.text}\n" in found.prompts[0]


def test_feedback_never_orders_another_label() -> None:
    task = small_task("classification")
    found = Judging(task, likes(label_correct="no", feedback="Make it clearly broken."), known=True)
    assert found.first.feedback == "Make it clearly late."
    several = [replace(e, target=json.dumps([e.target])) for e in task.train]
    many = SmallTask(
        view("classification", target="answer", many=True), tuple(several),
        candidate("c", {"text": "both"}, '["late"]'), None, None,
    )  # fmt: skip
    own = Judging(many, likes(label_correct="no", feedback="Say how late."), known=True)
    assert own.first.feedback == "Say how late.", "a label of its own may be named"


@pytest.mark.parametrize(
    ("agrees", "accepted", "agreement"),
    [((1, 1), True, 1.0), ((1, 0), True, 0.5), ((1, 0, 0), False, 1 / 3), ((0, 0), False, 0.0)],
)
def test_blind_answers_reject_below_a_majority(
    agrees: tuple[float, ...], accepted: bool, agreement: float
) -> None:
    task = small_task("classification")
    found = Judging(task, likes(), known=True, answers=blind(*agrees))
    assert found.first.accepted is accepted
    assert found.first.agreement == pytest.approx(agreement)
    if not accepted:
        assert found.first.reason == "verify"
        assert "most of the others: broken" in found.first.detail
        assert found.first.feedback == (
            "Without its answer it is answered broken: make it clearly late."
        )
        assert found.prompts == [], "the judge is not asked about what is rejected"
    recorded = Judging(task, likes(), known=True, answers=blind(*agrees), agreement=0.0)
    assert recorded.first.accepted


def test_a_target_that_blind_answers_name_second_is_told() -> None:
    task = small_task("classification")
    seconds = [replace(row, second="late") for row in blind(0, 0)]
    found = Judging(task, likes(), known=True, answers=seconds)
    assert found.first.detail.endswith("2 name it second")


def test_without_a_usable_blind_answer_a_row_is_not_accepted() -> None:
    task = small_task("classification")
    found = Judging(task, likes(), known=True, answers=[])
    assert (found.first.reason, found.first.agreement) == ("verify_failed", None)
    assert Judging(task, likes(), known=True, answers=[], agreement=0.0).first.accepted


def test_what_a_program_finds_wrong_is_rejected_whatever_is_answered() -> None:
    task = small_task("numeric")
    wrong = Verification("c", 0, None, None, 0.0, "program", "4+5 is 9, not 8", None)
    found = Judging(task, likes(), mode="off", answers=[wrong])
    assert (found.first.reason, found.first.detail) == ("verify", "4+5 is 9, not 8")
    assert found.first.feedback == "Its calculation is wrong: 4+5 is 9, not 8."


@pytest.mark.parametrize(
    ("answers", "said", "accepted"),
    [
        ([1.0, 1.0], {}, True),
        ([1.0, 0.0], {}, False),
        (None, {}, True),
        (None, {"label_correct": "ambiguous", "own_answer": "broken"}, False),
        (None, {"label_correct": "no", "own_answer": None}, False),
    ],
)
def test_a_doubt_of_the_embedder_is_lifted_by_a_blind_answer_alone(
    answers: list[float] | None, said: dict[str, Any], accepted: bool
) -> None:
    task = small_task("classification")
    doubted = {"c": gating("c", neighbours="1 of 3 nearest are late")}
    found = Judging(
        task, likes(**said), known=True, gatings=doubted,
        answers=None if answers is None else blind(*answers),
    )  # fmt: skip
    assert found.first.accepted is accepted
    assert found.first.advice == {"neighbours": "1 of 3 nearest are late"}
    if not accepted:
        assert found.first.reason == "neighbours"
        assert found.first.detail.startswith("1 of 3 nearest are late; ")


def test_advice_of_other_gates_decides_nothing() -> None:
    task = small_task("classification")
    advised = {"c": gating("c", similarity="far from the seed row")}
    found = Judging(task, likes(), known=True, gatings=advised, answers=blind(1.0, 0.0))
    assert found.first.accepted
    assert found.first.advice == {"similarity": "far from the seed row"}


def test_a_row_that_a_reply_leaves_out_is_asked_about_alone() -> None:
    task = small_task("classification")
    rows = [candidate(f"c{i}", {"text": f"my number {i}"}, "late") for i in range(3)]

    def opinion(text: str) -> Mapping[str, Any] | None:
        left_out = "my number 1" in text and len(judged) == 0
        judged.extend([text] if left_out else [])
        return None if left_out else LIKED

    judged: list[str] = []
    found = Judging(task, opinion, rows, known=True)
    assert [v.accepted for v in found.output.verdicts] == [True, True, True]
    assert [len(shown_rows(p)) for p in found.prompts] == [3, 1]
    assert [(d.item, d.reason) for d in found.output.drops] == [("c1", "missing_in_reply")]
    never = Judging(task, lambda t: None if "my number 1" in t else LIKED, rows, known=True)
    assert [v.reason for v in never.output.verdicts] == ["accepted", "judge_failed", "accepted"]
    assert (
        never.output.verdicts[1].detail == "asked again alone, the judge said nothing usable of it"
    )
    advised = Judging(task, lambda t: None if "my number 1" in t else LIKED, rows, mode="advises")
    assert [v.accepted for v in advised.output.verdicts] == [True, True, True]


def test_a_row_that_is_judged_twice_or_was_not_asked_about_is_on_record() -> None:
    task = small_task("classification")
    rows = [candidate(f"c{i}", {"text": f"my number {i}"}, "late") for i in range(3)]
    extra = [{"id": "r2", **LIKED, "label_correct": "no"}, {"id": "r8", **LIKED}]
    found = Judging(task, likes(), rows, known=True, extra=extra)
    assert sorted(d.reason for d in found.output.drops) == ["not_asked"] * 3 + ["twice_in_reply"]
    assert len(found.prompts) == 2
    assert [v.accepted for v in found.output.verdicts] == [True, True, True]


def test_an_unusable_reply_asks_about_each_row_alone() -> None:
    task = small_task("classification")
    rows = [candidate(f"c{i}", {"text": f"my number {i}"}, "late") for i in range(3)]
    judging = Judging(task, likes(), rows, known=True)
    inputs = JudgeInputs(
        task.load, Generated(tuple(rows)), Gated(tuple(gating(c.id) for c in rows)), PATTERNS, STRATEGIES,
        first=Judged((TRUSTED,)),
    )  # fmt: skip
    context = Warned(lambda role, request: None, pack="standard")
    output = JUDGE.run(judging.params, inputs, context)
    assert [len(shown_rows(p)) for p in context.prompts] == [3, 1, 1, 1]
    assert {v.reason for v in output.verdicts} == {"judge_failed"}
    assert output.verdicts[0].detail.startswith("schema")


def test_definitions_are_those_of_the_label_and_of_those_it_could_be_taken_for() -> None:
    task = small_task("classification")
    train = tuple(
        replace(e, inputs={"text": f"about topic{i % 8} {i}"}, target=f"label{i % 8}", references=())
        for i, e in enumerate(task.train)
    )  # fmt: skip
    wide = replace(task, train=train)
    row = candidate("c", {"text": "a word on topic3"}, "label5")
    found = Judging(wide, likes(), [row], known=True)
    definitions = found.prompts[0].split("that carry them:")[1].split("Form of")[0]
    assert "- label5:" in definitions
    assert "- label3:" in definitions
    assert definitions.count("\n- ") == 3


def test_a_row_against_no_pattern_is_judged_too() -> None:
    task = small_task("classification")
    params = Judging(task, likes(), known=True).params
    inputs = JudgeInputs(
        task.load, Generated((task.row,)), Gated((gating("c"),)), first=Judged((TRUSTED,))
    )
    context = Warned(lambda role, request: {"rows": [{"id": "r1", **LIKED}]}, pack="standard")
    assert [v.accepted for v in JUDGE.run(params, inputs, context).verdicts] == [True]
    (prompt,) = context.prompts
    assert "Proposed answer:\n<data>\nanswer: late\n</data>" in prompt


def test_calls_are_forecast() -> None:
    task = small_task("classification")
    params = Judging(task, likes(), known=True).params
    situation = Situation({}, Range(0, 0), Range(0, 0), 1, 10.0, False, Range(0, 50))

    def calls(params: JudgeParams, attempt: int = 1) -> float:
        forecast = JUDGE.expect(params, situation._replace(attempt=attempt))
        assert forecast is not None
        assert forecast.calls.low == 0
        return forecast.calls.high

    assert calls(params) == (50 + 40) // 4 + 1
    assert calls(params, attempt=2) == 13
    assert calls(replace(params, judge="advises")) == 13
    asked = replace(params, adherence=reply_schema_of("adherence"))
    assert calls(asked, attempt=2) == 26
    assert JUDGE.expect(replace(params, judge="off"), situation) is None
    none = situation._replace(candidates=Range(0, 0))
    forecast = JUDGE.expect(params, none)
    assert forecast is not None
    assert forecast.calls.high == 0
