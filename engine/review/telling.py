"""What is known of a row, in words: the same on a terminal and on a page. Texts are as rows and models have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine.report.formatting import round_label
from engine.review.desk import reason_words
from engine.review.items import Answer, Answered, Item
from engine.rows import Review


def about(item: Item) -> Iterator[tuple[str, str]]:
    """Yield what is known of a row beside its texts, line by line: a word, and what it says."""
    yield from _doubt(item)
    yield from _failed(item)
    if item.near:
        yield "near", f"meant to look like {item.near}"
    if item.pattern_name:
        yield "pattern", item.pattern_name
    if item.operator:
        yield "made by", _origin(item)
    if item.parent_inputs is not None:
        seed = " | ".join(item.parent_inputs.values())
        yield "seed row", f"{seed} → {item.parent_target}"
    if item.subject == "candidate":
        yield "gates", _gates(item)
        if blind := _blind(item.answers, item.target, item.agreement):
            yield "blind", blind
        yield "judge", _judge(item)
        yield "now", _now(item)
    elif item.source:
        yield "from", f"{item.source}:{item.line} ({item.subject})"


def stored(review: Review) -> str:
    """Return what a verdict came to, in words."""
    match review.verdict:
        case "accept":
            return f"accepted as {_brief(review.target)}"
        case "reject":
            return f"rejected, {reason_words(review.reason)}"
        case "relabel":
            return f"relabelled {_brief(review.new_target or '')}"
        case "edit":
            now, before = review.new_inputs or {}, review.inputs
            parts = [_brief(text) for name, text in now.items() if text != before.get(name)]
            if review.new_target != review.target:
                parts.append(f"right answer {_brief(review.new_target or '')}")
            return f"edited, now {'; '.join(parts)}"
        case _:
            return "taken back"


_BRIEF = 80
"""Characters of a text that a message has."""


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _BRIEF else f"{line[:_BRIEF]}…"


def _doubt(item: Item) -> Iterator[tuple[str, str]]:
    doubt = item.doubt
    if doubt is None:
        return
    who = "the judge answers" if item.subject == "train" else "the student answered"
    yield who.split()[1], f"{who} {doubt.answer or 'that no answer fits'}"
    sure = "" if doubt.confidence is None else f" (sure {doubt.confidence} of 5)"
    often = "" if doubt.times == 1 else f" ({doubt.times} times)"
    yield "doubt", f"{doubt.reason}{sure}{often}"


def _failed(item: Item) -> Iterator[tuple[str, str]]:
    if item.answered:
        yield "model", _answered(item.answered)
    for one in item.why:
        yield "why", f"{one} (says the teacher)"


MOST_ANSWERED = 6
"""Answers of students that are told, the last ones."""


def _answered(answers: Sequence[Answered]) -> str:
    """Say what students answered, and how sure they were."""
    several = len({one.seed for one in answers}) > 1
    parts = []
    for one in answers[-MOST_ANSWERED:]:
        who = round_label(one.round) + (f", seed {one.seed}" if several else "")
        said = "nothing that can be read" if one.answer is None else one.answer
        sure = "" if one.confidence is None else f" ({one.confidence:.0%} sure)"
        parts.append(f"{who} answered {said}{sure}")
    return "; ".join(parts)


def _origin(item: Item) -> str:
    if item.label_source == "writer":
        return item.operator
    return f"{item.operator}; its target is by {_WHO.get(item.label_source, item.label_source)}"


_WHO: Mapping[str, str] = {
    "column": "a person, in the pool",
    "neighbours": "the nearest labelled rows",
    "teacher": "the teacher",
    "judge": "the judge",
}


def _gates(item: Item) -> str:
    if item.state == "rejected" and item.reason not in ("judge", "judge_failed", "verify"):
        return (
            f"{item.reason} rejects it: {item.detail}"
            if item.detail
            else f"{item.reason} rejects it"
        )
    if item.advice:
        return "pass; " + "; ".join(
            f"{gate} advises against: {why}" for gate, why in item.advice.items()
        )
    return "pass"


def _blind(answers: Sequence[Answer], target: str, agreement: float | None) -> str:
    """Say what was answered to a row without its target; empty where nobody was asked."""
    if program := next((one for one in answers if one.how == "program"), None):
        return f"its calculation is wrong: {program.detail}"
    if not answers:
        return "" if agreement is None else f"{agreement:.0%} of the answers come to the target"
    counts: dict[str, int] = {}
    for one in answers:
        said = one.answer if one.answer is not None else one.detail or "nothing that can be read"
        counts[said] = counts.get(said, 0) + 1
    right = counts.pop(target, 0)
    others = "; ".join(f"{n} say {said}" for said, n in counts.items())
    return f"{right} of {len(answers)} answer the target" + (f"; {others}" if others else "")


_SCORES: Mapping[str, str] = {
    "relevance": "relevant",
    "naturalness": "natural",
    "utility": "useful",
    "adherence": "as planned",
}


def _judge(item: Item) -> str:
    if item.judge is None:
        return "was not asked"
    parts = []
    if label := item.judge.get("label_correct"):
        parts.append(f"target right: {label}")
    parts += [f"{word} {item.judge[name]}" for name, word in _SCORES.items() if name in item.judge]
    would = {True: "passes it", False: "rejects it", None: ""}[item.judge_agrees]
    return ", ".join([*parts, *([would] if would else [])])


def _now(item: Item) -> str:
    where = ", ".join(f"seed {seed} round {round}" for seed, round in item.places)
    if item.state == "rejected":
        why = f"rejected ({item.reason}{': ' + item.detail if item.detail else ''})"
    elif item.state == "left out":
        why = (
            f"accepted, left out ({item.reason})"
            if item.reason != "accepted"
            else "accepted, left out"
        )
    else:
        why = "trained on" if item.trained_everywhere else "trained on in some of them"
    return f"{why}; {where}"
