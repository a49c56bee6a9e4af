"""Texts that the teacher writes of patterns: one that quotes an evaluation row is asked for once more, in other words.

Patterns and strategies are written from validation rows and rendered into generator prompts, so nothing of them may
quote such a row. The second request says what was wrong without repeating it; where its reply will not do either, the
caller's neutral text stands in. A prompt that does not use `again` is not asked a second time. Rules of annotation are
written from validation rows as well: of these the ones that quote are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, combinations
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.backends.protocol import Request
from engine.fingerprint import short
from engine.rows import Convention, Diagnosis, Drop
from engine.stages.protocol import Context
from engine.wording import length_in_words, words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MOST_CONVENTIONS = 12
"""Rules of annotation that prompts tell, all rounds together: the first stated, then those of most failures."""
FEWEST_ROWS = 2
"""Failed rows whose diagnoses state such a rule: what one row shows is no rule."""
ALIKE = 0.6
"""Jaccard index of their words from which two such rules are one, whatever their embeddings."""
APART = 0.99
"""Quantile of the similarities of texts for different things above which two such rules are one. Of 12 wordings of five
rules that a frontier teacher stated of restaurant bookings, rules that say the same have 0.73 and more, others 0.56 and
less; the quantile was 0.69."""
FEWEST_PAIRS, MOST_PAIRS = 20, 1000
"""Pairs of such texts by which rules are merged, and after how many no further call is looked at."""
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
Embed = Callable[[Sequence[str]], "npt.NDArray[np.float32]"]
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
    # One of a pattern, of which there are few: all are looked at together.
    built = [request("") for request in requests]
    first = list(ctx.ask("teacher", built)) if built else []
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
    replies = ctx.ask("teacher", again.values()) if again else iter(())
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
    diagnoses: Sequence[Diagnosis], earlier: Iterable[Convention], quotes: Quotes, embed: Embed
) -> tuple[list[Convention], list[Drop]]:
    """Return the rules of annotation that two rows or more show, each once, behind those that are known already.

    No call sees all rows, so what it states is a candidate, however few of its rows show it. Rules that say the same in
    other words, in the same call or in another, of this round or an earlier one, are one: it is told in the words of
    most rows.

    Args:
        diagnoses: Of all rounds, this one's last.
        earlier: Those that are known already.
        quotes: Says why a text may not be rendered.
        embed: Returns the unit-length embeddings of texts, shape (texts, dimensions).

    Returns:
        The rules, at most MOST_CONVENTIONS, and a drop for each that is left out because it quotes.
    """
    kept = list({one.id: one for one in earlier}.values())
    stated: dict[tuple[str, ...], list[Diagnosis]] = {}
    for diagnosis in diagnoses:
        if _is_rule(diagnosis.convention) and (said := words(diagnosis.convention)):
            stated.setdefault(said, []).append(diagnosis)
    by_wording = sorted(stated.values(), key=lambda same: -len(_rows(same)))
    texts = [one.text for one in kept] + [same[0].convention for same in by_wording]
    groups = [
        [by_wording[place - len(kept)] for place in group]
        for group in _groups(texts, diagnoses, embed)
        if min(group) >= len(kept)
    ]
    dropped: list[Drop] = []
    for group in sorted(groups, key=lambda group: -len(_rows(chain(*group)))):
        rows = _rows(chain(*group))
        if len(rows) < FEWEST_ROWS:
            continue
        told = [same[0] for same in group]
        reasons = [quotes(one.convention) for one in told]
        allowed = [one for one, reason in zip(told, reasons, strict=True) if reason is None]
        if not allowed:
            dropped.append(Drop("name", told[0].id, "convention_quotes", reasons[0] or ""))
        elif len(kept) < MOST_CONVENTIONS:
            text = allowed[0].convention
            kept.append(Convention(short(list(words(text))), text, len(rows), allowed[0].call))
    return kept, dropped


def _rows(diagnoses: Iterable[Diagnosis]) -> set[str]:
    return {diagnosis.example for diagnosis in diagnoses}


def _groups(texts: Sequence[str], diagnoses: Sequence[Diagnosis], embed: Embed) -> list[list[int]]:
    """Return the places of the texts that say the same, in their order."""
    if not texts:
        return []
    said = [words(text) for text in texts]
    least = _apart(diagnoses, embed) if len(texts) > 1 else None
    near = None if least is None else (vectors := embed(texts)) @ vectors.T >= least
    groups: list[list[int]] = []
    for place in range(len(texts)):
        same = [
            group
            for group in groups
            if any(
                _alike(said[place], said[i]) or (near is not None and near[place, i]) for i in group
            )
        ]
        joined = sorted([*chain(*same), place])
        groups = [group for group in groups if group not in same]
        groups.append(joined)
    return groups


def _apart(diagnoses: Sequence[Diagnosis], embed: Embed) -> float | None:
    """Return the similarity from which two rules are one: that which texts for different things hardly ever have.

    In one call a teacher says the same in the same words, so what it words otherwise there, rules as well as scenarios,
    is something else: of the similarities of such texts the quantile APART. None with fewer than FEWEST_PAIRS of them.
    """
    import numpy as np

    calls: dict[str, list[Diagnosis]] = {}
    for diagnosis in diagnoses:
        calls.setdefault(diagnosis.call, []).append(diagnosis)
    pairs: list[tuple[str, str]] = []
    for mine in calls.values():
        if len(pairs) >= MOST_PAIRS:
            break
        rules = {d.convention for d in mine if _is_rule(d.convention)}
        for different in ({d.scenario for d in mine}, rules):
            pairs += combinations(sorted(different), 2)
    if len(pairs) < FEWEST_PAIRS:
        return None
    texts = sorted({text for pair in pairs for text in pair})
    places, vectors = {text: i for i, text in enumerate(texts)}, embed(texts)
    one, other = ([places[pair[side]] for pair in pairs] for side in (0, 1))
    return float(np.quantile((vectors[one] * vectors[other]).sum(axis=1), APART))


def _is_rule(text: str) -> bool:
    return round(length_in_words(text)) >= _FEWEST_WORDS and not _NO_RULE.match(text)


def _alike(one: Sequence[str], other: Sequence[str]) -> bool:
    ours, theirs = set(one), set(other)
    return len(ours & theirs) >= ALIKE * len(ours | theirs)
