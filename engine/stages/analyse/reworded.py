"""Texts that the teacher writes of patterns: one that quotes an evaluation row is asked for once more, in other words.

Patterns and strategies are written from validation rows and rendered into generator prompts, so nothing of them may
quote such a row. The second request says what was wrong without repeating it; where its reply will not do either, the
caller's neutral text stands in. A prompt that does not use `again` is not asked a second time. Rules of annotation are
written from validation rows as well: of these the ones that quote are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from engine.backends.protocol import Request
from engine.fingerprint import short
from engine.rows import Convention, Diagnosis, Drop
from engine.stages.protocol import Context
from engine.wording import length_in_words, words

MOST_CONVENTIONS = 12
"""Rules of annotation that prompts tell, all rounds together: the first stated, then those of most failures."""
ALIKE = 0.6
"""Jaccard index of their words from which two such rules are one: that of more failures stays."""
_FEWEST_WORDS = 3
"""Of a rule: fewer, such as `None stated.`, say that there is none. A rule may be short where words have no spaces."""
_NO_RULE = re.compile(
    r"\W*(none\b(?! of\b)|no (clear |such |single |common |further )?(rule|convention|pattern)s?\b"
    r"|there (is|are) no (clear |such |single |common |further )?(rule|convention|pattern)s?\b"
    r"|not (applicable|any|stated|known)\b|n/a\b)",
    re.IGNORECASE,
)
"""How a text begins that says in a whole sentence that there is none."""
Reply = Mapping[str, Any]
Quotes = Callable[[str], str | None]
"""Text -> why it may not be rendered, None where it may: the leak guard's `quotes`."""
REPLACED, REWORDED, LEFT_OUT = "replaced", "reworded", "left out"
"""What became of a text, as the `guard` of a pattern or strategy begins."""


class Objection(NamedTuple):
    """What is wrong with a reply."""

    reason: str
    told: str
    """What the teacher is told of it; quotes nothing."""
    fatal: bool = True
    """Whether a neutral text must stand in where the second reply is no better."""


class Worded(NamedTuple):
    """The reply that is used."""

    value: Reply | None
    """None where a neutral text must stand in."""
    call: str
    guard: str | None
    """What happened, as the store keeps it; None where the first reply was used."""


def ask(
    ctx: Context,
    requests: Sequence[Callable[[str], Request]],
    object_to: Callable[[int, Reply], Objection | None],
) -> list[Worded]:
    """Return one reply per request; those that are objected to are asked for once more.

    Args:
        ctx: The stage's context.
        requests: What the teacher is told of its first reply ("" at first) -> the request.
        object_to: (number of the request, reply) -> what is wrong with it.
    """
    built = [request("") for request in requests]
    first = ctx.ask("teacher", built) if built else []
    objections: dict[int, Objection] = {}
    again: dict[int, Request] = {}
    for number, reply in enumerate(first):
        objection = None if reply.value is None else object_to(number, reply.value)
        if objection is None:
            continue
        objections[number] = objection
        request = requests[number](objection.told)
        if request.id != built[number].id:
            again[number] = request
    replies = ctx.ask("teacher", list(again.values())) if again else []
    second = dict(zip(again, replies, strict=True))
    worded: list[Worded] = []
    for number, reply in enumerate(first):
        if reply.value is None:
            worded.append(
                Worded(None, reply.request, f"{REPLACED}: no usable reply ({reply.error})")
            )
            continue
        if number not in objections:
            worded.append(Worded(reply.value, reply.request, None))
            continue
        objection, better = objections[number], second.get(number)
        blocked = f"{objection.reason} (call {reply.request})"
        still = (
            objection if better is None or better.value is None else object_to(number, better.value)
        )
        if better is not None and better.value is not None and (still is None or not still.fatal):
            guard = f"{REWORDED}: {blocked}" if objection.fatal else None
            worded.append(Worded(better.value, better.request, guard))
        elif objection.fatal:
            worded.append(Worded(None, reply.request, f"{REPLACED}: {blocked}"))
        else:
            worded.append(Worded(reply.value, reply.request, None))
    return worded


def quoting(quotes: Quotes, texts: Mapping[str, str]) -> Objection | None:
    """Return what is wrong with a reply whose texts, by what they are, quote an evaluation row."""
    for what, text in texts.items():
        reason = quotes(text)
        if reason is not None:
            told = (
                f"Your first answer cannot be used. In its {what}: {reason}. Evaluation rows must stay unseen. "
                "Say what such rows have in common in other, general words, and give no example; "
                "words that decide may be named, up to three consecutive ones."
            )
            return Objection(f"{what}: {reason}", told)
    return None


def clean(quotes: Quotes, texts: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return the texts of a list that quote no evaluation row, each once, and the reasons of those that do."""
    kept, reasons = [], []
    for text in dict.fromkeys(text.strip() for text in texts):
        reason = quotes(text) if text else ""
        if reason is None:
            kept.append(text)
        elif reason:
            reasons.append(reason)
    return tuple(kept), reasons


def with_left_out(guard: str | None, reasons: Sequence[str], call: str) -> str | None:
    """Return what the store keeps of the guard, with how many parts of lists were left out."""
    if not reasons:
        return guard
    left_out = f"{LEFT_OUT}: {len(reasons)} of its lists, the first: {reasons[0]} (call {call})"
    return f"{guard}; {left_out}" if guard else left_out


def gathered(
    diagnoses: Iterable[Diagnosis], earlier: Iterable[Convention], quotes: Quotes
) -> tuple[list[Convention], list[Drop]]:
    """Return the rules of annotation that diagnoses state, each once, behind those of earlier rounds.

    Args:
        diagnoses: Of this round.
        earlier: Those that are known already.
        quotes: Says why a text may not be rendered.

    Returns:
        The rules, at most MOST_CONVENTIONS, and a drop for each that is left out because it quotes.
    """
    kept = list({one.id: one for one in earlier}.values())
    stated: dict[tuple[str, ...], list[Diagnosis]] = {}
    for diagnosis in diagnoses:
        if _is_rule(diagnosis.convention):
            stated.setdefault(words(diagnosis.convention), []).append(diagnosis)
    dropped: list[Drop] = []
    for said, same in sorted(stated.items(), key=lambda item: -len(item[1])):
        text = same[0].convention
        if not said or any(_alike(said, words(one.text)) for one in kept):
            continue
        if (reason := quotes(text)) is not None:
            dropped.append(Drop("name", same[0].id, "convention_quotes", reason))
        elif len(kept) < MOST_CONVENTIONS:
            kept.append(Convention(short(list(said)), text, len(same), same[0].call))
    return kept, dropped


def _is_rule(text: str) -> bool:
    return round(length_in_words(text)) >= _FEWEST_WORDS and not _NO_RULE.match(text)


def _alike(one: Sequence[str], other: Sequence[str]) -> bool:
    ours, theirs = set(one), set(other)
    return len(ours & theirs) >= ALIKE * len(ours | theirs)
