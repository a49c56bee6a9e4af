"""acceptance: what is known of one candidate, and the one decision that follows of it.

In this order: the gates; blind answers; a gate's doubt about the label, which only a blind answer can lift; how often
the student is right; the judge, where it decides. The first that rejects gives the reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from engine.identity import Params
from engine.judging import Gating, PassRate, Verification
from engine.rows import Candidate
from engine.spec.recipe import Minimum
from engine.stages.augment.verify import NONE_FITS

DOUBTS = ("neighbours",)
"""Gates whose advice doubts the label: the row is accepted only where most blind answers come to it."""
MAJORITY = 0.5
"""Share of blind answers above which they lift a doubt."""


@dataclass(frozen=True, kw_only=True)
class Acceptance(Params):
    """What a candidate must pass."""

    minimum: Minimum
    """The judge's scores below which a candidate is rejected."""
    ambiguous: Literal["verdict", "reject"]
    """What becomes of a row whose label the judge calls ambiguous."""
    agreement: float
    """Share of the blind answers that must come to the target."""
    pass_rate: tuple[float, float] | None = None
    """Least and largest share of the student's answers that may be right; None where it is not asked."""


class Evidence(NamedTuple):
    """What gates and blind answers say of one candidate."""

    gating: Gating
    answers: tuple[Verification, ...] | None
    """None where nobody was to answer."""
    solved: PassRate | None = None
    """None where the student was not asked, or could not be."""

    @property
    def blind(self) -> list[Verification]:
        """The blind answers."""
        return [row for row in self.answers or () if row.how == "blind"]

    @property
    def agreement(self) -> float | None:
        """How far the blind answers come to the target, on the mean; None without any."""
        blind = self.blind
        return sum(row.agrees for row in blind) / len(blind) if blind else None


class Decided(NamedTuple):
    """The decision on one candidate; without a reason it is accepted."""

    reason: str = ""
    detail: str = ""
    feedback: str = ""
    agrees: bool | None = None
    """Whether the judge finds nothing below what is asked for, also where it does not decide."""


def decide(
    rule: Acceptance,
    candidate: Candidate,
    evidence: Evidence,
    *,
    item: Mapping[str, Any] | None = None,
    failure: str | None = None,
    decides: bool = False,
    keeps: bool = False,
    others: Sequence[str] = (),
) -> Decided:
    """Return the decision on a candidate.

    Args:
        rule: What it must pass.
        candidate: The candidate.
        evidence: What gates and blind answers say of it.
        item: What the judge says; None where it was not asked, or said nothing usable.
        failure: Why it said nothing usable; None where it did, or was not asked.
        decides: Whether the judge decides.
        keeps: Whether the row rewords another, and follows no strategy.
        others: The task's labels that are not the candidate's, which feedback must not order.
    """
    faults = _faults(rule, item, keeps) if item is not None else []
    agrees = None if item is None else not faults
    gating = evidence.gating
    if gating.reason:
        return Decided(gating.reason, gating.detail, gating.feedback, agrees)
    if (by_answers := _by_answers(rule, candidate, evidence, item)) is not None:
        return by_answers._replace(agrees=agrees)
    if rule.pass_rate is not None and (by_rate := _by_rate(rule.pass_rate, evidence.solved)):
        return by_rate._replace(agrees=agrees)
    if not decides:
        return Decided(agrees=agrees)
    if failure is not None:
        return Decided("judge_failed", failure, "", agrees)
    if faults and item is not None:
        detail = ", ".join(faults)
        return Decided("judge", detail, _feedback(candidate, item, detail, others), agrees)
    return Decided(agrees=agrees)


def _by_rate(keep: tuple[float, float], solved: PassRate | None) -> Decided | None:
    """Return that a row is rejected for how often the student is right; None where it is not."""
    if solved is None:
        return Decided("pass_rate_failed", "the student gave no usable answer")
    low, high = keep
    share = (
        f"the student is right with probability {solved.rate:.2f}"
        if solved.n_answers is None
        else f"{solved.n_right} of {solved.n_answers} answers of the student are right"
    )
    if solved.rate > high:
        feedback = "The model that learns from it answers it right already: write a harder one."
        return Decided("pass_rate", f"{share}: more than {high:g}", feedback)
    if solved.rate < low:
        feedback = "The model that learns from it never comes to this answer: make the row clear, and its answer right."
        return Decided("pass_rate", f"{share}: less than {low:g}", feedback)
    return None


