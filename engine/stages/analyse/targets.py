"""What is confused with what, and what rows are for: confusions, labels, operators, kinds with their shares, rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from engine.rows import Failure, PatternMember
from engine.stages.analyse.mistakes import UNREADABLE, label_text
from engine.stages.task_view import TaskView

PAIRS = 8
"""Most confusions that the rows of one pattern are written for."""

Confusions = Sequence[tuple[str, str | None, int]]
"""Right answer, the student's (None: it could not be read), how often."""


def confusions(members: Sequence[PatternMember], failures: Mapping[str, Failure]) -> Confusions:
    """Return (target, answer, count) of the members' failures, most frequent first; labels only, no row.

    An answer that could not be read is None. A failure whose right answer nobody knows confuses nothing.
    """
    own = [failures[m.example] for m in members]
    pairs = Counter((f.target, f.answer) for f in own if f.target)
    ordered = sorted(
        pairs.items(), key=lambda item: (-item[1], item[0][0], item[0][1] or UNREADABLE)
    )
    return [(target, answer, count) for (target, answer), count in ordered]


def worded_confusions(task: TaskView, pairs: Confusions, most: int) -> list[tuple[str, str, int]]:
    """Return the most frequent confusions as prompts show them; none where targets are no labels.

    Targets that are no labels are texts of validation rows.
    """
    if not task.labelled:
        return []
    return [(label_text(task, t), label_text(task, a), n) for t, a, n in pairs[:most]]


def observed_pairs(
    members: Sequence[PatternMember], failures: Mapping[str, Failure], known: Collection[str]
) -> list[dict[str, Any]]:
    """Return the members' confusions as `Strategy.pairs` has them, most frequent first; shares sum to 1.

    Args:
        members: The failures of one pattern.
        failures: By example.
        known: The targets of the training rows: rows can be written for these alone. A pair whose wrong answer is none
            of them, such as one that could not be read, has `wrong: None`.
    """
    counted = [
        (right, wrong if wrong in known else None, count)
        for right, wrong, count in confusions(members, failures)
        if right in known
    ]
    total = sum(count for *_, count in counted)
    return [
        {"right": right, "wrong": wrong, "share": count / total} for right, wrong, count in counted
    ]


def pairs_of(
    task: TaskView, observed: Confusions, proposed: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the confusions to write rows for, with shares: the proposed ones that were observed, else all by count."""
    if not observed:
        return []
    known = {(r, w): count for r, w, count in observed if w is not None and w != r}
    named = {(label_text(task, r), label_text(task, w)): (r, w) for r, w in known}
    shares: Counter[tuple[str, str]] = Counter()
    for one in proposed:
        pair = named.get((one["right"].strip(), one["wrong"].strip()))
        if pair is not None and one["share"] > 0:
            shares[pair] += one["share"]
    chosen = shares or Counter(known)
    weights = dict(sorted(chosen.items(), key=lambda item: (-item[1], item[0]))[:PAIRS])
    return [
        {"right": right, "wrong": wrong, "share": share}
        for (right, wrong), share in shares_of(weights).items()
    ]


def labels_for(
    pairs: Sequence[Mapping[str, Any]], observed: Confusions, trained: set[str]
) -> tuple[str, ...]:
    """Return the labels of the pairs, right ones weighing twice, then of other confusions; those that rows have."""
    weights: Counter[str] = Counter()
    for pair in pairs:
        weights[pair["right"]] += 2 * pair["share"]
        weights[pair["wrong"]] += pair["share"]
    ranked = sorted(weights, key=lambda label: (-weights[label], label))
    ranked += [label for right, wrong, _ in observed for label in (right, wrong) if label]
    return tuple(label for label in dict.fromkeys(ranked) if label in trained)


def named_shares(
    proposed: Sequence[Mapping[str, Any]], known: Callable[[str], bool]
) -> dict[str, float]:
    """Return name -> share of the known names."""
    weights: Counter[str] = Counter()
    for one in proposed:
        if known(one["name"].strip()):
            weights[one["name"].strip()] += one["share"]
    return shares_of(weights)


def shares_of(weights: Mapping[Any, float]) -> dict[Any, float]:
    """Return weights as shares that sum to 1; those that are not above zero are left out."""
    positive = {key: float(weight) for key, weight in weights.items() if weight > 0}
    total = sum(positive.values())
    shares = {key: round(weight / total, 4) for key, weight in positive.items()}
    for key in list(shares)[:1]:
        # Rounding may have lost or made a little.
        shares[key] = round(shares[key] + 1 - sum(shares.values()), 4)
    return shares


def clearly(label: str, mistaken: str = "") -> str:
    """Return the plainest strategy for rows of one label, which may be mistaken for another."""
    apart = f" and could be mistaken for {mistaken}" if mistaken else ""
    return f"Write rows that are clearly {label}{apart}."


def kinds_of(
    proposed: Sequence[Mapping[str, Any]],
    known: Collection[str],
    quotes: Callable[[str], str | None],
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the kinds of rows of a reply that may be told, with shares that sum to 1, and why others are left out.

    Args:
        proposed: The kinds as the reply has them.
        known: The task's labels; none where targets are no labels.
        quotes: Says why a text may not be rendered.
    """
    kinds: dict[str, dict[str, Any]] = {}
    left_out: list[str] = []
    for one in proposed:
        name, description = one["name"].strip(), one["description"].strip()
        named = [str(label).strip() for label in one.get("labels", ())]
        own = [label for label in dict.fromkeys(named) if label in known]
        if not name or not description or name in kinds or one["share"] <= 0:
            continue
        if (reason := quotes(f"{name}: {description}")) is not None:
            left_out.append(reason)
        elif named and not own:
            left_out.append("a kind for labels that the task has not")
        else:
            kinds[name] = {
                "name": name,
                "description": description,
                "labels": own,
                "share": one["share"],
            }
    shares = shares_of({name: kind["share"] for name, kind in kinds.items()})
    return [{**kind, "share": shares[name]} for name, kind in kinds.items()], left_out


class Rules(NamedTuple):
    """What rows must have, or may not have."""

    texts: tuple[str, ...]
    labels: Mapping[str, Sequence[str]]
    """Rule -> the labels whose rows it is for; one that is not here is for every row."""
    left_out: Sequence[str]
    """Why rules were left out; quotes nothing."""


def rules_of(
    proposed: Sequence[Any], known: Collection[str], quotes: Callable[[str], str | None]
) -> Rules:
    """Return the rules of a reply that may be told: texts, or objects with a `rule` and its `labels`.

    One that is given more than once is for the rows of all labels that are named with it; for every row where once
    none is.

    Args:
        proposed: The rules as the reply has them.
        known: The task's labels: a rule for others alone would bind rows that it is not meant for.
        quotes: Says why a text may not be rendered.
    """
    texts: list[str] = []
    labels: dict[str, Sequence[str]] = {}
    left_out: list[str] = []
    for one in proposed:
        rule = one if isinstance(one, str) else str(one["rule"])
        named = [] if isinstance(one, str) else [str(label).strip() for label in one["labels"]]
        rule = rule.strip()
        if not rule:
            continue
        own = [label for label in dict.fromkeys(named) if label in known]
        if (reason := quotes(rule)) is not None:
            left_out.append(reason)
        elif named and not own:
            left_out.append("a rule for labels that the task has not")
        elif rule not in texts:
            texts.append(rule)
            if own:
                labels[rule] = own
        elif not own:
            labels.pop(rule, None)
        elif rule in labels:
            labels[rule] = list(dict.fromkeys([*labels[rule], *own]))
    return Rules(tuple(texts), labels, left_out)


def binding(
    rules: Sequence[str], labels: Mapping[str, Sequence[str]], asked: Collection[str]
) -> list[str]:
    """Return the rules for rows of the labels that are asked for, each named for its labels where it is not for all.

    Args:
        rules: The rules.
        labels: As of `Rules`.
        asked: Labels of the rows to write; none where rows bring their own targets, which every rule is for.
    """
    told: list[str] = []
    for rule in rules:
        own = [label for label in labels.get(rule, ()) if label in asked or not asked]
        if rule not in labels or (asked and set(asked) <= set(own)):
            told.append(rule)
        elif own:
            told.append(f"for {', '.join(own)}: {rule}")
    return told