def label_passes(rule: Acceptance, item: Mapping[str, Any]) -> bool:
    """Return whether a row's target passes with what the judge says of it.

    A small judge is not asked whether the target is right: its score for relevance stands in for the answer.
    """
    if "label_correct" not in item:
        return bool(item["relevance"] >= rule.minimum.relevance)
    correct = item["label_correct"]
    if correct == "ambiguous":
        return rule.ambiguous == "verdict" and item.get("verdict") == "accept"
    return bool(correct == "yes")


def _faults(rule: Acceptance, item: Mapping[str, Any], keeps: bool) -> list[str]:
    """Return what the judge finds below what is asked for."""
    faults = []
    if "label_correct" in item and not label_passes(rule, item):
        faults.append(f"label_correct {item['label_correct']}")
    minimum = rule.minimum.model_dump()
    if keeps:
        # It promises to say the same as its parent, and follows no strategy.
        minimum["adherence"] = 1
    for name, least in minimum.items():
        score = item.get(name)
        if score is not None and score < least:
            faults.append(f"{name} {score} below {least}")
    return faults


def _by_answers(
    rule: Acceptance, candidate: Candidate, evidence: Evidence, item: Mapping[str, Any] | None
) -> Decided | None:
    """Return the rejection that follows from blind answers; None where they let the row pass."""
    agreement = evidence.agreement
    if evidence.answers is not None:
        wrong = next((row for row in evidence.answers if row.how == "program"), None)
        if wrong is not None:
            feedback = f"Its calculation is wrong: {wrong.detail}."
            return Decided("verify", wrong.detail, feedback)
        if agreement is None:
            if rule.agreement > 0:
                return Decided("verify_failed", "no blind answer was usable")
        elif agreement < rule.agreement:
            return Decided("verify", *_disagreement(candidate, evidence))
    doubt = next((name for name in DOUBTS if name in evidence.gating.advice), None)
    if doubt is None:
        return None
    why = str(evidence.gating.advice[doubt])
    if agreement is not None:
        if agreement <= MAJORITY:
            detail, feedback = _disagreement(candidate, evidence)
            return Decided(doubt, f"{why}; {detail}", feedback)
        return None
    if item is not None and "own_answer" in item and item["label_correct"] != "yes":
        own = item["own_answer"]
        detail = f"{why}; the judge answers {NONE_FITS if own is None else own}"
        return Decided(doubt, detail, _other(candidate, own))
    return None


def _disagreement(candidate: Candidate, evidence: Evidence) -> tuple[str, str]:
    """Return in how many blind answers the target was missed, and what the next attempt is told."""
    blind = evidence.blind
    others = Counter(row.answer or row.detail for row in blind if row.agrees < 1)
    usual = next((answer for answer, _ in others.most_common() if answer), None)
    seconds = sum(row.second == candidate.target for row in blind)
    detail = f"{evidence.agreement:.2f} of {len(blind)} blind answers agree"
    if usual:
        detail += f"; most of the others: {usual[:120]}"
    if seconds:
        detail += f"; {seconds} name it second"
    return detail, _other(candidate, None if usual == NONE_FITS else usual)


def _other(candidate: Candidate, answer: str | None) -> str:
    """Return feedback for a row that is answered otherwise than its target says, or that no answer fits."""
    target = candidate.target[:200]
    if not answer:
        return f"Without its answer nobody comes to {target}: make the row clear."
    return f"Without its answer it is answered {answer[:120]}: make it clearly {target}."


def _feedback(
    candidate: Candidate, item: Mapping[str, Any], detail: str, others: Sequence[str]
) -> str:
    """Return the judge's feedback; one that speaks of another label is left out, for it could order that label."""
    text = str(item["feedback"]).strip()
    if text and not any(_named(label, text) for label in others):
        return text
    if not text and item.get("label_correct", "yes") == "yes":
        return f"Improve: {detail}."
    if others:
        return f"Make it clearly {candidate.target[:200]}."
    return "Its answer is wrong: write a row and an answer that fit each other."


def _named(label: str, text: str) -> bool:
    """Return whether a text names a label as a word of its own."""
    return re.search(rf"(?<!\w){re.escape(label)}(?!\w)", text, re.IGNORECASE) is not None
